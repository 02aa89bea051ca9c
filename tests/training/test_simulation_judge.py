"""What the judge promises, counted in simulated builds whose truth is known.

A build has 30 members of unequal size (log-normal, 40 to 2000 rows) on 60 later days. A row's difference in loss is
its member's true difference, plus an effect of its day that all members share (correlation 0.3 from day to day), plus
skewed noise. The loss without the stage is 0.45 on average, so the stage's margin is 0.00225 and a member's 0.0045.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from jomon.training.judge import MEMBER_MARGIN, STAGE_MARGIN, Keep, StageEvidence, judge

Floats = NDArray[np.float64]
LOSS, DAYS, MEMBERS = 0.45, 60, 30
BUILDS = 300  # a rate of 5% then has a standard error of 1.3%


def day_effects(rng: np.random.Generator, days: int, sd: float) -> Floats:
    """Effects of days, float64[days], with correlation 0.3 from one day to the next."""
    shock = rng.standard_normal(days + 20)
    for t in range(1, len(shock)):
        shock[t] = 0.3 * shock[t - 1] + np.sqrt(1 - 0.3**2) * shock[t]
    return sd * shock[20:]


@dataclass(frozen=True)
class Build:
    """One simulated build: the true differences of its members and what the judge said."""

    truth: Floats
    rows: NDArray[np.int64]
    said: StageEvidence

    @property
    def kept(self) -> bool:
        return self.said.verdict == "accepted"

    @property
    def members_kept(self) -> NDArray[np.bool_]:
        return np.array([m.verdict == "accepted" for m in self.said.members])


def build(
    keep: Keep, mean: float, spread: float, seed: int, noise: float = 0.15, common: float = 0.006
) -> Build:
    """Judge one build whose rows differ by `mean` on average in truth, members by `spread` around it."""
    rng = np.random.default_rng(seed)
    size = np.clip(300 * np.exp(1.0 * rng.standard_normal(MEMBERS)), 40, 2000).astype(int)
    truth = spread * rng.standard_normal(MEMBERS)
    truth += mean - float(size @ truth) / size.sum()
    segment = np.repeat(np.arange(MEMBERS), size).astype(np.int32)
    day = rng.integers(0, DAYS, len(segment)).astype(np.int32)
    skewed = rng.standard_exponential(len(segment)) - 1.0
    diff = truth[segment] + day_effects(rng, DAYS, common)[day] + noise * skewed
    before = rng.gamma(1.0, LOSS, len(segment))
    before *= LOSS / before.mean()
    return Build(truth, size, judge(keep, before, before + diff, day, segment, MEMBERS, seed))


def kept_share(keep: Keep, mean: float, builds: int = BUILDS) -> float:
    return float(np.mean([build(keep, mean, 0.003, seed).kept for seed in range(builds)]))


@pytest.mark.parametrize("keep", ["not_worse", "better"])
def test_a_stage_worse_by_the_margin_is_kept_in_about_one_build_in_twenty_at_most(keep: Keep) -> None:
    """Measured: 4.3% under not_worse, none under better."""
    assert kept_share(keep, STAGE_MARGIN * LOSS) <= 0.07


def test_a_stage_that_changes_nothing_on_average_is_seldom_called_better() -> None:
    """Measured: 5.0%."""
    assert kept_share("better", 0.0) <= 0.08


def test_a_stage_that_changes_nothing_on_average_is_kept_as_not_worse_at_most_every_other_time() -> None:
    """Measured: 41%: it must look better, and its interval must end below the margin."""
    assert 0.25 <= kept_share("not_worse", 0.0) <= 0.5


@pytest.mark.parametrize(("keep", "least"), [("not_worse", 0.93), ("better", 0.7)])
def test_a_stage_that_takes_one_percent_off_the_loss_is_kept_nearly_always(keep: Keep, least: float) -> None:
    """Measured: 98% under not_worse; 80% are called better, at 15,000 rows on 60 days."""
    assert kept_share(keep, -0.01 * LOSS, 150) >= least


@pytest.mark.parametrize(("keep", "common"), [("not_worse", 0.0), ("not_worse", 0.02), ("better", 0.006)])
def test_of_the_members_kept_at_most_one_in_twenty_is_worse_than_allowed(keep: Keep, common: float) -> None:
    """Over builds of all kinds: stages that help and that harm, members alike and unlike. Measured: 1.4%, 2.6%, 2.8%.

    `common`: the standard deviation of the effects of days. In builds of one kind alone the share can be higher where
    hardly any member is kept (of 0.9% kept in stages that bring nothing on average, 15% were no better than nothing).
    """
    worse = kept = candidates = 0
    for seed in range(200):
        rng = np.random.default_rng(10_000 + seed)
        mean, spread = 0.004 * rng.standard_normal(), float(rng.choice([0.001, 0.003, 0.006, 0.012]))
        out = build(keep, mean, spread, seed, common=common)
        limit = MEMBER_MARGIN * LOSS if keep == "not_worse" else 0.0
        kept += int(out.members_kept.sum())
        worse += int(np.sum(out.members_kept & (out.truth > limit)))
        candidates += MEMBERS
    assert kept > 0.05 * candidates, "the claim would be empty if hardly any member were kept"
    assert worse <= 0.05 * kept


def test_a_member_of_fifty_rows_is_judged_by_its_peers_and_one_of_ten_thousand_by_itself() -> None:
    """Both have own rows that say 0.03 worse; their 38 peers agree on 0.01 better."""
    rng = np.random.default_rng(5)
    size = np.full(40, 400)
    size[0], size[1] = 50, 10_000
    truth = np.full(40, -0.01)
    segment = np.repeat(np.arange(40), size).astype(np.int32)
    day = rng.integers(0, DAYS, len(segment)).astype(np.int32)
    noise = 0.15 * rng.standard_normal(len(segment))
    noise -= (np.bincount(segment, noise) / size)[segment]
    truth[2:] += 0.005 * rng.standard_normal(38)
    truth[:2] = 0.03
    before = np.full(len(segment), LOSS)
    said = judge("not_worse", before, before + truth[segment] + noise, day, segment, 40, 0)
    small, large = (said.members[s].difference for s in (0, 1))
    assert small.value is not None and abs(small.value + 0.01) < 0.02
    assert large.value is not None and abs(large.value - 0.03) < 0.005
    assert said.members[1].verdict == "rejected"
    assert small.high is not None and small.low is not None
    assert large.high is not None and large.low is not None
    assert small.high - small.low > 1.2 * (large.high - large.low)


def test_where_no_later_rows_are_nothing_is_known_of_a_member_or_of_a_stage() -> None:
    nothing = np.zeros(0)
    said = judge("not_worse", nothing, nothing, np.zeros(0, np.int32), np.zeros(0, np.int32), 3, 0)
    assert (said.verdict, {m.verdict for m in said.members}) == ("unknown", {"unknown"})
    rng = np.random.default_rng(0)
    segment = rng.integers(0, 2, 4000).astype(np.int32)
    before = np.full(4000, LOSS)
    after = before - 0.02 + 0.1 * rng.standard_normal(4000)
    day = rng.integers(0, DAYS, 4000).astype(np.int32)
    said = judge("not_worse", before, after, day, segment, 3, 0)
    assert [m.verdict for m in said.members] == ["accepted", "accepted", "unknown"]
    assert said.members[2].difference.reason == "no later rows"


def test_a_stage_seen_on_a_single_day_is_unknown() -> None:
    rng = np.random.default_rng(0)
    before, after = np.full(500, LOSS), LOSS - 0.1 * rng.random(500)
    said = judge("not_worse", before, after, np.zeros(500, np.int32), np.zeros(500, np.int32), 1, 0)
    assert said.verdict == "unknown"
