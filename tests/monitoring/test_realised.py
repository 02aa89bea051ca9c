"""Realised performance: found where it moved, at whatever moment one looks, and rarely where nothing did."""

from __future__ import annotations

import numpy as np
import pytest

from jomon.core.cubes import Cube
from jomon.core.findings import Signal
from jomon.monitoring.cells import Level
from jomon.monitoring.day_sums import OutcomeKind
from jomon.monitoring.realised import RealisedRules, realised

from .outcome_help import SPAN, Floats, cube_of, days_of_bets, routes

HISTORY, AXES = 60, ((), ("carrier",), ("carrier", "origin"))
USUAL, NO_MARGIN = RealisedRules(), RealisedRules(loss=0.0, outcomes=0.0)


def check(
    cube: Cube, rules: RealisedRules = USUAL, since: int = HISTORY, kind: OutcomeKind = "binary"
) -> list[Signal]:
    levels = [Level.of(cube.segments, axes) for axes in AXES]
    return list(realised(cube, levels, kind, since, SPAN, rules))


def until(arrays: tuple[Floats, ...], last: int) -> Cube:
    return cube_of(routes(arrays[0].shape[1]), *(array[:last] for array in arrays))


@pytest.mark.parametrize(
    ("rows", "shared", "own", "base"),
    [
        (30, 0.5, 0.3, -1.2),
        (8, 0.5, 0.3, -4.0),
        (30, 1.0, 0.8, -1.2),
        (8, 0.0, 0.0, -1.2),
        (30, 0.5, 0.3, -4.0),
    ],
)
def test_looking_again_and_again_finds_what_is_not_there_at_most_at_the_rate(
    rows: int, shared: float, own: float, base: float
) -> None:
    """Days differ, for all segments and for each; events may be rare (about 3%); no practical size protects."""
    runs, false = 40, 0
    for seed in range(runs):
        days = days_of_bets(np.random.default_rng(seed), HISTORY + 30, 12, rows, shared, own, base=base)
        looks = (check(until(days, HISTORY + look), NO_MARGIN) for look in (3, 6, 12, 20, 30))
        false += any(signal.status == "finding" for look in looks for signal in look)
    assert false / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


@pytest.mark.parametrize("base", [-1.2, -4.0])
def test_intervals_hold_the_true_loss_at_all_looks_at_once(base: float) -> None:
    """Of twelve segments with days of their own; the truth is the mean of 3,000 days."""
    many = days_of_bets(np.random.default_rng(99), 3000, 1, 30, 0.0, 0.5, base=base)
    truth = float(many[4].sum() / many[0].sum())
    missed = []
    for seed in range(15):
        days = days_of_bets(np.random.default_rng(seed), HISTORY + 30, 12, 30, 0.0, 0.5, base=base)
        out = np.zeros(12, bool)
        for look in (2, 5, 10, 20, 30):
            signals = [s for s in check(until(days, HISTORY + look)) if s.kind == "realised"]
            whole = [s for s in signals if len(s.segment.items) == 2]
            out |= [not s.low <= truth <= s.high for s in whole if s.low is not None and s.high is not None]
        missed.append(out)
    share, runs = np.mean(missed), np.size(missed)
    assert share <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_a_segment_whose_events_become_more_is_found_and_no_other() -> None:
    found = {"realised": 0, "calibration": 0}
    others = 0
    moved = np.zeros((HISTORY + 40, 12))
    moved[HISTORY + 10 :, 3] = 1.2  # log odds, after ten good days; a day moves by 0.6 itself
    for seed in range(10):
        days = days_of_bets(np.random.default_rng(seed), HISTORY + 40, 12, 30, 0.5, 0.3, moved)
        assert not any(s.status == "finding" for s in check(until(days, HISTORY + 10)))
        signals = [s for s in check(until(days, HISTORY + 40)) if s.status == "finding"]
        for kind in found:
            found[kind] += any(s.kind == kind and "o3" in s.segment.text for s in signals)
        others += any("o3" not in s.segment.text and s.segment.text != "carrier=c0" for s in signals)
    assert found["realised"] >= 7
    assert found["calibration"] >= 7
    assert others <= 1


def test_signals_say_value_interval_rows_and_reference() -> None:
    days = days_of_bets(np.random.default_rng(0), HISTORY + 20, 12)
    signals = check(until(days, HISTORY + 20))
    assert len(signals) == 2 * (1 + 3 + 12)
    assert {s.kind for s in signals} == {"realised", "calibration"}
    fleet = next(s for s in signals if s.kind == "realised" and not s.segment.items)
    assert fleet.status == "quiet"
    assert fleet.rows == int(days[0][HISTORY:].sum())
    assert fleet.unit == "nats"
    assert fleet.low is not None and fleet.value is not None and fleet.high is not None
    assert 0.0 <= fleet.low < fleet.value < fleet.high
    assert fleet.value == pytest.approx(days[4][HISTORY:].sum() / days[0][HISTORY:].sum(), abs=0.02)
    assert "60 earlier windows" in fleet.reference
    assert "e value" in fleet.reference


def test_what_cannot_be_said_is_unknown_with_its_reason() -> None:
    rows, *others = days_of_bets(np.random.default_rng(0), HISTORY + 5, 4)
    scale = np.ones_like(rows)
    scale[HISTORY:, 0] = 0.0  # no outcome came
    scale[HISTORY + 1 :, 1] = 0.0
    scale[HISTORY, 1] = 3.0 / rows[HISTORY, 1]  # three rows
    scale[5:HISTORY, 2] = 0.0  # five days of history
    signals = check(until((rows * scale, *(other * scale for other in others)), HISTORY + 5))
    reasons = {s.segment["origin"]: s.reason for s in signals if len(s.segment.items) == 2}
    assert reasons == {
        "o0": "no outcome has come yet",
        "o1": "only 3 rows have their outcome: 10 are needed",
        "o2": "only 5 earlier windows have outcomes: 10 are needed",
        "o3": "",
    }
    assert {s.status for s in signals if s.reason} == {"unknown"}
    assert all(s.value is None for s in signals if s.reason)


def test_before_the_first_watched_window_everything_is_unknown() -> None:
    days = days_of_bets(np.random.default_rng(0), HISTORY, 4)
    assert {s.status for s in check(until(days, HISTORY))} == {"unknown"}


def test_a_day_of_boundless_losses_counts_as_its_bound() -> None:
    """A margin of -1e6 beside an event costs a million nats: one such row is no proof."""
    days = days_of_bets(np.random.default_rng(1), HISTORY + 3, 4)
    days[4][-1, 0] += 1e6
    fleet = next(s for s in check(until(days, HISTORY + 3)) if s.kind == "realised" and not s.segment.items)
    assert fleet.value is not None
    assert fleet.value < 3.0


def test_errors_of_a_regression_that_move_to_one_side_are_calibration() -> None:
    rng = np.random.default_rng(2)
    days, segments, rows = HISTORY + 20, 4, 40.0
    errors = rng.normal(0.0, 1.0, (days, segments)) + rng.normal(0.0, 5.0, (days, segments)) / np.sqrt(rows)
    errors[HISTORY:, 1] += 4.0
    count = np.full((days, segments), rows)
    cube = cube_of(
        routes(segments),
        count,
        errors * rows,
        np.zeros_like(count),
        np.zeros_like(count),
        (26 + errors**2) * rows,
    )
    found = {(s.kind, s.segment.text) for s in check(cube, kind="regression") if s.status == "finding"}
    assert ("calibration", "carrier=c1 origin=o1") in found
    assert not any("o3" in text for _, text in found)
