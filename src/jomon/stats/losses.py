"""Losses per row: what one prediction costs, from targets and margins."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def log_loss(target: ArrayLike, margin: ArrayLike) -> Floats:
    """Log loss in nats of each row, from the margin (log odds): exact where a probability would round.

    `target` is 0 or 1 (or a share between them), float64[n]; returns float64[n]. The form log(1 + e^m) - y m
    is the one of McCullagh & Nelder (1989), Generalized Linear Models, section 4.4.

    >>> [round(float(v), 4) for v in log_loss([1, 0, 1], [0.0, 2.0, -800.0])]
    [0.6931, 2.1269, 800.0]
    """
    y, m = np.asarray(target, np.float64), np.asarray(margin, np.float64)
    # log1p(exp(-|m|)) + max(m, 0) - y m, written so that a certain and right answer costs exactly nothing.
    out: Floats = np.log1p(np.exp(-np.abs(m))) + np.where(m > 0, (1.0 - y) * m, -y * m)
    return out


def squared_error(target: ArrayLike, predicted: ArrayLike) -> Floats:
    """Squared error of each row, in squared units of the target: float64[n].

    >>> squared_error([1, 2], [1, 4]).tolist()
    [0.0, 4.0]
    """
    out: Floats = np.square(np.asarray(target, np.float64) - np.asarray(predicted, np.float64))
    return out


def absolute_error(target: ArrayLike, predicted: ArrayLike) -> Floats:
    """Absolute error of each row, in units of the target: float64[n].

    >>> absolute_error([1, 2], [1, 4]).tolist()
    [0.0, 2.0]
    """
    out: Floats = np.abs(np.asarray(target, np.float64) - np.asarray(predicted, np.float64))
    return out


def poisson_deviance(target: ArrayLike, margin: ArrayLike) -> Floats:
    """Unit Poisson deviance of each row from the margin (log of the expected count): float64[n].

    2 (y log(y / mu) - y + mu) with mu = e^margin, and 2 mu for a count of zero; McCullagh & Nelder (1989),
    Generalized Linear Models, section 2.3.

    >>> [round(float(v), 4) for v in poisson_deviance([0, 1, 3], [0.0, 0.0, 0.0])]
    [2.0, 0.0, 2.5917]
    """
    y, m = np.asarray(target, np.float64), np.asarray(margin, np.float64)
    if np.any(y < 0):
        raise ValueError("a count cannot be negative")
    log_y = np.log(np.where(y > 0, y, 1.0))
    out: Floats = 2.0 * (y * (log_y - m) - y + np.exp(m))
    return np.maximum(out, 0.0)
