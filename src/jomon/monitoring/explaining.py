"""Explaining: from all tests that stand out to the segments that explain them, the whole before the parts.

A fault of one member shows in its carrier, its airport and the fleet as well, and, through what peers share, in its
peers; a fault of the fleet shows everywhere. The smallest set is sought greedily: of the segments that stand out, the
one is taken after which least stands out still. What lies within it is then judged beside what it shows itself, and all
else without its rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jomon.monitoring.cells import Floats, Level
from jomon.monitoring.family import Family
from jomon.monitoring.judging import Judged, Past, Statistics, surprise_of
from jomon.monitoring.window_statistics import WindowStatistics

CANDIDATES = 10
"""Segments that are tried for one explanation, the most surprising first."""
OUTCOMES = ("calibration", "behaviour", "discrimination")


@dataclass(frozen=True)
class Place:
    """A segment, by the numbers of its level and of itself."""

    level: int
    segment: int


@dataclass(frozen=True)
class Standing:
    """A test that stands out: its family, its segment and its surprise."""

    key: Family
    segment: int
    surprise: float

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(self.key.level, self.segment)


def standing_out(judged: Judged) -> list[Standing]:
    """All tests above the critical surprise."""
    found = []
    for key in judged.places:
        surprise = judged.surprise(key)
        for segment in np.flatnonzero(np.nan_to_num(surprise, nan=-1.0) > judged.critical):
            found.append(Standing(key, int(segment), float(surprise[segment])))
    return found


def explained(tests: WindowStatistics, now: Statistics, judged: Judged, past: Past) -> list[list[Standing]]:
    """The tests that stay, in groups of one segment and column (or its outcomes), strongest group first."""
    standing = standing_out(judged)
    groups: dict[tuple[int, bool], list[Standing]] = {}
    for one in standing:
        outcome = one.key.kind in OUTCOMES
        groups.setdefault((-1 if outcome else one.key.column, outcome), []).append(one)
    kept: list[list[Standing]] = []
    for group in groups.values():
        kept += _Search(tests, now, judged, past, group).run()
    return sorted(kept, key=lambda group: -max(one.surprise for one in group))


class _Search:
    """The search within one column, or within all outcomes."""

    def __init__(
        self, tests: WindowStatistics, now: Statistics, judged: Judged, past: Past, standing: list[Standing]
    ) -> None:
        self.tests, self.now, self.judged, self.past = tests, now, judged, past
        self.levels = tests.fleet.levels
        self.standing = standing
        self.masked = np.zeros(len(tests.fleet.cells.cube.segments), bool)
        self.taken: list[Place] = []

    def run(self) -> list[list[Standing]]:
        """The groups that explain."""
        kept = []
        remaining = self.standing
        while remaining:
            best, rest = self._best(remaining)
            kept.append([one for one in remaining if one.place == best])
            self.taken.append(best)
            self.masked = self._masked_with(best)
            remaining = rest
        return kept

    def _best(self, remaining: list[Standing]) -> tuple[Place, list[Standing]]:
        places = _strongest(remaining)
        if len(places) == 1:
            return places[0], []
        choices = []
        for place in places[:CANDIDATES]:
            rest = self._rest(remaining, place)
            bits = float(np.log10(len(self.levels[place.level].segments) + 1.0))
            choices.append((sum(one.surprise for one in rest) + bits, place.level, place, rest))
        choices.sort(key=lambda choice: choice[:2])
        return choices[0][2], choices[0][3]

    def _masked_with(self, place: Place) -> NDArray[np.bool_]:
        level = self.levels[place.level]
        return self.masked if not level.axes else self.masked | (level.of_cell == place.segment)

    def _rest(self, remaining: list[Standing], place: Place) -> list[Standing]:
        """What still stands out when `place` is taken for explained."""
        others = [one for one in remaining if one.place != place]
        if not others:
            return []
        masked = self._masked_with(place)
        columns = sorted({one.key.column for one in others})
        without: dict[Family, Floats] = {}
        if self.levels[place.level].axes:
            for column in columns:
                without |= self.tests.of_column(column, masked)
        keys = {one.key for one in others}
        surprises = {key: self._surprise(key, place, without) for key in keys}
        found = []
        for one in others:
            surprise = min(one.surprise, float(surprises[one.key][one.segment]))
            if surprise > self.judged.critical:
                found.append(Standing(one.key, one.segment, surprise))
        return found

    def _surprise(self, key: Family, place: Place, without: dict[Family, Floats]) -> Floats:
        """Surprises of a family: within the place beside what it shows, elsewhere without its rows, float64[S]."""
        level, coarse = self.levels[key.level], self.levels[place.level]
        way = self.past.ways[key]
        inside = np.zeros(len(level.segments), bool)
        values = without[key][way] if key in without else self.now[key][way]
        values = np.nan_to_num(values, nan=0.0)
        if set(coarse.axes) < set(level.axes):
            inside = level.parents(coarse) == place.segment
            beside = self._way_of(key.level, place.level)
            within = np.fmin(self.now[key][way], self.now[key][beside])
            values = np.where(inside, np.nan_to_num(within, nan=0.0), values)
        return surprise_of(values, key, self.past)

    def _way_of(self, level: int, coarser: int) -> int:
        for number, (at, _) in enumerate(self.tests.fleet.groups[level]):
            if at == coarser:
                return number + 1
        raise KeyError((level, coarser))


def _strongest(standing: Iterable[Standing]) -> list[Place]:
    """The places of tests, the most surprising first."""
    peak: dict[Place, float] = {}
    for one in standing:
        peak[one.place] = max(peak.get(one.place, 0.0), one.surprise)
    return sorted(peak, key=lambda place: -peak[place])


__all__ = ["Level", "Place", "Standing", "explained", "standing_out"]
