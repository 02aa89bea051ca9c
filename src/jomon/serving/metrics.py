"""Metrics of several workers: each counts for itself and leaves a snapshot, and any of them renders the sum.

Counting costs one addition in a dictionary. A few times a second a worker writes its numbers to a file of its own,
as a whole; a worker that takes the place of a dead one goes on from that file, so that no counter falls while the
server lives.
"""

from __future__ import annotations

import os
import re
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from math import isfinite
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jomon.serving.metric_families import FAMILIES
from jomon.serving.metric_snapshots import (
    BEAT_SECONDS,
    SUFFIX,
    Key,
    SavedHistogram,
    Snapshot,
    clear,
    read_snapshot,
    write_snapshot,
)
from jomon.serving.metrics_page import CONTENT_TYPE, render

__all__ = ["CONTENT_TYPE", "Key", "Metrics", "clear", "render"]

_WORKER = re.compile(r"[A-Za-z0-9_-]+")


class Histogram:
    """Observations counted in fixed buckets, the last one unbounded, and the sum of their values."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...], counts: Iterable[int] = (), total: float = 0.0) -> None:
        self.bounds, self.sum = bounds, total
        self.counts = list(counts) or [0] * (len(bounds) + 1)


class Metrics:
    """The numbers of one worker; used by one thread.

    `metrics.counts[key] += n` counts; keys are made once and used again. What an earlier server left in `folder` has
    to be cleared away (`clear`) before workers start.
    """

    def __init__(self, folder: Path | str, worker: str | int) -> None:
        self.worker = str(worker)
        if not _WORKER.fullmatch(self.worker):
            raise ValueError(f"{self.worker!r} is no name for a worker")
        self._path = Path(folder) / f"{self.worker}{SUFFIX}"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.counts: defaultdict[Key, float] = defaultdict(int)
        self.failed_flushes = 0
        self._histograms: dict[Key, Histogram] = {}
        self._gauges: dict[Key, float] = {}
        self._before: dict[Key, float] = {}
        self._observed = 0
        self._changed = True
        self._seen: tuple[int, float, int] = (0, 0.0, 0)
        self._written = 0.0
        self._take_over()
        self.counts["jomon_worker_starts_total", ()] += 1

    def observe(self, key: Key, value: float) -> None:
        """Put a value, seconds or rows, into its bucket."""
        histogram = self._histograms.get(key)
        if histogram is None:
            histogram = self._histograms[key] = Histogram(FAMILIES[key[0]].bounds)
        histogram.counts[bisect_left(histogram.bounds, value)] += 1
        histogram.sum += value
        self._observed += 1

    def observe_many(self, key: Key, values: NDArray[np.float64]) -> None:
        """Put many values (n) into their buckets at once."""
        histogram = self._histograms.get(key)
        if histogram is None:
            histogram = self._histograms[key] = Histogram(FAMILIES[key[0]].bounds)
        buckets = np.bincount(np.searchsorted(histogram.bounds, values), minlength=len(histogram.counts))
        histogram.counts = [old + new for old, new in zip(histogram.counts, buckets.tolist(), strict=True)]
        histogram.sum += float(values.sum())
        self._observed += len(values)

    def total(self, key: Key, value: float) -> None:
        """Set a counter to what something else, which began with this worker, has counted so far."""
        before = self._before.get(key)
        if before is None:
            before = self._before[key] = self.counts[key]
        self.counts[key] = before + value

    def set(self, key: Key, value: float) -> None:
        """Set a gauge; what is not finite is no value, and the gauge is forgotten."""
        gauges = self._gauges
        if not isfinite(value):
            self._changed = gauges.pop(key, None) is not None or self._changed
        elif gauges.get(key) != value:
            gauges[key] = value
            self._changed = True

    def drop(self, name: str, *labels: str) -> None:
        """Forget the gauges of a metric whose first labels have these values."""
        for key in [key for key in self._gauges if key[0] == name and key[1][: len(labels)] == labels]:
            del self._gauges[key]
            self._changed = True

    def flush(self) -> None:
        """Write the snapshot if anything changed, or if the last one is old; a disk that refuses is counted in
        `failed_flushes`, and the next call tries again."""
        seen = (len(self.counts), sum(self.counts.values()), self._observed)
        now = time.monotonic()
        if not self._changed and seen == self._seen and now - self._written < BEAT_SECONDS:
            return
        self._measure()
        try:
            write_snapshot(self._path, self._snapshot(now))
        except OSError:
            self.failed_flushes += 1
            self._changed = True
            return
        self._seen, self._changed, self._written = seen, False, now

    def close(self) -> None:
        """Write the last snapshot, without gauges: a worker that ended holds nothing and is not asked for more."""
        self._gauges.clear()
        with suppress(OSError):
            write_snapshot(self._path, self._snapshot(time.monotonic()))

    def _snapshot(self, now: float) -> Snapshot:
        return Snapshot(
            now,
            list(self.counts.items()),
            [SavedHistogram(key, one.counts, one.sum) for key, one in self._histograms.items()],
            list(self._gauges.items()),
        )

    def _measure(self) -> None:
        """The process's memory, read only when a snapshot is written anyway."""
        with suppress(OSError, ValueError, IndexError):  # only Linux has this file
            pages = int(Path("/proc/self/statm").read_bytes().split()[1])
            self._gauges["process_resident_memory_bytes", ()] = pages * os.sysconf("SC_PAGE_SIZE")

    def _take_over(self) -> None:
        """Go on from the counters of the slot's former life; its gauges died with it."""
        before = read_snapshot(self._path)
        if before is not None:
            self.counts.update(before.counts)
            for saved in before.histograms:
                bounds = FAMILIES[saved.key[0]].bounds
                self._histograms[saved.key] = Histogram(bounds, saved.counts, saved.sum)
