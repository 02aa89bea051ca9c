from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from jomon.stats.auc import RankedScores
from jomon.stats.bootstrap import DayBootstrap, mean_with_interval, paired_difference, resample_metric
from jomon.stats.losses import log_loss
from jomon.stats.measure import METRICS, measure
from jomon.stats.multiple import benjamini_hochberg
from jomon.stats.quantiles import t_quantile
from jomon.stats.segment_means import segment_means

DAYS = 98
SERIES = 3000


def day_effects(rho: float, days: int, series: int, seed: int) -> NDArray[np.float64]:
    """Autoregressive effects of days, [days, series], of variance one and mean zero."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((days + 60, series)) * np.sqrt(1 - rho**2)
    out = np.zeros_like(noise)
    for day in range(1, len(out)):
        out[day] = rho * out[day - 1] + noise[day]
    return out[60:]


def coverage(effects: NDArray[np.float64], level: float = 0.95) -> tuple[float, float]:
    """How often the interval holds the true mean 0; the same for the replicates' plain normal interval."""
    days, series = effects.shape
    day = np.repeat(np.arange(days), series)
    boot = DayBootstrap.of(day, reps=2000, seed=5)
    out = segment_means(boot, effects.ravel(), np.tile(np.arange(series), days), series)
    reach = t_quantile(0.5 + level / 2, out.df) * out.error
    plain = 1.96 * out.error * np.sqrt(1 - 1.5 / out.df)  # K = df / 1.5
    return float(np.mean(np.abs(out.value) <= reach)), float(np.mean(np.abs(out.value) <= plain))


@pytest.mark.parametrize("rho", [-0.2, 0.0, 0.3, 0.5, 0.6])
def test_with_98_dependent_days_a_95_percent_interval_covers_93_to_97_percent(rho: float) -> None:
    ours, plain = coverage(day_effects(rho, DAYS, SERIES, seed=100 + int(100 * rho)))
    assert 0.93 <= ours <= 0.97
    assert plain < ours - 0.02, "without the small-sample correction the same replicates cover too little"


def test_with_a_year_of_strongly_dependent_days_the_interval_still_covers() -> None:
    assert 0.93 <= coverage(day_effects(0.6, 365, 1000, seed=3))[0] <= 0.97


