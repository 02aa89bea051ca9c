"""The table of predictions: records of the journal as rows, columnwise, and reading them back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from jomon.core.errors import DataError
from jomon.core.outcome_key import key_texts
from jomon.data.log_records import Header, Prediction
from jomon.data.log_table import DAY, LogTable
from jomon.data.sources import near

INSTANT = pl.Datetime("us", "UTC")
TEXTS = pl.List(pl.String)
FIXED = (
    "request_id", "row", "caller_id", "received_at", DAY, "latency_us", "key", "role", "image", "reference",
    "answer", "margin", "member", "chain", "missed",
)  # fmt: skip
_PREFIX = "column_"


def stored_name(name: str) -> str:
    """The column of the table that holds the recorded column `name`; one that is called like a column that every
    such table has gets a prefix.

    >>> stored_name("carrier"), stored_name("Day")
    ('carrier', 'column_Day')
    """
    clash = name.lower() in FIXED or name.lower().startswith(_PREFIX)
    return _PREFIX + name if clash else name


def prediction_rows(records: Iterable[tuple[Header, Prediction]]) -> pl.DataFrame:
    """The rows of `records`, those with one header together, in order; raises `DataError` where two headers give one
    column different types."""
    groups: dict[int, tuple[Header, list[Prediction]]] = {}
    for header, record in records:
        groups.setdefault(id(header), (header, []))[1].append(record)
    frames = [frame for frame in (_frame(*group) for group in groups.values()) if frame.height]
    _refuse_two_types(frames)
    return pl.concat(frames, how="diagonal") if frames else pl.DataFrame()


def _frame(header: Header, records: Sequence[Prediction]) -> pl.DataFrame:
    """Records of one header as rows."""
    rows = [row for record in records for row in record.rows]
    own = list(zip(*[row.values for row in rows], strict=True)) or [()] * len(header.columns)
    of_record = np.repeat(np.arange(len(records)), [len(record.rows) for record in records])

    def shared(values: list[Any], kind: Any) -> pl.Series:
        return pl.Series(values, dtype=kind).gather(of_record)

    times = [row.time_us for row in rows]
    received = shared([record.received_us for record in records], pl.Int64).cast(INSTANT)
    chains = _texts([row.chain for row in rows])
    same = {"role": header.role, "image": header.image, "reference": header.reference}
    columns = {
        "request_id": shared([record.request_id for record in records], pl.String),
        "row": pl.Series([row.number for row in rows], dtype=pl.Int32),
        "caller_id": shared([record.caller_id for record in records], pl.String),
        "received_at": received,
        DAY: received.dt.date(),
        "latency_us": shared([record.latency_us for record in records], pl.Int64),
        "key": pl.Series(_keys(header, own, times), dtype=pl.String),
        **{name: pl.repeat(text, len(rows), dtype=pl.String, eager=True) for name, text in same.items()},
        "answer": pl.Series([row.answer for row in rows], dtype=pl.Float64),
        "margin": pl.Series([row.margin for row in rows], dtype=pl.Float64),
        "member": chains.list.last(),
        "chain": chains,
        "missed": _texts([row.missed for row in rows]),
        stored_name(header.time): pl.Series(times, dtype=pl.Int64).cast(INSTANT),
    }
    for (name, kind), values in zip(header.columns, own, strict=True):
        columns[stored_name(name)] = pl.Series(values, dtype=pl.Float64 if kind == "number" else pl.String)
    return pl.DataFrame([column.alias(name) for name, column in columns.items()])


def _texts(lists: list[tuple[str, ...]]) -> pl.Series:
    """A column of lists of texts; equal lists, of which there are few, are made once."""
    places: dict[tuple[str, ...], int] = {}
    at = [places.setdefault(one, len(places)) for one in lists]
    return pl.Series(list(places), dtype=TEXTS).gather(at)


def _keys(header: Header, own: Sequence[Sequence[Any]], times: list[int]) -> Sequence[str | None]:
    """The canonical key of each row; nulls where a part of the key is not recorded."""
    place = {name: at for at, (name, _) in enumerate(header.columns)}
    parts: list[Sequence[Any]] = []
    for name in header.key:
        if name == header.time:
            parts.append(times)
        elif name in place:
            parts.append(own[place[name]])
        else:
            return [None] * len(times)
    return list(key_texts(parts)) if parts else [None] * len(times)


def _refuse_two_types(frames: Sequence[pl.DataFrame]) -> None:
    seen: dict[str, pl.DataType] = {}
    for frame in frames:
        for name, kind in frame.schema.items():
            if seen.setdefault(name, kind) != kind:
                raise DataError(
                    f"The column {name!r} is recorded as numbers by one image and as text by another: name it "
                    "differently in one of them; the log keeps what was not moved."
                )


def predictions_table(root: Path | str, fleet: str) -> LogTable:
    """The table of a fleet's predictions under the tables' folder or URL `root`."""
    return LogTable(root, f"predictions/{fleet}")


def read_predictions(
    root: Path | str,
    fleet: str,
    since: datetime | None = None,
    until: datetime | None = None,
    columns: Sequence[str] | None = None,
    by: str = "received_at",
) -> pl.DataFrame:
    """Recorded predictions in order of (received_at, request_id, row); an empty frame before the first was moved.

    `since` (included) and `until` (excluded) bound the column `by`: when a row was received, or the name of the time
    of the data. Raises `DataError` for a column that the table does not have.
    """
    lazy = predictions_table(root, fleet).scan()
    return pl.DataFrame() if lazy is None else read_between(lazy, since, until, columns, by, "predictions")


def read_between(
    lazy: pl.LazyFrame,
    since: datetime | None,
    until: datetime | None,
    columns: Sequence[str] | None,
    by: str,
    what: str,
) -> pl.DataFrame:
    """Rows of a log table between two moments, in the order in which they came; see `read_predictions`."""
    have = lazy.collect_schema().names()
    for name in (by, *(columns or ())):
        if name not in have:
            raise DataError(f"The table of {what} has no column {name!r}: {near(name, have)}")
    if since is not None:
        lazy = lazy.filter(pl.col(by) >= _instant(since))
    if until is not None:
        lazy = lazy.filter(pl.col(by) < _instant(until))
    if by == "received_at":  # so that other days are not opened
        if since is not None:
            lazy = lazy.filter(pl.col(DAY) >= since.astimezone(UTC).date())
        if until is not None:
            lazy = lazy.filter(pl.col(DAY) <= until.astimezone(UTC).date())
    order = [name for name in ("received_at", "request_id", "report_id", "row") if name in have]
    wanted = list(columns) if columns is not None else have
    return lazy.select(*dict.fromkeys([*wanted, *order])).sort(order).select(wanted).collect()


def _instant(moment: datetime) -> pl.Expr:
    return pl.lit(moment.astimezone(UTC)).cast(INSTANT)
