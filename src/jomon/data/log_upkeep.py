"""Upkeep of the tables that a journal is moved into: few files, no row beyond its retention, a short log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import polars as pl

from jomon.data.log_table import DAY, LogTable

VACUUM_HOURS = 1
"""How long a file stays after no version needs it: readers that opened an older version have that long."""


@dataclass(frozen=True)
class Tier:
    """When a day has `files` files smaller than `bytes`, they are joined into files of about that size."""

    bytes: int
    files: int


MiB = 2**20
TIERS = (Tier(8 * MiB, 32), Tier(128 * MiB, 96))
"""Two sizes, so that a row is written again twice or so, not once with every commit after it. A pass holds
what it joins into one file: commits of a second become small files every minute, so that it takes some 100 MB more."""
CLOSED = Tier(128 * MiB, 2)
"""Of days that get no more rows."""


@dataclass(frozen=True)
class Upkeep:
    """What was done: files joined, files that they became, rows that went for their age, files taken off the disk."""

    joined: int = 0
    became: int = 0
    expired_rows: int = 0
    deleted_files: int = 0

    def __add__(self, other: Upkeep) -> Upkeep:
        return Upkeep(*(mine + its for mine, its in zip(self._counts(), other._counts(), strict=True)))

    def _counts(self) -> tuple[int, int, int, int]:
        return self.joined, self.became, self.expired_rows, self.deleted_files


def keep_up(
    table: LogTable, retention: timedelta | None, now: datetime, vacuum_hours: int | None = None
) -> Upkeep:
    """Do what is due. `retention` counts from the day on which a row was received (None: rows stay for ever).

    `vacuum_hours`: take off the disk what no version has needed for so long, and shorten the table's log (None: not
    now). Raises `DataError` where the table cannot be written.
    """
    if table.delta is None:
        return Upkeep()
    today = now.astimezone(UTC).date()
    with table.changing():
        expired = 0 if retention is None else _expire(table, (now - retention).astimezone(UTC).date())
        joined, became = _join(table, today)
    deleted = 0 if vacuum_hours is None else _vacuum(table, vacuum_hours)
    return Upkeep(joined, became, expired, deleted)


def _files(table: LogTable) -> pl.DataFrame:
    """Day, bytes and rows of every file."""
    assert table.delta is not None
    actions = pl.DataFrame(table.delta.get_add_actions(flatten=True))
    names = {f"partition.{DAY}": DAY, "size_bytes": "bytes", "num_records": "rows"}
    return actions.select(*names).rename(names)


def _expire(table: LogTable, first_kept: date) -> int:
    files = _files(table)
    old = files.filter(pl.col(DAY) < first_kept)
    if not old.height:
        return 0
    assert table.delta is not None
    table.delta.delete(f"{DAY} < '{first_kept.isoformat()}'")
    return int(old["rows"].sum())


def _join(table: LogTable, today: date) -> tuple[int, int]:
    joined = became = 0
    for day, target in _due(_files(table), today):
        assert table.delta is not None
        done = table.delta.optimize.compact(
            partition_filters=[(DAY, "=", day.isoformat())], target_size=target, max_concurrent_tasks=1
        )
        joined += done["numFilesRemoved"]
        became += done["numFilesAdded"]
    return joined, became


def _due(files: pl.DataFrame, today: date) -> list[tuple[date, int]]:
    """Days with files to be joined, and the size to join them to; the larger size where both are due."""
    due = {}
    for day, sizes in files.group_by(DAY).agg("bytes").sort(DAY).iter_rows():
        above = 0  # a file that the tier before joins is not of this one
        for tier in TIERS if day >= today else (CLOSED,):
            small = [size for size in sizes if above <= size < tier.bytes // 2]
            if len(small) >= tier.files:
                due[day] = tier.bytes
            above = tier.bytes // 2
    return list(due.items())


def _vacuum(table: LogTable, hours: int) -> int:
    assert table.delta is not None
    found = table.delta.vacuum(hours, dry_run=True, enforce_retention_duration=False, full=True)
    with table.changing():
        if found:
            found = table.delta.vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True)
        table.delta.create_checkpoint()
        table.delta.cleanup_metadata()
    return len(found)
