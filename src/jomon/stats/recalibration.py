"""Recalibration: how often events really happen at a score, from sums per bin of scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
LEAST = 1e-4
"""No rate is taken to be nearer than this to 0 or 1."""
_STEPS = 12
_REACH = 12.0  # log-odds beyond which an offset says nothing more


def log_odds(rate: ArrayLike, least: float = LEAST) -> Floats:
    """The log-odds of rates, held at least `least` away from 0 and 1.

    >>> log_odds([0.5, 0.0]).round(2).tolist()
    [0.0, -9.21]
    """
    p = np.clip(np.asarray(rate, np.float64), least, 1.0 - least)
    return np.asarray(np.log(p / (1.0 - p)), np.float64)


def probability(logit: ArrayLike) -> Floats:
    """The inverse of `log_odds`."""
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * np.asarray(logit, np.float64)), np.float64)


def isotonic_rates(events: ArrayLike, rows: ArrayLike, prior_rows: float = 20.0) -> Floats:
    """Rates that never fall along the bins, float64[B], from `events` and `rows` float64[B] of bins in order.

    Pool-adjacent-violators (Ayer, Brunk, Ewing, Reid & Silverman 1955). A block of pooled bins is drawn to the mean of
    all rows by `prior_rows`, so that the first and last ones do not say 0 or 1.

    >>> isotonic_rates([10, 30, 20, 80], [100, 100, 100, 100], 0).tolist()
    [0.1, 0.25, 0.25, 0.8]
    """
    y, n = np.asarray(events, np.float64), np.asarray(rows, np.float64)
    mean = y.sum() / n.sum() if n.sum() > 0 else 0.5
    blocks: list[list[float]] = []
    for top, bottom in zip(y, n, strict=True):
        blocks.append([top, bottom, 1.0])
        while len(blocks) > 1 and _above(blocks[-2], blocks[-1], mean):
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    rates = [(t + prior_rows * mean) / (b + prior_rows) if b + prior_rows > 0 else mean for t, b, _ in blocks]
    return np.maximum.accumulate(np.repeat(rates, [int(size) for *_, size in blocks]).astype(np.float64))


def _above(left: list[float], right: list[float], mean: float) -> bool:
    """Whether a block's rate is not below that of the next one; a block without rows joins its neighbour."""
    if left[1] <= 0 or right[1] <= 0:
        return True
    return left[0] * right[1] > right[0] * left[1]


def logistic_rates(events: ArrayLike, rows: ArrayLike, margin: ArrayLike, prior_rows: float = 20.0) -> Floats:
    """Rates of a logistic curve in the margin, float64[B]: Platt (1999), with the prior of a curve that is right.

    `margin` float64[B] are log-odds as answered. Newton's method; `prior_rows` rows at the answered rates, spread over
    the bins like the rows, keep the slope finite.

    >>> logistic_rates([12, 50, 88], [100, 100, 100], [-1.0, 0.0, 1.0]).round(2).tolist()
    [0.13, 0.5, 0.87]
    """
    y, n, m = (np.asarray(a, np.float64) for a in (events, rows, margin))
    total = n.sum()
    if total <= 0:
        return probability(m)
    prior = prior_rows * n / total
    y, n = y + prior * probability(m), n + prior
    centre = float(n @ m / n.sum())
    x = m - centre
    a, b = centre, 1.0
    for _ in range(_STEPS):
        p = probability(a + b * x)
        v = n * p * (1.0 - p) + 1e-12
        gradient = np.array([(y - n * p).sum(), ((y - n * p) * x).sum()])
        hessian = np.array([[v.sum(), (v * x).sum()], [(v * x).sum(), (v * x * x).sum() + 1e-6]])
        step = np.clip(np.linalg.solve(hessian, gradient), -2.0, 2.0)
        a, b = a + step[0], max(b + step[1], 0.0)
    return probability(a + b * x)


def rate_offsets(logit: ArrayLike, events: ArrayLike, rows: ArrayLike, precision: ArrayLike = 1e-3) -> Floats:
    """What must be added to log-odds so that they meet the events, float64[S], each drawn to 0 by `precision`.

    `logit` float64[B]; `events` float64[S] in all and `rows` float64[S, B]; the maximum of the posterior under a normal
    prior of variance 1 / `precision` (a number or float64[S]), by Newton's method.

    >>> rate_offsets([0.0], [75.0], [[100.0]]).round(2).tolist()
    [1.1]
    """
    base, y, n = (np.asarray(a, np.float64) for a in (logit, events, rows))
    k = np.asarray(precision, np.float64)
    offset = np.zeros(len(y))
    for _ in range(_STEPS):
        p = probability(base + offset[:, None])
        gradient = y - (n * p).sum(axis=1) - k * offset
        curvature = (n * p * (1.0 - p)).sum(axis=1) + k
        offset = np.clip(offset + np.clip(gradient / (curvature + 1e-12), -2.0, 2.0), -_REACH, _REACH)
    return offset


def ratio_offsets(expected: ArrayLike, observed: ArrayLike, prior: ArrayLike = 1e-9) -> Floats:
    """The logarithm of the factor between sums of losses, float64[S], drawn to 0 by a sum `prior` that both have.

    >>> ratio_offsets([100.0], [200.0]).round(2).tolist()
    [0.69]
    """
    e, o, k = (np.asarray(a, np.float64) for a in (expected, observed, prior))
    return np.asarray(np.log((o + k + 1e-300) / (e + k + 1e-300)), np.float64)
