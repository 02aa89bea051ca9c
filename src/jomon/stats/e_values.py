"""Which of many e values are discoveries: however they depend on each other, few of these are false."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def e_benjamini_hochberg(log_e: ArrayLike, alpha: float) -> NDArray[np.bool_]:
    """Which tests are rejected, bool[m], so that of these a share of at most `alpha` is false on average.

    `log_e` float64[m]: logarithms of e values (mean at most 1 if the null is true; e processes at any moment one
    likes), which may depend in any way; NaN (no test was possible) is not rejected and not counted. The k largest are
    rejected for the largest k whose smallest e value is at least m / (alpha k). Where all nulls are true and e values
    are e processes, anything is ever rejected with probability at most `alpha`, at whatever moments one looks: a
    rejection needs a mean of at least 1 / alpha. ValueError: alpha outside (0, 1).

    e-BH: Wang & Ramdas (2022), False discovery rate control with e-values.

    >>> e_benjamini_hochberg(np.log([100.0, 45.0, 1.0, 0.5]), 0.05).tolist()
    [True, True, False, False]
    """
    if not 0.0 < alpha < 1.0:
        raise ValueError("alpha lies strictly between 0 and 1")
    values = np.asarray(log_e, np.float64)
    tested = np.flatnonzero(~np.isnan(values))
    out = np.zeros(values.shape, bool)
    order = tested[np.argsort(-values[tested], kind="stable")]
    needed = np.log(max(len(order), 1) / alpha) - np.log(np.arange(1, len(order) + 1))
    passing = np.flatnonzero(values[order] >= needed - 1e-12)
    if len(passing):
        out[order[: int(passing[-1]) + 1]] = True
    return out
