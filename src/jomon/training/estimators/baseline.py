"""Calendar means: one number per cell of the calendar, shrunk towards the member's own level.

The cells are the combinations of the whole-numbered calendar columns present (weekday and hour by default). A cell's
number is the mode of its loss with a ridge penalty worth `prior_rows` rows: the posterior mean of a cell effect as in
Efron and Morris (1975), "Data analysis using Stein's estimator and its generalizations", JASA 70. The table is kept as
one tree, so that the engine needs nothing of its own for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jomon.core.errors import BuildError
from jomon.core.table import Floats, Ints
from jomon.engine.trees import NODE, TreeArrays
from jomon.stats.links import Link
from jomon.training.estimators.base import Design, Sample

CELLS = ("weekday", "hour", "month")
_MOST_CELLS = 7 * 24 * 12
_ROUNDS = 25


@dataclass(frozen=True)
class _Fitted:
    arrays: TreeArrays
    columns: tuple[int, ...]
    values: tuple[Floats, ...]
    table: Floats

    def margin(self, X: Floats) -> Floats:
        cell = np.zeros(len(X), np.intp)
        for column, values in zip(self.columns, self.values, strict=True):
            cell = cell * len(values) + _place(X[:, column], values)
        return self.table[cell]

    @property
    def packed(self) -> TreeArrays:
        return self.arrays

    @property
    def opaque(self) -> None:
        return None


class Baseline:
    """`estimator: baseline`; `params: {by: [weekday, hour], prior_rows: 20}`."""

    def resolve(self, params: Mapping[str, Any], root: bool) -> dict[str, Any]:
        """See `Estimator.resolve`."""
        unknown = sorted(set(params) - {"by", "prior_rows"})
        if unknown:
            raise BuildError(f"params.{unknown[0]} is not known to the baseline; it takes by and prior_rows.")
        wrong = [name for name in params.get("by", ()) if name not in CELLS]
        if wrong:
            raise BuildError(f"params.by: {wrong[0]!r} is not one of {', '.join(CELLS)}.")
        return {"by": ["weekday", "hour"], "prior_rows": 20.0, **params}

    def libraries(self) -> tuple[str, ...]:
        """See `Estimator.libraries`."""
        return ("numpy",)

    def fit(
        self, sample: Sample, design: Design, link: Link, params: Mapping[str, Any], seed: int
    ) -> _Fitted:
        """See `Estimator.fit`."""
        wanted = [name for name in params["by"] if name in design.names]
        columns = tuple(design.names.index(name) for name in wanted)
        values = tuple(_seen(sample.X[:, column]) for column in columns)
        cells = int(np.prod([len(v) for v in values], dtype=np.int64)) if values else 1
        if cells > _MOST_CELLS:
            raise BuildError(f"params.by makes {cells} cells, more than {_MOST_CELLS}; name fewer columns.")
        cell = np.zeros(len(sample.y), np.int64)
        for column, seen in zip(columns, values, strict=True):
            cell = cell * len(seen) + _place(sample.X[:, column], seen)
        table = _fit_cells(sample, cell, cells, link, float(params["prior_rows"]))
        arrays = _as_tree(table, columns, values, sample.X.shape[1])
        return _Fitted(arrays, columns, values, table)


def _seen(column: Floats) -> Floats:
    values = np.unique(column[~np.isnan(column)])
    return values if len(values) else np.zeros(1)


def _place(column: Floats, values: Floats) -> Ints:
    """Position of the first value not below the column's; what is missing or above goes to the last."""
    place = np.searchsorted(values, column, side="left")
    return np.minimum(place, len(values) - 1).astype(np.int64)


def _fit_cells(sample: Sample, cell: Ints, cells: int, link: Link, prior_rows: float) -> Floats:
    """Level of the member plus an effect per cell, by alternating Newton steps until they settle."""
    offset = np.zeros(len(sample.y)) if sample.offset is None else sample.offset
    level = link.base(sample.y) if sample.offset is None else 0.0
    effect = np.zeros(cells)
    for _ in range(_ROUNDS):
        slope, curvature = link.derivatives(offset + level + effect[cell], sample.y)
        total = float(curvature.sum())
        change = -float(slope.sum()) / (total + 1e-9)
        change = max(min(change, 4.0), -4.0) if link.kind != "regression" else change
        level += change
        slope, curvature = link.derivatives(offset + level + effect[cell], sample.y)
        prior = prior_rows * total / max(len(sample.y), 1)
        step = -(np.bincount(cell, slope, cells) + prior * effect) / (
            np.bincount(cell, curvature, cells) + prior + 1e-9
        )
        effect += np.clip(step, -4.0, 4.0) if link.kind != "regression" else step
        if abs(change) < 1e-10 and np.abs(step).max() < 1e-10:
            break
    return level + effect


def _as_tree(table: Floats, columns: tuple[int, ...], values: tuple[Floats, ...], width: int) -> TreeArrays:
    """The table as one tree: halve the values of the first column, then of the next; leaves in the table's order."""
    nodes: list[tuple[float, int, int, int, int]] = []

    def grow(depth: int, low: int, high: int, base: int) -> int:
        if depth == len(columns):
            return ~base
        if high - low == 1:
            step = base * len(values[depth + 1]) if depth + 1 < len(columns) else base
            return grow(depth + 1, 0, len(values[depth + 1]) if depth + 1 < len(columns) else 0, step)
        middle = (low + high) // 2
        at = len(nodes)
        nodes.append((0.0, 0, 0, 0, 0))
        left = grow(depth, low, middle, base)
        right = grow(depth, middle, high, base + middle - low)
        nodes[at] = (float(values[depth][middle - 1]), left, right, columns[depth], 0)
        return at

    root = grow(0, 0, len(values[0]), 0) if columns else -1
    records = np.array(nodes, NODE) if nodes else np.zeros(0, NODE)
    return TreeArrays(
        nodes=records.view(np.int64).reshape(-1, 3),
        roots=np.array([root], np.int64),
        leaves=np.asarray(table, np.float64),
        bitsets=np.zeros(0, np.uint32),
        width=width,
    )
