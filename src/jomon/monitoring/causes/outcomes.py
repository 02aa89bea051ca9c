"""Outcomes that no longer follow from the same inputs: labels flipped, behaviour changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from jomon.monitoring.causes.candidate import Candidate, free, percent, rows_in_words
from jomon.monitoring.causes.evidence import MARGIN, OUTCOME, Evidence, Floats, numbers_of, texts_of
from jomon.stats.links import Link
from jomon.stats.mixed_share import gains, mixed_share, price

LEAST_ROWS = 10
LEAST_PEERS = 30
PEER_PRIOR = 0.25
"""Variance of what peers show that is taken for likely beforehand: with few of them little is taken off."""
RIDGE = 2.0
"""Inverse of the variance, on the scale of the margin, of what behaviour may change by: beyond two, it is an error."""
DAYS = np.linspace(-1.0, 1.0, 9)
DAY_VARIANCE, DAY_PRICE = 0.25, 0.0
MOST_VALUES = 6
HOUR = "the hour"


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Rows whose outcome is known: `frame`, outcomes `y` and margins corrected by what the reference and the peers of
    the window show, float64[n]; `scale`: the mean
    loss of earlier rows for a regression or count (at least 1 of a count), else 1."""

    frame: pl.DataFrame
    y: Floats
    margin: Floats
    link: Link
    scale: float

    @classmethod
    def of(cls, evidence: Evidence) -> Outcomes | None:
        """Those of the window; None if they are too few."""
        frame = _labelled(evidence.rows)
        link = Link(evidence.spec.data.target.kind)
        if frame is None or frame.height < LEAST_ROWS:
            return None
        scale = 1.0
        if link.kind != "binary":
            before = _labelled(evidence.reference)
            use = before if before is not None and before.height >= LEAST_ROWS else frame
            loss = float(np.mean(link.losses(numbers_of(use, MARGIN), numbers_of(use, OUTCOME))))
            scale = max(loss, 1.0) if link.kind == "count" else loss or 1.0
        plain = cls(frame, numbers_of(frame, OUTCOME), numbers_of(frame, MARGIN), link, scale)
        peers = _labelled(evidence.peers)
        if peers is None or peers.height < LEAST_PEERS:
            return plain
        beside = cls(peers, numbers_of(peers, OUTCOME), numbers_of(peers, MARGIN), link, scale)
        moved = beside.fit(np.ones((peers.height, 1)), prior=PEER_PRIOR)[1]
        return cls(frame, plain.y, plain.margin + float(moved[0]), link, scale)

    def likelihood(self, margin: Floats) -> Floats:
        """Log likelihood of each outcome under margins, float64[n], up to a constant."""
        half = 0.5 if self.link.kind in ("regression", "count") else 1.0
        out: Floats = -half * self.link.losses(margin, self.y) / self.scale
        return out

    def fit(self, design: Floats, prior: float | None = None) -> tuple[float, Floats]:
        """The gain of margin + design @ b over the margin alone, less the prior's share of it, and b float64[k].

        At the best b under a normal prior of variance `prior`; `design` float64[n, k].
        """
        k = design.shape[1]
        precision = np.eye(k) * (RIDGE if prior is None else 1.0 / prior)
        b = np.zeros(k)
        for _ in range(25):
            slope, curvature = self.link.derivatives(self.margin + design @ b, self.y)
            gradient = design.T @ slope / self.scale + precision @ b
            step = np.linalg.solve(
                (design * curvature[:, None]).T @ design / self.scale + precision, gradient
            )
            b = b - step / max(1.0, float(np.abs(step).max()))
            if np.abs(step).max() < 1e-6:
                break
        gain = self.likelihood(self.margin + design @ b).sum() - self.likelihood(self.margin).sum()
        return float(gain - 0.5 * b @ precision @ b), b


def _labelled(frame: pl.DataFrame) -> pl.DataFrame | None:
    if OUTCOME not in frame.columns or MARGIN not in frame.columns:
        return None
    return frame.filter(pl.col(OUTCOME).is_not_null() & pl.col(MARGIN).is_not_null())


def labels_flipped(outcomes: Outcomes) -> Candidate | None:
    """A share of the outcomes says the opposite: likelihood of 1 - outcome against that of the outcome."""
    if outcomes.link.kind != "binary":
        return None
    best = (-np.inf, 0.0, np.ones(1), 0.0)
    plain = outcomes.likelihood(outcomes.margin).sum()
    for moved in DAYS:  # the day's own mean comes on top
        answer = outcomes.link.answer(outcomes.margin + moved)
        as_is = np.maximum(np.where(outcomes.y > 0.5, answer, 1 - answer), 1e-9)
        ratio = (1 - as_is) / as_is
        more = float(np.log(as_is).sum() - plain) - 0.5 * moved**2 / DAY_VARIANCE
        net = float(price(gains(ratio[None], np.ones(len(ratio))), len(ratio))[0]) + more
        best = max(best, (net, more, ratio, moved), key=lambda one: one[0])
    net, more, ratio, moved = best
    fit = mixed_share(ratio)
    answer = outcomes.link.answer(outcomes.margin)
    return Candidate(
        "labels_flipped",
        (OUTCOME,),
        fit.gain + more,
        fit.gain + more - net + DAY_PRICE,
        f"The opposite was recorded of {percent(fit.share)} of {rows_in_words(len(ratio))}:"
        f" {percent(float(outcomes.y.mean()))} have the outcome, {percent(float(answer.mean()))} were to be expected.",
        {
            "share": fit.share,
            "share_low": fit.low,
            "share_high": fit.high,
            "outcomes": float(outcomes.y.mean()),
            "expected": float(answer.mean()),
            "rows": len(ratio),
        },
    )


