"""Quantiles of the normal and of Student's t."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray


def normal_quantile(p: float) -> float:
    """The standard normal quantile; `p` strictly between 0 and 1.

    >>> round(normal_quantile(0.975), 4)
    1.96
    """
    return NormalDist().inv_cdf(p)


def t_quantile(p: float, df: ArrayLike) -> NDArray[np.float64]:
    """Student's (1908) t quantile for each number of degrees of freedom.

    Fractions are allowed; NaN where `df` is not positive.



    >>> [round(float(t), 3) for t in t_quantile(0.975, [1.0, 10.0, 1e9])]
    [12.706, 2.228, 1.96]
    """
    from scipy.special import stdtrit

    df = np.asarray(df, np.float64)
    with np.errstate(all="ignore"):
        # Above a million degrees of freedom t is the normal to eight digits; infinity is allowed.
        t = stdtrit(np.minimum(df, 1e6), p)
    out: NDArray[np.float64] = np.where(df > 0, t, np.nan)
    return out
