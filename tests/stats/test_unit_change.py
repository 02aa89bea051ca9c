from __future__ import annotations

import numpy as np
import pytest

from jomon.stats.unit_change import UnitChange, unit_change

Floats = np.ndarray
RUNS = 40


def _routes(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A hundred route distances in miles, as those of New York, and how often each is flown."""
    far = np.unique(np.round(np.exp(rng.normal(6.7, 0.75, 110))).clip(80, 4983))[:100]
    return far, rng.dirichlet(np.full(len(far), 0.8))


def _many(
    share: float, *, grouped: bool, factor: float, add: float = 0.0, tilt: float = 0.0
) -> list[UnitChange]:
    rng, out = np.random.default_rng(3), []
    for _ in range(RUNS):
        far, often = _routes(rng)
        other = often * np.exp(tilt * rng.standard_normal(len(far)))
        a, b = rng.choice(len(far), 1500, p=often), rng.choice(len(far), 55, p=other / other.sum())
        broken = rng.random(55) < share
        window = np.where(broken, far[b] * factor + add * far[a].std(), far[b])
        out.append(unit_change(far[a], window, a if grouped else None, b if grouped else None))
    return out


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_kilometres_for_miles_are_named_and_the_intervals_cover(share: float, grouped: bool) -> None:
    found = _many(share, grouped=grouped, factor=1.609344)
    assert np.mean([f.name == "mile to kilometre" for f in found]) >= 0.95
    assert np.mean([f.factor_low <= 1.609344 <= f.factor_high for f in found]) >= 0.9
    assert np.mean([f.share_low <= share + 0.14 and share - 0.14 <= f.share_high for f in found]) >= 0.95


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("tilt", [0.0, 0.5])
def test_an_ordinary_window_is_not_called_a_change_even_with_another_mix(tilt: float, grouped: bool) -> None:
    assert sum(f.changed for f in _many(0.0, grouped=grouped, factor=1.0, tilt=tilt)) <= 1


@pytest.mark.parametrize("grouped", [False, True])
def test_an_added_half_standard_deviation_is_not_called_a_unit(grouped: bool) -> None:
    assert sum(f.changed for f in _many(1.0, grouped=grouped, factor=1.0, add=0.5)) <= 1


def test_an_unknown_factor_is_found_without_a_name() -> None:
    found = _many(1.0, grouped=False, factor=2.2)
    assert np.mean([f.changed and f.name is None for f in found]) >= 0.9
    assert np.mean([f.factor_low <= 2.2 <= f.factor_high for f in found]) >= 0.9


@pytest.mark.parametrize(
    ("mean", "sd", "factor", "offset", "name", "least"),
    [  # on a smooth bell half of the rows in the other degree look nearly like a shift of half of the rows
        (13.0, 10.0, 1.8, 32.0, "Celsius to Fahrenheit", 0.5),
        (55.0, 18.0, 1 / 1.8, -32 / 1.8, "Fahrenheit to Celsius", 0.5),
        (13.0, 10.0, 1.0, 273.15, "Celsius to Kelvin", 0.95),
        (1018.0, 7.4, 1 / 33.863886, 0.0, "hectopascal to inch of mercury", 0.95),
    ],
)
def test_half_the_rows_of_the_weather_are_named(
    mean: float, sd: float, factor: float, offset: float, name: str, least: float
) -> None:
    rng, right = np.random.default_rng(4), 0
    for _ in range(RUNS):
        window = np.round(rng.normal(mean, sd, 55), 1)
        window = np.where(rng.random(55) < 0.5, window * factor + offset, window)
        right += unit_change(np.round(rng.normal(mean, sd, 1500), 1), window).name == name
    assert right / RUNS >= least


def test_a_warm_or_shifted_window_of_temperatures_is_not_called_a_unit() -> None:
    rng, wrong = np.random.default_rng(5), 0
    for k in range(RUNS):
        window = rng.normal(55 + 9 * (k % 3 - 1), 18 - 6 * (k % 2), 55)
        wrong += unit_change(rng.normal(55, 18, 1500), window).changed
    assert wrong <= 1


def test_what_cannot_be_told_is_refused_with_a_reason() -> None:
    many = np.arange(50.0)
    for found, reason in [
        (unit_change(many, many[:9]), "fewer than 10 rows"),
        (unit_change(np.ones(50), many), "the reference is constant"),
        (unit_change(many, np.ones(50)), "the window is constant"),
        (unit_change(many, np.full(50, np.nan)), "fewer than 10 rows"),
    ]:
        assert not found.changed and np.isnan(found.factor) and found.reason == reason


def test_groups_on_one_side_only_and_of_another_length_are_errors() -> None:
    with pytest.raises(ValueError, match="for both"):
        unit_change(np.arange(50.0), np.arange(50.0), np.zeros(50, np.int64))
    with pytest.raises(ValueError, match="one group for each"):
        unit_change(np.arange(50.0), np.arange(50.0), np.zeros(50, np.int64), np.zeros(9, np.int64))
