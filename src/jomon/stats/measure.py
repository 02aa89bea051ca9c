"""Any metric as a value and one influence per row, so that one bootstrap serves them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .auc import RankedScores
from .calibration import calibration_error, calibration_influence
from .losses import absolute_error, log_loss, poisson_deviance, squared_error

Floats = NDArray[np.float64]
Kind = Literal["binary", "regression", "count"]
METRICS: dict[str, tuple[str, ...]] = {
    "binary": ("log_loss", "roc_auc", "brier", "calibration_error"),
    "regression": ("rmse", "mae"),
    "count": ("poisson_deviance", "rmse", "mae"),
}
"""The metrics of each kind of target, the one that decides first."""


@dataclass(frozen=True, eq=False)
class Measured:
    """`value` of a metric on n rows (NaN where it is not defined) and `influence` float64[n], of mean zero.

    To first order the metric on resampled rows is `value` plus the mean of their influences (Hampel 1974);
    the difference of two models on the same rows has the difference of their influences.
    """

    value: float
    influence: Floats

    def __sub__(self, other: Measured) -> Measured:
        return Measured(self.value - other.value, self.influence - other.influence)


def mean_response(margin: ArrayLike, kind: Kind) -> Floats:
    """A margin on the scale of the target: probability, value or expected count, float64[n].

    >>> mean_response([0.0, -800.0], "binary").tolist()
    [0.5, 0.0]
    """
    m = np.asarray(margin, np.float64)
    if kind == "binary":
        half: Floats = 0.5 + 0.5 * np.tanh(0.5 * m)
        return half
    return np.exp(m) if kind == "count" else m


def loss_per_row(target: ArrayLike, margin: ArrayLike, kind: Kind) -> Floats:
    """The loss that decides, per row, float64[n]: log loss, squared error or Poisson deviance."""
    if kind == "binary":
        return log_loss(target, margin)
    return poisson_deviance(target, margin) if kind == "count" else squared_error(target, margin)


def measure(metric: str, target: ArrayLike, margin: ArrayLike, kind: Kind) -> Measured:
    """One of `METRICS[kind]` on `target` float64[n] and `margin` float64[n] (log odds, value or log count).

    >>> out = measure("rmse", [0.0, 0.0], [3.0, 4.0], "regression")
    >>> round(out.value, 4), [round(float(v), 4) for v in out.influence]
    (3.5355, [-0.495, 0.495])
    """
    y = np.asarray(target, np.float64)
    if metric not in METRICS[kind]:
        raise ValueError(f"{metric!r} is not a metric of a {kind} target")
    if not len(y):
        return Measured(float("nan"), np.zeros(0))
    return _HOW[metric](y, np.asarray(margin, np.float64), kind)


def _mean(loss: Floats) -> Measured:
    value = float(loss.mean())
    return Measured(value, loss - value)


def _rmse(y: Floats, m: Floats, kind: Kind) -> Measured:
    squares = squared_error(y, mean_response(m, kind))
    value = float(np.sqrt(squares.mean()))
    return Measured(value, (squares - value**2) / (2.0 * value) if value > 0 else np.zeros(len(y)))


def _auc(y: Floats, m: Floats, kind: Kind) -> Measured:
    ranked = RankedScores.of(y, m)
    return Measured(ranked.auc(), ranked.influence())


def _calibration(y: Floats, m: Floats, kind: Kind) -> Measured:
    p = mean_response(m, kind)
    return Measured(calibration_error(y, p), calibration_influence(y, p))


_HOW: dict[str, Callable[[Floats, Floats, Kind], Measured]] = {
    "log_loss": lambda y, m, kind: _mean(log_loss(y, m)),
    "brier": lambda y, m, kind: _mean(squared_error(y, mean_response(m, kind))),
    "mae": lambda y, m, kind: _mean(absolute_error(y, mean_response(m, kind))),
    "poisson_deviance": lambda y, m, kind: _mean(poisson_deviance(y, m)),
    "rmse": _rmse,
    "roc_auc": _auc,
    "calibration_error": _calibration,
}
