"""Non-inferiority: is a member good enough to answer, given what is known of its difference?"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .quantiles import normal_quantile

ACCEPTED, UNKNOWN, REJECTED = 1, 0, -1


def decide(
    mean: ArrayLike,
    sd: ArrayLike,
    margin: ArrayLike = 0.0,
    alpha: float = 0.05,
    keep: Literal["not_worse", "better"] = "not_worse",
) -> NDArray[np.int8]:
    """Accept (+1), reject (-1) or leave open (0) each member by the bounds of its difference in loss.

    `mean`, `sd` float64[m]: difference in loss, with the member minus without it, and its standard deviation
    (from `pool`, or unpooled); `margin` >= 0, float64[m] or one number: how much worse is still tolerated.
    `not_worse` accepts where the upper bound is at most the margin and rejects where the lower bound is
    above it; `better` does the same with zero for the margin. NaN is unknown.

    With unpooled means a member truly worse by more than the margin is accepted with probability at most
    `alpha`; with pooled ones at most a share `alpha` of the accepted is truly worse (each sees the others'
    evidence). See Wellek (2010), Testing Statistical Hypotheses of Equivalence and Noninferiority, chapter
    2.

    >>> decide([-1.0, 0.0, 3.0, float("nan")], [0.5, 2.0, 0.5, 1.0], margin=0.5).tolist()
    [1, 0, -1, 0]
    """
    if not 0.0 < alpha < 0.5:
        raise ValueError("alpha must lie between 0 and one half")
    mean, sd = np.asarray(mean, np.float64), np.asarray(sd, np.float64)
    limit = np.asarray(margin, np.float64) if keep == "not_worse" else np.zeros(())
    if np.any(limit < 0):
        raise ValueError("a margin cannot be negative")
    reach = normal_quantile(1.0 - alpha) * sd
    upper, lower = mean + reach, mean - reach
    accepted = upper <= limit if keep == "not_worse" else upper < 0.0
    rejected = lower > limit if keep == "not_worse" else lower >= 0.0
    return np.where(accepted, ACCEPTED, np.where(rejected, REJECTED, UNKNOWN)).astype(np.int8)
