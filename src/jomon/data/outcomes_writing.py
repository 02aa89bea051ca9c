"""Adding outcomes to their table: by one process at a time, so that each is judged after all that came before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import polars as pl

from jomon.data.locks import exclusive
from jomon.data.log_table import LogTable
from jomon.data.outcomes_table import earlier_outcomes, statuses, times_of
from jomon.data.predictions import stored_name

LOCK = ".lock"


@contextmanager
def alone(root: Path | str, table: LogTable) -> Iterator[LogTable]:
    """`table` as it is now, while nobody else who asks this way changes it.

    `root` is the tables' folder; tables in an object store have no lock: have one process change them.
    """
    if "://" in str(root):
        yield table.refresh()
        return
    with exclusive(Path(root) / f"{table.name}{LOCK}"):
        yield table.refresh()


def add_outcomes(
    root: Path | str,
    tables: tuple[LogTable, LogTable],
    new: pl.DataFrame,
    time: str,
    late_after: timedelta | None,
    transactions: Mapping[str, int] | None = None,
) -> pl.DataFrame:
    """Add `new` outcomes (as `outcome_rows` makes them, n) in one commit, and give them with their `status`.

    `tables` are those of predictions and of outcomes; `time` is the name of the time of the data, `late_after` the age
    at which an outcome is late; `transactions` are noted with the commit. Raises `DataError` where the table cannot be
    written; nothing is added then.
    """
    if not new.height:
        return new.with_columns(pl.Series("status", [], pl.String))
    predictions, outcomes = tables
    with alone(root, outcomes):
        times = None if late_after is None else times_of(predictions.refresh(), new, stored_name(time))
        judged = new.with_columns(statuses(new, earlier_outcomes(outcomes, new), times, late_after))
        outcomes.append(judged, transactions or {})
    return judged
