"""Explaining: from all tests that stand out to the segments that explain them, the whole before the parts.

A fault of one member shows in its carrier, its airport and the fleet as well, and, through what peers share, in its
peers; a fault of the fleet shows everywhere. The shortest description is sought greedily: a segment costs the digits
that name it among its level's, the digits that name those of its parts which did not move, and the surprise of all that
stands out still when its rows are left out. It need not stand out itself: a change that is clear on every route of a
carrier may be within the ordinary for the carrier.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jomon.monitoring.cells import Floats, Level
from jomon.monitoring.family import Family
from jomon.monitoring.judging import Judged, Past, Statistics, best_first, surprise_of
from jomon.monitoring.window_statistics import WindowStatistics

CANDIDATES = 3
"""Segments of each level that are tried for one explanation: those with most of what stands out."""
MOVED = 1.0
"""The surprise at which a part has moved: one in ten quiet ones has."""
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


@dataclass(frozen=True)
class Explanation:
    """A segment, and the tests that stand out because of it: of itself, its parts and what it shares rows with."""

    place: Place
    tests: tuple[Standing, ...]

    @property
    def surprise(self) -> float:
        """The largest."""
        return max(one.surprise for one in self.tests)


def explained(tests: WindowStatistics, now: Statistics, judged: Judged, past: Past) -> list[Explanation]:
    """What explains all that stands out, column by column (outcomes together), the most surprising first."""
    groups: dict[int, list[Standing]] = {}
    for one in standing_out(judged):
        groups.setdefault(-1 if one.key.kind in OUTCOMES else one.key.column, []).append(one)
    found: list[Explanation] = []
    for group in groups.values():
        found += _Search(tests, now, judged, past, group).run()
    return sorted(found, key=lambda one: -one.surprise)


class _Search:
    """The search within one column, or within all outcomes."""

    def __init__(
        self, tests: WindowStatistics, now: Statistics, judged: Judged, past: Past, standing: list[Standing]
    ) -> None:
        self.tests, self.now, self.judged, self.past = tests, now, judged, past
        self.levels = tests.fleet.levels
        self.standing = standing
        self.masked = np.zeros(len(tests.fleet.cells.cube.segments), bool)

    def run(self) -> list[Explanation]:
        """The explanations."""
        found, remaining = [], self.standing
        while remaining:
            place, rest = self._best(remaining)
            left = {(one.key, one.segment) for one in rest}
            gone = tuple(one for one in remaining if (one.key, one.segment) not in left)
            found.append(Explanation(place, gone))
            self.masked = self._masked_with(place)
            remaining = rest
        return found

    def _best(self, remaining: list[Standing]) -> tuple[Place, list[Standing]]:
        choices = []
        for place in self._candidates(remaining):
            rest = self._rest(remaining, place)
            if len(rest) == len(remaining):
                continue
            name = float(np.log10(len(self.levels[place.level].segments) + 1.0))
            cost = name + self._exceptions(remaining, place) + sum(one.surprise for one in rest)
            choices.append((cost, place.level, place, rest))
        if choices:
            choices.sort(key=lambda choice: choice[:2])
            return choices[0][2], choices[0][3]
        strongest = max(remaining, key=lambda one: (len(self.levels[one.key.level].axes), one.surprise)).place
        rest = self._rest(remaining, strongest)
        return strongest, [one for one in rest if one.place != strongest]

    def _candidates(self, remaining: list[Standing]) -> list[Place]:
        """Segments with most of what stands out, by the rows they share with it, and those that stand out most."""
        weight = np.zeros(len(self.masked))
        rows = self.tests.cell_rows * ~self.masked
        for one in remaining:
            own = rows * (self.levels[one.key.level].of_cell == one.segment)
            weight += one.surprise * own / max(own.sum(), 1e-12)
        places = []
        for number, level in enumerate(self.levels):
            held = level.sum(weight[:, None])[:, 0]
            for segment in np.argsort(-held)[:CANDIDATES]:
                if held[segment] > 0:
                    places.append(Place(number, int(segment)))
        strongest = sorted(remaining, key=lambda one: -one.surprise)[:CANDIDATES]
        return list(dict.fromkeys([*places, *(one.place for one in strongest)]))

    def _inside(self, place: Place) -> NDArray[np.bool_]:
        """Which of the finest segments are in a segment, bool[C]."""
        inside: NDArray[np.bool_] = self.levels[place.level].of_cell == place.segment
        return inside

    def _masked_with(self, place: Place) -> NDArray[np.bool_]:
        masked: NDArray[np.bool_] = self.masked | self._inside(place)
        return masked

    def _exceptions(self, remaining: list[Standing], place: Place) -> float:
        """The digits that name the parts of a segment which did not move, of all levels that split it.

        Levels as fine as its own or finer; those parts count of which something is known and of which most rows are
        its own.
        """
        coarse = self.levels[place.level]
        families = {(one.key.column, one.key.kind) for one in remaining}
        all_rows = self.tests.cell_rows * ~self.masked
        own_rows = all_rows * self._inside(place)
        digits = 0.0
        for number, level in enumerate(self.levels):
            if set(level.axes) <= set(coarse.axes) or len(level.axes) < len(coarse.axes):
                continue
            own, whole = (level.sum(rows[:, None])[:, 0] for rows in (own_rows, all_rows))
            moved, known = self._moved(number, families, coarse)
            parts = known & (own > whole / 2)
            still = np.count_nonzero(parts & ~moved)
            digits += still * float(np.log10(np.count_nonzero(parts) + 1.0))
        return digits

    def _moved(
        self, number: int, families: set[tuple[int, str]], coarse: Level
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which segments of a level moved in any of the columns and kinds, and of which anything is known, bool[S]."""
        size = len(self.levels[number].segments)
        moved, known = np.zeros(size, bool), np.zeros(size, bool)
        for column, kind in families:
            key = Family(number, column, kind)
            if key in self.now and key in self.past.families:
                way = self._beside_others(key, coarse)
                plain = surprise_of(self.now[key][way], key, self.past, way)
                known |= ~np.isnan(plain)
                moved |= np.nan_to_num(plain) > MOVED
        return moved, known

    def _empty(self, one: Standing, place: Place, masked: NDArray[np.bool_]) -> bool:
        """Whether a test is of a whole that holds the place, and of what is left of it most did not move.

        Without the place such a whole is another mix of parts than it was in its history.
        """
        whole, part = self.levels[one.key.level], self.levels[place.level]
        if not set(whole.axes) < set(part.axes) or part.parents(whole)[place.segment] != one.segment:
            return False
        moved, known = self._moved(place.level, {(one.key.column, one.key.kind)}, whole)
        left = self.tests.cell_rows * ((whole.of_cell == one.segment) & ~masked)
        rows = part.sum(left[:, None])[:, 0] * known
        return float((rows * moved).sum()) < 0.5 * max(float(rows.sum()), 1e-12)

    def _beside_others(self, key: Family, coarse: Level) -> int:
        """The best way to explain away in which peers are not all within the segment that is to explain."""
        groups = self.tests.fleet.groups[key.level]
        for way in best_first(self.past.families[key]):
            if way == 0 or not set(coarse.axes) <= set(self.levels[groups[way - 1][0]].axes):
                return way
        return 0

    def _rest(self, remaining: list[Standing], place: Place) -> list[Standing]:
        """What still stands out outside `place` when its rows are left out."""
        coarse = self.levels[place.level]
        masked = self._masked_with(place)
        others = [
            one for one in remaining if not self._within(one, place) and not self._empty(one, place, masked)
        ]
        if not others or not coarse.axes:
            return []
        without: dict[Family, Floats] = {}
        for column in sorted({one.key.column for one in others}):
            without |= self.tests.of_column(column, masked)
        found = []
        for key in {one.key for one in others}:
            values = np.nan_to_num(without[key][self.past.ways[key]], nan=0.0)
            surprises = surprise_of(values, key, self.past)
            for one in others:
                if one.key == key:
                    surprise = min(one.surprise, float(surprises[one.segment]))
                    if surprise > self.judged.critical:
                        found.append(Standing(key, one.segment, surprise))
        return found

    def _within(self, one: Standing, place: Place) -> bool:
        """Whether a test is of the place or of a part of it."""
        level, coarse = self.levels[one.key.level], self.levels[place.level]
        if one.place == place:
            return True
        if not set(coarse.axes) < set(level.axes):
            return False
        return bool(level.parents(coarse)[one.segment] == place.segment)
