"""Where lines of a log go: a file of bounded size that several processes share, or an open stream."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

_ATOMIC = select.PIPE_BUF
"""A pipe takes this many bytes at once without mixing them with what other processes write."""


class LogTarget(Protocol):
    """Takes lines, each of which ends with a line feed."""

    problem: str
    """Why lines were lost last."""

    def write(self, lines: Sequence[bytes]) -> int:
        """Write lines whole; gives how many were lost."""
        ...

    def close(self) -> None:
        """Take no more."""
        ...


class Stream:
    """An open descriptor, such as the standard output; a pipe gets pieces that stay whole among other writers."""

    def __init__(self, descriptor: int) -> None:
        self.problem = ""
        self._descriptor = descriptor
        with suppress(OSError):
            self._pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)

    def write(self, lines: Sequence[bytes]) -> int:
        """See `LogTarget`."""
        lost = 0
        for piece in pieces(lines, _ATOMIC) if self._pipe else [lines]:
            data = b"".join(piece)
            try:
                written = 0
                while written < len(data):
                    written += os.write(self._descriptor, data[written:])
            except OSError as error:
                self.problem = error.strerror or str(error)
                lost += data.count(b"\n", written)
        return lost

    def close(self) -> None:
        """The descriptor stays open: it is not ours."""


class RotatedFile:
    """A file that at `max_bytes` becomes `NAME.1`, the older `NAME.2` and so on, up to `keep` of them.

    Several processes append to one file; who finds it full renames it, and the others follow. Renaming it by another
    program is followed too.
    """

    def __init__(self, path: Path, max_bytes: int, keep: int) -> None:
        self.problem = ""
        self._path, self._max_bytes, self._keep = path, max_bytes, keep
        self._file, self._torn = -1, False

    def write(self, lines: Sequence[bytes]) -> int:
        """See `LogTarget`. A line that a full disk cut in two is ended before the next one."""
        data = (b"\n" if self._torn else b"") + b"".join(lines)
        try:
            file = self._current(len(data))
            written = os.write(file, data)
        except OSError as error:
            self.problem = error.strerror or str(error)
            return len(lines)
        if written == len(data):
            self._torn = False
            return 0
        self.problem = os.strerror(errno.ENOSPC)
        whole = data[:written].count(b"\n") - self._torn
        self._torn = not data[:written].endswith(b"\n") if written else self._torn
        return len(lines) - max(whole, 0)

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _current(self, more: int) -> int:
        """The file to append `more` bytes to; raises OSError."""
        if self._file >= 0 and not self._is_named():
            self.close()
        if self._file < 0:
            self._open()
        size = os.fstat(self._file).st_size
        if size > 0 and size + more > self._max_bytes and self._rotate():
            self.close()
            self._open()
        return self._file

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        self._torn = False

    def _is_named(self) -> bool:
        """Whether the open file still has its name."""
        try:
            named, held = self._path.stat(), os.fstat(self._file)
        except OSError:
            return False
        return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)

    def _rotate(self) -> bool:
        """Give the file its next name, unless another process is at it; whether it was renamed, by whomever."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        if not self._is_named():
            return True
        for number in range(self._keep, 0, -1):
            with suppress(FileNotFoundError):
                self._numbered(number - 1).replace(self._numbered(number))
        if self._keep == 0:
            self._path.unlink(missing_ok=True)
        return True

    def _numbered(self, number: int) -> Path:
        return self._path if number == 0 else self._path.with_name(f"{self._path.name}.{number}")


def pieces(lines: Sequence[bytes], limit: int) -> list[list[bytes]]:
    """Lines in order, in groups of at most `limit` bytes; a longer line is a group of its own.

    >>> pieces([b"abc", b"de", b"f"], 4)
    [[b'abc'], [b'de', b'f']]
    """
    groups, size = list[list[bytes]](), limit + 1
    for line in lines:
        if size + len(line) > limit:
            groups.append([])
            size = 0
        groups[-1].append(line)
        size += len(line)
    return groups
