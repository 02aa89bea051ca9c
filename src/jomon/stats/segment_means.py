"""Means of many segments with intervals and p values, all from one set of resampled days."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .blocks import short_block_factor
from .bootstrap import LEAST_BLOCKS, METHOD, DayBootstrap
from .estimate import Estimate
from .quantiles import t_quantile
from .variances import squeeze_variances

Floats = NDArray[np.float64]
CHUNK = 256
"""Segments resampled at a time: 256 x 1000 replicates take 2 MB."""


@dataclass(frozen=True, eq=False)
class SegmentMeans:
    """Means, arrays [m]: `value`, standard `error`, t's degrees of freedom `df`, `rows`, `blocks` (days).



    `value` is NaN without rows; `error` and `df` are NaN with too few days.
    """

    value: Floats
    error: Floats
    df: Floats
    rows: NDArray[np.int64]
    blocks: NDArray[np.int64]

    def p_above(self, margin: float | Floats = 0.0) -> Floats:
        """One-sided p values of `true mean <= margin`, small for segments above it; NaN: unknown."""
        from scipy.special import stdtr

        with np.errstate(invalid="ignore", divide="ignore"):
            out: Floats = stdtr(self.df, (margin - self.value) / self.error)
        return out

    def p_below(self, margin: float | Floats = 0.0) -> Floats:
        """One-sided p values of `true mean >= margin`, small for segments below it; NaN: unknown."""
        mirrored = SegmentMeans(-self.value, self.error, self.df, self.rows, self.blocks)
        return mirrored.p_above(-margin)

    def moderated(self) -> SegmentMeans:
        """The same with each segment's noise per row drawn towards that of all (Smyth 2004).



        For calling segments better or worse (see `squeeze_variances`): a segment of few rows without a rare
        event looks as if it had no noise, and its own t then cries wolf. In simulated quiet checks of 300
        segments with 200 rows and 2% events, some segment was called worse in 73% of checks without this and
        in 3% with it.
        """
        known = np.isfinite(self.error) & (self.rows > 0)
        per_row = np.where(known, self.error**2 * self.rows, np.nan)
        squeezed = squeeze_variances(per_row, np.where(known, self.df, 0.0))
        with np.errstate(invalid="ignore", divide="ignore"):
            error = np.where(known, np.sqrt(squeezed.variance / self.rows), np.nan)
        return replace(self, error=error, df=np.where(known, squeezed.df, np.nan))

    def estimates(self, level: float = 0.95) -> tuple[Estimate, ...]:
        """The same as one `Estimate` per segment."""
        reach = t_quantile(0.5 + level / 2.0, self.df) * self.error
        return tuple(self._estimate(i, float(self.value[i]), float(reach[i])) for i in range(len(self.value)))

    def _estimate(self, i: int, value: float, reach: float) -> Estimate:
        rows, blocks = int(self.rows[i]), int(self.blocks[i])
        if not np.isfinite(value):
            return Estimate.unknown(rows, "no rows")
        if not np.isfinite(reach):
            return Estimate(value, None, None, rows, blocks, METHOD, "too few days for an interval")
        return Estimate(value, value - reach, value + reach, rows, blocks, METHOD)


def segment_means(boot: DayBootstrap, values: Floats, segment: NDArray[np.integer], m: int) -> SegmentMeans:
    """Mean of `values` float64[n] in each of m segments, `segment` int[n] in 0..m-1 or negative for none.

    The method is that of `DayBootstrap.mean`, with segments side by side: what days have in common stays in
    common.

    >>> day = np.repeat(np.arange(40), 3)
    >>> boot = DayBootstrap.of(day)
    >>> out = segment_means(boot, np.sin(np.arange(120)), np.arange(120) % 3, 3)
    >>> out.rows.tolist(), round(out.estimates()[2].value, 4)
    ([40, 40, 40], 0.0055)
    """
    segment, inside = np.asarray(segment, np.int64), np.asarray(segment) >= 0
    cell = segment[inside] * boot.days + boot.index[inside]
    size = m * boot.days
    counts = np.bincount(cell, minlength=size).reshape(m, boot.days).astype(np.float64)
    sums = np.bincount(cell, np.asarray(values, np.float64)[inside], size).reshape(m, boot.days)
    rows, blocks = counts.sum(1), np.count_nonzero(counts, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = sums.sum(1) / rows
        deviation = np.where(rows[:, None] > 0, sums - value[:, None] * counts, 0.0)
        spread = [np.std(boot.weights @ deviation[i : i + CHUNK].T, axis=0) for i in range(0, m, CHUNK)]
        error = (np.concatenate(spread) if spread else np.zeros(0)) / rows
        error *= short_block_factor(deviation, boot.length)
        effective = np.array([boot.effective_blocks(row) for row in counts])
        known = effective >= LEAST_BLOCKS
        error = np.where(known, error / np.sqrt(1.0 - 1.0 / effective), np.nan)
    df = np.where(known, 1.5 * effective, np.nan)
    return SegmentMeans(value, error, df, rows.astype(np.int64), blocks.astype(np.int64))
