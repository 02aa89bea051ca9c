"""Profiles of frames, as arrays: what the tables of a project would hold of the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from bench.monitoring.worlds import Floats, Ints, World
from jomon.core.binning import Binning, ColumnBins, category_places, number_edges, numeric_codes
from jomon.core.cubes import Cube
from jomon.core.segments import Segment

BINS = 8
KEPT = 12
"""So many categories of a column have bins of their own."""
UNKNOWN = "(new)"
"""The value of an axis that the history never had."""


def binning_of(world: World, reference: pl.DataFrame) -> Binning:
    """Bins of the recorded columns, the hour, the score, rows and duplicates, from reference rows."""
    columns = [
        ColumnBins(name, "number", number_edges(_numbers(reference, name), BINS)) for name in world.numeric
    ]
    for name in world.categorical:
        values = reference[name].drop_nulls().value_counts(sort=True)[name].to_list()
        columns.append(ColumnBins(name, "category", values=tuple(values[:KEPT]), rest=tuple(values[KEPT:])))
    columns += [
        ColumnBins(world.spec.data.time, "clock"),
        ColumnBins("margin", "score", number_edges(reference["margin"].to_numpy(), BINS)),
        ColumnBins("", "rows"),
        ColumnBins("key", "duplicates"),
    ]
    return Binning(tuple(columns))


@dataclass(frozen=True, eq=False)
class Profiler:
    """Turns rows into cubes over segments that stay the same."""

    world: World
    binning: Binning
    segments: tuple[tuple[str, ...], ...]
    starts: Ints

    @classmethod
    def of(cls, world: World, reference: pl.DataFrame) -> Profiler:
        """The segments are those of the world's rows, and each of them with a value that an axis never had."""
        axes = world.axes
        real = world.rows.select(axes).unique().rows()
        spare = {
            tuple(UNKNOWN if a == at else v for a, v in enumerate(row))
            for row in real
            for at in range(len(axes))
        }
        starts = np.array([world.span(window)[0] for window in range(len(world.days))], np.int64)
        return cls(world, binning_of(world, reference), tuple(sorted({*real, *spare})), starts)

    def cube(self, rows: pl.DataFrame) -> Cube:
        """The cube of rows, over all windows."""
        axes = self.world.axes
        known = {axis: {segment[at] for segment in self.segments} for at, axis in enumerate(axes)}
        seen = rows.with_columns(
            pl.when(pl.col(axis).is_in(sorted(known[axis]))).then(pl.col(axis)).otherwise(pl.lit(UNKNOWN))
            for axis in axes
        )
        places = pl.DataFrame(self.segments, schema=list(axes), orient="row").with_row_index("cell")
        cell = seen.join(places, on=list(axes), how="left", maintain_order="left")["cell"]
        own = cell.fill_null(0).to_numpy().astype(np.int64)
        window, hour = rows["window"].to_numpy(), rows["hour"].to_numpy()
        codes, measures = self._codes(rows), self._measures(rows)
        at, sums = [], []
        for column in range(len(self.binning.columns)):
            place = self.binning.starts[column] + codes[:, column]
            flat = ((window * len(self.segments) + own) * 24 + hour) * self.binning.width + place
            unique, inverse = np.unique(flat, return_inverse=True)
            sums.append(np.stack([np.bincount(inverse, m, len(unique)) for m in measures], 1))
            rest, bins = np.divmod(unique, self.binning.width)
            rest, hours = np.divmod(rest, 24)
            at.append(np.stack([*np.divmod(rest, len(self.segments)), hours, bins], 1))
        segments = tuple(Segment(tuple(zip(axes, values, strict=True))) for values in self.segments)
        return Cube(axes, self.starts, segments, self.binning, np.concatenate(at), np.concatenate(sums))

    def _codes(self, rows: pl.DataFrame) -> Ints:
        out = np.zeros((rows.height, len(self.binning.columns)), np.int64)
        for at, column in enumerate(self.binning.columns):
            if column.kind in ("number", "score"):
                out[:, at] = numeric_codes(column, _numbers(rows, column.name))
            elif column.kind == "category":
                places = category_places(column)
                code = rows[column.name].replace_strict(places, default=column.unseen, return_dtype=pl.Int64)
                nothing = rows[column.name].is_null().to_numpy()
                out[:, at] = np.where(nothing, column.null, code.fill_null(column.null).to_numpy())
            elif column.kind == "clock":
                out[:, at] = rows["hour"].to_numpy()
            elif column.kind == "duplicates":
                out[:, at] = np.where(_again(self.world, rows), 0, column.null)
        return out

    def _measures(self, rows: pl.DataFrame) -> Sequence[Floats]:
        y = rows["target"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        labelled = ~np.isnan(y)
        y, p = np.where(labelled, y, 0.0), np.where(labelled, rows["answer"].to_numpy(), 0.5)
        if self.world.fleet.kind == "binary":
            variance = p * (1 - p)
            loss = -(y * np.log(np.maximum(p, 1e-12)) + (1 - y) * np.log(np.maximum(1 - p, 1e-12)))
        else:
            p = np.maximum(p, 1e-12)
            variance = p
            loss = 2 * (np.where(y > 0, y * np.log(np.maximum(y, 1e-12) / p), 0.0) - (y - p))
        known = labelled.astype(np.float64)
        return [np.ones(rows.height), known, y, known * p, known * variance, known * loss]


def _numbers(rows: pl.DataFrame, name: str) -> Floats:
    return rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _again(world: World, rows: pl.DataFrame) -> np.ndarray:
    """Rows beyond the first of their key."""
    key = ["time" if name == world.spec.data.time else name for name in world.spec.data.key]
    return rows.select(~pl.struct(key).is_first_distinct()).to_series().to_numpy()
