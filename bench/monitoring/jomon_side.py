"""jomon's side: profiles of the windows, their statistics one after another, and the check of a window.

The only file of the bench that knows how jomon checks.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from bench.monitoring.jomon_causes import incidents
from bench.monitoring.plan import FIRST
from bench.monitoring.profiles import Profiler
from bench.monitoring.sides import Said, Spoken
from bench.monitoring.worlds import Floats, World
from jomon.monitoring.cells import Cells
from jomon.monitoring.explaining import Explanation, explained
from jomon.monitoring.judging import Past, Statistics, judge
from jomon.monitoring.matching import WindowFacts
from jomon.monitoring.window_statistics import Fleet, WindowStatistics

BEGIN = 21
"""The first window of which statistics are kept."""
CHOOSING = 50
"""The ways to explain away are chosen by so many windows."""


@dataclass(frozen=True, eq=False)
class Patched(Cells):
    """Cells in which some windows hold other rows; `base` has the others."""

    base: Cells = field(kw_only=True)
    patches: Mapping[int, Cells] = field(kw_only=True)

    def between(self, measure: str, first: int, last: int) -> Floats:
        """As in `Cells`."""
        return self.base.between(measure, first, last) + self._change(
            measure, {window: 1.0 for window in self.patches if first <= window < last}
        )

    def weighted(self, measure: str, weights: Floats) -> Floats:
        """As in `Cells`."""
        return self.base.weighted(measure, weights) + self._change(
            measure, {w: weights[w] for w in self.patches if w < len(weights) and weights[w]}
        )

    def _change(self, measure: str, weights: Mapping[int, float]) -> Floats:
        """What the other rows of some windows change, summed with weights."""
        total = np.zeros(int(np.prod(self.shape)))
        for window, weight in weights.items():
            for cells, sign in ((self.patches[window], 1.0), (self.base, -1.0)):
                row = cells._sums[measure][window]
                total[row.indices] += sign * weight * row.data
        return total.reshape(self.shape)


class JomonSession:
    """The fleet of one world, with the statistics of every window so far as it was."""

    def __init__(self, world: World, rate: float) -> None:
        self.world, self.rate = world, rate
        self.profiler = Profiler.of(world, world.rows.filter(pl.col("window") < FIRST))
        self.cells = Cells.of(self.profiler.cube(world.rows))
        nothing = np.zeros(len(world.days), np.bool_)
        self.facts = WindowFacts(world.weekday, world.season, world.occasion, nothing)
        least = world.spec.monitor.min_rows
        self.fleet = Fleet.of(self.cells, world.levels, self.facts, least)
        self.windows = [w for w in range(BEGIN, len(world.days)) if world.occasion[w] == 0]
        self._seen: dict[tuple[int, int], tuple[pl.DataFrame, Cells, Statistics]] = {}
        started = time.perf_counter()
        self.statistics: dict[int, Statistics] = {
            w: WindowStatistics(self.fleet, w).all() for w in self.windows
        }
        self.seconds_of_history = time.perf_counter() - started
        self.ways = Past.of([self.statistics[w] for w in self.windows[:CHOOSING]]).ways
        every = Past.of([self.statistics[w] for w in self.windows])
        self.past = Past(every.families, {key: self.ways.get(key, way) for key, way in every.ways.items()})

    def check(self, windows: Sequence[int], frames: Sequence[pl.DataFrame] | None = None) -> Said:
        """See `Session`."""
        started = time.perf_counter()
        window = windows[-1]
        if frames is None:
            tests = WindowStatistics(self.fleet, window)
            statistics, changed = self.statistics[window], {}
        else:
            tests, statistics, changed = self._changed(windows, frames)
        new = self.facts.new_season(window)
        past = self._before(window, changed, new)
        judged = judge(statistics, past, self.rate, new_season=new)
        found = tuple(self._findings(one) for one in explained(tests, statistics, judged, past))
        rows = self.world.by_window[window] if frames is None else frames[-1]
        earlier = {} if frames is None else dict(zip(windows[:-1], frames[:-1], strict=True))
        told = incidents(self.world, window, rows, earlier, found)
        p = judged.verdict.p
        if new and not found:
            p = max(p, 0.5)
        findings = tuple(one for each in found for one in each)
        unknown = not np.isfinite(judged.critical)
        return Said(window, findings, told, time.perf_counter() - started, float(p), unknown)

    def _changed(
        self, windows: Sequence[int], frames: Sequence[pl.DataFrame]
    ) -> tuple[WindowStatistics, Statistics, dict[int, Statistics]]:
        """The tests of the last of windows that hold other rows, their statistics, and those of the windows before."""
        patches: dict[int, Cells] = {}
        changed: dict[int, Statistics] = {}
        if len(windows) == 1:
            self._seen.clear()
        for window, rows in zip(windows, frames, strict=True):
            key = (window, id(rows))
            fleet = self.fleet
            if patches:
                cells = Patched(fleet.cells.cube, fleet.cells.strata, base=fleet.cells, patches=dict(patches))
                fleet = replace(fleet, cells=cells)
            known = self._seen.get(key)
            now = self._cells(rows, window) if known is None else known[1]
            patches[window] = now
            if known is not None and window != windows[-1]:
                changed[window] = known[2]
                continue
            tests = WindowStatistics(fleet, window, 1, now)
            changed[window] = tests.all()
            self._seen[key] = (rows, now, changed[window])
        return tests, changed.pop(windows[-1]), changed

    def _cells(self, rows: pl.DataFrame, window: int) -> Cells:
        return Cells(
            self.profiler.cube(rows.with_columns(pl.lit(window, pl.Int64).alias("window"))), self.cells.strata
        )

    def _before(self, window: int, changed: Mapping[int, Statistics], new: bool) -> Past:
        kept = [
            at for at, w in enumerate(self.windows) if w < window and (new or not self.facts.new_season(w))
        ]
        past = self.past.take(np.array(kept, np.int64))
        for w, statistics in changed.items():
            if self.windows.index(w) not in kept:
                continue
            place = kept.index(self.windows.index(w))
            for key, values in statistics.items():
                if key in past.families:
                    past.families[key][place] = values
        return past

    def _findings(self, one: Explanation) -> tuple[Spoken, ...]:
        """An explanation as findings: one for each column and kind, in the segment that explains."""
        segment = dict(self.fleet.levels[one.place.level].segments[one.place.segment].items)
        most: dict[tuple[str, str], float] = {}
        for test in one.tests:
            key = (self.profiler.binning.columns[test.key.column].name, test.key.kind)
            most[key] = max(most.get(key, 0.0), test.surprise)
        return tuple(Spoken(segment, *key, surprise) for key, surprise in most.items())


@dataclass(frozen=True)
class Jomon:
    """jomon at a rate of quiet checks that may raise anything."""

    rate: float = 0.05
    name: str = "jomon"

    def open(self, world: World) -> JomonSession:
        """Statistics of every window."""
        return JomonSession(world, self.rate)
