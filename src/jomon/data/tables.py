"""Delta tables of the layers: each write is one transaction that carries the state it leaves the table in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from jomon.core.errors import DataError
from jomon.data.state import HISTORY, STATE_KEY, TableState

if TYPE_CHECKING:
    from deltalake import DeltaTable

APPLICATION = "jomon.ingest"
"""The application id of every transaction: two writers that saw the same version cannot both commit."""

ROW, INGEST, FIRST, SECOND = "_jomon_row", "_jomon_ingest", "_jomon_digest_a", "_jomon_digest_b"
REASONS, AS_CAME = "_jomon_reasons", "_jomon_as_came"

_WIDER = {pl.UInt8: pl.Int16, pl.UInt16: pl.Int32, pl.UInt32: pl.Int64}


class LayerTable:
    """One Delta table under a root folder or object store URL, as it was when this object was made."""

    def __init__(self, root: Path | str, name: str) -> None:
        self.name = name
        self.uri = f"{str(root).rstrip('/')}/{name}"
        self._table = self._open()
        self.state = self._read_state()

    @property
    def exists(self) -> bool:
        """Whether the table has been written at all."""
        return self._table is not None

    @property
    def version(self) -> int:
        """The version of the table; -1 before its first write."""
        return -1 if self._table is None else int(self._table.version())

    @property
    def files(self) -> int:
        """How many files hold its rows; each write that adds rows adds at least one."""
        return 0 if self._table is None else len(self._table.file_uris())

    @property
    def columns(self) -> Mapping[str, pl.DataType]:
        """Names and types of the columns; empty before the first write."""
        return {} if self._table is None else dict(self.scan().collect_schema())

    def scan(self) -> pl.LazyFrame:
        """The rows of this version, lazily; raises `DataError` before the first write."""
        if self._table is None:
            raise DataError(f"The table {self.name} at {self.uri} is not there: run `jomon ingest` first.")
        return pl.scan_delta(self._table)

    def read(self, columns: Sequence[str] | None = None, since_row: int = 0) -> pl.DataFrame:
        """Rows in bronze order from row `since_row` on; of a table not yet written, an empty frame."""
        if self._table is None:
            return pl.DataFrame()
        lazy = self.scan()
        if since_row:
            lazy = lazy.filter(pl.col(ROW) >= since_row)
        if columns is not None:
            lazy = lazy.select(columns)
        return lazy.collect()

    def append(self, frame: pl.DataFrame, state: TableState) -> None:
        """Add `frame` and move the table to `state`, in one transaction."""
        self._write(frame, state, "append")

    def replace(self, frame: pl.DataFrame, state: TableState) -> None:
        """Put `frame` in place of all rows and columns, in one transaction; older versions stay readable."""
        self._write(frame, state, "overwrite")

    def _write(self, frame: pl.DataFrame, state: TableState, mode: str) -> None:
        from deltalake import CommitProperties, Transaction, write_deltalake
        from deltalake.exceptions import CommitFailedError, DeltaError

        if self._table is None and "://" not in self.uri:
            Path(self.uri).mkdir(parents=True, exist_ok=True)
        properties = CommitProperties(
            custom_metadata={STATE_KEY: state.as_json()},
            app_transactions=[Transaction(APPLICATION, state.through)],
        )
        try:
            write_deltalake(
                self.uri if self._table is None else self._table,
                frame,
                mode=mode,  # type: ignore[call-overload]
                schema_mode="merge" if mode == "append" else "overwrite",
                commit_properties=properties,
            )
        except CommitFailedError as error:
            raise DataError(
                f"Another ingest wrote the table {self.name} at the same time: nothing is lost, run "
                "`jomon ingest` again."
            ) from error
        except (DeltaError, OSError) as error:
            first = str(error).strip().split("\n")[0].rstrip(".")
            advice = "free space" if "No space left" in first else "mend that"
            raise DataError(
                f"The table {self.name} at {self.uri} cannot be written: {first}: nothing is lost, "
                f"{advice} and run `jomon ingest` again."
            ) from error
        self._table = self._open()
        self.state = state

    def _open(self) -> DeltaTable | None:
        return open_table(self.name, self.uri)

    def _read_state(self) -> TableState | None:
        if self._table is None:
            return None
        for commit in self._table.history(HISTORY):
            if STATE_KEY in commit:
                return TableState.from_json(commit[STATE_KEY])
        return None


def storable(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with the types that Delta lacks put into the nearest wider one that it has.

    Unsigned integers become wider signed ones (the writer would wrap them), categories, times and durations
    text, instants UTC microseconds, a column of nothing but nulls text.
    """
    return frame.with_columns(_storable(frame[name]) for name in frame.columns)


def _storable(column: pl.Series) -> pl.Series:
    kind = column.dtype
    if kind in _WIDER:
        return column.cast(_WIDER[type(kind)])  # type: ignore[index]
    if kind in (pl.UInt64, pl.Int128, pl.UInt128):
        fits = column.cast(pl.Int64, strict=False)
        return fits if fits.null_count() == column.null_count() else column.cast(pl.String)
    if isinstance(kind, pl.Datetime):
        return _datetime(column, kind)
    if isinstance(kind, pl.Array):
        return column.cast(pl.List(kind.inner))
    if kind == pl.Object:
        return pl.Series(column.name, [None if value is None else str(value) for value in column], pl.String)
    if kind == pl.Float16:
        return column.cast(pl.Float32)
    if kind in (pl.Null, pl.Categorical, pl.Enum, pl.Time) or isinstance(kind, pl.Categorical | pl.Enum):
        return column.cast(pl.String)
    if isinstance(kind, pl.Duration):
        return column.cast(pl.Duration("us")).to_physical()
    return column


def _datetime(column: pl.Series, kind: pl.Datetime) -> pl.Series:
    column = column.cast(pl.Datetime("us", kind.time_zone))
    return column if kind.time_zone is None else column.dt.convert_time_zone("UTC")


def open_table(name: str, uri: str) -> DeltaTable | None:
    """The Delta table at `uri`, None where there is none yet; raises `DataError` where it cannot be read."""
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        return DeltaTable(uri)
    except TableNotFoundError:
        return None
    except (DeltaError, OSError) as error:
        if "://" not in uri and not (Path(uri) / "_delta_log").exists():
            return None
        first = str(error).strip().split("\n")[0].rstrip(".")
        raise DataError(f"The table {name} at {uri} cannot be read: {first}.") from error
