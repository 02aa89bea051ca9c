"""What one fleet did in one worker, counted in plain integers and handed to the metrics a few times a second."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jomon.serving.batcher import Waiting
    from jomon.serving.metrics import Metrics

Key = tuple[str, tuple[str, ...]]


class Tally:
    """Counts of one fleet since the last flush."""

    def __init__(self, fleet: str) -> None:
        self.fleet = fleet
        self._taken: dict[tuple[tuple[str, ...], Any], int] = defaultdict(int)
        self._counts: dict[Key, float] = defaultdict(float)
        self._batches: list[int] = []

    def answered(self, batch: Sequence[Waiting]) -> None:
        """Requests were answered: their rows count by the level that answered, and the ones it stood in for."""
        taken = self._taken
        for waiting in batch:
            levels = waiting.image.levels
            for row in waiting.rows:
                taken[levels, row.variant.tally] += 1

    def batch(self, rows: int) -> None:
        """The engine was called with so many rows."""
        self._batches.append(rows)

    def add(self, name: str, *labels: str, n: float = 1) -> None:
        """Count `n` more of `name` for this fleet (and further labels)."""
        self._counts[name, (self.fleet, *labels)] += n

    def lookup_missed(self, lookup: str, why: str) -> None:
        """A lookup had nothing for a row."""
        self.add("jomon_lookup_missing_total", lookup, why)

    def unsampled(self, rows: int) -> None:
        """Rows were answered and, as declared, not recorded."""
        self.add("jomon_unsampled_total", n=rows)

    def journal_failed(self) -> None:
        """The journal took no more."""
        self.add("jomon_journal_failures_total")

    def flush(self, metrics: Metrics) -> None:
        """Hand everything over and begin anew."""
        counts = metrics.counts
        taken, self._taken = self._taken, defaultdict(int)
        rows = 0
        for (levels, (level, without)), n in taken.items():
            rows += n
            counts["jomon_answers_total", (self.fleet, levels[level])] += n
            for stage in without:
                counts["jomon_fallbacks_total", (self.fleet, levels[stage])] += n
        if rows:
            counts["jomon_rows_total", (self.fleet,)] += rows
        collected, self._counts = self._counts, defaultdict(float)
        for key, more in collected.items():
            counts[key] += more
        batches, self._batches = self._batches, []
        for size in batches:
            metrics.observe(("jomon_batch_rows", (self.fleet,)), size)
        if batches:
            counts["jomon_batches_total", (self.fleet,)] += len(batches)
