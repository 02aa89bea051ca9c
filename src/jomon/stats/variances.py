"""Variances of many segments, each from few blocks, drawn towards what they have in common."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MAX_PRIOR_DF = 1e4


class Squeezed(NamedTuple):
    """`variance` float64[m] after shrinking, its degrees of freedom `df` float64[m]; the prior's variance
    and df."""

    variance: Floats
    df: Floats
    prior_variance: float
    prior_df: float


def squeeze_variances(variance: Floats, df: Floats) -> Squeezed:
    """Shrink each variance towards a common one, by as much as the variances agree.

    `variance` float64[m] and its degrees of freedom `df` float64[m]; where `df` is not positive, or
    `variance` is not finite, the common value alone is taken. The common value and its weight are found by
    matching the first two moments of the log variances: Smyth (2004), Linear models and empirical Bayes
    methods for assessing differential expression, section 6.2. A prior without weight (`prior_df` 0) leaves
    such segments with infinite variance.

    >>> out = squeeze_variances(np.array([1.0, 1.2, 0.9, 1.1, np.nan]), np.full(5, 8.0))
    >>> [round(float(v), 2) for v in out.variance]
    [1.05, 1.05, 1.05, 1.05, 1.05]
    """
    variance, df = np.asarray(variance, np.float64), np.asarray(df, np.float64)
    good = np.isfinite(variance) & (df > 0) & (variance >= 0)
    prior_variance, prior_df = _prior(variance[good], df[good])
    own = np.where(good, df, 0.0)
    total = own + prior_df
    with np.errstate(invalid="ignore", divide="ignore"):
        mixed = (own * np.where(good, variance, 0.0) + prior_df * prior_variance) / total
    return Squeezed(np.where(total > 0, mixed, np.inf), total, prior_variance, prior_df)


def _prior(variance: Floats, df: Floats) -> tuple[float, float]:
    """Variance and degrees of freedom of the inverse chi-square from which variances look drawn."""
    from scipy.special import digamma, polygamma

    if not len(variance) or not (variance > 0).any():
        return 0.0, 0.0
    if len(variance) == 1:
        return float(variance[0]), 0.0
    # A variance of exactly zero would have an infinite logarithm: hold it to a small part of the typical one.
    floor = 1e-5 * float(np.median(variance[variance > 0]))
    e = np.log(np.maximum(variance, floor)) - digamma(df / 2) + np.log(df / 2)
    # Each log variance has noise trigamma(df / 2); weigh segments with more blocks more.
    noise = polygamma(1, df / 2)
    weight = 1.0 / noise
    mean = float(np.average(e, weights=weight))
    count = len(e)
    spread = float(np.sum(weight * (e - mean) ** 2) / np.sum(weight)) * count / (count - 1)
    excess = spread - float(np.average(noise, weights=weight))
    if excess <= 2.0 / MAX_PRIOR_DF:
        # No more spread than chance gives: one common variance, and the plain pooled one estimates it best.
        return float(np.average(variance, weights=df)), MAX_PRIOR_DF
    half = _inverse_trigamma(excess)
    return float(np.exp(mean + digamma(half) - np.log(half))), 2.0 * half


def _inverse_trigamma(x: float) -> float:
    """The y with trigamma(y) = x > 0, by Newton's method on 1 / trigamma (Smyth 2004, appendix)."""
    from scipy.special import polygamma

    y = 0.5 + 1.0 / x
    for _ in range(50):
        tri = float(polygamma(1, y))
        step = tri * (1.0 - tri / x) / float(polygamma(2, y))
        y += step
        if abs(step) < 1e-8 * y:
            break
    return y
