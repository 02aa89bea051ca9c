from __future__ import annotations

import numpy as np
import pytest

from jomon.stats.history import against_history, windows_needed
from jomon.stats.wilson import wilson_interval

MEMBERS, FEATURES, WINDOWS = 24, 10, 119
FAMILY = np.tile(np.arange(FEATURES), MEMBERS)
Floats = np.ndarray


def quiet(rng: np.random.Generator, windows: int) -> Floats:
    """Statistics as real days show them: sizes of each test its own, a day that shakes all, heavy tails."""
    sizes = np.exp(np.random.default_rng(7).normal(0, 0.8, MEMBERS * FEATURES))
    day = np.exp(rng.normal(0, 0.4, (windows, 1)))
    return sizes * day * rng.standard_t(8, (windows, MEMBERS * FEATURES)) ** 2


def test_of_quiet_windows_the_promised_share_has_any_finding() -> None:
    """1,000 checks of 240 dependent tests with heavy tails, at three levels."""
    rng = np.random.default_rng(1)
    lowest = []
    for _ in range(1000):
        rows = quiet(rng, WINDOWS + 1)
        lowest.append(against_history(rows[-1], rows[:-1], FAMILY).p)
    for level in (0.05, 0.1, 0.3):
        raised = int((np.array(lowest) <= level + 1e-12).sum())
        low, high = wilson_interval(raised, len(lowest), level=0.99)
        assert low <= level <= high


def test_a_fault_in_one_test_is_found_and_other_tests_raise_no_more_than_before() -> None:
    """A statistic 20 times its usual root, where the largest quiet one of half of the windows is 6 times."""
    rng = np.random.default_rng(2)
    found, outside = 0, 0
    for at in range(200):
        rows = quiet(rng, WINDOWS + 1)
        test = at % rows.shape[1]
        rows[-1, test] = 400 * np.quantile(rows[:-1, test], 0.5)
        hits = against_history(rows[-1], rows[:-1], FAMILY).findings(0.05)
        found += bool(hits[test])
        outside += bool(hits.sum() > hits[test])
    assert found >= 190
    assert wilson_interval(outside, 200, level=0.99)[0] <= 0.05


def test_a_test_without_a_value_is_unknown_and_no_finding() -> None:
    past = quiet(np.random.default_rng(3), WINDOWS)
    now = past[0].copy()
    now[4] = np.nan
    verdict = against_history(now, past[1:], FAMILY)
    assert np.isnan(verdict.adjusted[4])
    assert not verdict.findings(1.0)[4]
    nothing = against_history(np.full(len(FAMILY), np.nan), past, FAMILY)
    assert np.isnan(nothing.p)
    assert not nothing.findings(1.0).any()


def test_windows_without_values_are_no_history() -> None:
    past = quiet(np.random.default_rng(4), 40)
    past[:25] = np.nan
    verdict = against_history(past[-1] * 1e6, past, FAMILY)
    assert verdict.windows == 15
    assert verdict.p == verdict.least == 1 / 16
    assert not verdict.findings(0.05).any()


def test_no_history_finds_nothing() -> None:
    verdict = against_history([3.0, 1e9], np.zeros((0, 2)), [0, 0])
    assert (verdict.windows, verdict.p) == (0, 1.0)


def test_statistics_that_never_move_find_nothing() -> None:
    verdict = against_history(np.zeros(4), np.zeros((30, 4)), [0, 0, 1, 1])
    assert verdict.p == 1.0


def test_the_order_of_earlier_windows_does_not_matter() -> None:
    rng = np.random.default_rng(5)
    rows = quiet(rng, 50)
    mixed = against_history(rows[-1], rng.permutation(rows[:-1]), FAMILY)
    assert mixed.adjusted == pytest.approx(against_history(rows[-1], rows[:-1], FAMILY).adjusted)


@pytest.mark.parametrize(("level", "windows"), [(0.05, 19), (0.1, 9), (0.01, 99), (0.3, 3)])
def test_the_windows_needed_are_the_fewest_that_can_find(level: float, windows: int) -> None:
    assert windows_needed(level) == windows
    assert 1 / (windows + 1) <= level < 1 / windows


@pytest.mark.parametrize(
    ("now", "past", "family"),
    [
        ([1.0], [[1.0, 2.0]], [0]),
        ([1.0, 2.0], [[1.0, 2.0]], [0]),
        ([-1.0], [[1.0]], [0]),
        ([1.0], [[np.inf]], [0]),
        ([[1.0]], [[1.0]], [0]),
    ],
)
def test_what_cannot_be_a_statistic_is_refused(
    now: list[float], past: list[list[float]], family: list[int]
) -> None:
    with pytest.raises(ValueError, match=r"statistic|float64"):
        against_history(now, past, family)


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0])
def test_a_level_is_a_rate(level: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        windows_needed(level)
