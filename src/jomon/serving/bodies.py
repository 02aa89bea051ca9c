"""Bodies of requests, read within limits of size and time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

from jomon.serving.auth import Headers
from jomon.serving.errors import RequestError
from jomon.serving.hosts import Hosts

SWEEP_SECONDS = 0.25
DISCARDED_BYTES = 256 * 2**20
"""Of a body that is refused unread, this much is taken and thrown away: most clients read an answer only when all they
have to send is sent."""


class Bodies:
    """Reads bodies of at most `limit` bytes that arrive within `seconds`; for one event loop. `hosts`: the names under
    which requests with a body may come.

    Requests that take too long are found by a sweep over those being read, which costs a request two dictionary
    entries where a timer each would cost ten times that.
    """

    def __init__(self, limit: int, seconds: float, hosts: Hosts | None = None) -> None:
        self._limit, self._seconds, self._hosts = limit, seconds, hosts
        self._reading: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to watch the time."""
        self._loop = loop
        loop.call_later(SWEEP_SECONDS, self._sweep)

    def read(self, scope: Any, proto: Any) -> Awaitable[bytes]:
        """The body, to be awaited between `begin` and `end`; raises `RequestError` (400, 413, 415, 421)."""
        headers = scope.headers
        kind = headers.get("content-type")
        if kind != "application/json":
            _need_json(kind, headers)
        hosts = self._hosts
        if hosts is not None and headers.get("host") not in hosts.seen:
            hosts.check(headers)
        length = headers.get("content-length")
        if length is None:
            return self._chunks(proto)
        if not (length.isascii() and length.isdigit() and len(length) < _DIGITS):
            raise RequestError(400, "The header content-length is no number: correct it.", "malformed")
        if int(length) > self._limit:
            raise self._too_large()
        body: Awaitable[bytes] = proto()
        return body

    async def _chunks(self, proto: Any) -> bytes:
        parts, size = [], 0
        async for chunk in proto:
            size += len(chunk)
            if size > self._limit:
                raise self._too_large()
            parts.append(chunk)
        return b"".join(parts)

    async def discard(self, proto: Any) -> bool:
        """Take what is left of a body that is refused, so that the caller gets to read why; whether that was all."""
        size = 0
        try:
            async with asyncio.timeout(self._seconds):
                async for chunk in proto:
                    size += len(chunk)
                    if size > DISCARDED_BYTES:
                        return False
        except TimeoutError:
            return False
        except Exception:  # it was read, or the caller is gone
            return True
        return True

    def _too_large(self) -> RequestError:
        return RequestError(
            413, f"The body is larger than {self._limit:,} bytes: send fewer rows at a time.", "too_large"
        )

    async def receive(self, scope: Any, proto: Any) -> bytes:
        """The body; raises `RequestError`. One that is late ends in a cancellation: see `timed_out`."""
        task = self.begin()
        try:
            return await self.read(scope, proto)
        except (RequestError, asyncio.CancelledError):
            raise
        except Exception as error:
            raise cut(error) from error
        finally:
            self.end(task)

    def begin(self) -> asyncio.Task[Any]:
        """From here on the current task is reading a body."""
        task = asyncio.current_task()
        assert task is not None
        self._reading[task] = time.monotonic()
        return task

    def end(self, task: asyncio.Task[Any]) -> None:
        """The task has read its body."""
        del self._reading[task]

    def timed_out(self) -> bool:
        """Whether the current task was cancelled because its body was late; asked once."""
        task = asyncio.current_task()
        if task in self._late:
            self._late.discard(task)
            task.uncancel()
            return True
        return False

    def _sweep(self) -> None:
        assert self._loop is not None
        oldest = time.monotonic() - self._seconds
        for task, started in list(self._reading.items()):
            if started >= oldest:
                break  # they are in the order in which they began
            self._late.add(task)
            task.cancel()
        self._loop.call_later(SWEEP_SECONDS, self._sweep)


_DIGITS = 19


def cut(error: Exception) -> RequestError:
    """The refusal of a body that ended before it should."""
    return RequestError(400, "The body did not arrive whole: send it again.", "cut")


UNREAD = frozenset({401, 403, 404, 405, 413, 415, 421})
"""Refusals of requests whose body may not have been read."""


def coded(error: RequestError, headers: Headers) -> RequestError:
    """What to say of a body that cannot be read: that it is compressed, where it says so."""
    coding = headers.get("content-encoding") if error.status == 400 else None
    if coding is None or coding.strip().lower() == "identity":
        return error
    return RequestError(
        415, f"A body with the content-encoding {coding[:60]!r} is not read: send it as it is.", "media_type"
    )


def _need_json(kind: str | None, headers: Headers) -> None:
    if kind is None:
        # A page of any site may send a body without a type and unasked, but not without telling its origin.
        if headers.get("origin") is None:
            return
        kind = ""
    name = kind.partition(";")[0].strip().lower()
    if name not in ("application/json", "application/octet-stream"):
        raise RequestError(
            415, f"A body of type {kind[:60]!r} is not read: send application/json.", "media_type"
        )
