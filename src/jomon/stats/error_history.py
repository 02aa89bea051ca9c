"""Intervals for what is estimated before it is known, from how earlier estimates erred."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .quantiles import t_quantile
from .variances import squeeze_variances

Floats = NDArray[np.float64]


SKEW_PRIOR = 20.0
"""Errors' worth of a belief that both sides are alike."""
MOST_DF = 200.0
_ROUNDS = 10


@dataclass(frozen=True, eq=False)
class ErrorSpread:
    """How far segments' realised values lie from estimated ones: the error's variance now, float64[S], the degrees of
    freedom behind it, float64[S], and how much farther errors reach upwards than downwards (1: alike)."""

    variance: Floats
    df: Floats
    skew: float

    def reach(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """How far an interval of the given level goes down and up, float64[S] each.

        Two halves of t distributions joined at 0, one as wide as the other times `skew` (Gibbons & Mylroie 1973 for
        normal ones), with the variance in all: a share `level` of it lies between the same quantiles of both.
        """
        t = t_quantile(0.5 + level / 2.0, self.df) * np.sqrt(self.variance)
        down = np.sqrt((1.0 + self.skew) / (1.0 + self.skew**3))
        return np.asarray(t * down, np.float64), np.asarray(t * down * self.skew, np.float64)


def error_spread(errors: ArrayLike, chance: ArrayLike, now: ArrayLike) -> ErrorSpread:
    """The spread of the next error of S segments from their errors in h earlier windows.

    `errors` float64[h, S] realised minus estimated (NaN where not known); `chance` float64[h, S] the variance that
    chance outcomes of the window's rows give; `now` float64[S] the same of the window at hand. An error's variance is
    taken to be a chance + b, with a (overdispersion) and b (days differ) common to all segments and not negative, times
    a factor of each segment, drawn to the common one as far as factors agree (`squeeze_variances`). The segments of a
    window err together: all of them count as one error.

    >>> rng = np.random.default_rng(0)
    >>> spread = error_spread(rng.normal(size=(50, 20)), np.ones((50, 20)), np.ones(20))
    >>> bool(np.all(np.abs(spread.variance - 1.0) < 0.5))
    True
    """
    e, v, new = (np.asarray(a, np.float64) for a in (errors, chance, now))
    known = np.isfinite(e) & np.isfinite(v) & (v > 0)
    nothing = ErrorSpread(np.full(len(new), np.inf), np.zeros(len(new)), 1.0)
    if not known.any():
        return nothing
    a, b = _components(e[known] ** 2, v[known])
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.where(known, e / np.sqrt(a * v + b), np.nan)
        count = known.sum(axis=0).astype(np.float64)
        own = np.where(count > 0, np.nansum(z**2, axis=0) / np.maximum(count, 1.0), np.nan)
    squeezed = squeeze_variances(own, count)
    if not np.isfinite(squeezed.variance).all():
        return nothing
    windows = float(known.any(axis=1).sum())
    df = np.minimum(squeezed.df, min(windows, MOST_DF))
    return ErrorSpread(squeezed.variance * (a * new + b), df, _skew(z, windows))


def _skew(z: Floats, windows: float) -> float:
    """The root mean square of errors above 0 over that of those below, drawn to 1."""
    up, down = z[z > 0], z[z < 0]
    if len(up) < 2 or len(down) < 2:
        return 1.0
    ratio = 0.5 * np.log(np.mean(up**2) / np.mean(down**2))
    return float(np.exp(np.clip(ratio * windows / (windows + SKEW_PRIOR), -0.7, 0.7)))


def _components(squares: Floats, chance: Floats) -> tuple[float, float]:
    """The shares of variance that grow with chance and that do not: `squares` is about a chance + b, both at least 0.

    Least squares weighted by the inverse of the squared fit, iterated, as for a gamma distribution of squares.
    """
    a, b = 1.0, max(float(np.mean(squares - chance)), 0.0)
    for _ in range(_ROUNDS):
        before = a, b
        weight = 1.0 / (a * chance + b + 1e-300) ** 2
        s = np.array([(weight * chance * chance).sum(), (weight * chance).sum(), weight.sum()])
        t = np.array([(weight * chance * squares).sum(), (weight * squares).sum()])
        det = s[0] * s[2] - s[1] ** 2
        if det > 1e-9 * s[0] * s[2]:
            a, b = (s[2] * t[0] - s[1] * t[1]) / det, (s[0] * t[1] - s[1] * t[0]) / det
        if det <= 1e-9 * s[0] * s[2] or a < 0 or b < 0:
            only_a, only_b = t[0] / s[0], t[1] / s[2]
            a, b = (float(only_a), 0.0) if b < 0 or det <= 1e-9 * s[0] * s[2] else (0.0, float(only_b))
        if abs(a - before[0]) <= 1e-3 * a and abs(b - before[1]) <= 1e-3 * b:
            break
    return float(a), float(b)
