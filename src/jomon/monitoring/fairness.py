"""Fairness across the segments of an axis: do answers serve some worse than others, beyond what chance shows?

Two questions for each axis: do outcomes lie above the answers in some segments and below in others (calibration), and
did the loss grow in some and not in others (a segment may be harder than another; that it became so is what counts)?
What all segments share on a day is taken off first; what days add to a segment of its own the history tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jomon.core.cubes import Cube
from jomon.core.findings import Signal, Span
from jomon.core.segments import Segment
from jomon.monitoring.cells import Level
from jomon.monitoring.day_sums import LOSS_UNITS, DaySums, Floats, OutcomeKind
from jomon.monitoring.realised import SOURCE, RealisedRules, outcome_spread
from jomon.stats.day_noise import DayNoise, day_noise
from jomon.stats.multiple import benjamini_yekutieli
from jomon.stats.segment_spread import SegmentSpread, segment_spread

LEAST_SPANS = 20
TAIL = 0.05


@dataclass(frozen=True, eq=False)
class _Compared:
    """One measure over the segments of an axis: which had enough rows, and their spread."""

    axis: str
    measure: str
    unit: str
    rows: int
    segments: tuple[Segment, ...]
    practical: float
    spread: SegmentSpread | None
    reason: str = ""


def fairness(
    cube: Cube, levels: Sequence[Level], kind: OutcomeKind, since: int, span: Span, rules: RealisedRules
) -> tuple[Signal, ...]:
    """Signals `fairness` of the whole fleet, two for each level of one axis: calibration, then loss.

    The value is the standard deviation between the true means of the axis's segments, with its interval; `column` is
    the axis; `reference` names the measure, the two segments farthest apart and the interval of their difference.
    Windows of the cube from number `since` on are compared, those before tell the noise. It is a finding where
    segments that do not differ show as much at most at `rules.rate` (Benjamini & Yekutieli over axes and measures) and
    the value, or the least difference of the two, has a practical size. Unlike `realised` this is one look: looking at
    k spans that do not overlap raises k times as much. Unknown where fewer than two segments have enough rows.
    """
    compared = [one for level in levels if len(level.axes) == 1
                for one in _compared(DaySums.of(cube, level), kind, since, rules)]  # fmt: skip
    p = benjamini_yekutieli([np.nan if one.spread is None else one.spread.p for one in compared])
    return tuple(_signal(one, float(p[at]), span, rules) for at, one in enumerate(compared))


def _compared(sums: DaySums, kind: OutcomeKind, since: int, rules: RealisedRules) -> list[_Compared]:
    axis = sums.level.axes[0]
    rows = sums.labelled
    enough = (rows[since:].sum(axis=0) >= rules.min_rows) & ((rows[:since] > 0).sum(axis=0) >= rules.min_days)
    enough &= rows[:since].sum(axis=0) >= rules.min_history
    where = np.flatnonzero(enough)
    segments = tuple(sums.segments[at] for at in where)
    counted = int(rows[since:][:, where].sum())
    spread = outcome_spread(sums, since)
    usual = float(spread[where].mean()) if len(where) else 0.0
    loss, _ = sums.bounded_loss(kind, since)
    costs = float(loss[:since].sum()) / max(float(rows[:since].sum()), 1.0)
    outcome_unit = "share of rows" if kind == "binary" else "outcome"
    out = []
    for measure, unit, values, practical in (
        ("calibration", outcome_unit, sums.residual, rules.outcomes * usual),
        ("loss", LOSS_UNITS[kind], loss, rules.loss * costs),
    ):
        found, reason = None, f"only {len(where)} segments of {axis} have enough rows: 2 are needed"
        if len(where) >= 2:
            found = _spread(values[:, where], rows[:, where], since, rules, changed=measure == "loss")
            reason = "" if found else "days of the history do not differ at all"
        out.append(_Compared(axis, measure, unit, counted, segments, practical, found, reason))
    return out


def _spread(
    sums: Floats, rows: Floats, since: int, rules: RealisedRules, *, changed: bool
) -> SegmentSpread | None:
    """The spread of what segments have beyond what all share on a day; `changed`: since the history."""
    own = _without_shared(sums, rows)
    history = day_noise(own[:since], rows[:since])
    count = rows[since:]
    whole = count.sum(axis=0)
    means = own[since:].sum(axis=0) / whole
    of_days = np.where(count > 0, history.variances(np.maximum(count, 1.0)), 0.0)
    variance = (count**2 * of_days).sum(axis=0) / whole**2 * _wilder(own[since:], count, means, of_days)
    if changed:
        means, variance = means - history.mean, variance + history.error**2
    segments = rows.shape[1]
    variance *= segments / (
        segments - 1.0
    )  # taking off what is shared took off this share of each one's own noise
    variance *= _heavier(own[:since], rows[:since], history, len(count))
    if not ((variance > 0) & np.isfinite(variance)).all():
        return None
    return segment_spread(means, variance, rules.level)


def _wilder(sums: Floats, count: Floats, means: Floats, variances: Floats) -> float:
    """How much farther days lie from their segments' means than the history makes likely, at least 1: where events
    have become more, or days worse, for all, they also differ more."""
    some = (count > 0) & (count < count.sum(axis=0)) & (variances > 0)
    freedom = float(some.sum()) - float(some.any(axis=0).sum())
    if freedom < 1.0:
        return 1.0
    squares = (sums[some] / count[some] - np.broadcast_to(means, some.shape)[some]) ** 2 / variances[some]
    return max(1.0, float(squares.sum()) / freedom)


def _heavier(sums: Floats, count: Floats, history: DayNoise, span: int) -> float:
    """How much more segments lay apart in the worse spans of the history than normal noise makes likely, at least 1.

    A storm at one airport moves all its routes: noise has a heavy tail, and segments share it. Spans are as long as the
    one that is compared, or shorter so that there are some; the worst of all and the worst of 20 are held against
    chi-square's.
    """
    from scipy.special import chdtri

    length = max(min(span, len(sums) // LEAST_SPANS), 1)
    spans = len(sums) // length
    if spans < LEAST_SPANS:
        return 1.0
    share = (spans - 1.0) / spans  # the mean was found from the span too
    worst, twentieth = [], []
    for first in range(len(sums) - spans * length, len(sums), length):
        rows = count[first : first + length]
        whole = rows.sum(axis=0)
        some = whole > 0
        if some.sum() < 2:
            continue
        of_days = np.where(rows > 0, history.variances(np.maximum(rows, 1.0)), 0.0)
        weight = whole[some] ** 2 / ((rows**2 * of_days).sum(axis=0)[some] * share)
        means = sums[first : first + length].sum(axis=0)[some] / whole[some] - history.mean[some]
        spread = float(weight @ (means - weight @ means / weight.sum()) ** 2)
        worst.append(spread / float(chdtri(some.sum() - 1, 1.0 / (spans + 1.0))))
        twentieth.append(spread / float(chdtri(some.sum() - 1, TAIL)))
    return max(1.0, *worst, float(np.quantile(twentieth, 1.0 - TAIL))) if worst else 1.0


def _without_shared(sums: Floats, rows: Floats) -> Floats:
    """Sums without the day's mean over the segments; each has the same say, or as much as its rows allow.

    A segment's weight on a day is rows / (rows + typical rows): one of many rows is no more than a segment.
    """
    some: NDArray[np.bool_] = rows > 0
    typical = float(np.median(rows[some])) if some.any() else 1.0
    weight = rows / (rows + typical)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(some, sums / rows, 0.0)
        shared = (weight * means).sum(axis=1) / weight.sum(axis=1)
    out: Floats = sums - rows * np.where(np.isfinite(shared), shared, 0.0)[:, None]
    return out


def _signal(one: _Compared, p: float, span: Span, rules: RealisedRules) -> Signal:
    found = one.spread
    if found is None:
        return Signal(span, Segment(), "fairness", one.axis, None, None, None, one.unit, one.rows,
                      one.measure, SOURCE, "unknown", one.reason)  # fmt: skip
    stands_out = p <= rules.rate and max(found.tau, found.least) >= one.practical
    reference = (
        f"{one.measure}: {one.segments[found.highest]} lies {found.difference:.3g} above {one.segments[found.lowest]} "
        f"({found.least:.3g} to {found.most:.3g}) among {len(one.segments)} segments; p {p:.2g}"
    )
    return Signal(
        span, Segment(), "fairness", one.axis, found.tau, found.low, found.high, one.unit, one.rows, reference, SOURCE,
        "finding" if stands_out else "quiet",
    )  # fmt: skip
