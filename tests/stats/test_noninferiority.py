from __future__ import annotations

import numpy as np
import pytest

from jomon.stats.block_means import block_means
from jomon.stats.noninferiority import decide
from jomon.stats.pooling import pool


def test_a_member_worse_by_more_than_the_margin_is_accepted_at_most_at_the_stated_rate() -> None:
    rng = np.random.default_rng(0)
    mean = 0.5 + 0.2 * rng.standard_normal(100_000)  # exactly at the margin: the hardest case
    assert np.mean(decide(mean, np.full(100_000, 0.2), margin=0.5) == 1) == pytest.approx(0.05, abs=0.003)
    assert np.mean(decide(mean + 0.2, np.full(100_000, 0.2), margin=0.5) == 1) < 0.01


def test_a_good_member_is_accepted_with_the_power_the_noise_allows() -> None:
    rng = np.random.default_rng(1)
    mean = 0.1 * rng.standard_normal(50_000)
    # 2.5 standard deviations of room less the 1.645 that the bound takes leave a power of 0.80.
    assert np.mean(decide(mean, np.full(50_000, 0.1), margin=0.25) == 1) == pytest.approx(0.804, abs=0.01)


@pytest.mark.parametrize("tau", [0.1, 0.3])
@pytest.mark.parametrize("blocks", [6, 14])
def test_of_the_members_accepted_after_pooling_few_are_truly_worse(tau: float, blocks: int) -> None:
    """150 members, 60 builds: few blocks, unequal sizes, the variance estimated; alpha 5%."""
    rng = np.random.default_rng(blocks)
    accepted, wrong, worse, good, taken = 0, 0, 0, 0, 0
    for _ in range(60):
        truth = tau * rng.standard_normal(150) - 0.05
        size = 5 + rng.poisson(150 * np.exp(0.7 * rng.standard_normal(150)))
        segment = np.repeat(np.arange(150), size)
        day = rng.integers(0, blocks, len(segment))
        diff = truth[segment] + rng.standard_normal(len(segment))
        raw = block_means(diff, segment, day, 150)
        pooled = pool(raw.mean, raw.variance, raw.blocks, raw.rows)
        out = decide(pooled.mean, pooled.sd, margin=0.02)
        bad = truth > 0.02
        accepted, wrong = accepted + (out == 1).sum(), wrong + ((out == 1) & bad).sum()
        worse, taken = worse + bad.sum(), taken + ((out == 1) & (truth < -0.2)).sum()
        good += (truth < -0.2).sum()
    assert accepted > 500
    assert wrong / accepted <= 0.05
    assert wrong / worse <= 0.05
    assert taken / good > 0.5


def test_better_asks_for_a_bound_below_zero_whatever_the_margin() -> None:
    out = decide([-1.0, -0.1, 1.0, 0.05], 0.1, margin=5.0, keep="better")
    assert out.tolist() == [1, 0, -1, 0]


def test_a_difference_of_exactly_nothing_is_not_worse_and_not_better() -> None:
    assert decide([0.0], [0.0]).tolist() == [1]
    assert decide([0.0], [0.0], keep="better").tolist() == [-1]


def test_what_is_not_known_is_unknown() -> None:
    assert decide([np.nan, 0.0, 0.0], [1.0, np.nan, np.inf]).tolist() == [0, 0, 0]


def test_impossible_demands_are_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and one half"):
        decide([0.0], [1.0], alpha=0.7)
    with pytest.raises(ValueError, match="cannot be negative"):
        decide([0.0], [1.0], margin=-1.0)
