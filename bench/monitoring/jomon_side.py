"""jomon's side: profiles of the windows, their statistics one after another, and the check of a window.

The only file of the bench that knows how jomon checks.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from bench.monitoring.jomon_causes import incidents, spoken
from bench.monitoring.plan import FIRST
from bench.monitoring.profiles import Profiler
from bench.monitoring.sides import Said
from bench.monitoring.worlds import Floats, World
from jomon.core.findings import Span
from jomon.monitoring.cells import Cells
from jomon.monitoring.check import check
from jomon.monitoring.judging import Statistics
from jomon.monitoring.matching import WindowFacts
from jomon.monitoring.window_statistics import Fleet, WindowStatistics

BEGIN = 21
"""The first window of which statistics are kept."""


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
        nothing = np.zeros(len(world.days), np.bool_)
        facts = WindowFacts(world.weekday, world.season, world.occasion, nothing)
        cells = Cells.of(self.profiler.cube(world.rows))
        self.fleet = Fleet.of(cells, world.levels, facts, world.spec.monitor.min_rows)
        windows = [w for w in range(BEGIN, len(world.days)) if world.occasion[w] == 0]
        self.statistics: dict[int, Statistics] = {w: WindowStatistics(self.fleet, w).all() for w in windows}
        self._seen: dict[tuple[int, int], tuple[pl.DataFrame, Cells, Statistics]] = {}

    def check(self, windows: Sequence[int], frames: Sequence[pl.DataFrame] | None = None) -> Said:
        """See `Session`."""
        started = time.perf_counter()
        window = windows[-1]
        fleet, changed = (self.fleet, {}) if frames is None else self._changed(windows, frames)
        statistics = {**self.statistics, **changed}
        span = Span(*self.world.span(window))
        checked = check(fleet, window, span, statistics, self.rate, now=statistics[window])
        rows = self.world.by_window[window] if frames is None else frames[-1]
        earlier = {} if frames is None else dict(zip(windows[:-1], frames[:-1], strict=True))
        found = tuple(findings for _, findings in checked.found)
        told = incidents(self.world, window, rows, earlier, found)
        findings = tuple(spoken(finding) for each in found for finding in each)
        p = float(checked.judged.verdict.p)
        return Said(window, findings, told, time.perf_counter() - started, p, bool(checked.reason))

    def _changed(
        self, windows: Sequence[int], frames: Sequence[pl.DataFrame]
    ) -> tuple[Fleet, dict[int, Statistics]]:
        """The fleet in which windows hold other rows, and the statistics of these windows."""
        own = self.fleet.cells
        patches: dict[int, Cells] = {}
        changed: dict[int, Statistics] = {}
        fleet = self.fleet
        if len(windows) == 1:
            self._seen.clear()
        for window, rows in zip(windows, frames, strict=True):
            known = self._seen.get((window, id(rows)))
            patches[window] = self._cells(rows, window) if known is None else known[1]
            cells = Patched(own.cube, own.strata, base=own, patches=dict(patches))
            fleet = replace(self.fleet, cells=cells)
            changed[window] = WindowStatistics(fleet, window).all() if known is None else known[2]
            self._seen[(window, id(rows))] = (rows, patches[window], changed[window])
        return fleet, changed

    def _cells(self, rows: pl.DataFrame, window: int) -> Cells:
        placed = rows.with_columns(pl.lit(window, pl.Int64).alias("window"))
        return Cells(self.profiler.cube(placed), self.fleet.cells.strata)


@dataclass(frozen=True)
class Jomon:
    """jomon at a rate of quiet checks that may raise anything."""

    rate: float = 0.05
    name: str = "jomon"

    def open(self, world: World) -> JomonSession:
        """Statistics of every window."""
        return JomonSession(world, self.rate)
