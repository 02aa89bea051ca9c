"""Results of checks for tests of what people see of them: quiet, unknown, and with two incidents."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from jomon.core.checks import CheckResult
from jomon.core.findings import Cause, Finding, Signal, Span
from jomon.core.incidents import Event, Incident, Trouble
from jomon.core.segments import Segment

ZONE = "America/New_York"
EWR, DL, ROOT = Segment.parse("origin=EWR"), Segment.parse("carrier=DL"), Segment()


def day(text: str) -> Span:
    """A local day in New York."""
    start = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE))
    at = int(start.timestamp() * 1_000_000)
    return Span(at, at + 86_400_000_000)


WINDOW = day("2013-11-06")


def finding(segment: Segment = EWR, kind: str = "drift", column: str = "distance", **more: Any) -> Finding:
    """A finding over three bins."""
    given: dict[str, Any] = {
        "window": WINDOW, "segment": segment, "kind": kind, "column": column, "statistic": 80.0, "surprise": 7.5,
        "p": 1 / 115, "effect": 0.24, "effect_low": 0.16, "effect_high": 0.33, "direction": 0, "rows": 344,
        "expected_rows": 344.0, "severity": "high", "labels": ("below 266", "266 to 502", "502 and more", "missing"),
        "observed": (1.0, 40.0, 303.0, 0.0), "expected": (30.7, 140.0, 173.3, 0.0),
    }  # fmt: skip
    return Finding(**(given | more))


def trouble(findings: tuple[Finding, ...], cause: Cause, **more: Any) -> Trouble:
    """What one check saw of a cause."""
    given: dict[str, Any] = {
        "window": WINDOW, "parts": tuple(dict.fromkeys(one.segment for one in findings)),
        "columns": tuple(dict.fromkeys(one.column for one in findings)), "findings": findings, "cause": cause,
        "members": 15, "rows": 344, "severity": findings[0].severity,
    }  # fmt: skip
    return Trouble(**(given | more))


UNIT = Cause("unit_changed", "distance is multiplied by 1.609 in origin=EWR.", 0.97, {"factor": 1.609})
FLIP = Cause(
    "labels_flipped", "Outcomes of carrier=DL are reversed.", 0.88, {"slope": -0.93, "next_best": None}
)


def two_troubles() -> tuple[Trouble, Trouble]:
    """A changed unit, and reversed outcomes."""
    flipped = finding(
        DL, "calibration", "", labels=("all",), observed=(133.0,), expected=(19.2,), severity="low", direction=1,
        p=0.026, surprise=5.4,
    )  # fmt: skip
    return (
        trouble((finding(),), UNIT, loss=31.4, loss_low=22.1, loss_high=41.0),
        trouble((flipped,), FLIP, members=3, rows=135, loss_reason="outcomes are still due"),
    )


def incident(seen: Trouble, number: int = 7, **more: Any) -> Incident:
    """An incident that ends in `seen`."""
    opened = Event(WINDOW.end, "opened", "jomon monitor")
    given: dict[str, Any] = {
        "name": f"flights-{number}", "fleet": "flights", "state": "open", "since": WINDOW.start,
        "until": WINDOW.end, "windows": 1, "rows": seen.rows, "last": seen, "events": (opened,),
    }  # fmt: skip
    return Incident(**(given | more))


def signal(segment: Segment = ROOT, kind: str = "drift", status: str = "quiet", **more: Any) -> Signal:
    """A signal; an unknown one has no value."""
    known = status != "unknown"
    given: dict[str, Any] = {
        "window": WINDOW, "segment": segment, "kind": kind, "column": "distance", "value": 0.04 if known else None,
        "low": 0.0 if known else None, "high": 0.09 if known else None, "unit": "of rows", "rows": 975 if known else 0,
        "reference": "62 earlier days", "source": "profiles/flights", "status": status,
        "reason": "" if known else "no rows in this window",
    }  # fmt: skip
    return Signal(**(given | more))


def check(status: str = "quiet", **more: Any) -> CheckResult:
    """A check of one day: `quiet`, `findings` (two incidents) or `unknown`."""
    given: dict[str, Any] = {
        "fleet": "flights", "window": WINDOW, "status": status, "reason": "", "rows": 975, "labelled": 973,
        "level": 0.05, "p": 0.757, "surprise": 2.8, "critical": 4.65, "tests": 4343, "unknown_tests": 120,
        "history": 114, "matched": "114 earlier days", "seconds": {"profile": 0.21},
        "signals": (signal(), signal(EWR, status="unknown"), signal(kind="realised", status="unknown")),
    }  # fmt: skip
    if status == "findings":
        troubles = two_troubles()
        given |= {
            "p": 1 / 115, "surprise": 7.5, "troubles": troubles,
            "findings": tuple(one for each in troubles for one in each.findings),
            "incidents": tuple(incident(one, 7 + at) for at, one in enumerate(troubles)),
        }  # fmt: skip
    if status == "unknown":
        given |= {
            "p": None, "surprise": None, "critical": math.inf, "tests": 0, "unknown_tests": 4463, "history": 11,
            "reason": "only 11 earlier days are recorded", "signals": (signal(status="unknown"),),
        }  # fmt: skip
    return CheckResult(**(given | more))
