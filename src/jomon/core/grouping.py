"""Combinations of categories over rows: the distinct ones, and which of them each row has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jomon.core.segments import Segment
from jomon.core.table import Coded, Codes, Ints

Bools = NDArray[np.bool_]
_DENSE = 4
"""Count into a table of up to this many entries per row instead of sorting."""


@dataclass(frozen=True, slots=True)
class Segmented:
    """The segment of every row at one level.

    `codes` (int32, n) point into `segments`, those that occur in order of their values; -1 where an axis
    value is missing.
    """

    codes: Codes
    segments: tuple[Segment, ...]

    def __len__(self) -> int:
        return len(self.codes)

    def row_codes(self) -> tuple[Ints, Bools]:
        """`Segment.code` of every row (int64, n; 0 where there is none) and which rows have one (n)."""
        codes = np.array([*(segment.code for segment in self.segments), 0], dtype=np.int64)
        return codes[self.codes], self.codes >= 0

    def counts(self) -> Ints:
        """Rows of each of `segments`."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.segments)).astype(np.int64)


def segment_rows(axes: Sequence[tuple[str, Coded]], rows: int) -> Segmented:
    """The segments of `rows` rows at the level of `axes` (name and values); no axes: one segment of all."""
    if not axes:
        return Segmented(np.zeros(rows, dtype=np.int32), (Segment(),))
    has = np.logical_and.reduce([column.codes >= 0 for _, column in axes])
    complete = bool(has.all())
    key: Codes | Ints = np.zeros(rows if complete else int(has.sum()), dtype=np.int32)
    table = np.zeros((1, 0), dtype=np.int64)
    names = [tuple(sorted(column.values)) for _, column in axes]
    for (_, column), ordered in zip(axes, names, strict=True):
        place = {value: at for at, value in enumerate(ordered)}
        ranks = np.array([place[value] for value in column.values], dtype=np.int64)
        codes = column.codes if complete else column.codes[has]
        size = len(ordered)
        if len(codes) == 0:
            return Segmented(np.full(rows, -1, dtype=np.int32), ())
        key, present = compress(key * np.int64(size) + ranks[codes], len(table) * size)
        table = np.column_stack((table[present // size], present % size))
    segments = tuple(
        Segment(
            tuple(
                (axis, names[at][value]) for at, ((axis, _), value) in enumerate(zip(axes, line, strict=True))
            )
        )
        for line in table.tolist()
    )
    if complete:
        return Segmented(key.astype(np.int32), segments)
    spread: Codes = np.full(rows, -1, dtype=np.int32)
    spread[has] = key
    return Segmented(spread, segments)


def compress(key: Ints, size: int) -> tuple[Codes, Ints]:
    """Position of every `key` (each 0 to `size` - 1, n) among the distinct ones, and those, sorted."""
    if size > _DENSE * len(key) + 1024:
        distinct, inverse = np.unique(key, return_inverse=True)
        return inverse.astype(np.int32), distinct
    present = np.zeros(size, dtype=np.bool_)
    present[key] = True
    distinct = np.flatnonzero(present)
    lookup = np.zeros(size, dtype=np.int32)
    lookup[distinct] = np.arange(len(distinct), dtype=np.int32)
    return lookup[key], distinct
