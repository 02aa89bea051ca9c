"""Offsets of segments from what was expected of them, each as sure as its windows make it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .pooling import pool

Floats = NDArray[np.float64]


def segment_offsets(residual: ArrayLike, scale: ArrayLike, weight: ArrayLike) -> Floats:
    """Sum of residuals over sum of scales per segment, drawn to the common one as far as noise asks, float64[S].

    `residual` float64[h, S] by window and segment; `scale` float64[h, S] what one unit of offset would add to it;
    `weight` float64[h] of each window. The variance is that of whole windows, whose rows may depend on one another
    (cluster-robust with CR2, Bell & McCaffrey 2002), and the pooling that of `pool`. A segment without rows gets the
    common offset; two segments or fewer are drawn to 0 instead, as if half a window more said so.

    >>> rng = np.random.default_rng(1)
    >>> found = segment_offsets(rng.normal(0.2, 0.1, (20, 5)), np.ones((20, 5)), np.ones(20))
    >>> bool(np.all(np.abs(found - 0.2) < 0.1))
    True
    """
    r, v, w = (np.asarray(a, np.float64) for a in (residual, scale, weight))
    w = w[:, None]
    total = (w * v).sum(axis=0)
    blocks = (v > 0).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(total > 0, (w * r).sum(axis=0) / total, np.nan)
        if r.shape[1] < 3:
            worth = w.sum()
            return np.asarray(np.nan_to_num(mean) * worth / (worth + 0.5), np.float64)
        rest, share = w * (r - mean * v), w * v / total
        variance = (rest**2 / np.maximum(1.0 - share, 0.05)).sum(axis=0) / total**2
    variance = np.where(blocks >= 2, variance, np.nan)
    found = pool(mean, variance, blocks).mean
    return np.where(np.isfinite(found), found, 0.0)
