"""Reading a journal: the files of all slots in order, whole frames alone, and what to make of damage.

The tail of a file that its writer still has open is waited for. In a file that gets no more writes (its writer died,
or went on to the next file) a torn tail was never acknowledged, and is skipped. Anything else that is not a frame is
damage: reading goes on at the next place where a whole frame begins, and the gap is told.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jomon.core.errors import StoreError
from jomon.core.journal import Fault, next_frame, scan
from jomon.core.journal_files import GATE, MOVER, FileName, lock_name

Gap = tuple[int, int]
"""Offsets in a file between which no frame could be read."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file of a journal; `finished`: it gets no more writes."""

    path: Path
    name: FileName
    finished: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """What was read of a file in one go: the payloads between `spans` of `data`, which stood at `start` of the file.

    `end` is the offset up to which the file is read now, damage and torn tail included. `ended`: that is all there
    will ever be. `stuck`: there is damage that can be passed only when the writer has gone on to another file.
    """

    data: bytes
    start: int
    spans: list[tuple[int, int]]
    end: int
    gaps: tuple[Gap, ...]
    ended: bool
    stuck: bool


def log_files(folder: Path) -> list[LogFile]:
    """The files of a journal, slot after slot, each slot's in the order in which they were written."""
    names = sorted(filter(None, (FileName.parse(path.name) for path in folder.iterdir())))
    last = {name.slot: name.sequence for name in names}
    live = _live_slots(folder, last)
    return [
        LogFile(folder / str(name), name, name.sequence < last[name.slot] or name.slot not in live)
        for name in names
    ]


def read_piece(file: LogFile, offset: int, limit: int) -> Piece:
    """What `file` has from `offset` on, about `limit` bytes of it; more where a single frame or damage needs it."""
    descriptor = os.open(file.path, os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        data = _read(descriptor, offset, min(limit, max(0, size - offset)))
        found = scan(data)
        cut = offset + len(data) < size
        if cut and found.fault is not None and not found.spans:
            data = _read(descriptor, offset, size - offset)
            found, cut = scan(data), False
    finally:
        os.close(descriptor)
    if found.fault is None or cut:
        ended = file.finished and offset + found.end >= size
        return Piece(data, offset, found.spans, offset + found.end, (), ended, False)
    if not file.finished:
        stuck = found.fault is Fault.DAMAGED
        return Piece(data, offset, found.spans, offset + found.end, (), False, stuck)
    spans, gaps = found.spans, []
    while found.fault is not None:
        again = next_frame(data, found.end)
        if again is None and found.fault is Fault.TORN:
            break
        gaps.append((offset + found.end, offset + (len(data) if again is None else again)))
        if again is None:
            break
        found = scan(data, again)
        spans += found.spans
    return Piece(data, offset, spans, offset + len(data), tuple(gaps), True, False)


@contextmanager
def moving(folder: Path) -> Iterator[None]:
    """Be the one process that moves the journal in `folder`; raises `StoreError` where another one does."""
    with (folder / MOVER).open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                f"Another mover moves the log in {folder}: leave it to that one, or stop that one first."
            ) from None
        yield


def _live_slots(folder: Path, slots: dict[int, int]) -> set[int]:
    """Those of `slots` whose lock a writer holds; looked for while no writer takes one."""
    live = set()
    with (folder / GATE).open("a") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        for slot in slots:
            try:
                descriptor = os.open(folder / lock_name(slot), os.O_RDONLY)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                live.add(slot)
            finally:
                os.close(descriptor)
    return live


def _read(descriptor: int, offset: int, size: int) -> bytes:
    parts = []
    while size > 0:
        part = os.pread(descriptor, size, offset)
        if not part:
            break
        parts.append(part)
        offset, size = offset + len(part), size - len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
