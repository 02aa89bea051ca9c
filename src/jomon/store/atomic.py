"""Writing files so that a reader, a crash or a full disk never sees half of one."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from jomon.core.errors import StoreError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_SYNC_THREADS = 8  # waiting syncs share one commit of the file system's journal; more threads gain nothing


@contextmanager
def disk_errors(place: Path, doing: str) -> Iterator[None]:
    """Turn what the system refuses into one sentence about `place`; `doing` completes "while ..."."""
    try:
        yield
    except OSError as error:
        reason = _reason(error, place)
        if error.errno in _FULL:
            hint = "free some space, or run `jomon prune`, and repeat; nothing was half written"
            raise StoreError(f"The disk of {place} is full ({reason}) while {doing}: {hint}.") from error
        if error.errno in _REFUSED:
            hint = "give this user the right to write there, or choose another folder"
            raise StoreError(f"{place} cannot be written ({reason}) while {doing}: {hint}.") from error
        hint = "check the disk and repeat"
        raise StoreError(f"{place} could not be used while {doing} ({reason}): {hint}.") from error


def _reason(error: OSError, place: Path) -> str:
    """What the system said, and of which file where that is none of `place`."""
    said = error.strerror or str(error)
    file = error.filename
    elsewhere = isinstance(file, str | Path) and not Path(file).is_relative_to(place)
    return f"{file}: {said}" if elsewhere else said


def write_new(path: Path, chunks: Iterable[bytes | memoryview], mode: int = 0o644) -> None:
    """Write a file that must not exist yet; it is removed again if anything fails. Not yet synced."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            for chunk in chunks:
                _write_all(file.fileno(), memoryview(chunk))
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def replace_file(path: Path, data: bytes, temporary: Path, mode: int = 0o644) -> None:
    """Replace `path` by `data` in one step, durably; `temporary` is on the same file system, and free."""
    write_new(temporary, [data], mode)
    try:
        sync_file(temporary)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Wait until the bytes of `path` are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_files(paths: list[Path]) -> None:
    """Wait until the bytes of all `paths` are on the disk."""
    if len(paths) < 2:
        for path in paths:
            sync_file(path)
        return
    with ThreadPoolExecutor(min(_SYNC_THREADS, len(paths))) as pool:
        for _ in pool.map(sync_file, paths):
            pass


def sync_folder(folder: Path) -> None:
    """Wait until the names in `folder` are on the disk."""
    sync_file(folder)


def _write_all(descriptor: int, data: memoryview) -> None:
    view = data.cast("B") if data.nbytes else data
    while view.nbytes:
        view = view[os.write(descriptor, view) :]
