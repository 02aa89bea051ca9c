"""Mean and variance of the mean per segment, from sums over blocks of time."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

DENSE_CELLS = 20_000_000
"""Up to so many (segment, block) cells sums go through one dense bincount; 160 MB at most, in passing."""


class BlockMeans(NamedTuple):
    """Per segment, arrays [m]: mean, variance of that mean, number of rows, number of blocks with rows.

    `mean` is NaN where there are no rows, `variance` is NaN where there are fewer than two blocks.
    """

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    rows: NDArray[np.int64]
    blocks: NDArray[np.int64]


def block_means(
    diff: NDArray[np.float64],
    segment: NDArray[np.integer],
    day: NDArray[np.integer],
    m: int,
    length: int = 1,
) -> BlockMeans:
    """The mean of `diff` per segment, with a variance that lets rows of one block depend on each other.

    `diff` is float64[n]; `segment` int[n] in 0..m-1, negative for rows of no segment; `day` int[n] counts
    days, and `length` of them make a block (7 where days influence the next ones). The variance is the
    cluster-robust one with the small-sample correction CR2 of Bell & McCaffrey (2002): sum over blocks of
    r_b^2 / (1 - n_b / n), over n^2, with r_b the sum of the residuals of block b.

    >>> out = block_means(np.array([1.0, 3.0, 2.0, 5.0]), np.array([0, 0, 0, 1]), np.array([1, 1, 2, 1]), 2)
    >>> out.mean.tolist(), out.rows.tolist(), out.blocks.tolist()
    ([2.0, 5.0], [3, 1], [2, 1])
    """
    if length < 1:
        raise ValueError("a block has at least one day")
    segment, block = np.asarray(segment, np.int64), np.asarray(day, np.int64) // length
    inside = segment >= 0
    if not inside.all():
        diff, segment, block = diff[inside], segment[inside], block[inside]
    if not len(segment):
        none = np.full(m, np.nan)
        return BlockMeans(none, none.copy(), np.zeros(m, np.int64), np.zeros(m, np.int64))
    owner, sums, counts = _cells(np.asarray(diff, np.float64), segment, block, m)
    rows = np.bincount(owner, counts, m)
    blocks = np.bincount(owner, minlength=m)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(owner, sums, m) / rows
        share = counts / rows[owner]
        residual = sums - mean[owner] * counts
        squares = np.where(share < 1.0, residual**2 / (1.0 - share), 0.0)
        variance = np.bincount(owner, squares, m) / rows**2
    variance[blocks < 2] = np.nan
    return BlockMeans(mean, variance, rows.astype(np.int64), blocks.astype(np.int64))


def _cells(
    diff: NDArray[np.float64], segment: NDArray[Any], block: NDArray[Any], m: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Segment, sum and count of every (segment, block) cell that has rows."""
    block = block - block.min()
    width = int(block.max()) + 1
    key = segment * width + block
    if m * width <= DENSE_CELLS:
        counts = np.bincount(key, minlength=m * width)
        used = np.flatnonzero(counts)
        sums = np.bincount(key, diff, m * width)[used]
        return used // width, sums, counts[used].astype(np.float64)
    used, inverse, per_cell = np.unique(key, return_inverse=True, return_counts=True)
    return used // width, np.bincount(inverse, diff, len(used)), per_cell.astype(np.float64)
