"""Gold rows as plain arrays: what training, evaluation and the fast parts read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jomon.core.table import Floats, Ints, Table

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class GoldRows:
    """Rows in order of (time, key), with outcomes and segments; n rows, S stages in the listed order.

    `table` has every feature and every axis column, `target` (float64, n) is NaN where no outcome is known,
    `known_at` (int64 microseconds since 1970-01-01 UTC, n) says when each outcome could be known, `codes`
    (int64, n x S) holds `Segment.code` of each row at each stage's level, and `has` (bool, n x S) is false
    where no member can answer: an axis value is missing (the code means nothing then), or the row is outside
    the periods in which its segment's member is valid.
    """

    table: Table
    target: Floats
    known_at: Ints
    codes: Ints
    has: Flags

    def __post_init__(self) -> None:
        rows = len(self.table)
        shapes = {len(self.target), len(self.known_at), len(self.codes), len(self.has)}
        if shapes != {rows} or self.codes.ndim != 2 or self.codes.shape != self.has.shape:
            raise ValueError(f"gold rows of unequal length: {rows} times against {sorted(shapes)}")

    def __len__(self) -> int:
        return len(self.target)

    @property
    def time(self) -> Ints:
        """When each row happened: int64 microseconds since 1970-01-01 UTC."""
        return self.table.time

    @property
    def known(self) -> Flags:
        """Which rows have an outcome at all."""
        return ~np.isnan(self.target)

    def take(self, index: NDArray[np.intp] | Flags) -> GoldRows:
        """The rows at `index` (positions or a boolean mask)."""
        positions = np.flatnonzero(index) if index.dtype == np.bool_ else np.asarray(index, np.intp)
        return GoldRows(
            self.table.take(positions),
            self.target[positions],
            self.known_at[positions],
            self.codes[positions],
            self.has[positions],
        )

    def known_by(self, moment_us: int) -> GoldRows:
        """The rows whose outcome is there and could be known at `moment_us` (since 1970-01-01 UTC)."""
        return self.take(self.known & (self.known_at <= moment_us))
