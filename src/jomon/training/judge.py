"""Is a stage worth its members, and which members? Paired losses on later blocks, with and without the stage.

A stage is judged as a whole by the pooled difference with a block-bootstrap interval over days. A member is judged by
what its own rows say, partially pooled with what all members of the stage say (random effects; see `stats.pooling`),
so that a member with fifty rows is judged mostly by its peers, and one with ten thousand by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from jomon.core.table import Codes, Floats
from jomon.stats.block_means import block_means
from jomon.stats.bootstrap import paired_difference
from jomon.stats.estimate import Estimate
from jomon.stats.noninferiority import decide
from jomon.stats.pooling import pool
from jomon.stats.quantiles import normal_quantile
from jomon.stats.shared_error import shared_variance

STAGE_MARGIN = 0.005  # share of the loss by which a stage may be worse and still count as not worse
MEMBER_MARGIN = 0.01  # the same for a member, against the loss on its stage's rows
ALPHA = 0.05  # one-sided risk of keeping what is worse than the margin
Keep = Literal["not_worse", "better", "always"]
Verdict = Literal["accepted", "rejected", "unknown"]


@dataclass(frozen=True)
class MemberEvidence:
    """What the later rows say of one member: its difference in loss (pooled), and its own rows."""

    verdict: Verdict
    difference: Estimate


@dataclass(frozen=True)
class StageEvidence:
    """What the later rows say of a stage: `difference` in mean loss with minus without it, `loss` without it."""

    verdict: Verdict
    reason: str
    difference: Estimate
    loss: float | None
    spread: float | None
    members: tuple[MemberEvidence, ...]


def judge(
    keep: Keep,
    before: Floats,
    after: Floats,
    day: NDArray[np.int32],
    segment: Codes,
    segments: int,
    seed: int,
) -> StageEvidence:
    """Judge a stage on n later rows that belong to its candidates.

    `before`, `after` float64[n]: loss without and with the stage; `day` int32[n]; `segment` int32[n] in 0..segments-1.
    """
    if not len(before):
        unknown = Estimate.unknown(0, "no later rows")
        return StageEvidence(
            "unknown", "no later rows to judge it by", unknown, None, None, _all(unknown, segments)
        )
    if np.array_equal(before, after):
        unknown = Estimate.unknown(len(before), "it changed no answer on the later rows")
        verdict: Verdict = "accepted" if keep == "always" else "unknown"
        return StageEvidence(
            verdict, "it changed no answer on the later rows", unknown, None, None, _all(unknown, segments)
        )
    loss = float(np.mean(before))
    difference = paired_difference(after, before, day, seed=seed, level=1.0 - 2.0 * ALPHA)
    verdict, reason = _stage_verdict(keep, difference, loss)
    means = block_means(after - before, segment, day, segments)
    shared = shared_variance(after - before, day, means, seed)
    pooled = pool(means.mean, means.variance, means.blocks, means.rows, shared=shared)
    decision = decide(
        pooled.mean, pooled.sd, MEMBER_MARGIN * loss, ALPHA, "better" if keep == "better" else "not_worse"
    )
    reach = normal_quantile(1.0 - ALPHA)
    members = []
    for s in range(segments):
        rows = int(means.rows[s])
        if rows == 0 or not np.isfinite(pooled.mean[s]):
            members.append(
                MemberEvidence(
                    "unknown", Estimate.unknown(rows, "no later rows" if not rows else "too few days")
                )
            )
            continue
        mean, sd = float(pooled.mean[s]), float(pooled.sd[s])
        estimate = Estimate(
            mean, mean - reach * sd, mean + reach * sd, rows, int(means.blocks[s]), "partial pooling"
        )
        accepted = keep == "always" or decision[s] > 0
        members.append(MemberEvidence("accepted" if accepted else "rejected", estimate))
    spread = float(np.sqrt(pooled.tau2)) if np.isfinite(pooled.tau2) else None
    return StageEvidence(verdict, reason, difference, loss, spread, tuple(members))


def _all(unknown: Estimate, segments: int) -> tuple[MemberEvidence, ...]:
    return (MemberEvidence("unknown", unknown),) * segments


def _stage_verdict(keep: Keep, difference: Estimate, loss: float) -> tuple[Verdict, str]:
    if keep == "always":
        return "accepted", "kept always, as declared"
    if difference.high is None or difference.low is None:
        return "unknown", difference.reason or "too few days to judge it by"
    if difference.high < 0.0:
        return "accepted", "better than the chain without it"
    if keep == "better":
        return "rejected", "not shown to be better than the chain without it"
    if difference.low > 0.0:
        return "rejected", "worse than the chain without it"
    if difference.value is not None and difference.value > 0.0:
        return "rejected", "looks worse than the chain without it, within the noise"
    if difference.high <= STAGE_MARGIN * loss:
        return "accepted", f"not worse: at most {STAGE_MARGIN:.1%} of the loss, and it looks better"
    return "rejected", f"cannot be shown to be within {STAGE_MARGIN:.1%} of the loss without it"
