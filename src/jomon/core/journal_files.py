"""The names in a journal's folder: files of slots, the locks of their writers, and what lies beside them."""

from __future__ import annotations

import re
from typing import NamedTuple

GATE = "slots.lock"
"""Held while somebody looks whether slots are free, so that a reader's look never makes one seem taken."""
MOVER = "mover.lock"
"""Held by the one process that moves the journal into tables."""
DAMAGED = "damaged"
"""The folder for files in which something could not be read, after all else in them was moved."""
SLOTS = 100
_NAME = re.compile(r"w(\d\d)-(\d{10})\.log")


class FileName(NamedTuple):
    """Which slot a file belongs to, and its place in the slot's run of files."""

    slot: int
    sequence: int

    def __str__(self) -> str:
        return f"w{self.slot:02d}-{self.sequence:010d}.log"

    @classmethod
    def parse(cls, name: str) -> FileName | None:
        """The inverse of `str`; None for the name of anything else.

        >>> FileName.parse("w00-0000000012.log")
        FileName(slot=0, sequence=12)
        """
        found = _NAME.fullmatch(name)
        return cls(int(found[1]), int(found[2])) if found else None


def new_name(slot: int) -> str:
    """The name of a file until its first write is whole; readers do not look at it."""
    return f"w{slot:02d}-new"


def lock_name(slot: int) -> str:
    """The file whose lock the writer of a slot holds; it keeps the last sequence used."""
    return f"slot-{slot:02d}.lock"
