"""Power: the smallest difference that so many blocks of time can show."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .quantiles import t_quantile


def detectable(
    sd: ArrayLike, blocks: ArrayLike, alpha: float = 0.05, power: float = 0.8
) -> NDArray[np.float64]:
    """The true mean difference that a one-sided t test at `alpha` finds with probability `power`.

    `sd`: standard deviation of the difference of one block, in the unit of the loss; `blocks`: number of
    independent blocks of about equal size; both broadcast. NaN below two blocks. Found by inverting the
    noncentral t distribution (Johnson & Welch 1940) by bisection.

    >>> round(float(detectable(1.0, 14)), 3), round(float(detectable(1.0, 14_000)), 4)
    (0.702, 0.021)
    """
    from scipy.special import nctdtr

    if not (0.0 < alpha < 1.0 and 0.0 < power < 1.0):
        raise ValueError("alpha and power lie between 0 and 1")
    sd, blocks = np.broadcast_arrays(np.asarray(sd, np.float64), np.asarray(blocks, np.float64))
    df = np.maximum(blocks - 1.0, 1.0)
    threshold = t_quantile(1.0 - alpha, df)
    low, high = np.full(df.shape, -50.0), np.full(df.shape, 50.0)
    high = np.maximum(high, 20.0 * np.abs(threshold))
    for _ in range(60):
        middle = 0.5 * (low + high)
        enough = 1.0 - nctdtr(df, middle, threshold) >= power
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    out: NDArray[np.float64] = np.where(blocks >= 2, high * sd / np.sqrt(np.maximum(blocks, 1.0)), np.nan)
    return out
