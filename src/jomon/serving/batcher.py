"""Requests that are waiting at the same moment are answered by one call of the engine.

While one batch is being scored others arrive; they become the next batch. Under light load a request waits for
nothing, under heavy load the cost of a call is shared by all that are in it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import msgspec

from jomon.core.errors import PredictError
from jomon.serving.errors import RequestError
from jomon.serving.image import Scored, ServedImage
from jomon.serving.journal import Journal, JournalFull
from jomon.serving.rowpath import Row
from jomon.serving.tally import Tally

LARGE = 256
"""A request of more rows than this is made ready and scored in a thread, so that small ones do not wait for it."""
BATCH_ROWS = 1024
"""A batch of this many rows is scored at once."""
RETRY_AFTER = 1
PROBE_BYTES = 2**20


class Waiting(msgspec.Struct, eq=False):
    """A request between its arrival and its answer."""

    image: ServedImage
    request_id: str
    caller_id: str | None
    received_us: int
    rows: list[Row]
    done: asyncio.Future[Scored]
    scored: Scored | None = None


class Batcher:
    """Scores and records the requests of one fleet in one worker; used from the worker's event loop."""

    def __init__(
        self,
        journal: Journal,
        tally: Tally,
        loop: asyncio.AbstractEventLoop,
        *,
        queue_rows: int,
        wait_seconds: float = 0.0,
        sync_first: bool = False,
        now: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self.journal, self.tally = journal, tally
        self.queued = 0
        self._limit, self._wait, self.sync_first, self._now = queue_rows, wait_seconds, sync_first, now
        self._loop = loop
        self._pending: list[Waiting] = []
        self._scheduled = False
        self.journal_works = True
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="large")
        self._syncs = ThreadPoolExecutor(1, thread_name_prefix="sync") if sync_first else None

    def submit(
        self, image: ServedImage, request_id: str, caller_id: str | None, received_us: int, raw: Sequence[Any]
    ) -> Waiting:
        """Take the raw rows of a request; its `done` gives the answers when they are recorded, or raises
        `RequestError` (422, 503).

        Raises `RequestError`: 422 for rows that do not fit, 503 where the queue is full.
        """
        count = len(raw)
        if self.queued + count > self._limit and self.queued > 0:
            raise RequestError(503, "The queue is full: try again.", "overload", RETRY_AFTER)
        if count > LARGE:
            return self._submit_large(image, request_id, caller_id, received_us, raw)
        waiting = Waiting(
            image,
            request_id,
            caller_id,
            received_us,
            image.ready(raw, received_us),
            self._loop.create_future(),
        )
        self._pending.append(waiting)
        self.queued += count
        if not self._scheduled:
            self._scheduled = True
            if self._wait > 0:
                self._loop.call_later(self._wait, self._flush)
            else:
                self._loop.call_soon(self._flush)
        elif self.queued >= BATCH_ROWS and self._wait > 0:
            self._flush()
        return waiting

    def _submit_large(
        self, image: ServedImage, request_id: str, caller_id: str | None, received_us: int, raw: Sequence[Any]
    ) -> Waiting:
        waiting = Waiting(image, request_id, caller_id, received_us, [], self._loop.create_future())
        self.queued += len(raw)
        task = self._loop.create_task(self._answer_large(waiting, raw))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return waiting

    async def _answer_large(self, waiting: Waiting, raw: Sequence[Any]) -> None:
        """Make ready and score in a thread; record and acknowledge here."""

        def work() -> None:
            waiting.rows = waiting.image.ready(raw, waiting.received_us)
            waiting.scored = waiting.image.score(waiting.rows)

        try:
            await self._loop.run_in_executor(self._threads, work)
            mark = self._record([waiting])
            if mark is not None and self._syncs is not None:
                await self._synced(mark)
        except PredictError as error:
            self._fail([waiting], RequestError(422, str(error), "invalid"))
        except Exception as error:
            self._fail([waiting], error)
        else:
            _acknowledge([waiting])
        finally:
            self.queued -= len(raw)

    def _flush(self) -> None:
        """Score, record and answer all that is waiting."""
        self._scheduled = False
        pending, self._pending = self._pending, []
        if not pending:
            return
        self.queued -= sum([len(waiting.rows) for waiting in pending])
        first = pending[0].image
        if all(waiting.image is first for waiting in pending):
            self._score(first, pending)
        else:
            for image in dict.fromkeys(waiting.image for waiting in pending):
                self._score(image, [waiting for waiting in pending if waiting.image is image])
        scored = [waiting for waiting in pending if waiting.scored is not None]
        try:
            mark = self._record(scored)
        except RequestError as error:
            self._fail(scored, error)
            return
        if mark is not None and self._syncs is not None:
            task = self._loop.create_task(self._acknowledge_synced(scored, mark))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        _acknowledge(scored)

    def _score(self, image: ServedImage, batch: list[Waiting]) -> None:
        """Score a batch of one image; where that fails, each request alone, so that one cannot fail others."""
        self.tally.batch(sum(len(waiting.rows) for waiting in batch))
        try:
            if len(batch) == 1:
                batch[0].scored = image.score(batch[0].rows)
                return
            scored = image.score([row for waiting in batch for row in waiting.rows])
        except PredictError as error:
            if len(batch) == 1:
                self._fail(batch, RequestError(422, str(error), "invalid"))
                return
            for waiting in batch:
                self._score(image, [waiting])
            return
        except Exception as error:
            self._fail(batch, error)
            return
        answers, margins, start = scored.answers, scored.margins, 0
        for waiting in batch:
            end = start + len(waiting.rows)
            waiting.scored = Scored(answers[start:end], margins[start:end])
            start = end

    def _record(self, batch: Sequence[Waiting]) -> int | None:
        """Write the records of scored requests; raises `RequestError` (503), and then none of them is in the log."""
        payloads = []
        now = self._now()
        for waiting in batch:
            image, scored = waiting.image, waiting.scored
            assert scored is not None
            if image.recorder.sampled(waiting.request_id):
                payloads.append(
                    image.recorder.payload(
                        self._header(image),
                        waiting.request_id,
                        waiting.caller_id,
                        waiting.received_us,
                        now - waiting.received_us,
                        waiting.rows,
                        scored.answers,
                        scored.margins,
                    )
                )
            else:
                self.tally.unsampled(len(waiting.rows))
        mark = None
        if payloads:
            try:
                mark = self.journal.write(payloads, wait=False)
                self.journal_works = True
            except JournalFull as error:
                self.journal_works = False
                self.tally.journal_failed()
                raise RequestError(
                    503,
                    "The prediction log takes no more: nothing was answered; try again.",
                    "journal",
                    RETRY_AFTER,
                ) from error
        self.tally.answered(batch)
        return mark

    def _header(self, image: ServedImage) -> int:
        if image.journal_header is None:
            image.journal_header = self.journal.declare(image.header())
        return image.journal_header

    def probe(self) -> None:
        """After a failure, see whether the journal's disk takes files again; so that a server that is not ready
        becomes ready without a request."""
        if self.journal_works:
            return
        place = self.journal.folder / f"probe-{os.getpid()}"
        try:
            with place.open("wb") as file:
                file.write(bytes(PROBE_BYTES))
                file.flush()
                os.fsync(file.fileno())
            self.journal_works = True
        except OSError:
            pass
        finally:
            with suppress(OSError):
                place.unlink()

    async def _synced(self, mark: int) -> None:
        try:
            await self._loop.run_in_executor(self._syncs, self.journal.synced, mark)
        except JournalFull as error:
            self.tally.journal_failed()
            raise RequestError(
                503, "The prediction log could not be synced: nothing was answered.", "journal", RETRY_AFTER
            ) from error

    async def _acknowledge_synced(self, batch: list[Waiting], mark: int) -> None:
        try:
            await self._synced(mark)
        except RequestError as error:
            self._fail(batch, error)
        else:
            _acknowledge(batch)

    @staticmethod
    def _fail(batch: Sequence[Waiting], error: Exception) -> None:
        for waiting in batch:
            if not waiting.done.done():
                waiting.done.set_exception(error)

    def close(self) -> None:
        """Answer what is waiting, and end the threads."""
        self._flush()
        self._threads.shutdown()
        if self._syncs is not None:
            self._syncs.shutdown()


def _acknowledge(batch: Sequence[Waiting]) -> None:
    for waiting in batch:
        if waiting.scored is not None and not waiting.done.done():
            waiting.done.set_result(waiting.scored)
