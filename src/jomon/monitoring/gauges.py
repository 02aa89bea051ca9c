"""Gauges of the last check of a fleet, in Prometheus' text format: a file that is scraped, written as a whole.

The file suits the textfile collector of Prometheus' node exporter, and `jomon serve` shows it with its own metrics.
What is unknown has no sample: an alert on `absent()` sees it, and no alert takes it for a zero.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from jomon.core.checks import CheckResult
from jomon.core.findings import Severity
from jomon.core.gauges_file import PREFIX
from jomon.core.incidents import Incident

STATUSES = ("quiet", "findings", "unknown")
Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Gauge:
    """One metric with its help and its samples by labels; a value None is left out."""

    name: str
    help: str
    samples: Mapping[Labels, float | None]


def write_gauges(path: Path, result: CheckResult, incidents: Iterable[Incident], checked_at: int) -> Path:
    """Write the gauges of a check to `path` (`core.gauges_file` says which) and give it; nobody sees half of it.

    `incidents`: those of the fleet that are known, closed ones too; `checked_at`: when it was checked, in microseconds
    since 1970-01-01 UTC. Raises OSError where the disk refuses: the file before it stays then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}.new")  # no name that a collector reads
    try:
        new.write_text(gauges_text(gauges(result, incidents, checked_at)), encoding="utf-8")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return path


def gauges(result: CheckResult, incidents: Iterable[Incident], checked_at: int) -> list[Gauge]:
    """The gauges of a check."""
    fleet: Labels = (("fleet", result.fleet),)
    known = [one for one in incidents if one.state != "closed"]
    by_severity = Counter(one.severity for one in known)
    found = Counter(one.severity for one in result.findings)
    severities = get_args(Severity)

    def one(name: str, text: str, value: float | None) -> Gauge:
        return Gauge(PREFIX + name, text, {fleet: value})

    return [
        Gauge(
            f"{PREFIX}open_incidents",
            "Incidents that are not closed, by severity.",
            {(*fleet, ("severity", severity)): float(by_severity[severity]) for severity in severities},
        ),
        one(
            "unacknowledged_incidents",
            "Incidents that nobody has taken on.",
            float(sum(one.state == "open" for one in known)),
        ),
        Gauge(
            f"{PREFIX}status",
            "1 for the status of the last check, 0 for the others; unknown is not quiet.",
            {(*fleet, ("status", status)): float(status == result.status) for status in STATUSES},
        ),
        Gauge(
            f"{PREFIX}findings",
            "Findings of the last check, by severity.",
            {(*fleet, ("severity", severity)): float(found[severity]) for severity in severities},
        ),
        one("window_start_timestamp_seconds", "Start of the last window checked.", result.window.start / 1e6),
        one("window_end_timestamp_seconds", "End of the last window checked.", result.window.end / 1e6),
        one("checked_timestamp_seconds", "When the last check was made.", checked_at / 1e6),
        one("check_seconds", "Seconds that the last check took.", sum(result.seconds.values())),
        one("window_rows", "Rows of the last window.", float(result.rows)),
        one(
            "window_labelled_rows", "Rows of the last window whose outcome is known.", float(result.labelled)
        ),
        one(
            "p",
            "How often a quiet check is as surprising as the last one; none where it is unknown.",
            result.p,
        ),
        one("surprise", "The largest surprise of the last check.", result.surprise),
        one("critical_surprise", "The surprise from which on a test is found.", result.critical),
        one("level", "The share of quiet checks that may raise anything.", result.level),
        one("tests", "Tests that the last check judged.", float(result.tests)),
        one("unknown_tests", "Tests that the last check could not judge.", float(result.unknown_tests)),
        one("history_windows", "Earlier windows by which the last one was judged.", float(result.history)),
    ]


def gauges_text(metrics: Iterable[Gauge]) -> str:
    """Metrics in Prometheus' text format, those without any sample left out.

    >>> print(gauges_text([Gauge("a", "So many.", {(("b", 'c"d'),): 2.0})]), end="")
    # HELP a So many.
    # TYPE a gauge
    a{b="c\\"d"} 2.0
    """
    lines = []
    for metric in metrics:
        known = {
            labels: value
            for labels, value in metric.samples.items()
            if value is not None and math.isfinite(value)
        }
        if known:
            lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} gauge"]
        for labels, value in known.items():
            told = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels)
            lines.append(f"{metric.name}{{{told}}} {value!r}")
    return "".join(f"{line}\n" for line in lines)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
