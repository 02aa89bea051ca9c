"""Columns of rows as plain arrays: what routing, encoding, training and scoring share.

A column is either numbers (float64, NaN where the value is missing) or categories (`Coded`: a code per row into a
tuple of values, -1 where the value is missing).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Codes = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of categories: `codes` (int32, n) point into `values`; -1 is a missing value."""

    codes: Codes
    values: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, index: NDArray[np.intp]) -> Coded:
        """The rows at `index` (positions or a boolean mask), over the same values."""
        return Coded(self.codes[index], self.values)


Column = Floats | Coded


@dataclass(frozen=True, slots=True)
class Table:
    """Rows: `time` (int64 microseconds since 1970-01-01 UTC, n) and named columns of n rows each."""

    time: Ints
    columns: Mapping[str, Column]

    def __len__(self) -> int:
        return len(self.time)

    def take(self, index: NDArray[np.intp]) -> Table:
        """The rows at `index` (positions or a boolean mask)."""
        return Table(
            self.time[index],
            {name: c.take(index) if isinstance(c, Coded) else c[index] for name, c in self.columns.items()},
        )
