"""The share of rows that follow a second density, by likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

DROP = 1.9207  # half the 95% quantile of chi-squared with one degree of freedom
_GRID = np.concatenate([np.linspace(0.0, 0.98, 50), [0.99, 1.0]])


@dataclass(frozen=True, slots=True)
class MixedShare:
    """Maximum likelihood share, its 95% profile interval and the gain in log likelihood over share 0."""

    share: float
    low: float
    high: float
    gain: float


def gains(ratio: Floats, weight: Floats, share: Floats = _GRID) -> Floats:
    """Log likelihood over share 0, float64[r, s], of the shares, by `ratio` float64[r, m] of the densities.

    `weight` float64[m]: how often each row counts.
    """
    inner = 1 + share[None, :, None] * (ratio[:, None, :] - 1)
    with np.errstate(divide="ignore"):
        out: Floats = np.log(inner) @ weight
    return out


def price(gain: Floats, rows: float) -> Floats:
    """The best of "every row" and "a share of the rows", float64[r], net of what the choice costs.

    "Every row" has nothing to estimate; a share costs half the log of the rows (Schwarz 1978, Estimating
    the dimension of a model); each has a prior of one half.
    """
    some = gain.max(axis=1) - 0.5 * np.log(max(rows, 1.0))
    out: Floats = np.maximum(gain[:, -1], some) - np.log(2.0)
    return out


def mixed_share(ratio: ArrayLike, weight: ArrayLike | None = None) -> MixedShare:
    """Share of the second density, by `ratio` float64[m] >= 0: the second density over the first, each row.

    >>> fit = mixed_share([0.0] * 5 + [9.0] * 5)
    >>> round(fit.share, 2), round(fit.low, 2), round(fit.high, 2), round(fit.gain, 1)
    (0.44, 0.12, 0.75, 4.6)
    """
    values = np.asarray(ratio, np.float64)
    counts = np.ones(len(values)) if weight is None else np.asarray(weight, np.float64)
    fine = np.linspace(0.0, 1.0, 501)
    gain = gains(values[None], counts, fine)[0]
    inside = fine[gain >= gain.max() - DROP]
    return MixedShare(float(fine[np.argmax(gain)]), float(inside[0]), float(inside[-1]), float(gain.max()))
