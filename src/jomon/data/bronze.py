"""Bronze: rows appended as they came, each once, however often a source shows them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from jomon.data.digests import row_digests, set_digest, united
from jomon.data.state import TableState
from jomon.data.tables import FIRST, INGEST, ROW, SECOND, LayerTable, storable
from jomon.data.text import text_of

META = (INGEST, ROW, FIRST, SECOND)


@dataclass(frozen=True)
class Arrivals:
    """Rows that a table does not have yet, ready to be appended, and how many of the source it has."""

    ingest: str
    rows: pl.DataFrame
    source: int
    seen: int
    retype: dict[str, pl.DataType]
    """Columns of the table that need a wider type before these rows fit."""

    @property
    def content(self) -> int:
        """The set digest of the new rows."""
        return set_digest(_words(self.rows[FIRST]), _words(self.rows[SECOND]))


def arrivals(table: LayerTable, source: pl.DataFrame, ingest: str, fresh: bool = False) -> Arrivals:
    """The rows of `source` that `table` has not seen, numbered on from its last row.

    Equal rows of one source are told apart by their count, so that a source shown twice adds nothing and a
    source that holds a row twice keeps both.
    """
    source = storable(source)
    first, second = row_digests(source)
    rows = source.with_columns(
        pl.Series(FIRST, first.view(np.int64)), pl.Series(SECOND, second.view(np.int64))
    )
    before = None if fresh else state_of(table)
    known = before.through if before else 0
    if before:
        rows = rows.join(table.read([FIRST, SECOND]), on=[FIRST, SECOND], how="anti", maintain_order="left")
    rows, retype = _fitted(rows, {} if fresh else dict(table.columns))
    rows = rows.select(
        pl.lit(ingest).alias(INGEST),
        pl.int_range(known, known + pl.len(), dtype=pl.Int64).alias(ROW),
        FIRST,
        SECOND,
        *(name for name in rows.columns if name not in META),
    )
    return Arrivals(ingest, rows, source.height, source.height - rows.height, retype)


def store(table: LayerTable, new: Arrivals, fresh: bool = False) -> None:
    """Append `new` to the table in one transaction (or put it in place of everything, where `fresh`)."""
    before = None if fresh else state_of(table)
    total = (before.through if before else 0) + new.rows.height
    content = united(before.content if before else 0, new.content)
    state = TableState("", total, total, content, before.base if before else new.ingest)
    if fresh or not table.exists:
        table.replace(new.rows, state) if table.exists else table.append(new.rows, state)
    elif new.retype:
        old = table.read().with_columns(_retyped(pl.col(name), kind) for name, kind in new.retype.items())
        table.replace(pl.concat([old, new.rows], how="diagonal"), state)
    elif new.rows.height:
        table.append(new.rows, state)


def state_of(table: LayerTable) -> TableState | None:
    """The state of a table of rows as they came; told from its rows where another program hid our commits."""
    if table.state is not None or not table.exists:
        return table.state
    rows = table.read([FIRST, SECOND])
    content = set_digest(_words(rows[FIRST]), _words(rows[SECOND]))
    return TableState("", rows.height, rows.height, content, "found")


def with_new(table: LayerTable, new: Arrivals, since_row: int, fresh: bool = False) -> pl.DataFrame:
    """The rows of the table from `since_row` on and the new ones after them, as the table will have them."""
    before = None if fresh else state_of(table)
    if before is None or since_row >= before.through:
        return new.rows
    old = table.read(since_row=since_row)
    old = old.with_columns(_retyped(pl.col(name), kind) for name, kind in new.retype.items())
    return pl.concat([old, new.rows], how="diagonal") if new.rows.height else old


def _fitted(rows: pl.DataFrame, have: dict[str, pl.DataType]) -> tuple[pl.DataFrame, dict[str, pl.DataType]]:
    """`rows` in the types of the table, and the columns for which the table needs a wider type instead."""
    retype: dict[str, pl.DataType] = {}
    casts = []
    for name, kind in rows.schema.items():
        old = have.get(name)
        if old is None or old == kind:
            continue
        common = old if rows[name].null_count() == rows.height else _common(old, kind)
        if common != old:
            retype[name] = common
        casts.append(_retyped(pl.col(name), common))
    return rows.with_columns(casts), retype


def _common(a: pl.DataType, b: pl.DataType) -> pl.DataType:
    if a.is_integer() and b.is_integer():
        return pl.Int64()
    if a.is_numeric() and b.is_numeric():
        return pl.Float64()
    return pl.String()


def _retyped(value: pl.Expr, kind: pl.DataType) -> pl.Expr:
    return value.map_batches(text_of, return_dtype=pl.String) if kind == pl.String else value.cast(kind)


def _words(column: pl.Series) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return column.to_numpy().astype(np.int64).view(np.uint64)
