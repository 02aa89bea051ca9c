"""All statistics of one window: by level, column and kind, each under every way to explain away what peers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from jomon.core.binning import ColumnBins
from jomon.core.spec_monitor import PracticalSpec
from jomon.monitoring.cells import Cells, Floats, Ints, Level
from jomon.monitoring.expected import shares, tilted
from jomon.monitoring.family import Family
from jomon.monitoring.matching import WindowFacts
from jomon.monitoring.outcome_statistics import outcome_statistics
from jomon.monitoring.statistics import column_statistics, of_size

Mask = NDArray[np.bool_]
CLOCK_ROWS = 20
"""Rows below which nothing is said of when they come."""
HISTORY_ROWS = 30.0
"""Weighted rows of history below which a segment is not judged."""


@dataclass(frozen=True, eq=False)
class Fleet:
    """What stays the same from window to window: cells, levels from the whole to the parts, and the calendar's facts.

    `outcomes_until`: windows before this one have all their outcomes.
    """

    cells: Cells
    levels: tuple[Level, ...]
    facts: WindowFacts
    min_rows: int = 10
    practical: PracticalSpec = field(default_factory=PracticalSpec)

    @classmethod
    def of(
        cls, cells: Cells, axes: Sequence[tuple[str, ...]], facts: WindowFacts, min_rows: int = 10
    ) -> Fleet:
        """Levels by their axes."""
        levels = tuple(Level.of(cells.cube.segments, level) for level in axes)
        return cls(cells, levels, facts, min_rows)

    def window_rows(self, number: int) -> Floats:
        """Rows of each window in each segment of a level, float64[W, S]."""
        return self._window_rows[number]

    @cached_property
    def _window_rows(self) -> list[Floats]:
        cube = self.cells.cube
        start = cube.binning.starts[cube.binning.place("", "rows")]
        own = cube.at[:, 3] == start
        counts = np.zeros((len(cube.windows), len(cube.segments)))
        np.add.at(counts, (cube.at[own, 0], cube.at[own, 1]), cube.measure("rows")[own])
        return [level.sum(counts.T).T for level in self.levels]

    @cached_property
    def groups(self) -> tuple[tuple[tuple[int, Ints], ...], ...]:
        """For each level the coarser ones whose segments group its peers, with the group of each segment."""
        out = []
        for level in self.levels:
            coarser = [
                (at, level.parents(other))
                for at, other in enumerate(self.levels)
                if set(other.axes) < set(level.axes)
            ]
            out.append(tuple(coarser))
        return tuple(out)


class WindowStatistics:
    """The statistics of `span` windows up to and with `window`, taken together, against the history before them.

    `now`: cells of the same segments and bins that hold what was observed in these windows (the fleet's own by
    default).
    """

    def __init__(self, fleet: Fleet, window: int, span: int = 1, now: Cells | None = None) -> None:
        self.fleet, self.window, self.span = fleet, window, span
        self._now = fleet.cells if now is None else now
        first = window - span + 1
        cells, facts = fleet.cells, fleet.facts
        self._first = first
        self._weights = facts.weights(window, first)
        self._observed = self._now.between("rows", first, window + 1)
        self._history = cells.weighted("rows", self._weights)

    def all(self) -> dict[Family, Floats]:
        """Every statistic, float64[ways, S]: the ways are no tilt, then a tilt by each coarser level."""
        out: dict[Family, Floats] = {}
        for column in range(len(self.fleet.cells.cube.binning.columns)):
            out |= self.of_column(column)
        return out

    def of_column(self, column: int, masked: Mask | None = None) -> dict[Family, Floats]:
        """The statistics of one column; rows of the `masked` finest segments (bool[C]) are left out everywhere."""
        binning = self.fleet.cells.cube.binning
        bins, where = binning.columns[column], binning.slice(column)
        observed, history = self._observed[:, :, where], self._history[:, :, where]
        if bins.kind == "rows":
            history = self._volumes[:, :, where]
        if masked is not None:
            keep = (~masked)[:, None, None]
            observed, history = observed * keep, history * keep
        out: dict[Family, Floats] = {}
        for number, level in enumerate(self.fleet.levels):
            if bins.name in level.axes:
                continue  # a segment has one value of its own axes
            seen, before = level.sum(observed), level.sum(history)
            for kind, values in self._of_level(number, bins, seen, before).items():
                out[Family(number, column, kind)] = values
        if self._labelled:
            out |= outcome_statistics(self, column, masked)
        return out

    def _of_level(self, number: int, bins: ColumnBins, seen: Floats, before: Floats) -> dict[str, Floats]:
        rows, history = seen.sum(axis=(1, 2)), before.sum(axis=(1, 2))
        unknown = (rows < self.fleet.min_rows) | (history < HISTORY_ROWS)
        found: dict[str, list[Floats]] = {}
        for expected in self.expectations(number, bins, seen, before):
            found_here = column_statistics(bins, seen.sum(axis=1), expected.sum(axis=1), before.sum(axis=1))
            if bins.kind == "rows":
                statistic, effect = found_here["volume"]
                meant = expected.sum(axis=(1, 2))
                spread = self._volume_spread(number)
                found_here = {"volume": (statistic * (meant + 0.5) / (meant + 0.5 + spread), effect)}
            for kind, measured in found_here.items():
                few = unknown
                if kind == "volume":
                    few = expected.sum(axis=(1, 2)) < self.fleet.min_rows
                elif kind == "clock":
                    few = unknown | (rows < CLOCK_ROWS)
                elif kind == "drift" and bins.name in self.fleet.cells.cube.axes:
                    continue  # how rows divide among the parts is what the volume of the parts tells
                values = of_size(kind, measured, rows, self.fleet.practical)
                found.setdefault(kind, []).append(np.where(few, np.nan, values))
        return {kind: np.stack(values) for kind, values in found.items()}

    def expectations(self, number: int, bins: ColumnBins, seen: Floats, before: Floats) -> list[Floats]:
        """Expected counts float64[S, H, B] under each way; without strata where the hour itself is the column."""
        if bins.kind in ("clock", "rows", "duplicates"):
            seen, before = seen.sum(axis=1, keepdims=True), before.sum(axis=1, keepdims=True)
        if bins.kind == "rows":
            plain = before
            return [plain, *(_volume_tilt(seen, plain, group) for _, group in self.fleet.groups[number])]
        plain = shares(before) * seen.sum(axis=2, keepdims=True)
        return [plain, *(tilted(seen, plain, group) for _, group in self.fleet.groups[number])]

    @cached_property
    def _volumes(self) -> Floats:
        """Expected rows of the windows from those before, by weekday."""
        facts, cells = self.fleet.facts, self.fleet.cells
        total = np.zeros(cells.shape)
        for window in range(self._first, self.window + 1):
            weights = facts.weights(window, self._first, volume=True)
            whole = weights.sum()
            if whole > 0:
                total += cells.weighted("rows", weights / whole)
        return total

    def _volume_spread(self, number: int) -> Floats:
        """How much the rows of each segment differed from window to window beyond chance, float64[S]."""
        counts = self.fleet.window_rows(number)[: self._first]
        weights = self.fleet.facts.weights(self.window, self._first, volume=True)
        weights = weights / max(weights.sum(), 1e-12)
        mean = weights @ counts
        beyond = weights @ (counts - mean) ** 2 - mean
        spread: Floats = np.maximum(beyond, 0.0) * self.span
        return spread

    @cached_property
    def cell_observed(self) -> Floats:
        """Rows of the windows in each of the finest segments, float64[C]."""
        start = int(self.fleet.cells.cube.binning.starts[self._rows_column])
        found: Floats = self._observed[:, :, start].sum(axis=1)
        return found

    @cached_property
    def cell_rows(self) -> Floats:
        """Rows of the windows in each of the finest segments, or those expected there if more, float64[C]."""
        cube = self.fleet.cells.cube
        start = int(cube.binning.starts[cube.binning.place("", "rows")])
        found: Floats = np.maximum(self._observed[:, :, start], self._volumes[:, :, start]).sum(axis=1)
        return found

    @cached_property
    def _labelled(self) -> bool:
        """Whether any row of the windows has its outcome."""
        return bool(self._now.between("labelled", self._first, self.window + 1).any())

    def level_counts(self, number: int, column: int) -> tuple[Floats, Floats]:
        """Rows by segment, stratum and bin of one column, and those of the history, float64[S, H, B] each."""
        where = self.fleet.cells.cube.binning.slice(column)
        kind = self.fleet.cells.cube.binning.columns[column].kind
        history = self._volumes if kind == "rows" else self._history
        level = self.fleet.levels[number]
        return level.sum(self._observed[:, :, where]), level.sum(history[:, :, where])

    def place_rows(self, number: int, segment: int) -> float:
        """Rows of the windows in one segment."""
        counts = self.level_counts(number, self._rows_column)[0]
        return float(counts[segment, :, 0].sum())

    def place_expected(self, number: int, segment: int) -> float:
        """Rows that its history makes likely for one segment."""
        counts = self.level_counts(number, self._rows_column)[1]
        return float(counts[segment, :, 0].sum())

    @cached_property
    def _rows_column(self) -> int:
        return self.fleet.cells.cube.binning.place("", "rows")

    def sums(self, measure: str) -> tuple[Floats, Floats]:
        """A measure of the windows and of their weighted history, float64[C, K] each, hours together."""
        cells = self.fleet.cells
        now = self._now.between(measure, self._first, self.window + 1).sum(axis=1)
        return now, cells.weighted(measure, self._weights).sum(axis=1)

    @cached_property
    def outcome_sums(self) -> Mapping[str, tuple[Floats, Floats]]:
        """Every measure of outcomes, of the windows and their history, float64[C, K] each."""
        return {name: self.sums(name) for name in ("labelled", "outcome", "expected", "variance", "loss")}


VOLUME_PEERS = 10.0
"""Expected rows of peers at which how many came counts half."""


def _volume_tilt(seen: Floats, expected: Floats, group: Ints) -> Floats:
    """Expected rows changed by how many more or fewer the peers had."""
    groups = int(group.max()) + 1 if len(group) else 0
    came, meant = (np.zeros((groups, *seen.shape[1:])) for _ in range(2))
    np.add.at(came, group, seen)
    np.add.at(meant, group, expected)
    came, meant = came[group] - seen, meant[group] - expected
    out: Floats = expected * (np.maximum(came, 0) + VOLUME_PEERS) / (np.maximum(meant, 0) + VOLUME_PEERS)
    return out
