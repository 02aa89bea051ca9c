"""Realised performance as outcomes arrive: loss and calibration of every segment, valid at every moment.

The history before a moment (the training of the image, its first months) says what each segment's loss was and how far
days lie apart when nothing is wrong. From then on evidence adds up against "the mean loss of a day is at most the
history's", and against "outcomes lie as far from answers as in the history", both beyond a practical size. One may
look after every outcome: see `restarted_evidence`. Rows of one day are never taken as independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jomon.core.cubes import Cube
from jomon.core.findings import Signal, SignalKind, Span
from jomon.monitoring.cells import Level
from jomon.monitoring.day_sums import LOSS_UNITS, DaySums, Floats, OutcomeKind
from jomon.stats.day_noise import DayNoise, day_noise
from jomon.stats.e_values import e_benjamini_hochberg
from jomon.stats.quantiles import normal_quantile
from jomon.stats.restarted_means import mean_at_any_time, restarted_evidence

SOURCE = "outcomes joined to predictions"
SURE = 0.9
"""How sure the bound of a history's mean is that evidence is against: the mean itself was found from few days."""


@dataclass(frozen=True)
class RealisedRules:
    """When anything is said.

    `rate`: the share of false findings; `level` of intervals; `min_rows` with outcome, and `min_days` and `min_history`
    rows of history, below which nothing is said; practical sizes: `loss` as a share of the history's, `outcomes` in
    standard deviations of an outcome.
    """

    rate: float = 0.05
    level: float = 0.95
    min_rows: int = 10
    min_days: int = 10
    min_history: int = 30
    loss: float = 0.05
    outcomes: float = 0.1


@dataclass(frozen=True, eq=False)
class Measured:
    """One kind over the segments of a level: rows, value and bounds, the history, log e values; float64[S] each."""

    kind: SignalKind
    unit: str
    sums: DaySums
    rows: Floats
    value: Floats
    low: Floats
    high: Floats
    before: DayNoise
    margin: Floats
    log_e: Floats


def realised(
    cube: Cube, levels: Sequence[Level], kind: OutcomeKind, since: int, span: Span, rules: RealisedRules
) -> tuple[Signal, ...]:
    """Signals `realised` and `calibration` of every segment of every level.

    Windows of the cube before number `since` are the history, those from it on what is watched; `span` is the time of
    these. Control is e-BH over all segments, levels and both kinds at `rules.rate`: however segments share their days,
    at most that share of the findings is false on average, and where nothing is wrong anything is ever found with at
    most that probability, however often one looks. A segment without rows, with too few, or without history, is
    `unknown` with its reason.
    """
    found = [one for level in levels for one in _measured(DaySums.of(cube, level), kind, since, rules)]
    if not found:
        return ()
    rejected = e_benjamini_hochberg(np.concatenate([one.log_e for one in found]), rules.rate)
    signals, at = [], 0
    for one in found:
        for number in range(len(one.rows)):
            signals.append(_signal(one, number, bool(rejected[at + number]), span, rules))
        at += len(one.rows)
    return tuple(signals)


def _measured(sums: DaySums, kind: OutcomeKind, since: int, rules: RealisedRules) -> list[Measured]:
    loss, _ = sums.bounded_loss(kind, since)
    before, rows = sums.labelled[:since], sums.labelled[since:]
    few = (rows.sum(axis=0) < rules.min_rows) | (before.sum(axis=0) < rules.min_history)
    few |= (before > 0).sum(axis=0) < rules.min_days
    spread = outcome_spread(sums, since)
    with np.errstate(invalid="ignore", divide="ignore"):
        losses, residuals = loss[since:] / rows, sums.residual[since:] / rows
    history = day_noise(loss[:since], before)
    margin = _beyond(history, rules.loss * np.abs(history.mean))
    variance = history.variances(rows)
    log_e = restarted_evidence(losses, variance, history.mean + margin, history.skew)
    value, low, high = mean_at_any_time(losses, variance, rules.level)
    out = [
        Measured("realised", LOSS_UNITS[kind], sums, rows.sum(axis=0), value, np.maximum(low, 0.0), high, history,
                 margin, _last(log_e, few)),
    ]  # fmt: skip
    history = day_noise(sums.residual[:since], before)
    margin = _beyond(history, rules.outcomes * spread)
    variance = history.variances(rows)
    above = restarted_evidence(residuals, variance, history.mean + margin, history.skew)
    below = restarted_evidence(-residuals, variance, -history.mean + margin, -history.skew)
    with np.errstate(invalid="ignore"):
        log_e = np.logaddexp(above, below) - np.log(2.0)
    value, low, high = mean_at_any_time(residuals, variance, rules.level)
    unit = "share of rows" if kind == "binary" else "outcome"
    out.append(
        Measured("calibration", unit, sums, rows.sum(axis=0), value, low, high, history, margin,
                 _last(log_e, few))
    )  # fmt: skip
    return out


def _last(log_e: Floats, few: NDArray[np.bool_]) -> Floats:
    """The evidence now; NaN where there is too little to say anything."""
    out: Floats = np.where(few, np.nan, log_e[-1] if len(log_e) else np.nan)
    return out


def _beyond(history: DayNoise, practical: Floats) -> Floats:
    """How far beyond the history's mean a segment has to be: the practical size, or what is not known of the mean."""
    return np.maximum(practical, normal_quantile(SURE) * history.error)


def outcome_spread(sums: DaySums, since: int) -> Floats:
    """The standard deviation of an outcome in each segment, float64[S]; for a regression that of its errors."""
    rows = np.maximum(sums.labelled[:since].sum(axis=0), 1.0)
    implied = sums.variance[:since].sum(axis=0)
    out: Floats = np.sqrt((implied if implied.any() else sums.loss[:since].sum(axis=0)) / rows)
    return out


def _signal(one: Measured, at: int, rejected: bool, span: Span, rules: RealisedRules) -> Signal:
    segment, rows = one.sums.segments[at], int(one.rows[at])
    days, before = int(one.before.days[at]), int(one.before.rows[at])
    reason = _reason(rows, days, before, rules)
    if not reason and not np.isfinite(one.log_e[at]):
        reason = "days of the history do not differ at all"
    if reason:
        return Signal(
            span, segment, one.kind, "", None, None, None, one.unit, rows, "", SOURCE, "unknown", reason
        )
    evidence = float(np.exp(min(one.log_e[at], 700.0)))
    word = "more" if one.kind == "realised" else "farther"
    reference = (
        f"{one.before.mean[at]:.4g} over {days} earlier windows and {before} rows; e value {evidence:.3g} for being "
        f"{word} than {one.margin[at]:.2g} beyond it"
    )
    return Signal(
        span, segment, one.kind, "", float(one.value[at]), float(one.low[at]), float(one.high[at]), one.unit, rows,
        reference, SOURCE, "finding" if rejected else "quiet",
    )  # fmt: skip


def _reason(rows: int, days: int, before: int, rules: RealisedRules) -> str:
    if not rows:
        return "no outcome has come yet"
    if rows < rules.min_rows:
        return f"only {rows} rows have their outcome: {rules.min_rows} are needed"
    if days < rules.min_days:
        return f"only {days} earlier windows have outcomes: {rules.min_days} are needed"
    if before < rules.min_history:
        return f"only {before} earlier rows have their outcome: {rules.min_history} are needed"
    return ""
