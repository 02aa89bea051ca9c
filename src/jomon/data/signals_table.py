"""The table of signals: every number that checks kept, window by window, each window once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from jomon.core.errors import DataError
from jomon.core.findings import Signal, Span
from jomon.core.segments import Segment
from jomon.data.log_table import DAY, LogTable
from jomon.data.outcomes_writing import alone
from jomon.data.predictions import INSTANT

SCHEMA: dict[str, Any] = {
    "window_start": INSTANT,
    "window_end": INSTANT,
    "segment": pl.String,
    "kind": pl.String,
    "column": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "unit": pl.String,
    "rows": pl.Int64,
    "reference": pl.String,
    "source": pl.String,
    "status": pl.String,
    "reason": pl.String,
    DAY: pl.Date,
}
"""The columns; `day` (UTC, of the window's start) is what the table is partitioned by."""
_TEXTS = ("kind", "column", "unit", "reference", "source", "status", "reason")
_NUMBERS = ("value", "low", "high")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def signals_table(root: Path | str, fleet: str) -> LogTable:
    """The table of a fleet's signals under the tables' folder or URL `root`."""
    return LogTable(root, f"signals/{fleet}")


def write_signals(root: Path | str, fleet: str, window: Span, signals: Iterable[Signal]) -> int:
    """Make `signals` those of `window`, in one commit: what an earlier check of the window left is replaced, other
    windows stay. Gives how many there are.

    Raises ValueError where a signal is of another window, or has a value that is no finite number; `DataError` where
    the table cannot be written: nothing is changed then.
    """
    frame = _frame(window, list(signals))
    table = signals_table(root, fleet)
    with alone(root, table):
        if table.delta is not None:
            _replace(table, window, frame)
        elif frame.height:
            table.append(frame, {})
    return frame.height


def read_signals(
    root: Path | str,
    fleet: str,
    segment: Segment | None = None,
    since: datetime | None = None,
    kind: str | None = None,
) -> list[Signal]:
    """Signals in order of window, segment, kind and column: of one segment, of windows that end after `since`, of one
    kind, or of all; none before the first check."""
    table = signals_table(root, fleet)
    lazy = table.scan()
    if lazy is None:
        return []
    if since is not None:
        moment = since.astimezone(UTC)
        lazy = lazy.filter(pl.col("window_end") > moment)
    if segment is not None:
        lazy = lazy.filter(pl.col("segment") == segment.text)
    if kind is not None:
        lazy = lazy.filter(pl.col("kind") == kind)
    with table.reading():
        frame = (
            lazy.select(list(SCHEMA))
            .sort("window_start", "window_end", "segment", "kind", "column")
            .collect()
        )
    return _signals(frame)


def _frame(window: Span, signals: Sequence[Signal]) -> pl.DataFrame:
    for one in signals:
        if one.window != window:
            raise ValueError(f"a signal of {one.segment} is of another window than {window}")
        if not all(number is None or math.isfinite(number) for number in (one.value, one.low, one.high)):
            raise ValueError(
                f"the signal {one.kind} of {one.column!r} in {one.segment} has a value that is no finite number: "
                "what is unknown is None"
            )
    start, end = (_EPOCH + timedelta(microseconds=at) for at in (window.start, window.end))
    columns: dict[str, Any] = {
        name: [getattr(one, name) for one in signals] for name in (*_TEXTS, *_NUMBERS, "rows")
    }
    columns["segment"] = [one.segment.text for one in signals]
    frame = pl.DataFrame(columns, schema={name: SCHEMA[name] for name in columns})
    return frame.select(
        pl.lit(start).cast(INSTANT).alias("window_start"),
        pl.lit(end).cast(INSTANT).alias("window_end"),
        *[name for name in SCHEMA if name in columns],
        pl.lit(start.date()).alias(DAY),
    )


def _replace(table: LogTable, window: Span, frame: pl.DataFrame) -> None:
    from deltalake import write_deltalake

    start, end = (_EPOCH + timedelta(microseconds=at) for at in (window.start, window.end))
    predicate = (
        f"{DAY} = '{start.date()}' AND window_start = {_literal(start)} AND window_end = {_literal(end)}"
    )
    assert table.delta is not None
    with table.changing():
        try:
            write_deltalake(table.delta, frame, mode="overwrite", predicate=predicate)
        except Exception as error:
            first = str(error).strip().split("\n")[0].rstrip(".")
            raise DataError(
                f"The signals of a window cannot be written to {table.uri}: {first}: those of other windows are "
                "whole; mend that and run `jomon monitor` again."
            ) from error


def _literal(moment: datetime) -> str:
    """A moment for a predicate, of the column's own type: a plain TIMESTAMP has nanoseconds and no zone."""
    return f"arrow_cast('{moment.isoformat()}', 'Timestamp(Microsecond, Some(\"UTC\"))')"


def _signals(frame: pl.DataFrame) -> list[Signal]:
    segments: dict[str, Segment] = {}
    windows: dict[tuple[datetime, datetime], Span] = {}
    found = []
    for row in frame.iter_rows(named=True):
        text = row["segment"]
        if text not in segments:
            segments[text] = Segment.parse(text)
        bounds = row["window_start"], row["window_end"]
        if bounds not in windows:
            windows[bounds] = Span(*(round((at - _EPOCH) / timedelta(microseconds=1)) for at in bounds))
        fields = {name: row[name] for name in (*_TEXTS, *_NUMBERS, "rows")}
        found.append(Signal(window=windows[bounds], segment=segments[text], **fields))
    return found
