from __future__ import annotations

import numpy as np
import pytest

from jomon.stats.calibration import (
    calibration_error,
    calibration_error_debiased,
    calibration_influence,
    equal_mass_bins,
    reliability,
)
from jomon.stats.wilson import wilson_interval


def test_bins_hold_about_equal_numbers_and_never_part_equal_predictions() -> None:
    rng = np.random.default_rng(0)
    p = np.round(rng.random(1000), 2)
    index = equal_mass_bins(p, 10)
    assert np.bincount(index).min() > 70
    assert all(len(set(index[p == value])) == 1 for value in np.unique(p))


def test_a_perfectly_calibrated_model_shows_the_stated_bias_and_the_debiased_error_does_not() -> None:
    rng = np.random.default_rng(1)
    n, plain, square = 3000, [], []
    for _ in range(300):
        p = rng.uniform(0.2, 0.3, n)
        y = rng.random(n) < p
        plain.append(calibration_error(y, p))
        square.append(calibration_error_debiased(y, p) ** 2)
    stated = np.sqrt(2 * 15 * 0.25 * 0.75 / (np.pi * n))
    assert np.mean(plain) == pytest.approx(stated, rel=0.05)
    assert np.mean(square) < 0.2 * stated**2


def test_the_debiased_square_is_right_on_average_for_a_model_that_is_off() -> None:
    rng = np.random.default_rng(2)
    out = []
    for _ in range(300):
        p = rng.uniform(0.2, 0.6, 2000)
        y = rng.random(2000) < p + 0.05
        out.append(calibration_error_debiased(y, p) ** 2)
    assert np.mean(out) == pytest.approx(0.05**2, rel=0.05)


def test_the_error_of_a_constant_prediction_is_its_distance_from_the_rate() -> None:
    y = np.r_[np.ones(30), np.zeros(70)]
    assert calibration_error(y, np.full(100, 0.5)) == pytest.approx(0.2)


def test_without_rows_nothing_is_claimed() -> None:
    assert np.isnan(calibration_error([], []))
    assert np.isnan(calibration_error_debiased([], []))
    assert np.isnan(calibration_error_debiased([1.0], [0.5]))
    assert reliability([], []) == ()
    assert len(calibration_influence([], [])) == 0


def test_reliability_bins_hold_every_row_and_their_intervals_hold_the_share() -> None:
    rng = np.random.default_rng(3)
    p = rng.random(500)
    bins = reliability(rng.random(500) < p, p)
    assert sum(b.rows for b in bins) == 500
    assert all(b.low <= b.observed <= b.high for b in bins)
    assert [b.predicted for b in bins] == sorted(b.predicted for b in bins)


@pytest.mark.parametrize(("n", "p"), [(10, 0.1), (10, 0.5), (50, 0.02), (200, 0.3)])
def test_wilsons_interval_covers_with_few_trials(n: int, p: float) -> None:
    from scipy.stats import binom

    k = np.arange(n + 1)
    low, high = wilson_interval(k, np.full(n + 1, n))
    assert 0.92 <= binom.pmf(k, n, p)[(low <= p) & (p <= high)].sum() <= 0.99


def test_wilsons_interval_without_trials_is_everything() -> None:
    low, high = wilson_interval([0], [0])
    assert (low[0], high[0]) == (0.0, 1.0)
