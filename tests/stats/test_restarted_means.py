from __future__ import annotations

import numpy as np
import pytest

from jomon.stats.restarted_means import mean_at_any_time, restarted_evidence

DAYS, RUNS = 120, 3000


def at_most(share: float, runs: int) -> float:
    """Three standard errors above a share counted in so many runs."""
    return share + 3.0 * float(np.sqrt(share * (1.0 - share) / runs))


def test_looking_every_day_finds_what_is_not_there_at_most_at_the_rate() -> None:
    rng = np.random.default_rng(0)
    variance = rng.uniform(0.5, 2.0, (DAYS, RUNS))
    x = rng.normal(0.0, np.sqrt(variance))
    most = restarted_evidence(x, variance, np.zeros(RUNS)).max(axis=0)
    for alpha in (0.05, 0.2):
        assert np.mean(most >= -np.log(alpha)) <= at_most(alpha, RUNS)


def test_looking_after_every_row_of_a_day_keeps_the_rate_where_days_have_effects() -> None:
    """Ten days of 20 rows; each row is a look, its day so far with the variance of an effect and so many rows."""
    rng = np.random.default_rng(1)
    days, rows, runs = 10, 20, 1500
    x = rng.normal(size=(days, 1, runs)) + rng.normal(size=(days, rows, runs)) * 2.0
    so_far = np.cumsum(x, axis=1) / np.arange(1, rows + 1)[:, None]
    most = np.zeros(runs)
    for day in range(days):
        for row in range(0, rows, 2):
            means = np.concatenate([so_far[:day, -1], so_far[day, row][None]])
            counts = np.array([*[rows] * day, row + 1.0])
            variance = np.tile((1.0 + 4.0 / counts)[:, None], runs)
            most = np.maximum(most, np.exp(restarted_evidence(means, variance, np.zeros(runs))[-1]))
    assert np.mean(most >= 20.0) <= at_most(0.05, runs)


@pytest.mark.parametrize("mean", [0.1, 0.5])
def test_counts_of_rare_events_keep_the_rate_with_their_skew_and_not_without(mean: float) -> None:
    rng = np.random.default_rng(4)
    x, v = rng.poisson(mean, (60, 2000)).astype(float), np.full((60, 2000), mean)
    null = np.full(2000, mean)
    without = restarted_evidence(x, v, null).max(axis=0)
    fitting = restarted_evidence(x, v, null, skew=1.0 / (3.0 * mean)).max(axis=0)
    assert np.mean(without >= np.log(20.0)) > 0.08
    assert np.mean(fitting >= np.log(20.0)) <= at_most(0.05, 2000)


def test_a_mean_that_moves_by_one_and_a_half_spreads_is_found_in_twenty_days_after_a_hundred_good_ones() -> (
    None
):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(120, 500)) + np.repeat([-1.0, 1.5], [100, 20])[:, None]
    log_e = restarted_evidence(x, np.ones_like(x), np.zeros(500))
    assert np.mean(log_e[119] >= np.log(20.0)) >= 0.9


def test_bounds_hold_at_all_times_at_once() -> None:
    rng = np.random.default_rng(3)
    x, v = rng.normal(0.3, 1.0, (60, 2000)), np.ones((60, 2000))
    missed = np.zeros(2000, bool)
    for day in range(1, 60):
        _, low, high = mean_at_any_time(x[:day], v[:day])
        missed |= (low > 0.3) | (high < 0.3)
    assert missed.mean() <= at_most(0.05, 2000)


def test_a_day_without_rows_changes_nothing_and_no_day_is_unknown() -> None:
    x = np.array([[1.0, np.nan], [np.nan, np.nan], [1.0, np.nan]])
    log_e = restarted_evidence(x, np.ones_like(x), np.zeros(2))
    assert log_e[1, 0] == log_e[0, 0]
    assert np.isnan(log_e[:, 1]).all()
    assert all(np.isnan(bound[1]) for bound in mean_at_any_time(x, np.ones_like(x)))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="W, S"):
        restarted_evidence(np.zeros(3), np.ones(3), np.zeros(1))
    with pytest.raises(ValueError, match="level"):
        mean_at_any_time(np.zeros((1, 1)), np.ones((1, 1)), level=1.0)
