"""Every metric that a server has, in one table: its name, labels, help, and how the workers' values add up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Rule = Literal["sum", "max", "min", "worker"]
SECONDS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
"""Upper ends of the buckets of a latency."""
ROWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0, 16384.0)
"""Upper ends of the buckets of a number of rows."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: counters and histograms are summed over the workers, gauges follow `rule`.

    `worker` gives each worker's value its own sample, with the further label `worker`. `bounds` are the upper ends
    of a histogram's buckets.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str
    rule: Rule = "sum"
    bounds: tuple[float, ...] = ()


def _counter(name: str, labels: str, text: str) -> Family:
    return Family(name, "counter", tuple(labels.split()), text)


def _gauge(name: str, labels: str, rule: Rule, text: str) -> Family:
    return Family(name, "gauge", tuple(labels.split()), text, rule)


def _histogram(name: str, labels: str, bounds: tuple[float, ...], text: str) -> Family:
    return Family(name, "histogram", tuple(labels.split()), text, bounds=bounds)


_TABLE = (
    _counter("jomon_requests_total", "route method status", "Requests answered or refused."),
    _histogram(
        "jomon_request_seconds", "route", SECONDS,
        "Seconds from the head of a request to its answer, the reading of its body included.",
    ),
    _gauge("jomon_in_flight", "", "sum", "Requests being handled."),
    _counter("jomon_rows_total", "fleet", "Rows answered."),
    _counter(
        "jomon_answers_total", "fleet level",
        "Rows answered, by the finest level whose member took part; (all) is the root.",
    ),
    _counter(
        "jomon_fallbacks_total", "fleet level",
        "Rows with a segment at the level that has no member, so that what comes before answered.",
    ),
    _counter("jomon_refused_total", "fleet reason", "Requests refused, by reason; no fleet where none was named."),
    _gauge("jomon_queue_rows", "fleet", "sum", "Rows waiting to be answered."),
    _counter("jomon_batches_total", "fleet", "Calls of the engine."),
    _histogram("jomon_batch_rows", "fleet", ROWS, "Rows in one call of the engine."),
    _counter(
        "jomon_lookup_missing_total", "fleet lookup why",
        "Rows for which a lookup had no value: no row for the key, or one that is too old.",
    ),
    _gauge("jomon_lookup_age_seconds", "fleet lookup", "max", "Age of the newest row of a lookup's served copy."),
    _counter("jomon_outcomes_total", "fleet", "Outcomes accepted."),
    _gauge("jomon_image_info", "fleet reference image", "max", "1 for each image that answers."),
    _gauge("jomon_members", "fleet", "max", "Members of the image that answers."),
    _gauge("jomon_member_bytes", "fleet", "max", "Bytes of packs per member, shared by the workers."),
    _counter("jomon_image_swaps_total", "fleet", "Times a worker went over to a new image."),
    _gauge(
        "jomon_images_draining", "fleet", "sum",
        "Images that were replaced and are still held, by requests in flight or lookups being read.",
    ),
    _counter("jomon_image_refused_total", "fleet", "Times a worker kept its image because the new one was refused."),
    _counter("jomon_journal_bytes_total", "fleet", "Bytes written to the prediction log."),
    _counter("jomon_journal_syncs_total", "fleet", "Times the prediction log was put on the disk."),
    _counter("jomon_journal_failures_total", "fleet", "Times the prediction log took no more, or was not put on disk."),
    _counter("jomon_unsampled_total", "fleet", "Rows answered and, as declared, not recorded."),
    _counter("jomon_access_log_dropped_total", "", "Lines of the access log that could not be written."),
    _gauge("jomon_ready", "", "min", "1 where every worker would answer."),
    _counter("jomon_worker_starts_total", "", "Workers started, those that replaced a dead one included."),
    _gauge("jomon_unreadable_snapshots", "", "sum", "Workers whose counts could not be read for this page."),
    _gauge("process_resident_memory_bytes", "", "worker", "Resident memory, packs shared with other workers included."),
)  # fmt: skip
FAMILIES: dict[str, Family] = {family.name: family for family in _TABLE}
"""The table, by name."""
