"""Forecast of a level that wanders: the newest known values, weighted by age as earlier forecasts would have liked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .forecast_shares import forecast_shares

Floats = NDArray[np.float64]
HALF_LIVES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, np.inf)
PRIORS = (0.1, 0.5, 2.0, 8.0, np.inf)
"""Weights of a value 0 beside the known ones: the first believes these, the last one ignores them."""
LEAST = 4
"""With fewer known values nothing can be judged: the mean of all, drawn to 0 by the third prior."""
FORGETTING = 16.0
"""Windows after which the error of a forecast says half as much of its rule."""


@dataclass(frozen=True)
class LevelForecast:
    """The `value` forecast, and the mean absolute error `error` that such forecasts had (infinite where there were too
    few)."""

    value: float
    error: float


def forecast_level(values: ArrayLike, age: ArrayLike, gap: int = 1) -> LevelForecast:
    """Forecast the level of a window from those of earlier ones.

    `values` float64[h] from the oldest to the newest, `age` float64[h] how many windows ago each was; an earlier
    forecast knew what was at least `gap` windows older. Exponential smoothing (Brown 1959) by every pair of a half-life
    and a prior weight, averaged as their earlier forecasts deserve (`forecast_shares`; by mean
    absolute errors squared, so that one stormy window does not decide; forgetting as in Raftery, Kárný & Ettler 2010).

    >>> forecast_level([0.1, 0.1, 0.1, 0.5, 0.5, 0.5, 0.5, 0.5], range(8, 0, -1)).value > 0.4
    True
    """
    y, old = np.asarray(values, np.float64), np.asarray(age, np.float64)
    if len(y) < LEAST:
        return LevelForecast(float(y.sum() / (len(y) + PRIORS[2])), float("inf"))
    distance = old[:, None] - old[None, :]  # [source, forecast]: how much older the source is
    usable = distance >= gap
    judged = usable.sum(axis=0) >= 2
    halves = np.asarray(HALF_LIVES)[:, None, None]
    weight = np.where(usable, np.exp2(-np.maximum(distance - gap, 0) / halves), 0.0)[:, :, judged]
    now = np.exp2(-np.maximum(old - gap, 0) / halves[:, :, 0])
    prior = np.asarray(PRIORS)[:, None, None]
    before = np.einsum("rhf,h->rf", weight, y) / (weight.sum(axis=1) + prior)  # [prior, rule, forecast]
    then = (now @ y) / (now.sum(axis=1) + prior[:, :, 0])
    if judged.sum() < 2:
        return LevelForecast(float(y.sum() / (len(y) + PRIORS[2])), float("inf"))
    fresh = np.exp2(-(old[judged] - old.min()) / FORGETTING)
    squares = (np.abs(y[judged] - before) @ fresh / fresh.sum()) ** 2
    share = forecast_shares(squares.reshape(-1, 1), fresh.sum(keepdims=True)).reshape(squares.shape)
    return LevelForecast(float((share * then).sum()), float(np.sqrt((share * squares).sum())))
