from __future__ import annotations

import numpy as np
import pytest

from jomon.stats.day_noise import day_noise


def history(
    seed: int, days: int = 60, segments: int = 40, day: float = 0.1, row: float = 0.4, rho: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.integers(5, 80, (days, segments)).astype(float)
    effect = np.zeros((days, segments))
    noise = rng.normal(size=(days, segments))
    effect[0] = noise[0]
    for t in range(1, days):
        effect[t] = rho * effect[t - 1] + np.sqrt(1 - rho**2) * noise[t]
    means = 0.5 + day * effect + row * rng.normal(size=rows.shape) / np.sqrt(rows)
    return means * rows, rows


def test_what_days_add_and_what_rows_explain_are_told_apart() -> None:
    noise = day_noise(*history(0))
    assert noise.day == pytest.approx(0.01, rel=0.2)
    assert noise.row == pytest.approx(0.16, rel=0.2)
    assert noise.scale == pytest.approx(np.ones(40), abs=0.3)


@pytest.mark.parametrize("days", [10, 60])
@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_the_error_of_a_mean_covers_it(days: int, rho: float) -> None:
    """Within 1.96 errors in 95 of 100 segments, few days or many, and where a bad day is followed by another."""
    inside = []
    for seed in range(20):
        noise = day_noise(*history(seed, days, rho=rho))
        inside.append(np.mean(np.abs(noise.mean - 0.5) <= 1.96 * noise.error))
    assert np.mean(inside) >= (0.93 if rho == 0.0 or days == 60 else 0.85)


def test_days_without_effect_have_none() -> None:
    noise = day_noise(*history(1, day=0.0))
    assert noise.day < 0.001
    assert noise.variances(np.full((1, 40), 10.0))[0].mean() == pytest.approx(0.016, rel=0.2)


def test_a_segment_of_one_day_or_none_is_not_known() -> None:
    sums, rows = history(2)
    rows[:, 0] = 0.0
    sums[:, 0] = 0.0
    rows[1:, 1] = 0.0
    sums[1:, 1] = 0.0
    noise = day_noise(sums, rows)
    assert np.isnan(noise.mean[0])
    assert np.isnan(noise.scale[:2]).all()
    assert np.isfinite(noise.scale[2:]).all()


def test_values_that_never_differ_have_no_noise() -> None:
    noise = day_noise(np.full((10, 3), 5.0), np.full((10, 3), 10.0))
    assert noise.mean.tolist() == [0.5] * 3
    assert noise.error.tolist() == [0.0] * 3
