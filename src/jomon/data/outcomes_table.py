"""The table of outcomes: reports of the journal as rows, each with what it is to the outcomes before it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from jomon.data.log_records import Report
from jomon.data.log_table import DAY, LogTable
from jomon.data.predictions import INSTANT, read_between

NEW, REPEATED, CONFLICTING, LATE = "new", "repeated", "conflicting", "late"
SCHEMA: dict[str, Any] = {
    "key": pl.String,
    "request_id": pl.String,
    "row": pl.Int32,
    "value": pl.Float64,
    "known_at": INSTANT,
    "received_at": INSTANT,
    "report_id": pl.String,
    DAY: pl.Date,
    "status": pl.String,
}
_WHO = pl.coalesce(pl.col("key"), pl.format("{} {}", "request_id", "row"))
"""What an outcome is of: a key, or a request id (which has no bracket) and a row."""


def outcome_rows(reports: Iterable[Report]) -> pl.DataFrame:
    """The outcomes of `reports` in order of arrival, without `status`. An outcome without a moment at which it was
    known was known when it was received."""
    flat = [(report, item) for report in sorted(reports, key=_received) for item in report.items]
    received = [report.received_us for report, _ in flat]
    known = [report.received_us if item.known_at_us is None else item.known_at_us for report, item in flat]
    columns = {
        "key": [item.of if item.kind == 0 else None for _, item in flat],
        "request_id": [item.of if item.kind == 1 else None for _, item in flat],
        "row": [item.row if item.kind == 1 else None for _, item in flat],
        "value": [item.value for _, item in flat],
        "known_at": pl.Series(known, dtype=pl.Int64).cast(INSTANT),
        "received_at": pl.Series(received, dtype=pl.Int64).cast(INSTANT),
        "report_id": [report.report_id for report, _ in flat],
    }
    kinds = {name: SCHEMA[name] for name in columns}
    return pl.DataFrame(columns, schema=kinds).with_columns(pl.col("received_at").dt.date().alias(DAY))


def _received(report: Report) -> int:
    return report.received_us


def statuses(
    new: pl.DataFrame,
    existing: pl.DataFrame,
    times: pl.DataFrame | None = None,
    late_after: timedelta | None = None,
) -> pl.Series:
    """The status of each of `new` outcomes (n, in order of arrival) after `existing` ones of the same predictions.

    `late`: it came more than `late_after` after the time of its row, where `times` (key, request_id, row, time) has
    the prediction; an outcome came when it was received or, if that is earlier, when it was known, so that recorded
    data may be played again. Else `repeated` or `conflicting`: the outcome before it, among `existing` or `new`, has
    the same or another value. Else `new`.
    """
    wanted = ["key", "request_id", "row", "value", "known_at", "received_at"]
    if existing.height:
        before = existing.select(wanted).sort("received_at", maintain_order=True)
        both = pl.concat([before, new.select(wanted)])
    else:
        both = new.select(wanted)
    both = both.with_columns(_WHO.alias("who"), pl.int_range(pl.len()).alias("at"))
    first = pl.col("at") == pl.col("at").min().over("who")
    same = pl.col("value").eq_missing(pl.col("value").shift(1).over("who"))
    late = _late(both, times, late_after)
    told = pl.when(late).then(pl.lit(LATE)).when(first).then(pl.lit(NEW))
    status = told.when(same).then(pl.lit(REPEATED)).otherwise(pl.lit(CONFLICTING))
    return both.select(status.alias("status"))["status"].tail(new.height)


def _late(both: pl.DataFrame, times: pl.DataFrame | None, late_after: timedelta | None) -> pl.Series:
    if times is None or late_after is None or not times.height:
        return pl.Series([False]).new_from_index(0, both.height)
    by_key = times.filter(pl.col("key").is_not_null()).select(pl.col("key").alias("who"), "time")
    by_request = times.select(pl.format("{} {}", "request_id", "row").alias("who"), "time")
    last = pl.concat([by_key, by_request]).group_by("who").agg(pl.col("time").max())
    joined = both.select("who", "known_at", "received_at").join(
        last, on="who", how="left", maintain_order="left"
    )
    came = pl.min_horizontal("known_at", "received_at")
    return joined.select((came > pl.col("time") + late_after).fill_null(value=False).alias("late"))["late"]


def earlier_outcomes(table: LogTable, new: pl.DataFrame) -> pl.DataFrame:
    """The outcomes in `table` of the predictions that `new` is of."""
    lazy = table.scan()
    if lazy is None:
        return pl.DataFrame(schema=SCHEMA)
    with table.reading():
        return _of_same(lazy, new).collect()


def times_of(predictions: LogTable, new: pl.DataFrame, time: str) -> pl.DataFrame | None:
    """The times (column `time` of the table) of the rows that `new` outcomes are of, as key, request_id, row, time;
    None before any prediction."""
    lazy = predictions.scan()
    if lazy is None or time not in predictions.columns:
        return None
    with predictions.reading():
        return _of_same(lazy, new).select("key", "request_id", "row", pl.col(time).alias("time")).collect()


def _of_same(lazy: pl.LazyFrame, new: pl.DataFrame) -> pl.LazyFrame:
    keys, requests = new["key"].drop_nulls().unique(), new["request_id"].drop_nulls().unique()
    wanted = pl.lit(value=False)
    if len(keys):
        wanted = wanted | pl.col("key").is_in(keys.implode())
    if len(requests):
        wanted = wanted | pl.col("request_id").is_in(requests.implode())
    return lazy.filter(wanted)


def outcomes_table(root: Path | str, fleet: str) -> LogTable:
    """The table of a fleet's outcomes under the tables' folder or URL `root`."""
    return LogTable(root, f"outcomes/{fleet}")


def read_outcomes(
    root: Path | str,
    fleet: str,
    since: datetime | None = None,
    until: datetime | None = None,
    columns: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Outcomes received from `since` (included) to `until` (excluded), in order of (received_at, report_id, row)."""
    lazy = outcomes_table(root, fleet).scan()
    if lazy is None:
        return pl.DataFrame(schema=SCHEMA)
    return read_between(lazy, since, until, columns, "received_at", "outcomes")
