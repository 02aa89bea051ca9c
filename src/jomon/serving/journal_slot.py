"""The slot of a journal: one writer's own run of files, held by a lock that the system gives back when it dies."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

GATE = "slots.lock"
"""Held while somebody looks whether slots are free, so that a reader's look never makes one seem taken."""
SLOTS = 100
_LOCK = re.compile(rb"([0-9a-f]{32}) (\d{10})\n")
_FILE = re.compile(r"w(\d\d)-(\d{10})\.log(\.new)?")


@dataclass(frozen=True, slots=True)
class Slot:
    """A held slot: its number, the identity of its run of files, the last sequence used, and the lock's descriptor.

    The identity is drawn when the lock file is made: a folder that was removed and made again counts anew.
    """

    folder: Path
    number: int
    identity: str
    last: int
    descriptor: int

    def path(self, sequence: int) -> Path:
        """The file of a sequence number."""
        return self.folder / f"w{self.number:02d}-{sequence:010d}.log"

    def new_path(self) -> Path:
        """Where a file is written until its first write is whole; readers do not look at it."""
        return self.folder / f"w{self.number:02d}-{0:010d}.log.new"

    def remember(self, sequence: int) -> None:
        """Note that `sequence` is used, so that no later life uses it again; raises OSError."""
        _write(self.descriptor, self.identity, sequence)


def take_slot(folder: Path) -> Slot:
    """The lowest free slot of `folder`; leftovers of its earlier lives that nobody reads are removed.

    Raises OSError where the folder cannot be used, and BlockingIOError where all slots are taken.
    """
    gate = os.open(folder / GATE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(gate, fcntl.LOCK_EX)
        for number in range(SLOTS):
            descriptor = os.open(folder / f"slot-{number:02d}.lock", os.O_RDWR | os.O_CREAT, 0o600)
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
    identity = noted[1].decode() if noted else secrets.token_hex(16)
    last = int(noted[2]) if noted else 0
    for path in folder.iterdir():
        found = _FILE.fullmatch(path.name)
        if found and int(found[1]) == number:
            last = max(last, int(found[2]))
            if found[3]:
                with suppress(FileNotFoundError):
                    path.unlink()
    if noted is None:
        _write(descriptor, identity, last)
    return Slot(folder, number, identity, last, descriptor)


def _write(descriptor: int, identity: str, sequence: int) -> None:
    text = f"{identity} {sequence:010d}\n".encode()
    if os.pwrite(descriptor, text, 0) != len(text):
        raise OSError(errno.ENOSPC, "No space left on device")
