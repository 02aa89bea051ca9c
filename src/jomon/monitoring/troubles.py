"""Troubles: the findings that one cause explains, as one.

Places whose causes are the same, with equal parameters, are one trouble. What follows from a cause (answers and
outcomes move where an input broke, the number of rows where they are doubled) belongs to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from jomon.core.findings import Cause, CauseKind, Finding, Severity
from jomon.core.incidents import Trouble
from jomon.core.segments import Segment
from jomon.monitoring.covering import covering, within

INPUTS: frozenset[CauseKind] = frozenset(
    {
        "unit_changed", "shifted", "stuck", "nulls", "renamed_category", "unseen_category", "swapped_columns",
        "gradual_drift",
    }
)  # fmt: skip
OUTCOMES = frozenset(
    {"score", "estimated", "realised", "calibration", "behaviour", "discrimination", "fairness"}
)
EVERYTHING = frozenset(
    {*OUTCOMES, "schema", "nulls", "ranges", "unseen", "constant", "duplicates", "volume", "freshness", "clock",
     "drift", "shift"}
)  # fmt: skip
FOLLOWS: Mapping[CauseKind, frozenset[str]] = {
    **dict.fromkeys(INPUTS, OUTCOMES),
    "changed_distribution": OUTCOMES,
    "duplicated_rows": OUTCOMES | {"volume", "freshness", "drift", "shift", "clock"},
    "missing_rows": OUTCOMES | {"clock", "freshness"},
    "time_zone": EVERYTHING,
    "special_event": EVERYTHING,
    "labels_flipped": OUTCOMES - {"score"},
    "changed_behaviour": OUTCOMES - {"score"},
    "defective_member": OUTCOMES,
    "defective_release": OUTCOMES,
}
"""The kinds of findings that may follow from a cause."""
ORDINARY: frozenset[CauseKind] = frozenset({"changed_distribution", "changed_behaviour", "missing_rows"})
"""Causes that may be the consequence of another."""
SCORES = ("score", "margin", "answer")
FACTORS, CONSTANTS = 0.05, 0.15
"""Factors and constants that differ by no more than this (relative) are the same."""
RANK: Mapping[Severity, int] = {"low": 0, "medium": 1, "high": 2}

Explained = tuple[tuple[Finding, ...], Cause]
"""The findings of one place, and their cause."""


@dataclass
class _Group:
    causes: list[Cause]
    findings: list[Finding]
    own: list[Finding] = field(default_factory=list)

    @property
    def cause(self) -> Cause:
        return max(self.causes, key=lambda cause: cause.confidence)

    @property
    def places(self) -> set[Segment]:
        return {finding.segment for finding in self.own}

    @property
    def surprise(self) -> float:
        return max(finding.surprise for finding in self.own)


def troubles_of(
    explained: Sequence[Explained],
    cells: Mapping[Segment, int],
    levels: Sequence[tuple[str, ...]],
    sources: Mapping[str, str] | None = None,
) -> list[Trouble]:
    """One trouble for each cause, the most surprising first.

    `explained`: the findings of each place and their cause; `cells`: the fleet's finest segments with their rows of the
    window; `levels`: the levels whose segments may be named; `sources`: the lookup of each column that comes from one.
    The parts of a trouble are the cheapest set of segments by description length; those of its finest segments that do
    not show it stand in its evidence as `exceptions`. Losses are left to the caller.
    """
    singles = [_Group([cause], list(findings), list(findings)) for findings, cause in explained if findings]
    broken = _merged([one for one in singles if one.cause.kind not in ORDINARY], sources or {})
    ordinary = [one for one in singles if one.cause.kind in ORDINARY]
    kept = _absorbed([*broken, *ordinary], cells)  # place by place, before what is left is put together
    groups = _absorbed(_merged(kept, sources or {}), cells)
    return [_trouble(group, cells, levels) for group in groups]


def _merged(groups: Sequence[_Group], sources: Mapping[str, str]) -> list[_Group]:
    """Groups of one cause as one."""
    kept: list[_Group] = []
    for group in groups:
        same = next((k for k in kept if _same(k, group, sources)), None)
        if same is None:
            kept.append(group)
        else:
            same.causes += group.causes
            same.findings += group.findings
            same.own += group.own
    return kept


def _same(one: _Group, other: _Group, sources: Mapping[str, str]) -> bool:
    """Whether two groups have one cause."""
    a, b = one.cause, other.cause
    if a.kind != b.kind:
        return False
    if a.kind == "special_event":
        return True
    mine, yours = _columns(one), _columns(other)
    if a.kind in ("nulls", "changed_distribution"):
        together = bool(mine & yours) or (not mine and not yours)
        shared = {sources.get(c) for c in mine} & {sources.get(c) for c in yours} - {None}
        if a.kind == "nulls":
            lookup = a.evidence.get("lookup")
            return (lookup is not None and lookup == b.evidence.get("lookup")) or mine == yours
        alike = _directions(one) == _directions(other)
        return (together and alike) or (bool(shared) and one.places == other.places)
    if a.kind in ("labels_flipped", "duplicated_rows", "defective_release", "defective_member"):
        return True
    if a.kind == "missing_rows":
        return _sign(a.evidence.get("missing_share")) == _sign(b.evidence.get("missing_share"))
    if a.kind == "changed_behaviour":
        if one.places == other.places:
            return True
        return mine == yours and a.evidence.get("direction") == b.evidence.get("direction")
    return mine == yours and _equal(a.evidence, b.evidence)


def _columns(group: _Group) -> frozenset[str]:
    named = group.cause.evidence.get("columns")
    columns = named if named else [f.column for f in group.own if f.column]
    return frozenset(str(column) for column in columns)


def _directions(group: _Group) -> int:
    return _sign(sum(finding.direction for finding in group.own))


def _sign(value: Any) -> int:
    return int(np.sign(float(value or 0.0)))


def _equal(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether the parameters of two causes are the same."""
    if "name" in a and a.get("name") is not None and a.get("name") == b.get("name"):
        return True
    if "factor" in a and "factor" in b:
        return bool(abs(np.log(abs(a["factor"] / b["factor"]))) <= FACTORS)
    if "constant" in a and "constant" in b:
        largest = max(abs(a["constant"]), abs(b["constant"]))
        return bool(abs(a["constant"] - b["constant"]) <= CONSTANTS * largest)
    if "renamed" in a and "renamed" in b:
        pairs = [{(r["old"], r["new"]) for r in e["renamed"]} for e in (a, b)]
        return bool(pairs[0] & pairs[1])
    if "values" in a and "values" in b:
        return bool(set(a["values"]) & set(b["values"]))
    # a column stuck at another value in another place is stuck all the same; zones must agree
    return bool(a.get("hours") == b.get("hours"))


