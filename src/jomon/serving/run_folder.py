"""The folder of a running server: signs between its processes, what its workers counted, and whose it is.

The supervisor holds a lock in it for as long as it lives. A folder whose lock nobody holds is what a server left that
did not end in order; the next one removes it. No process id is believed: they come again, and containers share them.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import inf
from pathlib import Path
from urllib.parse import quote

PREFIX = "serve-"
BEAT_SECONDS = 2.0
_GATE, _LOCK, _DRAINING, _METRICS = "gate.lock", "lock", "draining", "metrics"


class RunFolder:
    """What the supervisor and the workers of one server tell each other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metrics = path / _METRICS
        self._draining = path / _DRAINING
        self._beaten = -inf

    @property
    def draining(self) -> bool:
        """Whether the server is going away."""
        return self._draining.exists()

    def drain(self) -> None:
        """Say that the server is going away."""
        with suppress(OSError):
            self._draining.touch()

    def let_go(self, pid: int) -> None:
        """Tell a worker that it is about to end."""
        with suppress(OSError):
            (self.path / f"leaves-{pid}").touch()

    @property
    def leaving(self) -> bool:
        """Whether this process is about to end, alone or with the whole server."""
        return self.draining or (self.path / f"leaves-{os.getpid()}").exists()

    def beat(self) -> None:
        """Say that this process answers; not written more often than `BEAT_SECONDS`."""
        now = time.monotonic()
        if now >= self._beaten + BEAT_SECONDS:
            self._beaten = now
            with suppress(OSError):
                _write(self.path / f"up-{os.getpid()}", f"{now}")

    def is_up(self, pid: int | None = None) -> bool:
        """Whether a process answered at any time; any process, where none is named."""
        return next(self.path.glob(f"up-{'[0-9]*' if pid is None else pid}"), None) is not None

    def silence(self, pid: int) -> float:
        """Seconds since the last beat of a process; 0 for one that has not begun to answer."""
        try:
            return time.monotonic() - float((self.path / f"up-{pid}").read_text())
        except (OSError, ValueError):
            return 0.0

    def say_failed(self, sentence: str) -> None:
        """Leave what keeps this process from answering, for the supervisor."""
        with suppress(OSError):
            _write(self.path / f"failed-{os.getpid()}", sentence)

    def failure(self, pid: int) -> str | None:
        """What a process left before it ended, if it did."""
        try:
            return (self.path / f"failed-{pid}").read_text()
        except OSError:
            return None

    def note_image(self, reference: str, digest: str) -> None:
        """Note what a reference is served as, for a worker that starts when the name is gone or its image damaged."""
        with suppress(OSError):
            _write(self._image(reference), digest)

    def image(self, reference: str) -> str | None:
        """The digest that a worker of this server last served a reference as."""
        try:
            return self._image(reference).read_text()
        except OSError:
            return None

    def _image(self, reference: str) -> Path:
        return self.path / f"image-{quote(reference, safe='')}"


def _write(path: Path, text: str) -> None:
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    new.write_text(text)
    new.replace(path)


@contextmanager
def held(path: Path) -> Iterator[RunFolder]:
    """Make the folder of a server and hold it; gone in the end, with those of its siblings that nobody holds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _gate(path.parent):
        _clear(path.parent)
        path.mkdir(mode=0o700)
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
    run = RunFolder(path)
    run.metrics.mkdir()
    try:
        yield run
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


@contextmanager
def _gate(folder: Path) -> Iterator[None]:
    """Alone among the servers of a store: a folder that was just made has no lock yet."""
    descriptor = os.open(folder / _GATE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _clear(folder: Path) -> None:
    for path in folder.glob(f"{PREFIX}*"):
        if not _is_held(path):
            shutil.rmtree(path, ignore_errors=True)


def _is_held(path: Path) -> bool:
    try:
        lock = os.open(path / _LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
