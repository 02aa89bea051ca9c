"""One worker of a server: its fleets, and what runs beside the requests: counting, logging, following, syncing."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jomon.core.suggest import ending
from jomon.serving.access_log import AccessLog
from jomon.serving.auth import Authority
from jomon.serving.batcher import Batcher
from jomon.serving.clock import Clock
from jomon.serving.config import Limits
from jomon.serving.errors import RequestError
from jomon.serving.following import Follower, ImageSource
from jomon.serving.hosts import Hosts
from jomon.serving.image import ServedImage
from jomon.serving.journal import Journal
from jomon.serving.lane import Lane
from jomon.serving.metrics import Metrics
from jomon.serving.routes import method_label
from jomon.serving.run_folder import RunFolder
from jomon.serving.tally import Tally
from jomon.serving.telling import to_stderr

if TYPE_CHECKING:
    from jomon.serving.http import Exchange

TICK_SECONDS = 0.25
FOLLOW_SECONDS = 0.5
ORPHAN_SECONDS = 20.0
"""How long a worker whose supervisor died may take to answer what is in flight."""


@dataclass(frozen=True)
class FleetSetup:
    """One fleet as a worker is to serve it: its images, where others come from, its journal's folder, its counts.

    `sync`: seconds within which records are on disk; 0: before they are acknowledged. `checks`: the file with the
    gauges of its last check, which may not be there.
    """

    images: tuple[ServedImage, ...]
    source: ImageSource
    journal: Path
    tally: Tally
    sync: float
    checks: Path | None = None


class Worker:
    """What the HTTP application of one process answers with."""

    def __init__(
        self,
        fleets: tuple[FleetSetup, ...],
        limits: Limits,
        clock: Clock,
        authority: Authority | None,
        access_log: AccessLog | None,
        run: Path,
        *,
        batch_wait: float = 0.0,
        hosts: Hosts | None = None,
    ) -> None:
        self.limits, self.authority, self.access_log, self.hosts = limits, authority, access_log, hosts
        self.now_us: Callable[[], int] = clock.now_us
        self.run = RunFolder(run)
        self.in_flight = 0
        self.closing = False
        """Whether callers are asked to leave their connections."""
        self.lanes: dict[str, Lane] = {}
        self._fleets, self._batch_wait = fleets, batch_wait
        self._journals = [Journal.open(setup.journal, sync=setup.sync) for setup in fleets]
        # A worker that takes a dead one's slot goes on from its counts.
        self.metrics = Metrics(self.run.metrics, f"worker-{self._journals[0].slot}")
        self.checks = tuple(setup.checks for setup in fleets if setup.checks is not None)
        self._followers: list[tuple[Lane, Follower]] = []
        self._parent = _parent()
        self._tasks: list[asyncio.Task[None]] = []
        self._ended: defaultdict[tuple[str, str, int], list[int]] = defaultdict(list)
        self._told: dict[tuple[str, str], str] = {}
        self._failed_syncs: dict[str, int] = {}

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin what runs beside the requests."""
        fleets, self._fleets = self._fleets, ()  # whoever holds an image keeps it in memory
        for setup, journal in zip(fleets, self._journals, strict=True):
            fleet = setup.images[0].fleet
            batcher = Batcher(
                journal,
                setup.tally,
                loop,
                queue_rows=self.limits.queue_rows,
                wait_seconds=self._batch_wait,
                sync_first=setup.sync <= 0,
                now=self.now_us,
            )
            lane = self.lanes[fleet] = Lane(list(setup.images), journal, batcher, setup.tally)
            self._followers.append((lane, Follower(lane, setup.source)))
        self._tasks = [loop.create_task(self._tick()), loop.create_task(self._follow())]
        self._describe()
        self.flush()
        self.run.beat()

    def stop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer what waits, sync and close the journals, write the last counts."""
        for task in self._tasks:
            task.cancel()
        for lane in self.lanes.values():
            loop.run_until_complete(lane.close())
        self.flush()
        self.metrics.close()
        if self.access_log is not None:
            self.access_log.close()

    @property
    def ready(self) -> bool:
        """Whether requests would be answered now: images loaded, the log writable, not going away."""
        return not self.why_not

    @property
    def why_not(self) -> str:
        """Why the server is not ready; empty where it is."""
        if not self.lanes:
            return "no image is loaded"
        if self.run.draining:
            return "it is going away"
        broken = [lane.fleet for lane in self.lanes.values() if not lane.batcher.journal_works]
        return f"the prediction log of {broken[0]} takes no more" if broken else ""

    @property
    def keys_required(self) -> bool:
        """Whether requests need keys."""
        return self.authority is not None and self.authority.required

    def lane(self, fleet: str | None) -> Lane:
        """The lane of a fleet, or the only one there is; raises `RequestError` (404)."""
        if fleet is None and len(self.lanes) == 1:
            return next(iter(self.lanes.values()))
        found = self.lanes.get(fleet or "")
        if found is None:
            if fleet is None:
                said = f"This server has several fleets, {', '.join(self.lanes)}: name one in the path."
            else:
                said = f"This server does not know a fleet {fleet!r}{ending(fleet, self.lanes)}"
            raise RequestError(404, said, "unknown")
        return found

    def too_many_rows(self, rows: int) -> RequestError:
        """The refusal of a request with more rows than the limit."""
        return RequestError(
            413, f"The request has {rows:,} rows; send at most {self.limits.rows:,} at a time.", "too_large"
        )

    def finished(self, exchange: Exchange, status: int) -> None:
        """Note a request that was answered or refused; it is counted and logged at the next flush."""
        nanoseconds = time.perf_counter_ns() - exchange.started
        self._ended[exchange.route, exchange.method, status].append(nanoseconds)
        if self.access_log is not None:
            self.access_log.append(exchange, status, nanoseconds / 1e9)

    def _count_ended(self) -> None:
        ended, self._ended = self._ended, defaultdict(list)
        for (route, method, status), times in ended.items():
            labels = (route, method_label(method), str(status))
            self.metrics.counts["jomon_requests_total", labels] += len(times)
            self.metrics.observe_many(("jomon_request_seconds", (route,)), np.array(times) / 1e9)

    def refused(self, exchange: Exchange, error: RequestError) -> None:
        """Count a request that was refused."""
        fleet = exchange.fleet or exchange.params.get("fleet") or ""
        self.metrics.counts["jomon_refused_total", (fleet if fleet in self.lanes else "", error.reason)] += 1

    async def _tick(self) -> None:
        """Every quarter of a second: hand over counts and lines, look whether this process is to end."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                self.flush()
            except Exception:  # a defect: the next flush may go well, and this loop sees when to end
                to_stderr(f"counting failed:\n{traceback.format_exc()}")
            self.closing = self.run.leaving
            self.run.beat()
            if os.getppid() != self._parent:
                self._end_alone()
                return

    def _end_alone(self) -> None:
        """The supervisor died, so nobody would end or replace this process: answer what is in flight, and end."""
        self.run.drain()
        late = threading.Timer(ORPHAN_SECONDS, os._exit, (1,))
        late.daemon = True
        late.start()
        os.kill(os.getpid(), signal.SIGTERM)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            for lane, follower in self._followers:
                try:
                    await self._look(lane, follower)
                except Exception:  # a defect: what is served goes on, and the next look may go well
                    to_stderr(f"looking after {lane.fleet} failed:\n{traceback.format_exc()}")

    async def _look(self, lane: Lane, follower: Follower) -> None:
        """See whether a tag or a lookup's copy moved, and whether a log that failed takes records again."""
        loop = asyncio.get_running_loop()
        for image in await loop.run_in_executor(None, follower.check):
            lane.swap(image)
            self._describe()
        if lane.sweep():
            gc.collect()  # a route and its variants hold each other, and with them the whole image
        await loop.run_in_executor(None, lane.batcher.probe)
        for image in lane:
            image.lookups.take(await loop.run_in_executor(None, image.lookups.look))
            for name, problem in image.lookups.problems.items():
                if self._told.get((lane.fleet, name)) != problem:
                    self._told[lane.fleet, name] = problem
                    to_stderr(f"{lane.fleet}: {problem}")

    def _describe(self) -> None:
        """The gauges that change with an image."""
        for lane in self.lanes.values():
            self.metrics.drop("jomon_image_info", lane.fleet)
            for image in lane:
                self.run.note_image(image.reference, image.digest)
                self.metrics.set(("jomon_image_info", (lane.fleet, image.reference, image.digest)), 1)
            image = lane.image
            self.metrics.set(("jomon_members", (lane.fleet,)), image.members)
            self.metrics.set(("jomon_member_bytes", (lane.fleet,)), image.pack_bytes / max(image.members, 1))

    def flush(self) -> None:
        """Hand over what was counted since the last time, and write it down."""
        metrics = self.metrics
        self._count_ended()
        for lane in self.lanes.values():
            lane.tally.flush(metrics)
            metrics.set(("jomon_queue_rows", (lane.fleet,)), lane.batcher.queued)
            self._count_journal(lane)
            metrics.set(("jomon_images_draining", (lane.fleet,)), lane.draining)
            for state in lane.image.lookups.states(self.now_us()):
                if state.age_seconds is not None:
                    metrics.set(("jomon_lookup_age_seconds", (lane.fleet, state.name)), state.age_seconds)
        metrics.set(("jomon_in_flight", ()), self.in_flight)
        metrics.set(("jomon_ready", ()), float(self.ready))
        if self.access_log is not None:
            self.access_log.flush()
            metrics.total(("jomon_access_log_dropped_total", ()), self.access_log.dropped)
        metrics.flush()

    def _count_journal(self, lane: Lane) -> None:
        journal, metrics = lane.journal, self.metrics
        metrics.total(("jomon_journal_bytes_total", (lane.fleet,)), journal.written)
        metrics.total(("jomon_journal_syncs_total", (lane.fleet,)), journal.syncs)
        new = journal.failed_syncs - self._failed_syncs.get(lane.fleet, 0)
        if new and not lane.batcher.sync_first:  # else those that wait for the disk are refused, and counted
            self._failed_syncs[lane.fleet] = journal.failed_syncs
            metrics.counts["jomon_journal_failures_total", (lane.fleet,)] += new
            to_stderr(
                f"{lane.fleet}: the disk of {journal.folder} refused to keep what was written: check the disk."
            )


def _parent() -> int:
    """The process that started this one, also where it died meanwhile."""
    parent = multiprocessing.parent_process()
    return os.getppid() if parent is None or parent.pid is None else parent.pid
