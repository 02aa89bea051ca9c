from __future__ import annotations

import numpy as np
import pytest

from jomon.stats.clock_shift import ClockShift, clock_shift

# Departures from New York by hour, 2013, in hundreds.
DAY = np.array(
    [0, 0, 0, 0, 0, 20, 260, 228, 272, 203, 167, 160, 182, 200, 217, 239, 230, 244, 218, 214, 167, 109]
)
DAY = np.concatenate([DAY, [26, 11]]) * 100.0
RUNS = 300


def _many(hours: int, share: float, rows: int = 55, tilt: float = 0.0) -> list[ClockShift]:
    rng, out = np.random.default_rng(1), []
    for _ in range(RUNS):
        p = DAY * np.exp(tilt * rng.standard_normal(24))
        hour = rng.choice(24, rows, p=p / p.sum())
        hour = np.where(rng.random(rows) < share, (hour + hours) % 24, hour)
        out.append(clock_shift(DAY, np.bincount(hour, minlength=24)))
    return out


@pytest.mark.parametrize("hours", [5, 12, -5])
def test_a_shift_of_every_row_is_found_and_its_hours_are_among_those_named(hours: int) -> None:
    found = _many(hours, 1.0)
    assert np.mean([f.changed for f in found]) >= 0.99
    assert np.mean([hours in (f.hours, *f.also) for f in found]) >= 0.95
    assert np.mean([f.share_high == 1.0 for f in found if f.hours == hours]) >= 0.9


@pytest.mark.parametrize("hours", [5, 12, -5])
def test_a_shift_of_half_the_rows_is_seen_though_the_hours_stay_vague(hours: int) -> None:
    found = _many(hours, 0.5)
    assert np.mean([f.changed for f in found]) >= 0.85
    assert np.mean([hours in (f.hours, *f.also) for f in found if f.changed]) >= 0.8


def test_a_shift_by_one_hour_needs_more_than_a_day_of_55_rows() -> None:
    assert 0.1 < np.mean([f.hours == 1 for f in _many(1, 1.0)]) < 0.9
    assert np.mean([f.hours == 1 for f in _many(1, 1.0, rows=250)]) >= 0.95


@pytest.mark.parametrize("tilt", [0.0, 0.3])
def test_an_ordinary_day_is_not_called_shifted(tilt: float) -> None:
    assert np.mean([f.changed for f in _many(0, 0.0, tilt=tilt)]) <= 0.02


@pytest.mark.parametrize("slots", [48, 96])
def test_finer_slots_tell_the_shift_in_hours(slots: int) -> None:
    fine = np.repeat(DAY, slots // 24)
    found = clock_shift(fine, np.roll(np.repeat(np.round(DAY / 5000), slots // 24), slots // 24 * 5))
    assert found.changed and found.hours == 5.0


def test_what_cannot_be_told_is_refused_with_a_reason() -> None:
    few, flat = clock_shift(DAY, np.eye(24)[3] * 9), clock_shift(np.ones(24), DAY)
    assert not few.changed and np.isnan(few.hours) and few.reason == "fewer than 10 rows"
    assert flat.reason == "the reference is the same all day"


def test_impossible_days_are_errors() -> None:
    with pytest.raises(ValueError, match="24, 48 or 96"):
        clock_shift(np.ones(23), np.ones(23))
    with pytest.raises(ValueError, match="not negative"):
        clock_shift(DAY, -DAY)
