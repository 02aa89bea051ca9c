"""The error that all segments have in common, because they lived through the same days."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .block_means import BlockMeans
from .bootstrap import DayBootstrap
from .quantiles import normal_quantile

Floats = NDArray[np.float64]


def shared_variance(
    diff: Floats, day: NDArray[np.integer], means: BlockMeans, seed: int = 0, reps: int = 1000
) -> float:
    """The variance of a mean over all rows beyond what independent segments would give it, at least 0.

    `diff` float64[n] and `day` int[n] are the rows from which `means` (`block_means`) came, rows of no
    segment left out. It is what `pool` takes as `shared`: without it pooling counts the same storm once per
    segment. With 36 segments on 42 days whose common error is half a segment's own, 95%
    intervals of segments cover 84% without it and 97% with it. Days are the clusters of a two-way layout as
    in Cameron, Gelbach & Miller (2011). Where the days are too few for an interval the answer is 0.

    >>> from jomon.stats.block_means import block_means
    >>> day = np.repeat(np.arange(40), 50)
    >>> segment = np.tile(np.arange(50), 40)
    >>> storm = np.random.default_rng(0).standard_normal(40)[day]
    >>> means = block_means(storm, segment, day, 50)
    >>> bool(shared_variance(storm, day, means) > 0.5 * means.variance[0])
    True
    """
    estimate = DayBootstrap.of(day, reps, seed).mean(diff)
    if estimate.value is None or estimate.high is None:
        return 0.0
    # The interval's reach over the normal quantile: t and the correction for few blocks stay in.
    total = ((estimate.high - estimate.value) / normal_quantile(0.975)) ** 2
    share = means.rows / max(int(means.rows.sum()), 1)
    alone = float(np.nansum(share**2 * means.variance))
    return max(total - alone, 0.0)
