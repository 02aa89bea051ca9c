"""Performance to be expected where no outcome is known: rows per bin of scores, and how often events happen there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Expected:
    """A metric's expectation per segment, `value` float64[S] (NaN where it is not defined), and the variance that
    chance outcomes of so many rows have around it, `variance` float64[S]."""

    value: Floats
    variance: Floats


def expected_binary(rows: ArrayLike, rate: ArrayLike, margin: ArrayLike) -> dict[str, Expected]:
    """Log loss, ROC AUC, Brier score and the four shares of the confusion matrix of S segments.

    `rows` float64[S, B] by bins in order of the margin; `rate` float64[S, B] (or [B]) how often events happen there;
    `margin` float64[B] the log-odds answered in each bin (or [S, B], as they are in each segment). With realised rates
    this gives realised performance. Confidence-based performance estimation, in bins: Guillory et al. (2021),
    Predicting with confidence on unseen distributions. The variance of the area is that of DeLong, DeLong &
    Clarke-Pearson (1988) at the expected counts.

    >>> out = expected_binary([[50.0, 50.0]], [[0.2, 0.8]], [-1.386, 1.386])
    >>> {name: round(float(found.value[0]), 2) for name, found in out.items()}
    {'log_loss': 0.5, 'roc_auc': 0.8, 'brier': 0.16, 'tp': 0.4, 'fp': 0.1, 'fn': 0.1, 'tn': 0.4}
    """
    n = np.atleast_2d(np.asarray(rows, np.float64))
    c = np.broadcast_to(np.asarray(rate, np.float64), n.shape)
    m = np.broadcast_to(np.asarray(margin, np.float64), n.shape)
    p = 0.5 + 0.5 * np.tanh(0.5 * m)
    soft = np.log1p(np.exp(-np.abs(m))) + np.maximum(m, 0.0)
    chance = c * (1.0 - c)
    out = {
        "log_loss": _mean(n, soft - c * m, m**2 * chance),
        "roc_auc": expected_auc(n, c),
        "brier": _mean(n, c * (1.0 - p) ** 2 + (1.0 - c) * p**2, (1.0 - 2.0 * p) ** 2 * chance),
    }
    said = m > 0
    for name, where, share in (
        ("tp", said, c),
        ("fp", said, 1.0 - c),
        ("fn", ~said, c),
        ("tn", ~said, 1.0 - c),
    ):
        out[name] = _mean(n, np.where(where, share, 0.0), np.where(where, chance, 0.0))
    return out


def expected_auc(rows: ArrayLike, rate: ArrayLike) -> Expected:
    """Area under the ROC curve of S segments, `rows` and `rate` float64[S, B] by bins in order of the score; rows of
    one bin are ties."""
    n = np.asarray(rows, np.float64)
    pos, neg = n * np.asarray(rate, np.float64), n * (1.0 - np.asarray(rate, np.float64))
    P, N = pos.sum(axis=1, keepdims=True), neg.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        beaten = (np.cumsum(neg, axis=1) - 0.5 * neg) / N  # of the negatives, by an event of this bin
        beating = (P - np.cumsum(pos, axis=1) + 0.5 * pos) / P
        area = (pos * beaten).sum(axis=1, keepdims=True) / P
        events = (pos * (beaten - area) ** 2).sum(axis=1) / P[:, 0] ** 2
        quiet = (neg * (beating - area) ** 2).sum(axis=1) / N[:, 0] ** 2
        return Expected(area[:, 0], events + quiet)


def expected_mean(rows: ArrayLike, loss: ArrayLike) -> Expected:
    """Mean of a loss whose expectation per bin is `loss` float64[S, B] (or [B]), over `rows` float64[S, B].

    Losses of one row are taken to vary as much as they are large, which holds for an exponential one; what is more or
    less is left to the history of errors (`ErrorHistory`).
    """
    n = np.atleast_2d(np.asarray(rows, np.float64))
    each = np.broadcast_to(np.asarray(loss, np.float64), n.shape)
    return _mean(n, each, each**2)


def _mean(rows: Floats, value: Floats, variance: Floats) -> Expected:
    total = rows.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Expected((rows * value).sum(axis=1) / total, (rows * variance).sum(axis=1) / total**2)
