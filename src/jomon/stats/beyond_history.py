"""Is a share larger than on any earlier day? Counts against the worst day of a history, exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .wilson import wilson_interval

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BeyondHistory:
    """Shares of S segments beside their history, arrays [S].

    `usual`: share of all its rows, `worst`: of a day, bounded as below; `days` with enough rows; `p`: how often a day
    as bad as the worst shows as many. NaN: not known.
    """

    usual: Floats
    worst: Floats
    days: NDArray[np.int64]
    p: Floats


def beyond_history(
    events: ArrayLike, rows: ArrayLike, past_events: ArrayLike, past_rows: ArrayLike, least_rows: float = 10.0
) -> BeyondHistory:
    """Counts now float64[S] beside those of earlier days float64[W, S].

    The worst day is the largest share of a day with at least `least_rows` rows, or Wilson's upper bound of the share
    of all days where that is larger: real days differ, and no model of how is asked for. `p` is binomial (Clopper &
    Pearson 1934). Only a day that is worse than all before can have a `p` far below its level, and of W + 1 days alike
    the last is the worst once in W + 1 times.

    >>> found = beyond_history([40.0, 3.0], [100.0, 100.0], [[1.0, 1.0], [4.0, 4.0]], [[100.0, 100.0], [100.0, 100.0]])
    >>> bool(found.p[0] < 1e-9), bool(found.p[1] > 0.5), found.usual.tolist()
    (True, True, [0.025, 0.025])
    """
    from scipy.special import bdtrc

    k, n = np.asarray(events, np.float64), np.asarray(rows, np.float64)
    before, among = np.asarray(past_events, np.float64), np.asarray(past_rows, np.float64)
    enough = among >= least_rows
    days = enough.sum(axis=0)
    whole = among.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        usual = np.where(whole > 0, before.sum(axis=0) / whole, np.nan)
        largest = np.where(enough, before / among, 0.0).max(axis=0, initial=0.0)
    _, upper = wilson_interval(before.sum(axis=0), whole)
    worst = np.minimum(np.maximum(largest, upper), 1.0)
    some = np.maximum(np.rint(n), 1.0)
    # At least k: more than k - 1; of none at all that is certain.
    p = np.where(k > 0, bdtrc(np.maximum(np.rint(k) - 1.0, 0.0), some.astype(np.int64), worst), 1.0)
    return BeyondHistory(usual, worst, days, np.where((n > 0) & (whole > 0), p, np.nan))
