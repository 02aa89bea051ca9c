"""What a report of a check is told beside the check's result: facts of the fleet, and what each segment showed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from jomon.core.segments import Segment
from jomon.core.spec import ProjectSpec
from jomon.core.spec_monitor import PracticalSpec
from jomon.monitoring.cells import Level
from jomon.monitoring.family import Family
from jomon.monitoring.judging import Judged, Past, Statistics

Test = tuple[Segment, str, str]
"""A test: its segment, kind and column."""
MOST_RECENT = 60
"""Windows of one test that are drawn."""


@dataclass(frozen=True)
class SegmentSeen:
    """What a check saw of one segment: its rows in the window and the largest surprise of its `tests` judged ones, with
    the `kind` and `column` of that test. `surprise` None: nothing was judged, `reason` says why."""

    segment: Segment
    rows: int
    surprise: float | None
    tests: int = 0
    kind: str = ""
    column: str = ""
    reason: str = ""


@dataclass(frozen=True)
class CheckFacts:
    """Facts of a fleet that a report names.

    `zone`: whose clock dates are of; `target`: the kind of its target (`binary`, `regression`, `count`), which says
    what its loss is; `peaks`: the largest surprise of each earlier window; `unknown`: tests that could not be judged by
    reason, where that is known; `image`: the digest of the image that answered; `recent`: how large the test of a
    finding was in earlier windows, in their order, and last in this one (None: not known), see `recent_sizes`.
    """

    question: str = ""
    zone: str = "UTC"
    target: str = "binary"
    peaks: tuple[float, ...] = ()
    unknown: Mapping[str, int] = field(default_factory=dict)
    image: str = ""
    recent: Mapping[Test, Sequence[float | None]] = field(default_factory=dict)
    min_rows: int = 10
    practical: PracticalSpec = field(default_factory=PracticalSpec)

    @classmethod
    def of(
        cls,
        spec: ProjectSpec,
        peaks: Sequence[float] = (),
        unknown: Mapping[str, int] | None = None,
        image: str = "",
        recent: Mapping[Test, Sequence[float | None]] | None = None,
    ) -> CheckFacts:
        """Those of a project file."""
        monitor = spec.monitor
        return cls(
            spec.question,
            spec.data.zone,
            spec.data.target.kind,
            tuple(float(peak) for peak in peaks),
            dict(unknown or {}),
            image,
            dict(recent or {}),
            monitor.min_rows,
            monitor.practical,
        )


def recent_sizes(now: Statistics, past: Past, key: Family, segment: int) -> tuple[float | None, ...]:
    """The roots of a test's statistic in the last earlier windows, and last in this one; None where it is unknown."""
    way = past.ways[key]
    before = past.families[key][-(MOST_RECENT - 1) :, way, segment]
    roots = np.sqrt(np.append(before, now[key][way, segment]))
    return tuple(None if np.isnan(root) else float(root) for root in roots)


def seen_segments(
    levels: Sequence[Level], columns: Sequence[str], rows: Sequence[Sequence[float]], judged: Judged
) -> tuple[SegmentSeen, ...]:
    """What a check saw of every segment with rows or history, level by level.

    `columns`: the names of the columns by number; `rows`: those of the window by level and segment.
    """
    found = []
    for number, level in enumerate(levels):
        keys = [key for key in judged.places if key.level == number]
        size = len(level.segments)
        surprise = np.stack([judged.surprise(key) for key in keys]) if keys else np.full((1, size), np.nan)
        for at, segment in enumerate(level.segments):
            found.append(_seen(segment, int(rows[number][at]), surprise[:, at], keys, columns))
    return tuple(found)


def _seen(
    segment: Segment, rows: int, surprise: np.ndarray, keys: Sequence[Family], columns: Sequence[str]
) -> SegmentSeen:
    known = ~np.isnan(surprise)
    if not known.any():
        reason = "no rows in this window" if not rows else "too few rows or no history"
        return SegmentSeen(segment, rows, None, reason=reason)
    best = int(np.nanargmax(surprise))
    return SegmentSeen(
        segment,
        rows,
        float(surprise[best]),
        int(known.sum()),
        keys[best].kind,
        columns[keys[best].column],
    )
