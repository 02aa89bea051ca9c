"""The access log: a JSON line per request, written beside the event loop, which never waits for it.

A request costs one tuple in a list. A thread turns tuples into lines and writes them in pieces of whole lines. Lines
that a disk or a pipe does not take are dropped and counted: an access log must not stop the answers it tells of.
"""

from __future__ import annotations

import atexit
import threading
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

import msgspec

from jomon.serving.log_files import LogTarget, RotatedFile, Stream
from jomon.serving.telling import to_stderr

WAITING_LINES = 50_000
"""Lines that may wait to be written; what comes beyond is dropped."""
PIECE_LINES = 64
"""Lines turned into text at once, some 100 us of the interpreter: so long an answer may wait for it."""
PACE_SECONDS = 0.0005
"""Between two pieces the event loop has the interpreter to itself."""
CLOSE_SECONDS = 2.0
_ID_CHARACTERS = 200
_SHORT = slice(len("sha256:"), len("sha256:") + 12)
Entry = tuple[int, str, str | None, str, str, int, int, float, str, str, str | None, str | None]


class Accessed(Protocol):
    """What the log reads of a request that ended; nothing of it is a key, a row or an answer."""

    received_us: int
    request_id: str
    caller_id: str | None
    method: str
    route: str
    rows: int
    fleet: str
    image: str
    key_id: str | None
    scope: Any


class Line(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One line: `id` is the caller's own, `image` the first digits of the image that answered, `key` the id of the
    caller's key, `remote` the address at the other end of the connection. What there is none of is left out."""

    time: datetime
    request_id: str
    method: str
    route: str
    status: int
    ms: float
    rows: int = 0
    fleet: str | None = None
    image: str | None = None
    id: str | None = None
    key: str | None = None
    remote: str | None = None


class AccessLog:
    """Writes to a file that is rotated at `max_bytes`, of which `keep` older ones stay, or (None) to the standard
    output. `append` and `flush` are called from one thread. `remote` says whether addresses are recorded."""

    def __init__(
        self, path: Path | str | None, *, remote: bool = False, max_bytes: int = 64 * 2**20, keep: int = 4
    ) -> None:
        self.dropped = 0
        self._remote = remote
        self._target: LogTarget = Stream(1) if path is None else RotatedFile(Path(path), max_bytes, keep)
        self._waiting: list[Entry] = []
        self._queue: SimpleQueue[list[Entry] | None] = SimpleQueue()
        self._queued = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def append(self, request: Accessed, status: int, seconds: float) -> None:
        """Note a request that ended."""
        self._waiting.append(
            (
                request.received_us,
                request.request_id,
                request.caller_id,
                request.method,
                request.route,
                status,
                request.rows,
                seconds,
                request.fleet,
                request.image,
                request.key_id,
                request.scope.client if self._remote else None,
            )
        )

    def flush(self) -> None:
        """Hand what waits to the thread that writes; called a few times a second."""
        waiting = self._waiting
        if not waiting:
            return
        self._waiting = []
        with self._lock:
            room = WAITING_LINES - self._queued
            if len(waiting) > room:
                self.dropped += len(waiting) - room
                del waiting[room:]
            self._queued += len(waiting)
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_all, name="access-log", daemon=True)
            self._thread.start()
            atexit.register(self.close)
        self._queue.put(waiting)

    def close(self) -> None:
        """Write what waits, for at most two seconds."""
        self.flush()
        thread, self._thread = self._thread, None
        if thread is not None:
            self._closing.set()
            atexit.unregister(self.close)
            self._queue.put(None)
            thread.join(CLOSE_SECONDS)

    def _write_all(self) -> None:
        told = False
        while (entries := self._queue.get()) is not None:
            lost = 0
            for start in range(0, len(entries), PIECE_LINES):
                lost += self._write(entries[start : start + PIECE_LINES])
                self._closing.wait(PACE_SECONDS)
            with self._lock:
                self._queued -= len(entries)
                self.dropped += lost
            if lost and not told:
                told = True
                to_stderr(f"The access log takes no more ({self._target.problem}): lines are dropped.")
            elif not lost:
                told = False
        self._target.close()

    def _write(self, entries: list[Entry]) -> int:
        """How many lines were lost."""
        return self._target.write([_plain(entry) or _encode(_line(entry)) + b"\n" for entry in entries])


_encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=4)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _plain(entry: Entry) -> bytes | None:
    """The line of an ordinary request, which is most of them, without what a general encoder costs; else None."""
    us, request_id, caller_id, method, route, status, rows, seconds, fleet, image, key, remote = entry
    if caller_id is not None or key is not None or remote is not None or method != "POST" or not image:
        return None
    second, rest = divmod(us, 1_000_000)
    # Ids, routes, names of fleets and digests hold nothing that JSON would escape.
    return (
        f'{{"time":"{_second(second)}.{rest:06d}Z","request_id":"{request_id}","method":"POST","route":"{route}",'
        f'"status":{status},"ms":{round(seconds * 1000, 3)},"rows":{rows},"fleet":"{fleet}",'
        f'"image":"{image[_SHORT]}"}}\n'
    ).encode()


def _line(entry: Entry) -> Line:
    us, request_id, caller_id, method, route, status, rows, seconds, fleet, image, key, remote = entry
    return Line(
        datetime.fromtimestamp(us / 1e6, UTC),
        request_id,
        method[:_ID_CHARACTERS],
        route,
        status,
        round(seconds * 1000, 3),
        rows,
        fleet or None,
        image[_SHORT] or None,
        None if caller_id is None else caller_id[:_ID_CHARACTERS],
        key,
        remote,
    )
