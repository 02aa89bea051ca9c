"""Delta tables that are moved into from a journal: appended to exactly once, and on disk before the journal goes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import polars as pl

from jomon.core.errors import DataError
from jomon.data.tables import open_table

if TYPE_CHECKING:
    from deltalake import DeltaTable

DAY = "day"
"""The partition column: the day (UTC) on which a row was received."""
SETTINGS = {
    "delta.checkpointInterval": "50",  # commits; one a second under traffic
    "delta.logRetentionDuration": "interval 1 hours",  # of a commit a second, so that some thousand files remain
    "delta.deletedFileRetentionDuration": "interval 1 hours",  # a reader has this long to finish with what it opened
}
_WORDS = {pl.Float64: "numbers", pl.String: "text"}


class LogTable:
    """One table under a root folder or object store URL; it is made by the first append."""

    kept = "the log keeps what was not moved"
    """What an error says of rows that could not be written."""

    def __init__(self, root: Path | str, name: str) -> None:
        self.name = name
        self.uri = f"{str(root).rstrip('/')}/{name}"
        self._table = self._open()
        self._columns: dict[str, pl.DataType] | None = None

    @property
    def delta(self) -> DeltaTable | None:
        """The table itself; None before the first append."""
        return self._table

    @property
    def columns(self) -> Mapping[str, pl.DataType]:
        """Names and types of the columns; empty before the first append."""
        if self._table is None:
            return {}
        if self._columns is None:
            with self.reading():
                self._columns = dict(pl.scan_delta(self._table).collect_schema())
        return self._columns

    def scan(self) -> pl.LazyFrame | None:
        """The rows, lazily; None before the first append."""
        return None if self._table is None else pl.scan_delta(self._table)

    def refresh(self) -> LogTable:
        """The same table, as others may have left it meanwhile."""
        if self._table is None:
            self._table = self._open()
        else:
            with self.reading():
                self._table.update_incremental()
        self._columns = None
        return self

    def moved(self, application: str) -> int:
        """The version of an application's last transaction; -1 where it has none."""
        if self._table is None:
            return -1
        with self.reading():
            version = self._table.transaction_version(application)
        return -1 if version is None else int(version)

    def append(self, frame: pl.DataFrame, transactions: Mapping[str, int]) -> None:
        """Add `frame` and note `transactions` (application: version) in one commit that a power cut does not undo.

        Columns that are new are added; raises `DataError` where one has another type than before, or where the table
        cannot be written. Nothing is added then.
        """
        from deltalake import CommitProperties, Transaction, write_deltalake

        self._refuse_other_types(frame)
        noted = [Transaction(application, version) for application, version in transactions.items()]
        properties = CommitProperties(app_transactions=noted)
        with self.changing():
            if self._table is None:
                if "://" not in self.uri:
                    Path(self.uri).mkdir(parents=True, exist_ok=True)
                write_deltalake(
                    self.uri,
                    frame,
                    mode="append",
                    partition_by=[DAY],
                    configuration=SETTINGS,
                    commit_properties=properties,
                )
                self._table = self._open()
            else:
                write_deltalake(
                    self._table, frame, mode="append", schema_mode="merge", commit_properties=properties
                )
        if not set(frame.columns) <= set(self._columns or ()):
            self._columns = None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Inside, the table is read: failures are one sentence."""
        from deltalake.exceptions import DeltaError

        try:
            yield
        except (DeltaError, OSError, pl.exceptions.PolarsError) as error:
            raise DataError(
                f"The table {self.name} at {self.uri} cannot be read: {_first_line(error)}."
            ) from error

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Inside, the table is changed: what was committed is put on disk at the end, failures are one sentence."""
        from deltalake.exceptions import DeltaError

        before = -1 if self._table is None else int(self._table.version())
        try:
            yield
            if self._table is not None and "://" not in self.uri:
                _sync_commits(Path(self.uri), before, int(self._table.version()))
        except (DeltaError, OSError) as error:
            first = _first_line(error)
            advice = "free space" if "No space left" in first or "File too large" in first else "mend that"
            raise DataError(
                f"The table {self.name} at {self.uri} cannot be written: {first}: nothing is lost, {self.kept}; "
                f"{advice}."
            ) from error

    def _refuse_other_types(self, frame: pl.DataFrame) -> None:
        have = {name.lower(): (name, kind) for name, kind in self.columns.items()}
        for name, kind in frame.schema.items():
            known, before = have.get(name.lower(), (name, kind))
            if known != name:
                raise DataError(
                    f"The table {self.name} has a column {known!r}, and now {name!r} is recorded, which it cannot "
                    "tell apart: rename one in the project file; the log keeps what was not moved."
                )
            if kind != before:
                raise DataError(
                    f"The column {name!r} is recorded as {_WORDS.get(type(kind), kind)} now, and the table "
                    f"{self.name} has {_WORDS.get(type(before), before)}: name it differently in the project file, "
                    f"or move {self.uri} away; the log keeps what was not moved."
                )

    def _open(self) -> DeltaTable | None:
        return open_table(self.name, self.uri)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().split("\n")[0].strip() or type(error).__name__).rstrip(".:")


def _sync_commits(folder: Path, after: int, upto: int) -> None:
    """Put the commits of versions above `after` up to `upto`, and the files that they add, on disk."""
    if upto <= after:
        return
    log = folder / "_delta_log"
    folders = {log, folder} | ({folder.parent, folder.parent.parent} if after < 0 else set())
    for version in range(after + 1, upto + 1):
        commit = log / f"{version:020d}.json"
        for line in commit.read_text(encoding="utf-8").splitlines():
            added = json.loads(line).get("add") if line.startswith('{"add"') else None
            if added is not None:
                path = folder / unquote(added["path"])
                folders.add(path.parent)
                _sync(path)
        _sync(commit)
    for place in folders:
        _sync(place)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
