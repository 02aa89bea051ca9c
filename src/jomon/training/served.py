"""Margins of the chain so far, as operated: what was answered then, and what is thought when the outcome arrives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jomon.core.table import Floats


@dataclass(frozen=True)
class Served:
    """`answer` float64[n]: margin on the row's own day; `learn` float64[n]: margin with the fast parts of the day on
    which the outcome is learned from, these already updated by that day's outcomes. NaN where the chain had no model
    that had not seen the row.
    """

    answer: Floats
    learn: Floats

    @property
    def present(self) -> NDArray[np.bool_]:
        """Rows that have margins."""
        return ~np.isnan(self.answer)

    def plus(self, slow: Floats) -> Served:
        """With the contribution of a slow part, float64[n], added to both."""
        return Served(self.answer + slow, self.learn + slow)

    def where(self, mask: NDArray[np.bool_], other: Served) -> Served:
        """These margins where `mask` (bool[n]), the other's elsewhere."""
        return Served(np.where(mask, self.answer, other.answer), np.where(mask, self.learn, other.learn))
