"""Evidence that the mean of days moved, from normal day means of known variance, and a bound for it at all times."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .online import gamma
from .restarted_betting import started

Floats = NDArray[np.float64]

SIZES = (0.25, 0.5, 1.0, 2.0, 4.0)
"""The changes that are bet on, in standard deviations of a typical day."""


def restarted_evidence(means: ArrayLike, variances: ArrayLike, null: ArrayLike, skew: float = 0.0) -> Floats:
    """Log evidence after each day against "the mean of each day is at most `null`", float64[W, S].

    `means` float64[W, S]: the mean of S segments on W days in order, NaN where a day has no rows; `variances`
    float64[W, S] of these means, with what days differ by (day variance + row variance / rows); `null` float64[S].

    Sums likelihood ratios over the day from which on the mean may be larger (with `gamma` of that day, as in
    `RestartedBetting`) and over `SIZES`. If rows are a day's normal effect plus normal noise, the means of days being
    at most `null`, exp of this is an e process over rows, not only over days: rows of a day that is not over may be
    looked at (its variance being that of the rows so far), and rows that come late belong to their own day. The
    variances are known or estimated too large. Rare events have a heavier upper tail: with `skew` the cumulant function
    of a mean is at most s^2 v / (2 (1 - skew v s)) at s (sub-gamma with the scale skew * v, as Bernstein's inequality
    has it; for a Poisson count of mean v the skew is 1 / (3 v)), and a bet on a change d is that much smaller: a
    variance v counts as v (1 + skew d). Below 0 it counts as 0. NaN variances or nulls: NaN. ValueError: shapes that do
    not fit.

    Robbins (1970), Statistical methods related to the law of the iterated logarithm; Howard et al. (2020), Time-uniform
    Chernoff bounds via nonnegative supermartingales; Shin, Ramdas & Rinaldo (2023),
    E-detectors.

    >>> quiet, moved = np.zeros(30), np.repeat([0.0, 1.0], [24, 6])
    >>> log_e = restarted_evidence(np.stack([quiet, moved], axis=1), np.full((30, 2), 0.25), np.zeros(2))
    >>> (log_e[-1] > np.log(20.0)).tolist()
    [False, True]
    """
    x, v = np.asarray(means, np.float64), np.asarray(variances, np.float64)
    limit = np.asarray(null, np.float64)
    if x.ndim != 2 or v.shape != x.shape or limit.shape != x.shape[1:]:
        raise ValueError("means and variances are [W, S], nulls [S]")
    days, segments = x.shape
    out = np.zeros((days, segments))
    known = np.isfinite(x) & (v > 0)
    size = np.array(SIZES)[:, None] * np.sqrt(_typical(v, known))
    wealth = np.full((len(SIZES), segments), -np.inf)
    waiting, steps = np.ones(segments), np.zeros(segments, np.int64)
    for day in range(days):
        here = known[day]
        with np.errstate(invalid="ignore", divide="ignore"):
            factor = (size * (x[day] - limit) - size**2 / 2.0) / (v[day] * (1.0 + max(skew, 0.0) * size))
        steps = steps + here
        coming = np.where(here, [gamma(max(int(step), 1)) for step in steps], 0.0)
        waiting = waiting - coming
        wealth = np.where(here, started(wealth, np.where(here, factor, 0.0), coming), wealth)
        both = np.logaddexp.reduce(wealth, axis=0) - np.log(len(SIZES))
        out[day] = np.logaddexp(both, np.log(waiting))
    return np.where(np.isfinite(limit) & known.any(axis=0), out, np.nan)


def _typical(variances: Floats, known: NDArray[np.bool_]) -> Floats:
    """The harmonic mean of the known variances of each segment, float64[S]; 1 without any."""
    days = known.sum(axis=0)
    information = np.where(known, 1.0 / np.where(known, variances, 1.0), 0.0).sum(axis=0)
    return np.where(days > 0, days / np.where(days > 0, information, 1.0), 1.0)


def mean_at_any_time(
    means: ArrayLike, variances: ArrayLike, level: float = 0.95, best_at: float = 7.0
) -> tuple[Floats, Floats, Floats]:
    """The mean that all days have, weighed by their variances, with bounds that hold at all times: float64[S] each.

    Arguments as in `restarted_evidence`, whose model it shares; the bounds are narrowest after about `best_at` typical
    days. NaN without days. ValueError: a level outside (0, 1).

    Robbins (1970), normal mixture; Howard et al. (2021), Time-uniform, nonparametric, nonasymptotic confidence
    sequences, equation 14.

    >>> value, low, high = mean_at_any_time(np.tile([[0.1], [0.3]], (10, 1)), np.full((20, 1), 0.01))
    >>> [round(float(bound[0]), 3) for bound in (value, low, high)]
    [0.2, 0.131, 0.269]
    """
    if not 0.0 < level < 1.0:
        raise ValueError("the level lies strictly between 0 and 1")
    x, v = np.asarray(means, np.float64), np.asarray(variances, np.float64)
    known = np.isfinite(x) & (v > 0)
    weight = np.where(known, 1.0 / np.where(known, v, 1.0), 0.0)
    total = weight.sum(axis=0)
    some = np.where(total > 0, total, np.nan)
    value = (weight * np.where(known, x, 0.0)).sum(axis=0) / some
    wanted = 2.0 * np.log(1.0 / (1.0 - level))
    prior = best_at / _typical(v, known) / (wanted + np.log1p(wanted))
    reach = np.sqrt((some + prior) * (wanted + np.log((some + prior) / prior))) / some
    return value, value - reach, value + reach
