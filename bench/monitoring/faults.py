"""Faults: one trouble each, chosen once and then put into the rows of as many windows as it lasts, with its truth.

A fault changes what was recorded (the image then answers the changed rows anew), which rows there are, when they were
asked, what came of them, or who answered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from bench.monitoring.worlds import Bools, Floats, World
from jomon.core.findings import CauseKind
from jomon.core.segments import Segment

SHARE = {"small": 0.1, "medium": 0.5, "large": 1.0}
SHIFT = {"small": 0.25, "medium": 0.5, "large": 1.0}
VOLUME = {"small": 0.2, "medium": 0.5, "large": 0.9}
DRIFT_DAYS = 28
CHANGED = {"binary": 0.02, "count": 0.05, "regression": 0.05}
"""An answer that another member gave counts as affected from this change on: of the probability, else relative."""
NEW = "ZZZ"
Change = tuple[pl.DataFrame, int]
OUTCOMES = ("calibration", "behaviour", "discrimination", "realised", "estimated", "fairness", "score")


@dataclass(frozen=True)
class Fault:
    """The truth about one trouble, and `apply`, which puts it into the rows of a window: it takes the rows, the number
    of the window since the fault began and a generator, and gives the changed rows and how many were affected.

    `columns` are those at fault; `any_column`: everything recorded changes with it; `kinds` and `causes` that are right
    for it; `also`: axes (and one value, or all) whose segments lose or gain rows by it.
    """

    kind: str
    size: str
    scope: Segment
    columns: tuple[str, ...]
    causes: tuple[CauseKind, ...]
    apply: Callable[[pl.DataFrame, int, np.random.Generator], Change] = field(repr=False)
    any_column: bool = False
    kinds: tuple[str, ...] = OUTCOMES
    also: tuple[tuple[str, str | None], ...] = ()

    def covers(self, rows: pl.DataFrame) -> Bools:
        """Which rows lie in its segment."""
        return inside(rows, self.scope.items)


def inside(rows: pl.DataFrame, items: tuple[tuple[str, str], ...] | Mapping[str, str]) -> Bools:
    """Which rows lie in a segment, bool[n]."""
    found = np.ones(rows.height, np.bool_)
    for axis, value in dict(items).items():
        found &= (rows[axis].cast(pl.String) == value).fill_null(value=False).to_numpy()
    return found


def make_fault(
    world: World, kind: str, size: str, scope: Segment, rows: pl.DataFrame, draw: np.random.Generator
) -> Fault:
    """A fault of a kind and size in a segment; `rows` of the window in which it begins decide what it is exactly."""
    from bench.monitoring import input_faults, outcome_faults, row_faults

    makers = {**input_faults.MAKERS, **row_faults.MAKERS, **outcome_faults.MAKERS}
    return makers[kind](Making(world, kind, size, scope, rows, draw))


@dataclass(frozen=True)
class Making:
    """What a maker of faults knows."""

    world: World
    kind: str
    size: str
    scope: Segment
    rows: pl.DataFrame
    draw: np.random.Generator

    @property
    def share(self) -> float:
        """The share of rows that the fault takes."""
        return SHARE[self.size]

    def pick(self, values: tuple[object, ...]) -> int:
        """One place of several."""
        return int(self.draw.integers(len(values)))

    def column(self, names: tuple[str, ...]) -> str:
        """One column of several, which has values in the segment."""
        mine = self.rows.filter(pl.Series(inside(self.rows, self.scope.items)))
        known = [name for name in names if mine[name].drop_nulls().n_unique() > 1] or list(names)
        return known[int(self.draw.integers(len(known)))]

    def fault(
        self,
        columns: tuple[str, ...],
        causes: tuple[CauseKind, ...],
        apply: Callable[[pl.DataFrame, int, np.random.Generator], Change],
        **more: object,
    ) -> Fault:
        """The fault."""
        return Fault(self.kind, self.size, self.scope, columns, causes, apply, **more)  # type: ignore[arg-type]

    def taken(self, rows: pl.DataFrame, draw: np.random.Generator, share: float | None = None) -> Bools:
        """Rows of the segment that the fault takes, bool[n]."""
        mine = inside(rows, self.scope.items)
        chosen: Bools = mine & (draw.random(rows.height) < (self.share if share is None else share))
        return chosen


def answered_anew(
    world: World, before: pl.DataFrame, after: pl.DataFrame, columns: tuple[str, ...]
) -> Change:
    """`after` with the rows that differ from `before` in these columns answered anew, and how many they are."""
    differs = np.zeros(before.height, np.bool_)
    for name in columns:
        differs |= after[name].ne_missing(before[name]).to_numpy()
    if not differs.any():
        return after, 0
    new = world.answered(after.filter(pl.Series(differs)))
    return with_values(after, differs, {name: new[name].to_numpy() for name in ("answer", "margin")}), int(
        differs.sum()
    )


def with_values(rows: pl.DataFrame, at: Bools, values: Mapping[str, Floats]) -> pl.DataFrame:
    """Rows whose columns have other numbers where `at`."""
    changed = {}
    for name, new in values.items():
        whole = rows[name].cast(pl.Float64).to_numpy().copy()
        whole[at] = new
        series = pl.Series(name, whole)
        changed[name] = series.fill_nan(None) if rows[name].null_count() else series
    return rows.with_columns(**changed)
