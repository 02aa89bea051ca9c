"""Block bootstrap: intervals for sums over days that depend on one another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .blocks import block_length, short_block_factor
from .estimate import Estimate
from .quantiles import t_quantile

Floats = NDArray[np.float64]
METHOD = "block bootstrap of days"
LEAST_BLOCKS = 1.5
"""Below so many effective blocks nothing can be said of the noise."""


@dataclass(frozen=True, eq=False)
class DayBootstrap:
    """One set of resampled days, shared by every metric and segment measured on the same rows.

    Circular moving blocks (Künsch 1989; Politis & Romano 1992) of `length` days drawn with replacement:
    `weights` float64[reps, days] says how often each day was drawn. The replicates give a standard error;
    the interval is value +- t times that error, with t's degrees of freedom and a bias correction from the
    effective number of blocks K: 1.5 K degrees (those of the Bartlett-weighted variance that such blocks
    estimate) and a factor 1 / sqrt(1 - 1/K); what such short blocks miss is added (`short_block_factor`). In
    simulated tests of 98 days with AR(1) effects of correlation 0, 0.3, 0.5, 0.7 its 95% intervals cover 95,
    94.5, 94, 93%. This agrees with the fixed-b asymptotics of Shao & Politis (2013), which plain percentiles
    lack: they cover too little with 14 weeks.

    >>> day = np.repeat(np.arange(98), 10)
    >>> boot = DayBootstrap.of(day, seed=1)
    >>> out = boot.mean(np.sin(np.arange(980)))
    >>> out.rows, out.blocks, out.low < out.value < out.high
    (980, 98, True)
    """

    index: NDArray[np.int64]
    days: int
    length: int
    weights: Floats

    @classmethod
    def of(
        cls, day: NDArray[np.integer], reps: int = 1000, seed: int = 0, length: int | None = None
    ) -> DayBootstrap:
        """Draw the days that have rows; `day` int[n] is the day number of each row."""
        present, index = np.unique(np.asarray(day), return_inverse=True)
        days = len(present)
        length = block_length(days) if length is None else max(1, min(length, days))
        rng = np.random.default_rng(seed)
        weights = _circular_weights(rng, days, length, reps) if days else np.zeros((reps, 0))
        return cls(index.astype(np.int64), days, length, weights)

    def sums(self, values: ArrayLike | None = None, rows: NDArray[np.bool_] | None = None) -> Floats:
        """Sum per day of `values` float64[n] (counts if None), over the rows chosen: float64[days]."""
        index = self.index if rows is None else self.index[rows]
        if values is None:
            return np.bincount(index, minlength=self.days).astype(np.float64)
        values = np.asarray(values, np.float64)
        return np.bincount(index, values if rows is None else values[rows], self.days).astype(np.float64)

    def mean(self, values: ArrayLike, rows: NDArray[np.bool_] | None = None, level: float = 0.95) -> Estimate:
        """Mean of `values` float64[n] over the rows chosen, as a ratio of sums."""
        return self.ratio(self.sums(values, rows), self.sums(None, rows), level=level)

    def ratio(
        self, top: Floats, bottom: Floats, counts: Floats | None = None, level: float = 0.95
    ) -> Estimate:
        """Ratio of two totals from sums per day, float64[days]; `counts`: rows per day, if not `bottom`."""
        counts = bottom if counts is None else counts
        rows, total = round(float(counts.sum())), float(bottom.sum())
        if rows == 0 or total == 0:
            return Estimate.unknown(rows, "no rows")
        value = float(top.sum()) / total
        # The deviation top - value * bottom has mean zero: its resampled total over the total is the
        # linearised ratio, which stays finite where a replicate draws no row of a small segment.
        error = self._error(top - value * bottom) / total
        return self.interval(value, error, counts, level)

    def linear(
        self,
        value: float,
        influence: Floats,
        rows: NDArray[np.bool_] | None = None,
        level: float = 0.95,
    ) -> Estimate:
        """A metric from its value and influence per row (`measure`), of mean zero over the rows chosen."""
        counts = self.sums(None, rows)
        if not counts.sum():
            return Estimate.unknown(0, "no rows")
        error = self._error(self.sums(influence, rows)) / float(counts.sum())
        return self.interval(value, error, counts, level)

    def _error(self, deviation: Floats) -> float:
        """Standard error of a total, from deviations per day that sum to zero."""
        return float(np.std(self.weights @ deviation) * short_block_factor(deviation, self.length))

    def interval(self, value: float, error: float, counts: Floats, level: float = 0.95) -> Estimate:
        """The interval around `value` from the standard deviation of its replicates and rows per day."""
        rows, blocks = round(float(counts.sum())), int(np.count_nonzero(counts))
        effective = self.effective_blocks(counts)
        if not np.isfinite(value):
            return Estimate.unknown(rows, "not defined on these rows")
        if effective < LEAST_BLOCKS or not np.isfinite(error):
            reason = "too few days for an interval"
            return Estimate(value, None, None, rows, blocks, METHOD, reason)
        t = float(t_quantile(0.5 + level / 2.0, 1.5 * effective))
        reach = t * error / np.sqrt(1.0 - 1.0 / effective)
        return Estimate(value, value - reach, value + reach, rows, blocks, METHOD)

    def effective_blocks(self, counts: Floats) -> float:
        """Blocks with rows, fewer where some hold most of them (Kish 1965): (sum n)^2 / sum n^2."""
        if not self.days:
            return 0.0
        edges = np.arange(0, self.days, self.length)
        per_block = np.add.reduceat(counts, edges)
        squares = float(np.sum(per_block**2))
        return float(per_block.sum()) ** 2 / squares if squares else 0.0


def _circular_weights(rng: np.random.Generator, days: int, length: int, reps: int) -> Floats:
    """How often each day is drawn: blocks start anywhere and wrap around; the last one is cut."""
    blocks = -(-days // length)
    start = rng.integers(0, days, (reps, blocks, 1))
    drawn = ((start + np.arange(length)) % days).reshape(reps, -1)[:, :days]
    flat = drawn + days * np.arange(reps)[:, None]
    return np.bincount(flat.ravel(), minlength=reps * days).reshape(reps, days).astype(np.float64)


def mean_with_interval(
    loss: ArrayLike, day: NDArray[np.integer], seed: int = 0, *, level: float = 0.95, reps: int = 1000
) -> Estimate:
    """Mean of a loss per row, float64[n], with a block-bootstrap interval over days int[n].

    >>> mean_with_interval(np.ones(40), np.repeat(np.arange(20), 2)).value
    1.0
    """
    return DayBootstrap.of(day, reps, seed).mean(loss, level=level)


def paired_difference(
    loss_a: ArrayLike,
    loss_b: ArrayLike,
    day: NDArray[np.integer],
    seed: int = 0,
    *,
    level: float = 0.95,
    reps: int = 1000,
) -> Estimate:
    """Mean of `loss_a - loss_b` on the same rows, float64[n] each; below zero where a is better.

    >>> paired_difference([1.0, 2.0] * 20, [2.0, 3.0] * 20, np.repeat(np.arange(20), 2)).value
    -1.0
    """
    return mean_with_interval(
        np.asarray(loss_a, np.float64) - np.asarray(loss_b, np.float64), day, seed, level=level, reps=reps
    )


def resample_metric(
    metric: Callable[[Floats], float],
    day: NDArray[np.integer],
    seed: int = 0,
    *,
    level: float = 0.95,
    reps: int = 200,
    length: int | None = None,
) -> Estimate:
    """Interval of a metric that is no ratio of sums.

    `metric(row weights float64[n]) -> float` is called `reps` + 1 times.

    Replicates in which the metric is not defined (NaN) are left out. Where there is an influence per row
    (`measure`), `DayBootstrap.linear` is faster, and adds what short blocks miss.

    >>> x = np.arange(40.0)
    >>> out = resample_metric(lambda w: float(np.average(x, weights=w)), np.repeat(np.arange(20), 2))
    >>> out.value, out.low < 19.5 < out.high
    (19.5, True)
    """
    boot = DayBootstrap.of(day, reps, seed, length)
    rows = len(boot.index)
    if not rows:
        return Estimate.unknown(0, "no rows")
    value = metric(np.ones(rows))
    draws = np.array([metric(weights[boot.index]) for weights in boot.weights])
    draws = draws[np.isfinite(draws)]
    error = float(np.std(draws)) if len(draws) > 1 else float("nan")
    return boot.interval(value, error, boot.sums(), level)
