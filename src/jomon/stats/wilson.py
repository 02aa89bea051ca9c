"""Wilson's interval for a share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .quantiles import normal_quantile


def wilson_interval(
    events: ArrayLike, trials: ArrayLike, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Low and high bounds of the share events / trials; 0 and 1 where there are no trials.



    Wilson (1927), Probable inference, the law of succession, and statistical inference: unlike value +- 1.96
    standard errors it stays within 0 and 1 and covers with few trials (Brown, Cai & DasGupta 2001).

    >>> low, high = wilson_interval([0, 5], [10, 10])
    >>> [round(float(v), 3) for v in (*low, *high)]
    [0.0, 0.237, 0.278, 0.763]
    """
    k, n = np.asarray(events, np.float64), np.asarray(trials, np.float64)
    z = normal_quantile(0.5 + level / 2.0)
    some = np.where(n > 0, n, 1.0)
    share = k / some
    centre = (share + z**2 / (2 * some)) / (1 + z**2 / some)
    reach = z / (1 + z**2 / some) * np.sqrt(share * (1 - share) / some + z**2 / (4 * some**2))
    return np.where(n > 0, np.clip(centre - reach, 0, 1), 0.0), np.where(
        n > 0, np.clip(centre + reach, 0, 1), 1.0
    )
