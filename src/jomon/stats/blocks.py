"""Blocks of days: how long, and what their shortness hides."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MOST_HIDDEN = 0.7
"""Blocks are never taken to hide more than this share of the variance: beyond it nobody can say."""


def block_length(days: int) -> int:
    """Days in a block: the square root of twice the days, at most a third of them; 14 for 14 weeks.

    Longer than the n^(1/3) of Politis & White (2004), which is best for the error of the variance; for the
    coverage of an interval whose t allows for few blocks (`DayBootstrap`) the bias of short blocks is what
    hurts.

    >>> [block_length(days) for days in (1, 14, 98, 365)]
    [1, 4, 14, 28]
    """
    return max(1, min(math.ceil(math.sqrt(2 * days)), days // 3))


def short_block_factor(deviation: Floats, length: int) -> Floats:
    """By how much a standard error from short blocks must grow for correlation that reaches across them.

    `deviation` float64[..., days] has mean zero over days, `length` is the days in a block; returns
    float64[...], at least 1. Blocks of length L miss a share 2 r / ((1 - r^2) L) of the variance of a mean
    of days with correlation r^|lag| (Künsch 1989, section 3); r is the first autocorrelation, freed of its
    bias (1 + 3 r) / days (Marriott & Pope 1954), and not taken below zero.

    >>> rough = np.tile([1.0, -1.0], 20)
    >>> smooth = np.repeat([1.0, -1.0, 1.0, -1.0], 10)
    >>> [round(float(v), 2) for v in short_block_factor(np.stack([rough, smooth]), 9)]
    [1.0, 1.83]
    """
    days = deviation.shape[-1]
    power = np.sum(deviation**2, axis=-1)
    lagged = np.sum(deviation[..., 1:] * deviation[..., :-1], axis=-1)
    r = np.divide(lagged, power, out=np.zeros_like(power), where=power > 0)
    r = np.clip(r + (1.0 + 3.0 * r) / max(days, 1), 0.0, 0.9)
    hidden = np.minimum(2.0 * r / ((1.0 - r**2) * length), MOST_HIDDEN)
    out: Floats = 1.0 / np.sqrt(1.0 - hidden)
    return out
