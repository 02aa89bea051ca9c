"""Locks between processes, and leases: "I am building, keep what I have put".

Both are `flock` on a file: the kernel lets go when a process ends, however it ends, so none is ever stale.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[int]:
    """Hold the lock on `path` (made if absent): alone, or with other sharers. Gives the file descriptor."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Lease:
    """A running writer: `since_ns` is when it began, by the clock of the file system."""

    name: str
    since_ns: int


@contextmanager
def leased(folder: Path) -> Iterator[Lease]:
    """Hold a new lease in `folder`."""
    path, descriptor = _take(folder)
    try:
        yield Lease(path.name, os.fstat(descriptor).st_mtime_ns)
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(descriptor)


def live_leases(folder: Path) -> tuple[Lease, ...]:
    """The leases whose process still runs; the files of dead ones are removed."""
    found = (_probe(path) for path in sorted(folder.iterdir()))
    return tuple(lease for lease in found if lease is not None)


def _take(folder: Path) -> tuple[Path, int]:
    """Make and lock a lease file; again if somebody took it for dead between the two steps."""
    while True:
        path = folder / uuid.uuid4().hex
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)


def _probe(path: Path) -> Lease | None:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return Lease(path.name, os.fstat(descriptor).st_mtime_ns)
    else:
        with suppress(FileNotFoundError):
            path.unlink()
        return None
    finally:
        os.close(descriptor)
