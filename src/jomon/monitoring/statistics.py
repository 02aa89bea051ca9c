"""Statistics of one column: how far what was observed is from what was expected, for all segments at once.

Each is at least 0, and about chi-square distributed if the expected counts are right; how it is distributed on real
days the fleet's history tells.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jomon.core.binning import ColumnBins
from jomon.core.spec_monitor import PracticalSpec

Floats = NDArray[np.float64]
MOST_ROWS = 200.0
NEAR = 0.3
"""A shift is measured in no smaller unit than this share of the usual spread."""
HALF = 0.5  # added to expected counts, so that a bin where nothing is expected does not decide alone


def values_statistic(observed: Floats, expected: Floats, bins: int) -> tuple[Floats, Floats]:
    """Chi-square over the first `bins` bins, whatever the share of the others, and the share of rows that moved from
    one bin to another beyond what chance moves; float64[S] each, counts are float64[S, B]."""
    seen = observed[:, :bins]
    total = seen.sum(axis=1, keepdims=True)
    meant = expected[:, :bins]
    share = meant / np.maximum(meant.sum(axis=1, keepdims=True), 1e-12)
    meant = share * total
    statistic: Floats = ((seen - meant) ** 2 / (meant + HALF)).sum(axis=1)
    chance = np.sqrt(meant * (1 - share) * (2 / np.pi)).sum(axis=1)
    moved = (np.abs(seen - meant).sum(axis=1) - chance) / 2 / np.maximum(total[:, 0], 1e-12)
    return statistic, np.maximum(moved, 0.0)


def shift_statistic(observed: Floats, expected: Floats, usual: Floats, bins: int) -> tuple[Floats, Floats]:
    """The shift along the order of the bins: its square in units of its spread, and the shift in standard deviations
    of the `usual` values; float64[S] each. Finds small shifts that no single bin shows.

    A value counts by the rank of its bin among the `usual` ones (float64[S, B]), those of all days and hours: where a
    day's values are expected in one bin, the bin beside it is near and one far away is far.
    """
    seen, meant = observed[:, :bins], expected[:, :bins]
    total = seen.sum(axis=1)
    weight = usual[:, :bins] / np.maximum(usual[:, :bins].sum(axis=1, keepdims=True), 1e-12)
    rank = np.cumsum(weight, axis=1) - weight / 2
    spread = np.sqrt(np.maximum((weight * (rank - 0.5) ** 2).sum(axis=1), 1e-4))
    today = meant / np.maximum(meant.sum(axis=1, keepdims=True), 1e-12)
    mean = (today * rank).sum(axis=1, keepdims=True)
    variance = (today * (rank - mean) ** 2).sum(axis=1)
    moved = (seen * (rank - mean)).sum(axis=1)
    statistic: Floats = moved**2 / ((total + HALF) * (variance + (NEAR * spread) ** 2))
    return statistic, moved / np.maximum(total, 1e-12) / spread


def share_statistic(count: Floats, rows: Floats, expected: Floats) -> tuple[Floats, Floats]:
    """Twice the log likelihood ratio of `count` among `rows` where `expected` were meant, and the difference of the
    shares; float64[S] each."""
    meant = np.clip(expected + 0.05, 1e-9, np.maximum(rows - 1e-6, 1e-9))
    rest, meant_rest = rows - count, rows - meant
    with np.errstate(divide="ignore", invalid="ignore"):
        one = np.where(count > 0, count * np.log(count / meant), 0.0)
        two = np.where(rest > 0, rest * np.log(rest / np.maximum(meant_rest, 1e-9)), 0.0)
    return 2 * np.maximum(one + two, 0.0), (count - expected) / np.maximum(rows, 1e-12)


def count_statistic(count: Floats, expected: Floats) -> tuple[Floats, Floats]:
    """The squared distance of a count from its expectation in units of Poisson's spread, and the share of rows too many
    or too few; float64[S] each."""
    return (count - expected) ** 2 / (expected + HALF), count / np.maximum(expected, 1e-12) - 1.0


Measured = dict[str, tuple[Floats, Floats]]
"""Statistic and effect by kind, float64[S] each."""


def column_statistics(column: ColumnBins, observed: Floats, expected: Floats, usual: Floats) -> Measured:
    """The statistics of a column and their effects; counts are float64[S, width], `usual` ones those of the history.

    `drift`: the distribution of its values; `shift`: along their order (numbers and scores); `nulls`: values that are
    missing or came back; `unseen`: categories that the reference never had; `clock`, `volume` and `duplicates` of the
    columns of these kinds (of unseen and duplicates more of them only).
    """
    rows = observed.sum(axis=1)
    if column.kind == "rows":
        return {"volume": count_statistic(observed[:, 0], expected[:, 0])}
    if column.kind == "duplicates":
        return {"duplicates": _more(share_statistic(observed[:, 0], rows, expected[:, 0]))}
    drift = values_statistic(observed, expected, column.size)
    if column.kind == "clock":
        return {"clock": drift}
    found = {"drift": drift}
    if column.kind in ("number", "score") and column.size > 2:
        found["shift"] = shift_statistic(observed, expected, usual, column.size)
    if column.kind in ("number", "category"):
        found["nulls"] = share_statistic(observed[:, column.null], rows, expected[:, column.null])
    if column.kind == "category":
        found["unseen"] = _more(share_statistic(observed[:, column.unseen], rows, expected[:, column.unseen]))
    return found


def _more(measured: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    statistic, effect = measured
    return np.where(effect > 0, statistic, 0.0), np.maximum(effect, 0.0)


def least_effect(kind: str, practical: PracticalSpec) -> float:
    """The effect below which a test of this kind says nothing."""
    if kind in ("nulls", "unseen", "duplicates"):
        return practical.nulls
    if kind == "volume":
        return practical.volume
    if kind in ("calibration", "behaviour", "discrimination"):
        return practical.outcomes
    return 2 * practical.drift if kind == "clock" else practical.drift


def of_size(kind: str, measured: tuple[Floats, Floats], rows: Floats, practical: PracticalSpec) -> Floats:
    """The statistic where the effect has a practical size, else 0, float64[S].

    It counts no more than `MOST_ROWS` rows: what differs from day to day in many rows at once is no chance of rows.
    """
    statistic, effect = measured
    scaled = statistic / (1.0 + rows / MOST_ROWS)
    out: Floats = np.where(np.abs(effect) >= least_effect(kind, practical), scaled, 0.0)
    return out
