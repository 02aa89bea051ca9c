"""Calibration: do events happen as often as predicted?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .wilson import wilson_interval

Floats = NDArray[np.float64]
BINS = 15


@dataclass(frozen=True)
class ReliabilityBin:
    """Mean prediction, observed share, Wilson's interval of that share, and rows of one bin."""

    predicted: float
    observed: float
    low: float
    high: float
    rows: int


def equal_mass_bins(predicted: ArrayLike, bins: int = BINS) -> NDArray[np.int64]:
    """The bin of each row, int64[n]: about n / bins rows in each; equal predictions always share a bin.

    >>> equal_mass_bins([0.1, 0.2, 0.3, 0.4], 2).tolist(), equal_mass_bins([0.5, 0.5, 0.5], 3).tolist()
    ([0, 0, 1, 1], [0, 0, 0])
    """
    p = np.asarray(predicted, np.float64)
    if not len(p):
        return np.zeros(0, np.int64)
    ranked = np.sort(p)
    edges = np.unique(ranked[(np.arange(1, bins) * len(p)) // bins])
    found = np.searchsorted(edges, p, side="right")
    _, out = np.unique(found, return_inverse=True)
    return out.astype(np.int64)


def reliability(
    target: ArrayLike, predicted: ArrayLike, bins: int = BINS, level: float = 0.95
) -> tuple[ReliabilityBin, ...]:
    """The reliability diagram (Murphy & Winkler 1977) on equal-mass bins.

    `target` is 0 or 1 [n], `predicted` lies in 0..1 [n].

    The intervals take rows as independent: within one day they are not, so read them as the least there is.

    >>> [(b.predicted, b.observed, b.rows) for b in reliability([0, 0, 1, 1], [0.0, 0.5, 0.5, 1.0], bins=2)]
    [(0.0, 0.0, 1), (0.6666666666666666, 0.6666666666666666, 3)]
    """
    y, p = np.asarray(target, np.float64), np.asarray(predicted, np.float64)
    if not len(y):
        return ()
    index = equal_mass_bins(p, bins)
    rows = np.bincount(index)
    events = np.bincount(index, y)
    low, high = wilson_interval(events, rows, level)
    means = np.bincount(index, p) / rows
    return tuple(
        ReliabilityBin(
            float(means[b]), float(events[b] / rows[b]), float(low[b]), float(high[b]), int(rows[b])
        )
        for b in range(len(rows))
    )


def calibration_error(target: ArrayLike, predicted: ArrayLike, bins: int = BINS) -> float:
    """Expected calibration error: mean |predicted - observed| over equal-mass bins, NaN without rows.



    Naeini, Cooper & Hauskrecht (2015); equal-mass bins after Nixon et al. (2019). Biased upwards: a
    perfectly calibrated model of n rows still shows about sqrt(2 bins p (1 - p) / (pi n)), 0.006 for 15
    bins, 50,000 rows and p near one quarter; and averaging within bins hides errors that cancel. See
    `calibration_error_debiased`.

    >>> calibration_error([0, 1, 1, 1], [0.25, 0.25, 1.0, 1.0], bins=2)
    0.125
    """
    y, p = np.asarray(target, np.float64), np.asarray(predicted, np.float64)
    if not len(y):
        return float("nan")
    index = equal_mass_bins(p, bins)
    return float(np.abs(np.bincount(index, p - y)).sum()) / len(y)


def calibration_error_debiased(target: ArrayLike, predicted: ArrayLike, bins: int = BINS) -> float:
    """Root mean squared calibration error over equal-mass bins, less what chance alone adds.



    Kumar, Liang & Ma (2019), Verified uncertainty calibration, section 4: from every squared gap the
    estimated variance observed (1 - observed) / (rows - 1) is taken away, so the square is unbiased; where
    it falls below zero the answer is zero. Bins of one row are left out.

    >>> y = np.tile([0, 0, 0, 1], 100)
    >>> [round(calibration_error_debiased(y, np.full(400, p)), 2) for p in (0.25, 0.5)]
    [0.0, 0.25]
    """
    y, p = np.asarray(target, np.float64), np.asarray(predicted, np.float64)
    if not len(y):
        return float("nan")
    index = equal_mass_bins(p, bins)
    rows = np.bincount(index).astype(np.float64)
    kept = rows > 1
    if not kept.any():
        return float("nan")
    rows, gap = rows[kept], (np.bincount(index, p - y) / rows)[kept]
    share = np.bincount(index, y)[kept] / rows
    square = float(rows @ (gap**2 - share * (1.0 - share) / (rows - 1.0))) / float(rows.sum())
    return float(np.sqrt(max(square, 0.0)))


def calibration_influence(target: ArrayLike, predicted: ArrayLike, bins: int = BINS) -> Floats:
    """What each row adds to `calibration_error` beyond its share: float64[n], bins and signs held fixed."""
    y, p = np.asarray(target, np.float64), np.asarray(predicted, np.float64)
    if not len(y):
        return np.zeros(0)
    index = equal_mass_bins(p, bins)
    sign = np.sign(np.bincount(index, p - y))
    own = sign[index] * (p - y)
    out: Floats = own - own.mean()
    return out
