"""Rows from and to files larger than memory: Parquet, CSV and JSON lines, batch after batch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO

import polars as pl

from jomon.core.errors import DataError
from jomon.data.sources import scan_files

BATCH_ROWS = 100_000
"""Rows per batch: large enough that a batch costs more than its overhead, small enough for any machine."""

READABLE = (".parquet", ".csv", ".csv.gz", ".jsonl", ".ndjson")
WRITABLE = (".parquet", ".csv", ".jsonl", ".ndjson")


def iter_batches(path: Path | str, rows: int = BATCH_ROWS) -> Iterator[pl.DataFrame]:
    """The rows of a file, glob or object store URL in order, at most `rows` at a time.

    CSV columns are text. Raises `DataError` where the file is not there, of another kind, or broken.
    """
    target = str(path)
    if not target.split("?", maxsplit=1)[0].lower().endswith(READABLE):
        raise DataError(f"{target} is not one of {', '.join(READABLE)}: convert it, or correct its name.")
    if "://" not in target and "*" not in target and not Path(target).is_file():
        raise DataError(f"{target} is not there: check the path.")
    try:
        for batch in scan_files(target).collect_batches(chunk_size=rows, maintain_order=True):
            for start in range(0, batch.height, rows):
                yield batch.slice(start, rows)
    except (pl.exceptions.PolarsError, OSError) as error:
        first = str(error).strip().split("\n")[0].rstrip(".")
        raise DataError(f"{target} cannot be read: {first}.") from error


def write_batches(frames: Iterable[pl.DataFrame], path: Path | str) -> int:
    """Write frames of one schema to a file as they come; returns the rows written.

    The file appears under its name only when it is whole. Raises `DataError` for a kind of file it cannot
    write and where the disk refuses; whatever `frames` raises passes, and no file is left.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in WRITABLE:
        raise DataError(f"{target} is not one of {', '.join(WRITABLE)}: give the output such a name.")
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    counted = _Counted(frames)
    try:
        if suffix == ".parquet":
            _write_parquet(counted, part)
        else:
            with part.open("wb") as file:
                _write_text(counted, file, csv=suffix == ".csv")
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        raise DataError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)
    return counted.rows


class _Counted:
    """Frames passed on, their rows counted."""

    def __init__(self, frames: Iterable[pl.DataFrame]) -> None:
        self._frames = frames
        self.rows = 0

    def __iter__(self) -> Iterator[pl.DataFrame]:
        for frame in self._frames:
            self.rows += frame.height
            yield frame


def _write_text(frames: Iterable[pl.DataFrame], file: IO[bytes], csv: bool) -> None:
    for number, frame in enumerate(frames):
        if csv:
            frame.write_csv(file, include_header=number == 0)
        else:
            frame.write_ndjson(file)


def _write_parquet(frames: Iterable[pl.DataFrame], path: Path) -> None:
    from polars.io.plugins import register_io_source

    rest = iter(frames)
    first = next(rest, None)
    if first is None:
        pl.DataFrame().write_parquet(path)
        return

    def source(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        yield from chain([first], rest)

    register_io_source(source, schema=first.schema).sink_parquet(path, maintain_order=True)
