"""Rows outside of what earlier windows had: there an estimate made from them says nothing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
SLACK = 0.02
"""By so much of its range a number may lie beyond what was seen."""


def outside_earlier(
    window: ArrayLike,
    numbers: Mapping[str, ArrayLike],
    categories: Mapping[str, ArrayLike],
    first: int = 1,
) -> NDArray[np.bool_]:
    """Which rows have a value that no earlier window had, bool[n].

    `window` int[n] from 0; `numbers` float64[n] each (NaN: missing, never outside): below the least or above the
    greatest value of all earlier windows, by more than `SLACK` of their range; `categories` int[n] codes (-1: missing):
    a value that none of them had. Rows of the `first` windows are never outside.

    >>> outside_earlier([0, 0, 1, 1], {"temp": [10.0, 20.0, 15.0, 45.0]}, {}).tolist()
    [False, False, False, True]
    """
    w = np.asarray(window, np.int64)
    out = np.zeros(len(w), bool)
    if not len(w):
        return out
    count = int(w.max()) + 1
    for values in numbers.values():
        x = np.asarray(values, np.float64)
        known = np.isfinite(x)
        least, most = np.full(count, np.inf), np.full(count, -np.inf)
        np.minimum.at(least, w[known], x[known])
        np.maximum.at(most, w[known], x[known])
        low = np.concatenate([[np.inf], np.minimum.accumulate(least)[:-1]])
        high = np.concatenate([[-np.inf], np.maximum.accumulate(most)[:-1]])
        with np.errstate(invalid="ignore"):
            slack = SLACK * np.where(high >= low, high - low, 0.0)
            out |= known & ((x < (low - slack)[w]) | (x > (high + slack)[w]))
    for codes in categories.values():
        c = np.asarray(codes, np.int64)
        seen = np.full(int(c.max(initial=0)) + 1, count, np.int64)
        np.minimum.at(seen, c[c >= 0], w[c >= 0])
        out |= (c >= 0) & (seen[np.maximum(c, 0)] >= w)
    return out & (w >= first)


def excess_distance(rows: ArrayLike, earlier: ArrayLike) -> Floats:
    """How far the mix of S segments' rows over bins is from that of earlier rows, beyond chance, float64[S].

    `rows` and `earlier` float64[S, B]. Pearson's chi-square per row, with one row in every bin added to the earlier
    ones, less what chance gives: 0 where nothing changed, NaN where there are no rows.

    >>> excess_distance([[50.0, 50.0]], [[500.0, 500.0]]).round(3).tolist()
    [0.0]
    """
    n, m = np.asarray(rows, np.float64), np.asarray(earlier, np.float64) + 1.0
    total, before = n.sum(axis=1, keepdims=True), m.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = m / before
        found = ((n / total - p) ** 2 / p).sum(axis=1)
        chance = (n.shape[1] - 1) * (1.0 / total[:, 0] + 1.0 / before[:, 0])
        return np.where(total[:, 0] > 0, np.maximum(found - chance, 0.0), np.nan)
