"""Findings: what a check of a window says, with value, interval, rows and reference."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from jomon.core.segments import Segment

SignalKind = Literal[
    "schema", "nulls", "ranges", "unseen", "constant", "duplicates", "volume", "freshness", "clock",
    "drift", "shift", "score", "estimated", "realised", "calibration", "behaviour", "discrimination", "fairness",
]  # fmt: skip
Severity = Literal["low", "medium", "high"]


@dataclass(frozen=True)
class Span:
    """A span of time: microseconds since 1970-01-01 UTC, `end` excluded."""

    start: int
    end: int


@dataclass(frozen=True)
class Signal:
    """One number of one segment and window, whether or not it stands out.

    `value` with `low` and `high` in `unit`; `rows` it was computed from; `reference`: what it is compared with, in
    words; `source`: the table it comes from. What cannot be had has no value and a `reason`; its status is `unknown`,
    else `finding` or `quiet`.
    """

    window: Span
    segment: Segment
    kind: SignalKind
    column: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    rows: int
    reference: str
    source: str
    status: Literal["quiet", "finding", "unknown"]
    reason: str = ""


@dataclass(frozen=True)
class Finding:
    """A test result that survives false-discovery control and has a practical size.

    `statistic` and `surprise` (-log10 of a pooled p value) say how far it is from quiet windows, `p` how often a quiet
    check has anything as surprising, `effect` its size in the unit of its kind (see `PracticalSpec`) with an interval;
    `observed` and `expected` are rows per bin, `labels` the bins in words. `direction` is +1 for more, later or higher,
    -1 for less, 0 where that has no meaning.
    """

    window: Span
    segment: Segment
    kind: SignalKind
    column: str
    statistic: float
    surprise: float
    p: float
    effect: float
    effect_low: float
    effect_high: float
    direction: int
    rows: int
    expected_rows: float
    severity: Severity
    labels: tuple[str, ...] = ()
    observed: tuple[float, ...] = ()
    expected: tuple[float, ...] = ()


CauseKind = Literal[
    "unit_changed", "shifted", "stuck", "nulls", "renamed_category", "unseen_category", "swapped_columns",
    "duplicated_rows", "missing_rows", "time_zone", "changed_distribution", "gradual_drift", "special_event",
    "labels_flipped", "changed_behaviour", "defective_member", "defective_release",
]  # fmt: skip


@dataclass(frozen=True)
class Cause:
    """Why: a kind, one sentence for people, and the evidence in numbers (JSON values). `confidence` is between 0 and 1:
    how much better the cause explains the rows than the next best one."""

    kind: CauseKind
    sentence: str
    confidence: float
    evidence: dict[str, Any] = field(default_factory=dict)
