"""How far segments truly lie apart, beyond what chance does to their means: the spread and the largest difference."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
DRAWS = 20_000
_STEPS = 60


@dataclass(frozen=True)
class SegmentSpread:
    """What m segments show.

    `tau`: the standard deviation of their true means, with its interval `low` to `high`; `p`: how often segments that
    do not differ show as much. `difference` between the segments `highest` and `lowest` (numbers), with its interval
    `least` to `most`, which holds for all pairs at once.
    """

    tau: float
    low: float
    high: float
    p: float
    difference: float
    least: float
    most: float
    highest: int
    lowest: int


def segment_spread(means: ArrayLike, variances: ArrayLike, level: float = 0.95) -> SegmentSpread:
    """The spread of `means` float64[m], m at least 2, of independent noise with `variances` float64[m], above 0.

    `tau` is where Cochran's Q, weighted by 1 / (variance + tau^2), equals its mean m - 1 (Paule & Mandel 1982), its
    bounds where Q equals quantiles of chi-square (Q profile: Viechtbauer 2007, Confidence intervals for the amount of
    heterogeneity in meta-analysis), `p` that of Q at 0. The difference has the bounds of Tukey & Kramer (Hayter 1984
    proves that they hold). Exact for normal means and known variances. ValueError: fewer than 2, or a variance that
    is not above 0.

    >>> found = segment_spread([0.0, 0.1, -0.1, 1.0], [0.01, 0.01, 0.01, 0.01])
    >>> round(found.tau, 2), found.p < 1e-9, (found.highest, found.lowest), found.least > 0.5
    (0.5, True, (3, 2), True)
    """
    from scipy.special import chdtrc, chdtri

    y, v = np.asarray(means, np.float64), np.asarray(variances, np.float64)
    if len(y) < 2 or len(y) != len(v):
        raise ValueError("a spread needs at least 2 segments, each with its variance")
    if not ((v > 0) & np.isfinite(v) & np.isfinite(y)).all():
        raise ValueError("means are numbers and variances are above 0")
    freedom, tail = len(y) - 1, (1.0 - level) / 2.0
    highest, lowest = int(np.argmax(y)), int(np.argmin(y))
    difference = float(y[highest] - y[lowest])
    reach = _range_quantile(len(y), level) * float(np.sqrt((v[highest] + v[lowest]) / 2.0))
    return SegmentSpread(
        tau=_where(y, v, float(freedom)),
        low=_where(y, v, float(chdtri(freedom, tail))),
        high=_where(y, v, float(chdtri(freedom, 1.0 - tail))),
        p=float(chdtrc(freedom, _q(y, v, 0.0))),
        difference=difference,
        least=difference - reach,
        most=difference + reach,
        highest=highest,
        lowest=lowest,
    )


def _q(y: Floats, v: Floats, square: float) -> float:
    """Cochran's Q with a variance `square` between segments."""
    weight = 1.0 / (v + square)
    return float(weight @ (y - weight @ y / weight.sum()) ** 2)


def _where(y: Floats, v: Floats, wanted: float) -> float:
    """The standard deviation between segments at which Q is as wanted, by halving; 0 where Q is less at 0."""
    if _q(y, v, 0.0) <= wanted:
        return 0.0
    low, high = 0.0, float(np.ptp(y) ** 2 + v.max())
    while _q(y, v, high) > wanted:
        high *= 4.0
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _q(y, v, middle) > wanted else (low, middle)
    return float(np.sqrt((low + high) / 2.0))


@lru_cache(maxsize=256)
def _range_quantile(m: int, level: float) -> float:
    """The quantile of the range of m standard normal numbers."""
    rng = np.random.default_rng(m)
    draws = np.concatenate([np.ptp(rng.normal(size=(DRAWS // 10, m)), axis=1) for _ in range(10)])
    return float(np.quantile(draws, level))
