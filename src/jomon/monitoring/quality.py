"""Data quality: missing, unseen, stuck, repeated and impossible values of every segment, beside those of its history.

These are facts with intervals, each beside the worst of earlier windows; what moved the whole distribution of a column
is for the statistics of a window.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from jomon.core.binning import ColumnBins
from jomon.core.cubes import Cube
from jomon.core.findings import Signal, SignalKind, Span
from jomon.core.spec import ColumnContract
from jomon.core.spec_monitor import PracticalSpec
from jomon.monitoring.cells import Level
from jomon.monitoring.quality_time import SOURCE, Clock, freshness, schema, volumes
from jomon.stats.beyond_history import beyond_history
from jomon.stats.wilson import wilson_interval

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
STUCK = 0.999
"""From this share of values in one bin on a column may be called constant."""
WORDS: Mapping[SignalKind, str] = {
    "nulls": "rows without a value",
    "unseen": "rows with a value that the reference never had",
    "ranges": "rows beyond what the reference or the contract has",
    "constant": "values in the fullest bin",
    "duplicates": "rows beyond the first of their key",
}


@dataclass(frozen=True, eq=False)
class QualityRules:
    """What is allowed. `rate`: the share of quiet checks that may find anything (Bonferroni over all tests of a check);
    `level` of intervals; segments with fewer than `min_rows` rows and `min_days` earlier windows are unknown.

    `contract`: what the project file declares of a column, by name: of what it forbids one row is a finding. `outside`:
    rows beyond `least` and `most` of a column's bins or its contract's bounds, float64[W, C] by window and finest
    segment of the cube, which has no such counts itself; a number that is not there is unknown.
    """

    rate: float = 0.05
    level: float = 0.95
    min_rows: int = 10
    min_days: int = 5
    practical: PracticalSpec = field(default_factory=PracticalSpec)
    contract: Mapping[str, ColumnContract] = field(default_factory=dict)
    outside: Mapping[str, Floats] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Counted:
    """Events among rows of the segments of a level, float64[W, S] up to and with the window, and what is forbidden."""

    kind: SignalKind
    column: str
    level: Level
    events: Floats
    rows: Floats
    practical: float
    forbidden: bool = False
    least: float = 0.0  # share from which on it may be a finding
    reason: str = ""


def quality(
    cube: Cube, levels: Sequence[Level], window: int, span: Span, clock: Clock, rules: QualityRules
) -> tuple[Signal, ...]:
    """Signals `nulls`, `unseen`, `ranges`, `constant`, `duplicates` and `volume` of every segment of `levels`, and
    `schema` and `freshness` of the fleet, of one window of a cube (its number) beside all windows before it.

    A share is a finding where it is above every earlier window's by the practical size, and more than chance makes of
    the worst of these; see `beyond_history`. What cannot be said is `unknown`, with its reason.
    """
    everything = _Column.of(cube, cube.binning.place("", "rows"), window)
    all_rows = [everything.by(level)[:, :, 0] for level in levels]
    counted = list(_counted(cube, levels, window, all_rows, rules))
    past = [
        beyond_history(one.events[-1], one.rows[-1], one.events[:-1], one.rows[:-1], rules.min_rows)
        for one in counted
    ]
    tests = sum(len(one.level.segments) for one in counted if not one.reason) + sum(
        len(x.segments) for x in levels
    )
    allowed = rules.rate / max(tests, 1)
    out: list[Signal] = []
    for one, before in zip(counted, past, strict=True):
        events, rows = one.events[-1], one.rows[-1]
        low, high = wilson_interval(events, rows, rules.level)
        for at, segment in enumerate(one.level.segments):
            n, days = int(rows[at]), int(before.days[at])
            reason = one.reason or _reason(n, days, rules, forbidden=one.forbidden)
            if reason:
                out.append(Signal(span, segment, one.kind, one.column, None, None, None, "share of rows", n, "", SOURCE,
                                  "unknown", reason))  # fmt: skip
                continue
            share = float(events[at] / rows[at])
            worse = before.p[at] <= allowed and share >= max(before.worst[at] + one.practical, one.least)
            found = worse or (one.forbidden and events[at] > 0)
            if days:
                reference = (
                    f"{WORDS[one.kind]}: {before.usual[at]:.3g} in {len(one.rows) - 1} earlier windows, at most "
                    f"{before.worst[at]:.3g} in one"
                )
            else:
                reference = f"{WORDS[one.kind]}: the contract allows none"
            out.append(Signal(span, segment, one.kind, one.column, share, float(low[at]), float(high[at]),
                              "share of rows", n, reference, SOURCE, "finding" if found else "quiet"))  # fmt: skip
    for level, rows in zip(levels, all_rows, strict=True):
        out += volumes(
            level, rows, cube.windows[: window + 1], span, allowed, rules.practical.volume, rules.level
        )
    now = int(everything.rows[everything.window == window].sum())
    return (*out, *schema(cube, window, span), *freshness(cube, window, span, clock, now))


def _reason(rows: int, days: int, rules: QualityRules, *, forbidden: bool) -> str:
    if not rows:
        return "no rows"
    if forbidden:
        return ""
    if rows < rules.min_rows:
        return f"only {rows} rows: {rules.min_rows} are needed"
    if days < rules.min_days:
        return f"only {days} earlier windows have {rules.min_rows} rows: {rules.min_days} are needed"
    return ""


@dataclass(frozen=True, eq=False)
class _Column:
    """Cells of one column up to and with a window: int64[n] window, finest segment and bin, float64[n] rows."""

    windows: int
    window: Ints
    cell: Ints
    bin: Ints
    rows: Floats
    width: int

    @classmethod
    def of(cls, cube: Cube, number: int, window: int) -> _Column:
        """Column `number` of a cube."""
        start, end = int(cube.binning.starts[number]), int(cube.binning.starts[number + 1])
        own = np.flatnonzero((cube.at[:, 3] >= start) & (cube.at[:, 3] < end) & (cube.at[:, 0] <= window))
        at = cube.at[own]
        return cls(window + 1, at[:, 0], at[:, 1], at[:, 3] - start, cube.measure("rows")[own], end - start)

    def by(self, level: Level) -> Floats:
        """Rows by window, segment of a level and bin, float64[W, S, B]."""
        segment = level.of_cell[self.cell]
        own = segment >= 0
        shape = (self.windows, len(level.segments), self.width)
        place = (self.window[own] * shape[1] + segment[own]) * self.width + self.bin[own]
        return np.bincount(place, self.rows[own], int(np.prod(shape))).astype(np.float64).reshape(shape)


def _counted(
    cube: Cube, levels: Sequence[Level], window: int, all_rows: Sequence[Floats], rules: QualityRules
) -> Iterator[_Counted]:
    for number, column in enumerate(cube.binning.columns):
        if column.kind not in ("number", "category", "duplicates"):
            continue
        cells = _Column.of(cube, number, window)
        for level, whole in zip(levels, all_rows, strict=True):
            if column.name not in level.axes:
                yield from _of_column(column, level, cells.by(level), whole, window, rules)


def _of_column(
    column: ColumnBins, level: Level, bins: Floats, whole: Floats, window: int, rules: QualityRules
) -> Iterator[_Counted]:
    small = rules.practical.nulls
    if column.kind == "duplicates":
        yield _Counted("duplicates", "", level, bins[:, :, 0], whole, small)
        return
    rows = bins.sum(axis=2)
    values = rows - bins[:, :, column.null]
    contract = rules.contract.get(column.name)
    required = contract is not None and contract.required
    yield _Counted("nulls", column.name, level, bins[:, :, column.null], rows, small, required)
    if column.kind == "category":
        closed = contract is not None and contract.values is not None
        yield _Counted("unseen", column.name, level, bins[:, :, column.unseen], rows, small, closed)
    else:
        yield _ranges(column, level, window, rows, rules)
    if column.size > 1:
        fullest = bins[:, :, : column.size].max(axis=2)
        yield _Counted("constant", column.name, level, fullest, values, 0.0, least=STUCK)


def _ranges(column: ColumnBins, level: Level, window: int, rows: Floats, rules: QualityRules) -> _Counted:
    contract = rules.contract.get(column.name)
    bounded = contract is not None and (contract.min is not None or contract.max is not None)
    outside = rules.outside.get(column.name)
    if outside is None:
        why = "the profile does not count values beyond the reference's"
        return _Counted("ranges", column.name, level, np.zeros_like(rows), rows, 0.0, reason=why)
    events = level.sum(outside[: window + 1].T).T
    return _Counted("ranges", column.name, level, events, rows, rules.practical.nulls, bounded)
