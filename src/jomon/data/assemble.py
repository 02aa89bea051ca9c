"""From typed rows to what a fleet sees: the one path of gold and prediction, so that they cannot differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from jomon.core.columns import categories
from jomon.core.context import Context
from jomon.core.spec import ProjectSpec
from jomon.core.table import Coded, Column, Ints, Table
from jomon.data.lookups import Joined, LookupTable, join_lookups
from jomon.data.text import text_of

Bools = NDArray[np.bool_]

AXIS = "axis_"
SEGMENT = "segment:"
_EXACT = 2**53


@dataclass(frozen=True)
class Assembled:
    """The table of features and axes (n rows) and what the lookups did."""

    table: Table
    joined: Joined


class Assembler:
    """Makes the columns of gold out of typed rows; made once, used for every batch."""

    def __init__(self, spec: ProjectSpec, lookups: Mapping[str, LookupTable]) -> None:
        self.spec = spec
        self.lookups = lookups
        self.context = Context(spec)

    def assemble(self, frame: pl.DataFrame) -> Assembled:
        """The table of typed rows: `frame` (n) has `data.time` in UTC without nulls.

        Lookup features that it lacks are joined.
        """
        data = self.spec.data
        time = frame[data.time].to_physical().to_numpy().astype(np.int64)
        joined = join_lookups(frame, time, self.spec, self.lookups)
        columns: dict[str, Column] = {}
        for name in data.features.numeric:
            columns[name] = joined.frame[name].cast(pl.Float64).to_numpy().astype(np.float64)
        for name in data.features.categorical:
            columns[name] = categories(name, column_of(joined.frame[name]))
        for name in axis_columns(self.spec):
            if name not in columns:
                columns[name] = categories(name, column_of(joined.frame[name]))
        table = self.context.with_calendar(Table(time, columns))
        timed = timed_axes(self.spec)
        axes = self.context.axes_of(table, timed)
        return Assembled(
            Table(time, {**table.columns, **{AXIS + name: axes[name] for name in timed}}), joined
        )

    def codes(self, table: Table) -> tuple[Ints, Bools]:
        """Segment codes (int64, n x S), and which rows have one whose member is valid then (bool, n x S)."""
        return self.context.codes(table)

    def level_codes(self, table: Table) -> dict[str, tuple[Ints, Bools]]:
        """For each distinct level `segment:<axes>`: segment codes (int64, n) and which rows have one."""
        levels = list(dict.fromkeys(stage.level for stage in self.spec.stages))
        found = self.context.segments_at(table, levels)
        return {level_name(level): at.row_codes() for level, at in zip(levels, found, strict=True)}


def level_name(level: tuple[str, ...]) -> str:
    """The gold column that holds the segment codes of a level."""
    return SEGMENT + ",".join(level)


def axis_columns(spec: ProjectSpec) -> tuple[str, ...]:
    """The axes of all levels that are columns of the data, each once."""
    axes = dict.fromkeys(axis for stage in spec.stages for axis in stage.level)
    return tuple(axis for axis in axes if axis not in spec.axes.available)


def timed_axes(spec: ProjectSpec) -> tuple[str, ...]:
    """The axes of all levels that time decides (season, occasion, hour band, weekday), each once."""
    axes = dict.fromkeys(axis for stage in spec.stages for axis in stage.level)
    return tuple(axis for axis in axes if axis in spec.axes.available)


def column_of(series: pl.Series) -> Column:
    """A Polars column as numbers (float64) or categories with sorted values.

    Integers too wide for float64 are text.
    """
    kind = series.dtype
    if kind.is_float():
        return series.cast(pl.Float64).to_numpy().astype(np.float64)
    if kind.is_integer():
        low, high = series.min(), series.max()
        if low is None or (abs(int(low)) <= _EXACT and abs(int(high)) <= _EXACT):  # type: ignore[arg-type]
            return series.cast(pl.Float64).to_numpy().astype(np.float64)
    text = text_of(series)
    values = text.drop_nulls().unique().sort()
    if not len(values):
        return Coded(np.full(len(text), -1, np.int32), ())
    codes = text.cast(pl.Enum(values)).to_physical().cast(pl.Int32).fill_null(-1)
    return Coded(codes.to_numpy().astype(np.int32), tuple(values))


def series_of(name: str, column: Column) -> pl.Series:
    """The inverse of `column_of`, missing values being null."""
    if not isinstance(column, Coded):
        return pl.Series(name, column).fill_nan(None)
    values = pl.Series(name, [*column.values, None], pl.String)
    return values.gather(np.where(column.codes >= 0, column.codes, len(column.values)).astype(np.uint32))
