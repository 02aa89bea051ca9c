"""The server's clock, and one that can be moved: to see today what a fleet does on a holiday."""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path
from typing import Protocol

_OFFSET = struct.Struct("<q")


class Clock(Protocol):
    """Says what time it is."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1000


class MovedClock:
    """The machine's clock plus what a file of eight bytes says: microseconds, a signed little-endian integer.

    The file is mapped, so that whoever writes it moves the clock of every process that reads it, at once.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), _OFFSET.size, access=mmap.ACCESS_READ)

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        offset: int = _OFFSET.unpack(self._map)[0]
        return time.time_ns() // 1000 + offset


def set_clock(path: Path, now_us: int | None) -> None:
    """Let the clock of a file show `now_us` (None: the machine's time) from this moment on."""
    offset = 0 if now_us is None else now_us - time.time_ns() // 1000
    if not path.exists():
        path.write_bytes(_OFFSET.pack(offset))
        return
    with path.open("r+b") as file:
        file.write(_OFFSET.pack(offset))


def clock_of(path: str | None) -> Clock:
    """The machine's clock, or the one that a file moves."""
    return SystemClock() if path is None else MovedClock(Path(path))