def _absorbed(groups: Sequence[_Group], cells: Mapping[Segment, int]) -> list[_Group]:
    """Groups without those that follow from another one, whose findings go to it."""
    ordered = sorted(groups, key=lambda g: (_rank(g), -g.surprise))
    kept: list[_Group] = []
    for group in ordered:
        host = next((k for k in kept if _follows(group, k, cells)), None)
        if host is None:
            kept.append(group)
        else:
            host.findings += group.findings
    return sorted(kept, key=lambda g: -g.surprise)


def _rank(group: _Group) -> int:
    """Causes of inputs and rows come before those of answers and outcomes, what is broken before what changed."""
    if group.cause.kind in ("time_zone", "special_event"):
        return 0
    if group.cause.kind not in ORDINARY:
        return 1
    return 3 if {f.kind for f in group.own} <= OUTCOMES or _about_scores(group) else 2


def _about_scores(group: _Group) -> bool:
    return all(finding.column in SCORES or finding.kind in OUTCOMES for finding in group.own)


def _follows(group: _Group, host: _Group, cells: Mapping[Segment, int]) -> bool:
    if group.cause.kind not in ORDINARY or not _inside(group, host, cells):
        return False
    allowed = FOLLOWS[host.cause.kind]
    if _about_scores(group):
        return "score" in allowed or not any(f.column in SCORES or f.kind == "score" for f in group.own)
    return all(finding.kind in allowed for finding in group.own)


def _inside(group: _Group, host: _Group, cells: Mapping[Segment, int]) -> bool:
    """Whether the places of a group lie in those of another, or half of their rows do."""
    if all(any(within(place, outer) for outer in host.places) for place in group.places):
        return True
    mine, theirs = _affected(group.places, cells), _affected(host.places, cells)
    rows = sum(cells[cell] for cell in mine)
    return rows > 0 and sum(cells[cell] for cell in mine & theirs) >= rows / 2


def _affected(places: Set[Segment], cells: Mapping[Segment, int]) -> set[Segment]:
    return {cell for cell in cells if any(within(cell, place) for place in places)}


def _trouble(group: _Group, cells: Mapping[Segment, int], levels: Sequence[tuple[str, ...]]) -> Trouble:
    affected = _affected(group.places, cells)
    unknown = {place for place in group.places if not any(within(cell, place) for cell in cells)}
    covered = covering(affected | unknown, list(cells), levels)
    cause = group.cause
    evidence = {**cause.evidence, "places": sorted(place.text for place in group.places)}
    if covered.exceptions:
        evidence["exceptions"] = [segment.text for segment in covered.exceptions]
    columns = sorted({f.column for f in group.own if f.column} | {c for c in _columns(group) if c})
    inside = _affected(set(covered.parts), cells)
    return Trouble(
        window=group.own[0].window,
        parts=covered.parts,
        columns=tuple(columns),
        findings=tuple(sorted(group.findings, key=lambda finding: -finding.surprise)),
        cause=replace(cause, evidence=evidence),
        members=len(inside),
        rows=sum(cells[cell] for cell in inside),
        severity=max((f.severity for f in group.findings), key=lambda severity: RANK[severity]),
    )
