"""Answered rows and their outcomes as rows to learn from: what gold is to data that was ingested."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from jomon.core.context import Context
from jomon.core.errors import DataError
from jomon.core.rows import GoldRows
from jomon.core.spec import ProjectSpec
from jomon.core.table import Coded, Column, Ints, Table
from jomon.data.assemble import column_of
from jomon.data.gold import gold_columns
from jomon.data.log_table import DAY
from jomon.data.outcomes import (
    FIRST_AT,
    FIRST_KNOWN_AT,
    VALUE,
    instant,
    matched,
)
from jomon.data.outcomes_table import outcomes_table
from jomon.data.predictions import predictions_table, stored_name
from jomon.data.sources import near

SHADOW = "shadow"
_WHOLE = pl.col("key").is_not_null() & ~pl.col("key").str.contains(r"[\[,]null[,\]]")
"""Keys that tell rows apart: a value that was not sent may stand for several."""


@dataclass(frozen=True)
class ServedRows:
    """n rows to learn from, in order of time, each key once.

    `gold`: the rows, `known_at` being when their first outcome was known; `heard`: when both the row and its first
    outcome had come (int64 microseconds since 1970-01-01 UTC); `images`: what answered each.
    """

    gold: GoldRows
    heard: Ints
    images: pl.Series

    def __len__(self) -> int:
        return len(self.gold)

    def take(self, index: np.ndarray) -> ServedRows:
        """The rows where `index` (bool, n) is true."""
        return ServedRows(self.gold.take(index), self.heard[index], self.images.filter(pl.Series(index)))


@dataclass(frozen=True)
class Newest:
    """The newest outcome: when it was known (or came, if that is earlier), and when the last one came."""

    known_us: int
    received_us: int


def newest_outcome(root: Path | str, fleet: str, heard_since: int | None) -> Newest | None:
    """The newest among the outcomes received since `heard_since` (microseconds UTC); None where there is none."""
    outcomes = outcomes_table(root, fleet).scan()
    if outcomes is None:
        return None
    if heard_since is not None:
        moment = instant(heard_since)
        outcomes = outcomes.filter((pl.col(DAY) >= moment.dt.date()) & (pl.col("received_at") >= moment))
    known = pl.min_horizontal("known_at", "received_at").max().dt.epoch("us")
    found = outcomes.select(known.alias("known"), pl.col("received_at").max().dt.epoch("us")).collect()
    known_us, received_us = found.row(0)
    return None if known_us is None else Newest(known_us, received_us)


def served_rows(
    root: Path | str,
    fleet: str,
    spec: ProjectSpec,
    context: Context,
    *,
    heard_since: int,
    since: int,
    known_before: int,
) -> ServedRows | None:
    """The answered rows with an outcome that was known before `known_before`: those of which something came since
    `heard_since`, and those whose time is `since` or later (microseconds UTC). None before any row was recorded.

    Segments are told by `context`; features are those recorded, columns that the log hides being missing. Of several
    answers to one key the first counts, and none of an image that ran in the shadow. Raises `DataError` where a column
    that `spec` needs was never recorded.
    """
    have = predictions_table(root, fleet).columns
    if not have:
        return None
    names, hidden = gold_columns(spec), set(spec.serving.log.hidden)
    shown = {name: stored_name(name) for name in names if name not in hidden}
    for name, stored in shown.items():
        if stored not in have:
            raise DataError(
                f"The recorded predictions have no column {name!r}, which the image learns from: {near(name, have)}"
            )
    clock = stored_name(spec.data.time)
    columns = [clock, *shown.values(), "key", "request_id", "row", "received_at", "role", "image"]
    found = [
        matched(root, fleet, spec, heard_since=heard_since, known_before=known_before, columns=columns),
        matched(root, fleet, spec, since=since, known_before=known_before, columns=columns),
    ]
    frame = pl.concat(found).unique(["request_id", "row"]).filter(pl.col("role") != SHADOW)
    frame = _each_once(frame, clock)
    time = _micros(frame[clock])
    table = Table(
        time,
        {
            name: column_of(frame[shown[name]]) if name in shown else _missing(name, len(time), spec)
            for name in names
        },
    )
    codes, has = context.codes(table)
    known_at = _micros(frame[FIRST_KNOWN_AT])
    gold = GoldRows(table, frame[VALUE].to_numpy().astype(np.float64), known_at, codes, has)
    return ServedRows(
        gold, np.maximum(_micros(frame[FIRST_AT]), _micros(frame["received_at"])), frame["image"]
    )


def _missing(name: str, rows: int, spec: ProjectSpec) -> Column:
    """A column without any value."""
    if name in spec.data.features.numeric:
        return np.full(rows, np.nan)
    return Coded(np.full(rows, -1, np.int32), ())


def _each_once(frame: pl.DataFrame, time: str) -> pl.DataFrame:
    """The first answer to each key, in order of time."""
    ordered = frame.sort("received_at", "request_id", "row")
    whole = ordered.filter(_WHOLE).unique("key", keep="first", maintain_order=True)
    return pl.concat([whole, ordered.filter(~_WHOLE)]).sort(time, "received_at", "request_id", "row")


def _micros(column: pl.Series) -> Ints:
    return column.to_physical().to_numpy().astype(np.int64)
