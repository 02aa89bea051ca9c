from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from jomon.stats.block_means import BlockMeans, block_means
from jomon.stats.pooling import Pooled, pool
from jomon.stats.shared_error import shared_variance
from jomon.stats.variances import squeeze_variances

MU = 0.02


def simulate(
    m: int, tau: float, blocks: int, rows: int, seed: int
) -> tuple[NDArray[np.float64], Pooled, NDArray[np.bool_]]:
    """True differences, what pooling says, and whether each unpooled 95% interval holds the truth.

    Segments differ in size (log-normal), noise (log-normal) and have effects of blocks of their own.
    """
    rng = np.random.default_rng(seed)
    truth = MU + tau * rng.standard_normal(m)
    size = 1 + rng.poisson(rows * np.exp(0.7 * rng.standard_normal(m)))
    segment = np.repeat(np.arange(m), size)
    day = rng.integers(0, blocks, len(segment))
    noise = np.exp(0.3 * rng.standard_normal(m))[segment] * rng.standard_normal(len(segment))
    diff = truth[segment] + 0.1 * rng.standard_normal((m, blocks))[segment, day] + noise
    raw = block_means(diff, segment, day, m)
    held = np.abs(raw.mean - truth) <= 1.96 * np.sqrt(raw.variance)
    return truth, pool(raw.mean, raw.variance, raw.blocks, raw.rows), held


@pytest.mark.parametrize(("blocks", "rows"), [(4, 40), (14, 60), (60, 300)])
@pytest.mark.parametrize("tau", [0.05, 0.3])
@pytest.mark.parametrize("m", [30, 300])
def test_pooled_intervals_cover_with_few_blocks_and_unequal_segments(
    m: int, tau: float, blocks: int, rows: int
) -> None:
    covered, alone = [], []
    for seed in range(40 if m == 300 else 200):
        truth, pooled, held = simulate(m, tau, blocks, rows, seed)
        covered.append(np.mean(np.abs(pooled.mean - truth) <= 1.96 * pooled.sd))
        alone.append(held.mean())
    assert 0.91 <= np.mean(covered) <= 0.995
    if blocks == 4:
        assert np.mean(alone) < 0.88, "the unpooled normal interval is known to fail here"


def test_pooled_means_are_nearer_to_the_truth_than_each_segments_own() -> None:
    own, pooled_error = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        truth = 0.1 * rng.standard_normal(100)
        y = truth + 0.2 * rng.standard_normal(100)
        out = pool(y, np.full(100, 0.04), np.full(100, 30))
        own.append(np.mean((y - truth) ** 2))
        pooled_error.append(np.mean((out.mean - truth) ** 2))
    assert np.mean(pooled_error) < 0.3 * np.mean(own)


def test_the_spread_between_segments_is_found() -> None:
    rng = np.random.default_rng(0)
    y = 0.3 * rng.standard_normal(5000) + 0.1 * rng.standard_normal(5000)
    assert pool(y, np.full(5000, 0.01), np.full(5000, 50)).tau2 == pytest.approx(0.09, rel=0.06)


def test_segments_that_agree_are_drawn_together_and_those_far_apart_are_left() -> None:
    rng = np.random.default_rng(1)
    agree = pool(0.1 * rng.standard_normal(200), np.full(200, 0.01), np.full(200, 50))
    assert np.std(agree.mean) < 0.03
    apart = pool(10.0 * np.arange(20.0), np.full(20, 0.01), np.full(20, 50))
    assert apart.mean == pytest.approx(10.0 * np.arange(20.0), abs=0.01)


def test_a_single_segment_keeps_its_own_mean_and_noise() -> None:
    out = pool(np.array([0.4]), np.array([0.01]), np.array([1000]))
    assert out.mean[0] == pytest.approx(0.4)
    assert out.sd[0] == pytest.approx(0.1, rel=0.01)


def test_a_segment_without_rows_has_the_common_mean_and_more_spread_than_it() -> None:
    mean, variance = np.array([0.1, 0.2, 0.3, np.nan]), np.array([0.001, 0.001, 0.001, np.nan])
    out = pool(mean, variance, np.array([30, 30, 30, 0]))
    assert out.mean[3] == pytest.approx(out.mu)
    assert out.sd[3] > max(out.mu_sd, out.sd[0])


def test_a_segment_of_one_block_borrows_the_noise_of_the_others() -> None:
    rng = np.random.default_rng(3)
    variance = 0.01 * rng.chisquare(9, 60) / 9
    variance[0], blocks = np.nan, np.full(60, 10)
    blocks[0] = 1
    out = pool(0.5 * rng.standard_normal(60), variance, blocks, np.full(60, 100))
    assert np.isfinite(out.sd).all()
    assert out.sd[0] == pytest.approx(np.median(out.sd), rel=0.3)


def test_nothing_known_is_nothing_claimed() -> None:
    out = pool(np.full(3, np.nan), np.full(3, np.nan), np.zeros(3, int))
    assert np.isnan([out.mu, out.mu_sd, out.tau2, *out.mean, *out.sd]).all()


def test_two_models_that_answer_alike_differ_by_exactly_nothing() -> None:
    out = pool(np.zeros(3), np.zeros(3), np.array([5, 5, 1]))
    assert (out.mean[:2].tolist(), out.sd[:2].tolist()) == ([0.0, 0.0], [0.0, 0.0])
    assert out.mu == 0.0


