"""Checks: what `jomon monitor` says of one window of a fleet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jomon.core.findings import Finding, Signal, Span
from jomon.core.incidents import Incident, Trouble


@dataclass(frozen=True)
class CheckResult:
    """One window checked.

    `status` is `quiet`, `findings` or `unknown` (nothing could be judged; `reason` says why in one sentence). `level`:
    the share of quiet checks that may raise anything; `p`: how often a quiet check is as surprising (None: unknown);
    `surprise` and `critical`: the largest surprise and that from which on a test is found. `tests` were judged,
    `unknown_tests` had too few rows or no history. `history`: earlier windows that judged; `matched`: which ones, in
    words (`"62 earlier days, the same season"`). `notes`: what a person should know (a season that is new, rows of an
    unknown image, a clock that runs ahead, gaps), one sentence each. `signals` are kept for every segment with rows;
    `troubles` are the findings by cause; `incidents` what became of them in the ledger. `seconds` by phase.
    """

    fleet: str
    window: Span
    status: str
    reason: str
    rows: int
    labelled: int
    level: float
    p: float | None
    surprise: float | None
    critical: float | None
    tests: int
    unknown_tests: int
    history: int
    matched: str
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    signals: tuple[Signal, ...] = ()
    incidents: tuple[Incident, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The JSON of `jomon monitor --json`: one such object a window, signals by count only."""
        from jomon.core.incidents import finding_document, incident_document

        plain = {
            name: value
            for name, value in vars(self).items()
            if name not in ("window", "findings", "troubles", "signals", "incidents", "notes")
        }
        return {
            **plain,
            "start": self.window.start,
            "end": self.window.end,
            "notes": list(self.notes),
            "findings": [finding_document(finding) for finding in self.findings],
            "incidents": [incident_document(incident) for incident in self.incidents],
            "signals": len(self.signals),
        }
