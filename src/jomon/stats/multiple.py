"""False-discovery control: of what is called a finding, how much is chance?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Adjusted p values, float64[m]: of those at most q a share of at most q is false on average.

    Benjamini & Hochberg (1995), for tests that are independent or positively dependent (Benjamini &
    Yekutieli 2001). NaN (no test was possible) stays NaN and is not counted.

    >>> [round(float(v), 3) for v in benjamini_hochberg([0.01, 0.02, 0.03, 0.5])]
    [0.04, 0.04, 0.04, 0.5]
    """
    return _step_up(p, dependent=False)


def benjamini_yekutieli(p: ArrayLike) -> Floats:
    """Adjusted p values that hold under any dependence, at the price of a factor 1 + 1/2 + ... + 1/m.

    Benjamini & Yekutieli (2001), The control of the false discovery rate in multiple testing under
    dependency.

    >>> [round(float(v), 3) for v in benjamini_yekutieli([0.01, 0.02])]
    [0.03, 0.03]
    """
    return _step_up(p, dependent=True)


def _step_up(p: ArrayLike, *, dependent: bool) -> Floats:
    p = np.asarray(p, np.float64)
    tested = np.flatnonzero(~np.isnan(p))
    out = np.full(p.shape, np.nan)
    values = p[tested]
    if np.any((values < 0) | (values > 1)):
        raise ValueError("a p value lies between 0 and 1")
    m = len(tested)
    if not m:
        return out
    order = np.argsort(values)
    price = float(np.sum(1.0 / np.arange(1, m + 1))) if dependent else 1.0
    scaled = values[order] * price * m / np.arange(1, m + 1)
    out[tested[order]] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return out
