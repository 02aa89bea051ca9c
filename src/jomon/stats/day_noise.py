"""How far the means of days lie apart: what rows explain, what days add, and how long a bad day lasts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .quantiles import normal_quantile, t_quantile
from .variances import squeeze_variances

Floats = NDArray[np.float64]
ROUNDS = 4
MOST_PERSISTENCE = 0.8
SKEW_TIMES = 1.5
"""Third moments are found badly: the tail is taken to be so much heavier than they say."""


@dataclass(frozen=True, eq=False)
class DayNoise:
    """Means of S segments over the days of a history, arrays [S].

    `mean` and its standard `error`; the variance of a day's mean of n rows is `scale` * (`day` + `row` / n), `day` and
    `row` being those of all segments together. `scale` allows for how few days it was found from, and for days that
    resemble the day before (`persistence`, their correlation). `skew` says how heavy the upper tail is, that below if
    it is negative: see `restarted_evidence`. `days` with rows, and `rows`. NaN: not known.
    """

    mean: Floats
    error: Floats
    scale: Floats
    day: float
    row: float
    persistence: float
    skew: float
    days: NDArray[np.int64]
    rows: Floats

    def variances(self, rows: ArrayLike) -> Floats:
        """The variance of means of so many rows of a day, float64[W, S]; infinite without rows."""
        count = np.asarray(rows, np.float64)
        with np.errstate(divide="ignore"):
            out: Floats = self.scale * (self.day + self.row / count)
        return out


def day_noise(sums: ArrayLike, rows: ArrayLike) -> DayNoise:
    """The noise of a history of days: sums and rows float64[W, S] each by day, in order, and segment.

    Squared deviations of the day means from their segment's mean are fitted by `day + row / n` over all segments, with
    weights from the fit before (method of moments for random effects: Cochran 1954; DerSimonian & Laird 1986); each
    segment's own scale is drawn to the common one (`squeeze_variances`), not put below it (one without a rare event
    among its few rows seems to have no noise), and widened from normal to t. The correlation
    of neighbouring days rho multiplies by (1 + rho) / (1 - rho), the long-run variance of an autoregression. The skew
    is third moment / (3 variance^2), over all segments. A segment
    needs two days.

    >>> rng = np.random.default_rng(0)
    >>> noise = day_noise(20 * rng.normal(0.5, 0.1 * 2**0.5, (200, 30)), np.full((200, 30), 20))
    >>> round(float(noise.variances(20.0).mean()), 2)
    0.02
    """
    total, count = np.asarray(sums, np.float64), np.asarray(rows, np.float64)
    known = count > 0
    days, whole = known.sum(axis=0), count.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(days > 0, total.sum(axis=0) / whole, np.nan)
        share = count / whole
        usable = known & (share < 1.0)
        square = np.where(usable, (total / count - mean) ** 2 / (1.0 - share), 0.0)
        inverse = np.where(usable, 1.0 / count, 0.0)
    day, row = _fitted(square[usable], inverse[usable])
    fit = np.where(usable, day + row * inverse, 1.0)
    if day + row <= 0.0:
        nothing = np.where(days > 1, 0.0, np.nan)
        return DayNoise(mean, nothing, nothing, 0.0, 0.0, 0.0, 0.0, days, whole)
    freedom = np.maximum(days - 1.0, 0.0)
    ratio = np.where(days > 1, (square / fit).sum(axis=0) / np.maximum(usable.sum(axis=0), 1), np.nan)
    squeezed = squeeze_variances(ratio, freedom)
    wide = (t_quantile(0.975, np.maximum(squeezed.df, 1.0)) / normal_quantile(0.975)) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        cube = np.where(usable, np.sign(total / count - mean) * square**1.5, 0.0)
    skew = SKEW_TIMES * float((cube / fit).sum() / (3.0 * np.where(usable, fit, 0.0).sum()))
    persistence = _persistence(total, count, mean, fit)
    longer = (1.0 + persistence) / (1.0 - persistence)
    scale = np.where(days > 1, np.maximum(squeezed.variance, 1.0) * wide * longer, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.sqrt(scale * (count**2 * np.where(known, day + row / count, 0.0)).sum(axis=0)) / whole
    return DayNoise(mean, error, scale, day, row, persistence, skew, days, whole)


def _fitted(square: Floats, inverse: Floats) -> tuple[float, float]:
    """Variance between days and of a row, both at least 0, from squared deviations and one over rows."""
    if not len(square):
        return 0.0, 0.0
    day, row = float(square.mean()) / 2.0, float(square.mean() / max(inverse.mean(), 1e-300)) / 2.0
    for _ in range(ROUNDS):
        fit = day + row * inverse
        if not (fit > 0).all():
            break
        weight = 1.0 / fit**2
        one, both, two = weight.sum(), (weight * inverse).sum(), (weight * inverse**2).sum()
        left, right = (weight * square).sum(), (weight * inverse * square).sum()
        found = one * two - both**2
        day = (left * two - right * both) / found if found > 1e-9 * one * two else left / one
        row = (right * one - left * both) / found if found > 1e-9 * one * two else 0.0
        if row < 0.0:
            day, row = left / one, 0.0
        elif day < 0.0:
            day, row = 0.0, right / two
    return float(day), float(row)


def _persistence(total: Floats, count: Floats, mean: Floats, fit: Floats) -> float:
    """The correlation of the deviations of neighbouring days, over all segments; at least 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.where(count > 0, (total / count - mean) / np.sqrt(fit), np.nan)
    pairs = z[:-1] * z[1:]
    both = ~np.isnan(pairs)
    if both.sum() < 2:
        return 0.0
    spread = np.nanmean(z**2)
    days = max(float((count > 0).any(axis=1).sum()), 2.0)
    found = (
        float(pairs[both].mean()) / max(float(spread), 1e-300) + 1.0 / days
    )  # a mean that was fitted takes 1 / days
    return float(np.clip(found, 0.0, MOST_PERSISTENCE))
