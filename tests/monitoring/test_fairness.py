"""Fairness: segments that are served worse are found, and those that differ by chance alone rarely."""

from __future__ import annotations

import numpy as np
import pytest

from jomon.core.findings import Signal
from jomon.monitoring.cells import Level
from jomon.monitoring.fairness import fairness
from jomon.monitoring.realised import RealisedRules

from .outcome_help import SPAN, Floats, cube_of, days_of_bets, routes

HISTORY, WATCHED = 60, 14
AXES = ((), ("carrier",), ("origin",), ("carrier", "origin"))


def check(days: tuple[Floats, ...], rules: RealisedRules) -> tuple[Signal, ...]:
    cube = cube_of(routes(days[0].shape[1]), *days)
    return fairness(cube, [Level.of(cube.segments, axes) for axes in AXES], "binary", HISTORY, SPAN, rules)


@pytest.mark.parametrize(
    ("rows", "shared", "own", "watched"),
    [(30, 0.5, 0.3, 14), (8, 0.5, 0.3, 14), (30, 1.0, 0.8, 14), (30, 0.0, 0.0, 14), (30, 0.5, 0.3, 1)],
)
def test_segments_that_do_not_differ_are_found_at_most_at_the_rate(
    rows: int, shared: float, own: float, watched: int
) -> None:
    """Days differ, for all segments and for each of its own; no practical size protects."""
    runs, false = 100, 0
    for seed in range(runs):
        days = days_of_bets(np.random.default_rng(seed), HISTORY + watched, 12, rows, shared, own)
        signals = check(days, RealisedRules(loss=0.0, outcomes=0.0))
        false += any(signal.status == "finding" for signal in signals)
    assert false / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_storms_that_come_over_a_group_now_and_then_are_no_unfairness() -> None:
    """On one day of ten one of three carriers has far more events, in the history as on the day that is looked at."""
    runs, false = 60, 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        moved = np.zeros((HISTORY + 1, 12))
        for day in np.flatnonzero(rng.random(HISTORY + 1) < 0.1):
            moved[day, rng.integers(3) :: 3] = 2.0
        days = days_of_bets(rng, HISTORY + 1, 12, 30, 0.5, 0.3, moved)
        false += any(
            signal.status == "finding" for signal in check(days, RealisedRules(loss=0.0, outcomes=0.0))
        )
    assert false / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_a_segment_that_answers_fit_worse_is_found_and_named() -> None:
    moved = np.zeros((HISTORY + WATCHED, 12))
    moved[HISTORY:, 3] = 1.0
    found, named = 0, 0
    for seed in range(30):
        days = days_of_bets(np.random.default_rng(seed), HISTORY + WATCHED, 12, 30, 0.5, 0.3, moved)
        signals = {(s.column, s.unit): s for s in check(days, RealisedRules())}
        one = signals["origin", "share of rows"]
        found += one.status == "finding"
        named += "calibration: origin=o3 lies" in one.reference
        assert one.value is not None and one.low is not None and one.high is not None
        assert one.low <= one.value <= one.high
    assert found >= 27
    assert named >= 27


def test_what_moves_for_all_segments_alike_is_not_unfair() -> None:
    moved = np.zeros((HISTORY + WATCHED, 12))
    moved[HISTORY:] = 1.0
    false = 0
    for seed in range(30):
        days = days_of_bets(np.random.default_rng(seed), HISTORY + WATCHED, 12, 30, 0.5, 0.3, moved)
        false += any(s.status == "finding" for s in check(days, RealisedRules()))
    assert false <= 4


def test_fewer_than_two_segments_with_enough_rows_are_unknown() -> None:
    days = days_of_bets(np.random.default_rng(0), HISTORY + WATCHED, 2)
    for array in days:
        array[HISTORY:, 1] = 0.0
    signals = check(days, RealisedRules())
    assert len(signals) == 4
    assert {s.status for s in signals} == {"unknown"}
    assert signals[0].reason == "only 1 segments of carrier have enough rows: 2 are needed"
    assert all(s.value is None for s in signals)


def test_one_signal_a_measure_for_each_axis_and_none_for_levels_of_two() -> None:
    signals = check(days_of_bets(np.random.default_rng(0), HISTORY + WATCHED, 6), RealisedRules())
    assert [(s.column, s.unit) for s in signals] == [
        ("carrier", "share of rows"), ("carrier", "nats"), ("origin", "share of rows"), ("origin", "nats"),
    ]  # fmt: skip
    assert all(s.kind == "fairness" and s.rows > 0 for s in signals)
