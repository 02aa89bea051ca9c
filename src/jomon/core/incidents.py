"""Incidents: the findings that one cause explains, from the day they open to the day a person closes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from jomon.core.findings import Cause, Finding, Severity, Span
from jomon.core.segments import Segment

IncidentState = Literal["open", "acknowledged", "closed"]
Act = Literal["opened", "grew", "acknowledged", "closed", "reopened", "noted"]


@dataclass(frozen=True)
class Trouble:
    """What one check saw of one cause: the smallest set of segments and columns that covers its findings.

    `parts` are the segments (disjoint or nested in nothing else of the set), `columns` the recorded columns or score,
    `members` how many members of the fleet lie within, `rows` how many rows of the window, `loss` what it costs in the
    unit of the fleet's loss (summed over the window's rows; None: unknown, `loss_reason` says why).
    """

    window: Span
    parts: tuple[Segment, ...]
    columns: tuple[str, ...]
    findings: tuple[Finding, ...]
    cause: Cause
    members: int
    rows: int
    severity: Severity
    loss: float | None = None
    loss_low: float | None = None
    loss_high: float | None = None
    loss_reason: str = ""


@dataclass(frozen=True)
class Event:
    """Something that happened to an incident: when (microseconds UTC), what, who (`jomon monitor` or a person), and a
    note in words."""

    at: int
    act: Act
    who: str
    note: str = ""


@dataclass(frozen=True)
class Incident:
    """One cause over time. `name` is short and stays (`flights-7`); `since` and `until` bound the windows in which it
    was seen; `troubles` is the number of them; the last one is kept whole."""

    name: str
    fleet: str
    state: IncidentState
    since: int
    until: int
    windows: int
    rows: int
    last: Trouble
    events: tuple[Event, ...] = ()
    owner: str = ""

    @property
    def severity(self) -> Severity:
        """That of its last window."""
        return self.last.severity


def incident_document(incident: Incident) -> dict[str, Any]:
    """The JSON of an incident: `jomon incidents show --json`, and what a webhook gets."""
    last = incident.last
    return {
        "name": incident.name,
        "fleet": incident.fleet,
        "state": incident.state,
        "severity": incident.severity,
        "since": incident.since,
        "until": incident.until,
        "windows": incident.windows,
        "rows": incident.rows,
        "segments": [segment.text for segment in last.parts],
        "columns": list(last.columns),
        "cause": {
            "kind": last.cause.kind,
            "sentence": last.cause.sentence,
            "confidence": last.cause.confidence,
            "evidence": last.cause.evidence,
        },
        "members": last.members,
        "loss": last.loss,
        "loss_low": last.loss_low,
        "loss_high": last.loss_high,
        "loss_reason": last.loss_reason,
        "findings": [finding_document(finding) for finding in last.findings],
        "events": [vars(event) for event in incident.events],
        "owner": incident.owner,
    }


def finding_document(finding: Finding) -> dict[str, Any]:
    """The JSON of a finding."""
    return {
        **vars(finding),
        "window": vars(finding.window),
        "segment": finding.segment.text,
        "labels": list(finding.labels),
        "observed": list(finding.observed),
        "expected": list(finding.expected),
    }