def test_a_weekday_cycle_does_not_break_the_coverage() -> None:
    rng = np.random.default_rng(8)
    weekly = np.repeat(rng.standard_normal((DAYS // 7, SERIES)), 7, axis=0) * 0.3
    assert 0.92 <= coverage(weekly + day_effects(0.2, DAYS, SERIES, seed=4))[0] <= 0.97


@pytest.mark.parametrize("rows", [20, 60])
def test_small_segments_with_rows_on_few_days_are_covered(rows: int) -> None:
    rng = np.random.default_rng(rows)
    series = 1500
    segment = np.repeat(np.arange(series), rows)
    day = rng.integers(0, DAYS, series * rows)
    common = 0.3 * rng.standard_normal((DAYS, series))
    values = common[day, segment] + rng.standard_exponential(series * rows) - 1.0
    out = segment_means(DayBootstrap.of(day, seed=1), values, segment, series)
    held = [e.low <= 0.0 <= e.high for e in out.estimates() if e.low is not None and e.high is not None]
    assert len(held) == series
    assert 0.91 <= np.mean(held) <= 0.98  # skewed losses: a symmetric interval loses two points at 20 rows


def test_the_paired_interval_is_that_of_the_differences_and_narrower_than_either() -> None:
    rng = np.random.default_rng(0)
    day = np.repeat(np.arange(60), 50)
    shared = rng.standard_normal(60)[day]
    a, b = shared + 0.1 * rng.standard_normal(3000), shared + 0.1 * rng.standard_normal(3000) + 0.05
    paired, alone = paired_difference(a, b, day, seed=2), mean_with_interval(a, day, seed=2)
    assert paired.value == pytest.approx(np.mean(a - b))
    assert paired.low is not None
    assert paired.high is not None
    assert alone.low is not None
    assert alone.high is not None
    assert paired.high < 0.0
    assert paired.high - paired.low < (alone.high - alone.low) / 5
    assert (paired.rows, paired.blocks) == (3000, 60)


def test_the_same_seed_gives_the_same_interval_and_the_order_of_rows_is_irrelevant() -> None:
    rng = np.random.default_rng(1)
    day, loss = rng.integers(0, 50, 400), rng.random(400)
    turn = rng.permutation(400)
    one, two = mean_with_interval(loss, day, seed=3), mean_with_interval(loss[turn], day[turn], seed=3)
    assert one == mean_with_interval(loss, day, seed=3)
    assert one.low == pytest.approx(two.low)
    assert one.low != mean_with_interval(loss, day, seed=4).low


def test_segments_side_by_side_get_what_each_gets_alone() -> None:
    rng = np.random.default_rng(2)
    day, values, segment = rng.integers(0, 70, 900), rng.random(900), rng.integers(-1, 4, 900)
    boot = DayBootstrap.of(day)
    together = segment_means(boot, values, segment, 5).estimates()
    for s in range(4):
        alone = boot.mean(values, segment == s)
        assert together[s].low == pytest.approx(alone.low)
        assert together[s].high == pytest.approx(alone.high)
        assert (together[s].rows, together[s].blocks) == (alone.rows, alone.blocks)
    assert together[4].reason == "no rows"


def test_segments_are_not_called_worse_for_having_seen_no_rare_event() -> None:
    """40 quiet checks of 300 segments: two models, a shift apart and equally good, about 3% events."""
    rng = np.random.default_rng(1)
    rows, shift, apart = 200, -0.153, 0.3
    segment, plain, moderated = np.repeat(np.arange(300), rows), [], []
    for _ in range(40):
        day = rng.integers(0, DAYS, len(segment))
        margin = rng.standard_normal(len(segment)) - 4.0
        y = rng.random(len(segment)) < 1 / (1 + np.exp(-margin - 0.2 * rng.standard_normal(DAYS)[day]))
        diff = log_loss(y, margin + shift + apart) - log_loss(y, margin + shift)
        out = segment_means(DayBootstrap.of(day, reps=500), diff, segment, 300)
        plain.append((benjamini_hochberg(out.p_above()) <= 0.05).any())
        moderated.append((benjamini_hochberg(out.moderated().p_above()) <= 0.05).any())
    assert np.mean(moderated) <= 0.1
    assert np.mean(plain) > 0.4, "each segment's own noise is known to fail here"


def test_moderation_leaves_segments_of_too_few_days_unknown() -> None:
    day = np.r_[np.repeat(np.arange(60), 5), np.zeros(4, int)]
    segment = np.r_[np.tile(np.arange(5), 60), np.full(4, 5)]
    values = np.random.default_rng(0).standard_normal(304)
    out = segment_means(DayBootstrap.of(day), values, segment, 7).moderated()
    assert np.isfinite(out.error[:5]).all()
    assert np.isnan(out.error[5:]).all()
    assert [e.reason for e in out.estimates()[5:]] == ["too few days for an interval", "no rows"]


def test_p_values_under_no_difference_are_uniform_enough_at_five_percent() -> None:
    effects = day_effects(0.2, DAYS, SERIES, seed=11)
    boot = DayBootstrap.of(np.repeat(np.arange(DAYS), SERIES), seed=6)
    out = segment_means(boot, effects.ravel(), np.tile(np.arange(SERIES), DAYS), SERIES)
    assert 0.035 <= np.mean(out.p_above() < 0.05) <= 0.07
    assert 0.035 <= np.mean(out.p_below() < 0.05) <= 0.07
    assert out.p_above(0.1) + out.p_below(0.1) == pytest.approx(1.0)


def test_without_rows_or_with_one_day_the_interval_is_unknown_and_says_why() -> None:
    assert mean_with_interval(np.zeros(0), np.zeros(0, int)).reason == "no rows"
    one_day = mean_with_interval(np.array([1.0, 2.0]), np.array([3, 3]))
    assert (one_day.value, one_day.low, one_day.reason) == (1.5, None, "too few days for an interval")


def test_a_linear_or_resampled_metric_without_rows_is_unknown() -> None:
    none = np.zeros(0, int)
    assert DayBootstrap.of(none).linear(0.0, np.zeros(0)).reason == "no rows"
    assert resample_metric(lambda w: 0.0, none).reason == "no rows"
    assert DayBootstrap.of(none).effective_blocks(np.zeros(0)) == 0.0


def test_a_loss_that_is_not_finite_makes_the_mean_unknown_not_nan() -> None:
    assert not mean_with_interval(np.array([1.0, np.nan]), np.array([1, 2])).known


def test_a_metric_that_is_no_ratio_gets_the_interval_of_its_influence() -> None:
    rng = np.random.default_rng(4)
    day = np.repeat(np.arange(80), 40)
    margin = rng.standard_normal(3200) + 0.3 * rng.standard_normal(80)[day]
    y = (rng.random(3200) < 1 / (1 + np.exp(-margin))).astype(float)
    ranked = RankedScores.of(y, margin)
    slow = resample_metric(ranked.auc, day, seed=1, reps=600)
    fast = DayBootstrap.of(day, seed=1).linear(ranked.auc(), ranked.influence())
    assert slow.value == fast.value
    assert slow.low == pytest.approx(fast.low, abs=0.003)
    assert slow.high == pytest.approx(fast.high, abs=0.003)


@pytest.mark.parametrize("metric", METRICS["binary"])
def test_every_binary_metric_has_an_interval_that_covers(metric: str) -> None:
    """400 test periods of 60 days with common day effects; the truth is the metric on a very long period."""

    def draw(days: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        rng = np.random.default_rng(seed)
        day = np.repeat(np.arange(days), 20)
        margin = 1.2 * rng.standard_normal(len(day)) - 1.0
        chance = 1 / (1 + np.exp(-(0.7 * margin - 0.2 + 0.4 * rng.standard_normal(days)[day])))
        return (rng.random(len(day)) < chance).astype(float), margin, day

    y, margin, _ = draw(20_000, 0)
    truth = measure(metric, y, margin, "binary").value
    boot, held = DayBootstrap.of(draw(60, 1)[2], seed=9), []
    for seed in range(1, 401):
        y, margin, _ = draw(60, seed)
        out = measure(metric, y, margin, "binary")
        estimate = boot.linear(out.value, out.influence)
        assert estimate.low is not None
        assert estimate.high is not None
        held.append(estimate.low <= truth <= estimate.high)
    # The plain calibration error is biased upwards (its docstring says by how much), so it may cover less.
    assert np.mean(held) >= (0.80 if metric == "calibration_error" else 0.92)


def test_log_loss_differences_of_many_rows_take_little_memory_and_time() -> None:
    rng = np.random.default_rng(0)
    n = 200_000
    day, y = np.sort(rng.integers(0, 98, n)), rng.integers(0, 2, n)
    out = paired_difference(log_loss(y, rng.random(n)), log_loss(y, rng.random(n)), day)
    assert out.bounded
