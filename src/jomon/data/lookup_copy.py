"""Writing the serving copy of a lookup: one file of plain arrays, and the pointer that makes it the one in use.

Servers map the file and never see it change: another content is another file, and the pointer moves in one step when
that one is whole and on the disk. The file before it stays, for servers that are about to open it; older ones go.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from jomon.core.columns import categories
from jomon.core.errors import CorruptError, DataError
from jomon.core.lookup_arrays import FORMAT, DeclaredLookup, arrange
from jomon.core.lookup_pointer import CopyPointer, copy_file, is_copy_file, pointer_file
from jomon.core.spec import ProjectSpec
from jomon.core.table import Column
from jomon.data.assemble import column_of
from jomon.data.locks import exclusive
from jomon.data.lookups import LookupTable
from jomon.oci.digest import Digest

LOCK = ".lock"
_PART = ".part"
META = "jomon"
"""The one entry of the file's metadata: with more, their order, and so the digest, would be left to chance."""


def write_copy(folder: Path, table: LookupTable, spec: ProjectSpec, written_us: int) -> CopyPointer:
    """Make `table` (of `spec`) the copy in `folder` that servers use; `written_us` is now, in microseconds UTC.

    Raises `DataError` where the disk refuses; the copy before is then the one in use, whole.
    """
    declared = DeclaredLookup.of(spec, table.name)
    data = copy_bytes(declared, table)
    digest = str(Digest.of(data))
    with _disk(folder, table.name), exclusive(folder / LOCK):
        before = read_pointer(folder, table.name)
        file = copy_file(table.name, digest)
        previous = None if before is None else before.previous if before.file == file else before.file
        newest = None if table.at is None or not len(table.at) else int(table.at.max())
        pointer = CopyPointer(
            table.name,
            file,
            digest,
            len(data),
            declared.digest,
            table.rows.height,
            newest,
            written_us,
            previous,
        )
        _replace(folder / file, data)
        _replace(folder / pointer_file(table.name), pointer.as_json())
        _clear(folder, table.name, {file, previous})
    return pointer


def copy_bytes(declared: DeclaredLookup, table: LookupTable) -> bytes:
    """The file of a copy: arrays as `lookup_arrays.arrange` lays them out, equal for equal rows."""
    from safetensors.numpy import save

    rows = table.rows
    arrays: dict[str, NDArray[Any]] = arrange(
        declared,
        [categories(name, column_of(rows[name])) for name in declared.columns],
        [_feature(rows[name], kind) for name, kind in zip(declared.features, declared.kinds, strict=True)],
        table.known,
        table.slot,
    )
    meta = {"format": FORMAT, "lookup": declared.name, "declaration": declared.digest}
    return bytes(save(arrays, {META: json.dumps(meta, sort_keys=True)}))


def read_pointer(folder: Path, name: str) -> CopyPointer | None:
    """What the pointer of a lookup says; None where there is none, or none that can be read."""
    try:
        return CopyPointer.from_json((folder / pointer_file(name)).read_bytes(), name)
    except (FileNotFoundError, CorruptError):
        return None


def _feature(column: pl.Series, kind: str) -> Column:
    """A feature in the type in which models see it; see `Assembler.assemble`, which does the same for gold."""
    if kind == "number":
        return column.cast(pl.Float64).to_numpy().astype(np.float64)
    return categories(column.name, column_of(column))


def _replace(path: Path, data: bytes) -> None:
    """Write `path` in one step, durably."""
    part = path.with_name(f"{path.name}{_PART}")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _clear(folder: Path, name: str, keep: set[str | None]) -> None:
    """Delete older copies, and what a writer that died left over; servers that map a file keep it."""
    for path in folder.iterdir():
        file = path.name.removesuffix(_PART)
        mine = is_copy_file(file, name) or file == pointer_file(name)
        if mine and (path.name != file or (is_copy_file(file, name) and file not in keep)):
            with suppress(OSError):
                path.unlink()


@contextmanager
def _disk(folder: Path, name: str) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise DataError(
            f"The copy of the lookup {name} cannot be written to {folder} ({error.strerror or error}): free some "
            "space or mend that, and run `jomon ingest` again; servers go on with the copy before."
        ) from error
