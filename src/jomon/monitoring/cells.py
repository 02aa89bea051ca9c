"""Cells: a cube's counts as arrays over its finest segments, strata of the day and bins, and their sums by level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jomon.core.cubes import MEASURES, Cube
from jomon.core.segments import Segment

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
STRATA = 20
"""Into at most so many strata of about equally many rows the hours of a day are put."""


def hour_strata(rows: Floats, most: int = STRATA) -> Ints:
    """The stratum of each hour of the day, int64[24], neighbours together; `rows` float64[24] of the history.

    Values differ by the hour (a morning is colder), and so does who asks: within a stratum both are about the same.

    >>> hour_strata(np.array([0] * 6 + [10.0] * 12 + [0] * 6), 4).tolist()
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3]
    """
    total = rows.sum()
    if total <= 0:
        return np.zeros(24, np.int64)
    middle = (np.cumsum(rows) - rows / 2) / total
    raw = np.minimum((middle * most).astype(np.int64), most - 1)
    return np.unique(raw, return_inverse=True)[1].astype(np.int64)


@dataclass(frozen=True, eq=False)
class Cells:
    """A cube over C segments, H strata and K bins, whose windows can be summed with weights.

    `strata` int64[24] tells the stratum of each hour.
    """

    cube: Cube
    strata: Ints

    @classmethod
    def of(cls, cube: Cube) -> Cells:
        """A cube with strata that its own hours make."""
        hours = np.bincount(cube.at[:, 2], cube.measure("rows"), 24).astype(np.float64)
        return cls(cube, hour_strata(hours))

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """Segments, strata, bins."""
        return len(self.cube.segments), int(self.strata.max()) + 1, self.cube.binning.width

    @cached_property
    def _sums(self) -> dict[str, sparse.csr_matrix]:
        at = self.cube.at
        _, strata, bins = self.shape
        place = (at[:, 1] * strata + self.strata[at[:, 2]]) * bins + at[:, 3]
        shape = (len(self.cube.windows), int(np.prod(self.shape)))
        out = {}
        for number, name in enumerate(MEASURES):
            values = self.cube.sums[:, number]
            some = np.flatnonzero(values)
            out[name] = sparse.csr_matrix((values[some], (at[some, 0], place[some])), shape=shape)
        return out

    def between(self, measure: str, first: int, last: int) -> Floats:
        """A measure summed over windows `first` up to before `last`, float64[C, H, K]."""
        found: Floats = np.asarray(self._sums[measure][first:last].sum(axis=0)).reshape(self.shape)
        return found

    def weighted(self, measure: str, weights: Floats) -> Floats:
        """A measure summed over the first windows with `weights` float64[w], float64[C, H, K]."""
        matrix = self._sums[measure][: len(weights)]
        found: Floats = np.asarray(matrix.T @ weights).reshape(self.shape)
        return found


@dataclass(frozen=True, eq=False)
class Level:
    """One level of a fleet: its S segments, and which of them holds each finest one.

    `of_cell` int64[C]; -1: a value is missing.
    """

    axes: tuple[str, ...]
    segments: tuple[Segment, ...]
    of_cell: Ints

    @classmethod
    def of(cls, cells: Sequence[Segment], axes: Sequence[str]) -> Level:
        """The level `axes` over the finest segments `cells`."""
        places: dict[tuple[str, ...], int] = {}
        of_cell = np.full(len(cells), -1, np.int64)
        for cell, segment in enumerate(cells):
            values = dict(segment.items)
            if all(axis in values for axis in axes):
                key = tuple(values[axis] for axis in axes)
                of_cell[cell] = places.setdefault(key, len(places))
        segments = tuple(Segment(tuple(zip(axes, key, strict=True))) for key in places)
        return cls(tuple(axes), segments, of_cell)

    @cached_property
    def matrix(self) -> sparse.csr_matrix:
        """1 where a finest segment lies in a segment, sparse [S, C]."""
        inside = np.flatnonzero(self.of_cell >= 0)
        shape = (len(self.segments), len(self.of_cell))
        return sparse.csr_matrix((np.ones(len(inside)), (self.of_cell[inside], inside)), shape=shape)

    def sum(self, cells: Floats) -> Floats:
        """Sums float64[S, ...] of an array float64[C, ...]."""
        flat = cells.reshape(len(cells), -1)
        found: Floats = np.asarray(self.matrix @ flat).reshape(len(self.segments), *cells.shape[1:])
        return found

    def parents(self, coarser: Level) -> Ints:
        """Which segment of a coarser level holds each of this one's, int64[S]."""
        places = {segment.items: at for at, segment in enumerate(coarser.segments)}
        found = []
        for segment in self.segments:
            values = dict(segment.items)
            found.append(places[tuple((axis, values[axis]) for axis in coarser.axes)])
        return np.array(found, np.int64)
