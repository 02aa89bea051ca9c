"""How much to believe each of several forecasters: by the errors that they made."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
COMMON = 10.0
"""Forecasts' worth of a belief that forecasters compare for one segment as they do for all."""


def forecast_shares(squares: ArrayLike, count: ArrayLike) -> Floats:
    """Shares of J forecasters for each of S segments, float64[J, S], that sum to one over the forecasters.

    `squares` float64[J, S]: mean squared errors of earlier forecasts; `count` float64[S] how many. Shares go with the
    likelihood of those forecasts, errors being normal with a variance of each forecaster's own (Dawid 1984; Bayesian
    model averaging: Hoeting, Madigan, Raftery & Volinsky 1999). With more than one segment, how forecasters compare for
    all of them counts like `COMMON` more forecasts.

    >>> forecast_shares([[1.0], [4.0]], [4.0]).round(3).ravel().tolist()
    [0.941, 0.059]
    """
    mse, n = np.asarray(squares, np.float64), np.asarray(count, np.float64)
    if mse.shape[1] > 1:
        typical = mse.mean(axis=0)
        known = (n > 0) & (typical > 0)
        if known.any():
            ratio = (mse[:, known] / typical[known]).mean(axis=1)
            mse = (n * mse + COMMON * ratio[:, None] * typical) / (n + COMMON)
            n = n + COMMON
    tiny = 1e-12 * mse.max(axis=0) + 1e-300
    likelihood = -0.5 * n * np.log(mse + tiny)
    share = np.exp(likelihood - likelihood.max(axis=0))
    return np.asarray(share / share.sum(axis=0), np.float64)