def changed_behaviour(evidence: Evidence, outcomes: Outcomes) -> Candidate | None:
    """Outcomes differ from the answers in the mean, or along one column, whichever gains most net."""
    rows = len(outcomes.y)
    gain, b = outcomes.fit(np.ones((rows, 1)))
    direction = "more" if b[0] > 0 else "less"
    observed, expected = float(outcomes.y.mean()), float(outcomes.link.answer(outcomes.margin).mean())
    numbers = {"direction": int(np.sign(b[0])), "observed": observed, "expected": expected, "rows": rows}
    best = Candidate(
        "changed_behaviour",
        (),
        gain,
        free(1, rows),
        f"Outcomes are {observed:.3g} on average of {rows_in_words(rows)} where {expected:.3g} was answered,"
        f" {direction} than the same inputs meant before.",
        numbers,
    )
    first = [f.column for f in evidence.findings if f.kind == "behaviour" and f.column]
    columns = [*evidence.numbers, *evidence.categories, HOUR]
    for column in columns:
        design, labels = _design(evidence, outcomes.frame, column)
        if design is None:
            continue
        base = _beside(evidence, outcomes, column)
        gain, b = base.fit(np.column_stack([np.ones(rows), design]))
        gain += float((outcomes.likelihood(base.margin) - outcomes.likelihood(outcomes.margin)).sum())
        cost = free(1 + design.shape[1], rows) + (0.0 if column in first else float(np.log(len(columns))))
        if gain - cost <= best.score:
            continue
        at = int(np.argmax(np.abs(b[1:])))
        sign = "more" if b[1 + at] > 0 else "less"
        best = Candidate(
            "changed_behaviour",
            (column,) if column != HOUR else (),
            gain,
            cost,
            f"The same {column} means other outcomes than before: {sign} where it is {labels[at]}, in"
            f" {rows_in_words(rows)}.",
            {**numbers, "column": column, "where": labels[at], "direction": int(np.sign(b[1 + at]))},
        )
    return best


def _beside(evidence: Evidence, outcomes: Outcomes, column: str) -> Outcomes:
    """Outcomes whose margins follow what the peers of the window show along a column."""
    peers = _labelled(evidence.peers)
    if peers is None or peers.height < LEAST_PEERS or column in evidence.categories:
        return outcomes
    theirs, _ = _design(evidence, peers, column)
    mine, _ = _design(evidence, outcomes.frame, column)
    if theirs is None or mine is None:
        return outcomes
    y, margin = numbers_of(peers, OUTCOME), numbers_of(peers, MARGIN)
    beside = Outcomes(peers, y, margin, outcomes.link, outcomes.scale)
    _, b = beside.fit(np.column_stack([np.ones(peers.height), theirs]), prior=PEER_PRIOR)
    return Outcomes(outcomes.frame, outcomes.y, outcomes.margin + mine @ b[1:], outcomes.link, outcomes.scale)


def _design(evidence: Evidence, frame: pl.DataFrame, column: str) -> tuple[Floats | None, Sequence[str]]:
    """The columns of a design float64[n, k] and what a positive number of each stands for."""
    if column in evidence.categories:
        before = texts_of(evidence.earlier, column)
        values, counts = np.unique(before[[v is not None for v in before]].astype(str), return_counts=True)
        some = values[np.argsort(-counts)][:MOST_VALUES]
        if len(values) < 2:
            return None, ()
        here = texts_of(frame, column)
        return np.stack([(here == v) for v in some], axis=1).astype(np.float64), [str(v) for v in some]
    now, earlier = _along(evidence, frame, column), _along(evidence, evidence.earlier, column)
    known = np.sort(earlier[np.isfinite(earlier)])
    if len(known) < 2 or known[0] == known[-1]:
        return None, ()
    rank = (np.searchsorted(known, now, "left") + np.searchsorted(known, now, "right")) / (
        2 * len(known)
    ) - 0.5
    return np.where(np.isfinite(now), np.sqrt(12.0) * rank, 0.0)[:, None], ["high"]


def _along(evidence: Evidence, frame: pl.DataFrame, column: str) -> Floats:
    """A number's values, or the hours of the day, float64[n]."""
    return evidence.minutes_of(frame) / 60.0 if column == HOUR else numbers_of(frame, column)
