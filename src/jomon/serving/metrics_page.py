"""The page for Prometheus: all workers' snapshots as one text."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from jomon.core.gauges_file import PREFIX
from jomon.serving.metric_families import FAMILIES, Family
from jomon.serving.metric_snapshots import BEAT_SECONDS, SUFFIX, Snapshot, read_snapshot

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
STALE_SECONDS = 3 * BEAT_SECONDS
"""Gauges of a worker that wrote nothing for so long are left out: it was killed, and what it held is no more."""
_FOLD: dict[str, Callable[[float, float], float]] = {"sum": lambda a, b: a + b, "max": max, "min": min}


def render(folder: Path | str, checks: Iterable[Path] = ()) -> bytes:
    """The text for `GET /metrics`: counters and histograms summed over the workers, gauges by their rules, and behind
    them the gauges of the fleets' last checks, in the files `checks`.

    A snapshot that cannot be read is left out and counted in `jomon_unreadable_snapshots`.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Fixed([*families(Path(folder)), *checked(checks)]))
    return generate_latest(registry)


class _Fixed(Collector):
    """Gives the metrics that it was made with."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        return iter(self._metrics)


def families(folder: Path) -> Iterator[Metric]:
    """The metrics of all workers of `folder`, in the order of the table; those without a value are left out."""
    read = {path.stem: read_snapshot(path) for path in sorted(folder.glob(f"*{SUFFIX}"))}
    whole = {worker: snapshot for worker, snapshot in read.items() if snapshot is not None}
    oldest = time.monotonic() - STALE_SECONDS
    gauges = _gauges({worker: one for worker, one in whole.items() if one.at >= oldest})
    gauges["jomon_unreadable_snapshots"] = {(): float(len(read) - len(whole))}
    counters, histograms = _counters(whole.values()), _histograms(whole.values())
    for family in FAMILIES.values():
        if family.kind == "histogram" and family.name in histograms:
            yield _histogram(family, histograms[family.name])
        elif family.kind == "counter" and family.name in counters:
            yield _samples(family, counters[family.name])
        elif family.kind == "gauge" and family.name in gauges:
            yield _samples(family, gauges[family.name])


def checked(files: Iterable[Path]) -> list[Metric]:
    """The gauges of checks in `files`, each metric once; a file that is missing or cannot be read says nothing."""
    found: dict[str, Metric] = {}
    for file in files:
        try:
            read = list(text_string_to_metric_families(file.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue
        for metric in read:
            if metric.name.startswith(PREFIX):
                found.setdefault(metric.name, metric)
                if found[metric.name] is not metric:
                    found[metric.name].samples += metric.samples
    return list(found.values())


Values = dict[tuple[str, ...], float]
Buckets = dict[tuple[str, ...], tuple[list[int], float]]


def _counters(snapshots: Iterable[Snapshot]) -> dict[str, Values]:
    out: dict[str, Values] = {}
    for snapshot in snapshots:
        for (name, labels), value in snapshot.counts:
            values = out.setdefault(name, {})
            values[labels] = values.get(labels, 0) + value
    return out


def _histograms(snapshots: Iterable[Snapshot]) -> dict[str, Buckets]:
    out: dict[str, Buckets] = {}
    for snapshot in snapshots:
        for saved in snapshot.histograms:
            name, labels = saved.key
            values = out.setdefault(name, {})
            counts, total = values.get(labels, ([0] * len(saved.counts), 0.0))
            values[labels] = ([a + b for a, b in zip(counts, saved.counts, strict=True)], total + saved.sum)
    return out


def _gauges(snapshots: dict[str, Snapshot]) -> dict[str, Values]:
    out: dict[str, Values] = {}
    for worker, snapshot in snapshots.items():
        for (name, labels), value in snapshot.gauges:
            values, rule = out.setdefault(name, {}), FAMILIES[name].rule
            if rule == "worker":
                values[(*labels, worker)] = value
            else:
                values[labels] = _FOLD[rule](values[labels], value) if labels in values else value
    return out


def _samples(family: Family, values: Values) -> Metric:
    labels = [*family.labels, *(["worker"] if family.rule == "worker" else [])]
    made = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = made(family.name, family.help, labels=labels)
    for key, value in sorted(values.items()):
        metric.add_metric(key, value)
    return metric


def _histogram(family: Family, values: Buckets) -> Metric:
    metric = HistogramMetricFamily(family.name, family.help, labels=family.labels)
    ends = [*(str(bound) for bound in family.bounds), "+Inf"]
    for key, (counts, total) in sorted(values.items()):
        below, buckets = 0, []
        for end, count in zip(ends, counts, strict=True):
            below += count
            buckets.append((end, below))
        metric.add_metric(key, buckets, total)
    return metric
