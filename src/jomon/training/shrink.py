"""How much of a slow part to keep: one factor per stage, and one per member drawn towards it.

The factor multiplies what the slow part adds. It minimises the loss on rows that the slow part did not see: a
one-column
generalised linear model with an offset, so its loss is convex in the factor. Calibrating a learner's contribution on
held-out rows is stacking with one learner: Breiman (1996), "Stacked regressions", Machine Learning 24.
"""

from __future__ import annotations

import numpy as np

from jomon.core.table import Codes, Floats
from jomon.stats.links import Link

LEAST = 0.05  # a smaller factor leaves nothing worth its bytes and counts as 0
PRIOR_ROWS = 500.0  # rows' worth of belief that a member needs the same factor as its stage
_ROUNDS = 15


def shrink_factors(
    link: Link, margin: Floats, slow: Floats, y: Floats, segment: Codes, segments: int
) -> tuple[float, Floats]:
    """The stage's factor and the members' factors (float64[segments]), all between 0 and 1, to three decimals
    (the members' exactly 0 below `LEAST`).

    Rows (n): `margin` before the slow part, `slow` what it adds, `y`, and their `segment` (int32, none below 0).
    Without rows that carry weight the factor is 1: there is no evidence against the slow part.
    """
    weight = float(np.sum(slow**2))
    if not len(y) or weight == 0.0:
        return 1.0, np.ones(segments)
    stage = 1.0
    for _ in range(_ROUNDS):
        slope, curvature = link.derivatives(margin + stage * slow, y)
        step = float(np.sum(slope * slow) / np.sum(curvature * slow**2))
        stage = min(max(stage - step, 0.0), 1.0)
        if abs(step) < 1e-6:
            break
    factors = np.full(segments, stage)
    _, curvature = link.derivatives(margin + stage * slow, y)
    prior = PRIOR_ROWS * float(np.mean(curvature * slow**2))
    for _ in range(_ROUNDS):
        slope, curvature = link.derivatives(margin + factors[segment] * slow, y)
        gradient = np.bincount(segment, slope * slow, segments) + prior * (factors - stage)
        information = np.bincount(segment, curvature * slow**2, segments) + prior
        step_each = gradient / information
        factors = np.clip(factors - step_each, 0.0, 1.0)
        if np.abs(step_each).max() < 1e-6:
            break
    return round(stage, 3), np.where(factors < LEAST, 0.0, np.round(factors, 3))
