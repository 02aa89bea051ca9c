"""What shrinking promises: corrections of noise go, true ones stay, members lean on their stage."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from jomon.stats.links import Kind, Link
from jomon.training.shrink import shrink_factors

Floats = NDArray[np.float64]
MEMBERS = 20


def fleet(
    kind: Kind, seed: int, true: Floats, rows: int = 20_000
) -> tuple[Floats, Floats, Floats, NDArray[np.int32]]:
    """Margin, slow part, outcomes and segments: a share `true` float64[members] of what the slow part adds is so."""
    rng = np.random.default_rng(seed)
    segment = rng.integers(0, len(true), rows).astype(np.int32)
    margin = -0.5 + 0.7 * rng.standard_normal(rows)
    slow = 0.3 * rng.standard_normal(rows)
    eta = margin + true[segment] * slow
    if kind == "binary":
        return margin, slow, (rng.random(rows) < 1.0 / (1.0 + np.exp(-eta))).astype(np.float64), segment
    if kind == "count":
        return margin, slow, rng.poisson(np.exp(eta)).astype(np.float64), segment
    return margin, slow, eta + rng.standard_normal(rows), segment


@pytest.mark.parametrize("kind", ["binary", "regression", "count"])
def test_corrections_that_are_noise_are_shrunk_to_almost_nothing(kind: Kind) -> None:
    """50 stages. Measured: factors of 0.01 to 0.02 on average, half of them 0; they cost under 0.004% of the loss."""
    stages, excess = [], []
    for seed in range(50):
        margin, slow, y, segment = fleet(kind, seed, np.zeros(MEMBERS))
        stage, _ = shrink_factors(Link(kind), margin, slow, y, segment, MEMBERS)
        stages.append(stage)
        fresh, more, new_y, _ = fleet(kind, 1000 + seed, np.zeros(MEMBERS))
        before, after = (Link(kind).losses(m, new_y).mean() for m in (fresh, fresh + stage * more))
        excess.append(after / before - 1.0)
    assert np.mean(stages) <= 0.05
    assert np.mean(excess) <= 0.0005


@pytest.mark.parametrize("truth", [0.5, 1.0])
@pytest.mark.parametrize("kind", ["binary", "regression", "count"])
def test_true_corrections_keep_the_share_that_is_true(kind: Kind, truth: float) -> None:
    stages, members = [], []
    for seed in range(20):
        stage, factors = shrink_factors(Link(kind), *fleet(kind, seed, np.full(MEMBERS, truth)), MEMBERS)
        stages.append(stage)
        members.append(factors.mean())
    assert np.mean(stages) == pytest.approx(truth, abs=0.05)
    assert np.mean(members) == pytest.approx(truth, abs=0.1), (
        "no factor is above 1, so that their mean is below"
    )


def test_members_of_few_rows_lean_on_their_stage_and_large_ones_stand_alone() -> None:
    """Half the members are noise, half are right: small ones get the stage's factor, large ones their own."""
    true = np.tile([0.0, 1.0], 10)
    near, far = [], []
    for seed in range(20):
        margin, slow, y, segment = fleet("regression", seed, true, rows=400)
        stage, factors = shrink_factors(Link("regression"), margin, slow, y, segment, MEMBERS)
        near.append(np.abs(factors - stage).mean())
        large = fleet("regression", seed, true, rows=400_000)
        _, factors = shrink_factors(Link("regression"), *large, MEMBERS)
        far.append(np.abs(factors - true).mean())
    assert np.mean(near) < 0.1
    assert np.mean(far) < 0.05


def test_leaning_on_the_stage_is_nearer_the_truth_than_each_member_alone() -> None:
    """20 members of 250 rows whose true shares lie around 0.6."""
    pooled, alone = [], []
    for seed in range(40):
        true = np.clip(0.6 + 0.15 * np.random.default_rng(seed).standard_normal(MEMBERS), 0.0, 1.0)
        margin, slow, y, segment = fleet("regression", seed, true, rows=5000)
        _, factors = shrink_factors(Link("regression"), margin, slow, y, segment, MEMBERS)
        own = np.bincount(segment, slow * (y - margin)) / np.bincount(segment, slow**2)
        pooled.append(np.mean((factors - true) ** 2))
        alone.append(np.mean((np.clip(own, 0.0, 1.0) - true) ** 2))
    assert np.mean(pooled) < 0.6 * np.mean(alone)


@pytest.mark.parametrize("kind", ["binary", "count"])
def test_a_slow_part_that_says_absurd_things_leaves_finite_factors(kind: Kind) -> None:
    margin, slow, y, segment = fleet(kind, 0, np.ones(MEMBERS), rows=2000)
    stage, factors = shrink_factors(Link(kind), margin, 200.0 * slow, y, segment, MEMBERS)
    assert 0.0 <= stage <= 1.0
    assert ((factors >= 0.0) & (factors <= 1.0)).all()


def test_without_rows_there_is_no_evidence_against_the_slow_part() -> None:
    none = np.zeros(0)
    stage, factors = shrink_factors(Link("binary"), none, none, none, np.zeros(0, np.int32), 3)
    assert (stage, factors.tolist()) == (1.0, [1.0, 1.0, 1.0])