def test_an_error_common_to_all_segments_widens_every_one() -> None:
    y, v, b = np.array([0.1, 0.2, 0.4]), np.full(3, 0.01), np.full(3, 30)
    narrow, wide = pool(y, v, b), pool(y, v, b, shared=0.04)
    assert wide.sd**2 == pytest.approx(narrow.sd**2 + 0.04)
    assert wide.mu_sd**2 == pytest.approx(narrow.mu_sd**2 + 0.04)
    assert wide.mean == pytest.approx(narrow.mean)


@pytest.mark.parametrize("common", [0.0, 0.03, 0.06])
def test_members_that_lived_through_the_same_days_are_covered_with_the_shared_error(common: float) -> None:
    """36 members on 42 days, common effects of days with correlation 0.3; 60 builds."""
    without, covered = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        effect = np.zeros(72)
        for t in range(1, 72):
            effect[t] = 0.3 * effect[t - 1] + np.sqrt(1 - 0.3**2) * rng.standard_normal()
        truth = -0.003 + 0.005 * rng.standard_normal(36)
        segment = np.repeat(np.arange(36), rng.poisson(300, 36))
        day = rng.integers(0, 42, len(segment))
        diff = truth[segment] + common * effect[30 + day] + 0.2 * rng.standard_normal(len(segment))
        raw = block_means(diff, segment, day, 36)
        shared = shared_variance(diff, day, raw, reps=300)
        for out, held in ((pool(*_of(raw)), without), (pool(*_of(raw), shared=shared), covered)):
            held.append(np.mean(np.abs(out.mean - truth) <= 1.96 * out.sd))
    assert 0.93 <= np.mean(covered) <= 0.99
    if common == 0.06:
        assert np.mean(without) < 0.75, "without it the same storm is counted once per member"


def _of(
    raw: BlockMeans,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    return raw.mean, raw.variance, raw.blocks, raw.rows


def test_the_shared_error_is_nothing_where_days_are_too_few_to_show_one() -> None:
    day, diff = np.zeros(10, int), np.arange(10.0)
    raw = block_means(diff, np.arange(10) % 2, day, 2)
    assert shared_variance(diff, day, raw) == 0.0


def test_the_block_variance_is_unbiased_where_blocks_are_alike() -> None:
    """Rows of equal noise, blocks of very unequal size: the plain cluster-robust variance is too small."""
    rng = np.random.default_rng(5)
    m, sizes = 4000, np.array([1, 2, 4, 8, 25])
    segment = np.repeat(np.arange(m), sizes.sum())
    day = np.tile(np.repeat(np.arange(5), sizes), m)
    out = block_means(rng.standard_normal(len(segment)), segment, day, m)
    assert out.variance.mean() == pytest.approx(1 / sizes.sum(), rel=0.05)
    assert out.mean.var() == pytest.approx(1 / sizes.sum(), rel=0.07)


def test_longer_blocks_see_what_neighbouring_days_share() -> None:
    rng = np.random.default_rng(6)
    m, weeks = 500, 20
    week = np.repeat(rng.standard_normal((m, weeks)), 7, axis=1)
    segment, day = np.repeat(np.arange(m), 7 * weeks), np.tile(np.arange(7 * weeks), m)
    short = block_means(week.ravel(), segment, day, m)
    long = block_means(week.ravel(), segment, day, m, length=7)
    assert np.mean(long.variance) == pytest.approx(1 / weeks, rel=0.1)
    assert np.mean(short.variance) < np.mean(long.variance) / 5


def test_block_means_are_the_same_on_the_dense_and_the_sparse_path() -> None:
    rng = np.random.default_rng(7)
    n, m = 2000, 40
    diff, segment, day = rng.random(n), rng.integers(-1, m, n), rng.integers(0, 30, n)
    dense = block_means(diff, segment, day, m)
    spread = block_means(diff, segment, day * 1_000_000, m)
    for one, two in zip(dense, spread, strict=True):
        assert one == pytest.approx(two, nan_ok=True)
    assert dense.rows.sum() == (segment >= 0).sum()


def test_block_means_without_rows_know_nothing() -> None:
    out = block_means(np.zeros(0), np.zeros(0, np.int32), np.zeros(0, np.int32), 2)
    assert np.isnan(out.mean).all()
    assert np.isnan(out.variance).all()
    assert out.rows.tolist() == [0, 0]
    with pytest.raises(ValueError, match="at least one day"):
        block_means(np.zeros(1), np.zeros(1, int), np.zeros(1, int), 1, length=0)


def test_variances_are_drawn_together_by_as_much_as_they_agree() -> None:
    rng = np.random.default_rng(8)
    alike = squeeze_variances(2.0 * rng.chisquare(5, 2000) / 5, np.full(2000, 5.0))
    assert alike.prior_variance == pytest.approx(2.0, rel=0.05)
    assert alike.prior_df > 50
    true = 2.0 * 8 / rng.chisquare(8, 40_000)
    mixed = squeeze_variances(true * rng.chisquare(5, 40_000) / 5, np.full(40_000, 5.0))
    assert mixed.prior_df == pytest.approx(8, rel=0.1)
    assert mixed.prior_variance == pytest.approx(2.0, rel=0.05)


def test_without_any_variance_segments_stay_unbounded() -> None:
    assert np.isinf(squeeze_variances(np.full(2, np.nan), np.zeros(2)).variance).all()
    alone = squeeze_variances(np.array([1.0, np.nan]), np.array([4.0, 0.0]))
    assert (alone.variance[0], alone.df[0]) == (1.0, 4.0)
    assert np.isinf(alone.variance[1])
