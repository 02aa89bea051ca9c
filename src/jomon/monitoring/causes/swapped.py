"""Swapped: two columns stand in each other's place in a share of the rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from jomon.monitoring.causes.backgrounds import CategoryBackground, NumberBackground
from jomon.monitoring.causes.candidate import Candidate, percent, rows_in_words
from jomon.monitoring.causes.distribution import ordinary_gain
from jomon.stats.mixed_share import gains, mixed_share, price

LEAST_CHANGED = 3.0
BOUND = 30.0

Background = NumberBackground | CategoryBackground


def swapped(one: Background, others: Sequence[Background], found: Collection[str]) -> Candidate | None:
    """The column for which `one` was taken, if there is one.

    A row has both values in their places with probability 1 - s, each in the other's with s; all in units of one
    value's width, so that columns of unlike scale can be compared. `found`: the columns that stand out.
    """
    best: tuple[float, Background, np.ndarray] | None = None
    for other in others:
        if type(other) is not type(one) or other.column == one.column:
            continue
        ratio = np.exp(np.clip(_log_ratio(one, other), -BOUND, BOUND))
        net = float(price(gains(ratio[None], np.ones(len(ratio))), len(ratio))[0])
        if best is None or net > best[0]:
            best = net, other, ratio
    if best is None:
        return None
    net, other, ratio = best
    fit = mixed_share(ratio)
    if fit.share * len(ratio) < LEAST_CHANGED:
        return None
    return Candidate(
        "swapped_columns",
        (one.column, other.column),
        fit.gain + _world(one, other, fit.share * ratio > 1 - fit.share, other.column in found),
        fit.gain - net + float(np.log(max(len(others), 2))),
        f"{one.column} holds {other.column} and {other.column} holds {one.column} in {percent(fit.share)} of"
        f" {rows_in_words(len(ratio))}.",
        {
            "columns": [one.column, other.column],
            "share": fit.share,
            "share_low": fit.low,
            "share_high": fit.high,
        },
    )


def _log_ratio(one: Background, other: Background) -> np.ndarray:
    if isinstance(one, NumberBackground) and isinstance(other, NumberBackground):
        crossed = one.log_mass(other.values) + other.log_mass(one.values)
        return np.asarray(crossed - one.log_mass(one.values) - other.log_mass(other.values))
    if isinstance(one, CategoryBackground) and isinstance(other, CategoryBackground):
        crossed = one.log_mass(other.values) + other.log_mass(one.values)
        return np.asarray(crossed - one.log_mass(one.values) - other.log_mass(other.values))
    raise TypeError("columns of one kind are compared")


def _world(one: Background, other: Background, moved: np.ndarray, both: bool) -> float:
    """What the day's own ways gain once the columns are back in their places; beyond what they gain as it is in the
    other column, if that one does not stand out."""
    if not (isinstance(one, NumberBackground) and isinstance(other, NumberBackground)):
        return 0.0
    gain = 0.0
    for own, foreign in ((one, other), (other, one)):
        values = np.where(moved, foreign.values, own.values)
        known = np.flatnonzero(np.isfinite(values))
        gain += ordinary_gain(own, values[known], own.group[known])
    if not both:
        gain -= ordinary_gain(other, other.values[other.known], other.group[other.known])
    return gain
