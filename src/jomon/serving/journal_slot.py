"""The slot of a journal: one writer's own run of files, held by a lock that the system gives back when it dies."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from jomon.core.journal_files import GATE, SLOTS, FileName, lock_name, new_name

_LOCK = re.compile(rb"(\d{10})\n")


@dataclass(frozen=True, slots=True)
class Slot:
    """A held slot: its number, the identity of this life, the last sequence used, and the lock's descriptor.

    Each life draws an identity: what is known of another life is never taken for this one, even where the folder was
    removed, or put back as it was before, and sequences come again.
    """

    folder: Path
    number: int
    identity: str
    last: int
    descriptor: int

    def path(self, sequence: int) -> Path:
        """The file of a sequence number."""
        return self.folder / str(FileName(self.number, sequence))

    def new_path(self) -> Path:
        """Where a file is written until its first write is whole; readers do not look at it."""
        return self.folder / new_name(self.number)

    def remember(self, sequence: int) -> None:
        """Note that `sequence` is used, so that no later life uses it again; raises OSError."""
        _write(self.descriptor, sequence)


def take_slot(folder: Path) -> Slot:
    """The lowest free slot of `folder`; leftovers of its earlier lives that nobody reads are removed.

    Raises OSError where the folder cannot be used, and BlockingIOError where all slots are taken.
    """
    gate = os.open(folder / GATE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(gate, fcntl.LOCK_EX)
        for number in range(SLOTS):
            descriptor = os.open(folder / lock_name(number), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return _taken(folder, number, descriptor)
            except BlockingIOError:
                os.close(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
    finally:
        os.close(gate)
    raise BlockingIOError(f"all {SLOTS} slots of {folder} are taken")


def _taken(folder: Path, number: int, descriptor: int) -> Slot:
    noted = _LOCK.fullmatch(os.pread(descriptor, 100, 0))
    last = int(noted[1]) if noted else 0
    found = filter(None, (FileName.parse(path.name) for path in folder.iterdir()))
    last = max([last, *(name.sequence for name in found if name.slot == number)])
    (folder / new_name(number)).unlink(missing_ok=True)
    if noted is None:
        _write(descriptor, last)
    return Slot(folder, number, secrets.token_hex(16), last, descriptor)


def _write(descriptor: int, sequence: int) -> None:
    text = f"{sequence:010d}\n".encode()
    if os.pwrite(descriptor, text, 0) != len(text):
        raise OSError(errno.ENOSPC, "No space left on device")
