"""Ranking: of all causes that may explain a place, the one under which its rows are most probable."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from jomon.core.findings import Cause, CauseKind, Finding
from jomon.monitoring.causes.backgrounds import (
    CategoryBackground,
    NumberBackground,
    category_background,
    number_background,
)
from jomon.monitoring.causes.candidate import Candidate
from jomon.monitoring.causes.categories import renamed_category, unseen_category
from jomon.monitoring.causes.clocks import changed_day, time_zone
from jomon.monitoring.causes.distribution import changed_bins, changed_categories, changed_numbers, gradual
from jomon.monitoring.causes.events import special_event
from jomon.monitoring.causes.evidence import MARGIN, OUTCOME_KINDS, Evidence
from jomon.monitoring.causes.members import defective
from jomon.monitoring.causes.nulls import nulls
from jomon.monitoring.causes.numbers import changed_unit, shifted, warmer_day
from jomon.monitoring.causes.outcomes import Outcomes, changed_behaviour, labels_flipped
from jomon.monitoring.causes.row_counts import duplicated_rows, missing_rows, volume_finding
from jomon.monitoring.causes.stuck import stuck
from jomon.monitoring.causes.swapped import swapped

ORDINARY: frozenset[CauseKind] = frozenset(
    {"changed_distribution", "changed_behaviour", "missing_rows", "special_event", "gradual_drift"}
)
RARE = 3.0
"""Nats by which something broken is less likely beforehand than a change of the world."""
RARE_LABELS = 0.5
"""The same of flipped labels, where the change of behaviour that does the same is itself a large one."""
LEAST_RAMP = 2.0
LEAD_SCALE = 4.0
"""Nats of lead at which a cause is e times as likely as the next: rows of a window are not independent, so a nat of
theirs is worth a quarter of one."""
GROWS: frozenset[CauseKind] = frozenset({"changed_distribution", "shifted", "changed_behaviour"})


def cause_of(evidence: Evidence) -> Cause:
    """Why a place stands out: the candidate that gains most log likelihood over "nothing changed", net of its price.

    Candidates are those that the findings allow: of columns of features what happens to values, of the number of rows
    missing and repeated ones, of outcomes flipped labels and changed behaviour, of answers defects of members and
    releases. What is broken must be `RARE` nats ahead of what the world may do. Where nothing is ahead of "nothing
    changed", the cause is a changed distribution with no confidence.
    """
    return chosen(candidates(evidence))


def chosen(found: Iterable[Candidate]) -> Cause:
    """The best of the candidates, with confidence by its lead over the best of another kind."""
    ranked = sorted(found, key=lambda one: -net(one))
    if not ranked:
        return Cause("changed_distribution", "Something differs from before; the rows do not tell what.", 0.0)
    best = ranked[0]
    if net(best) <= 0:  # no cause is ahead of "nothing changed"
        best = next((one for one in ranked if one.kind == "changed_distribution"), best)
    second = next((one for one in ranked if one.kind != best.kind), None)
    lead = net(best) - max(net(second) if second else 0.0, 0.0)
    confidence = float(1 / (1 + np.exp(-lead / LEAD_SCALE))) if net(best) > 0 else 0.0
    numbers = {
        **best.evidence,
        "nats": float(net(best)),
        "columns": list(best.columns),
        "next": {"kind": second.kind, "nats": float(net(second)), "sentence": second.sentence}
        if second
        else None,
    }
    return Cause(best.kind, best.sentence, confidence, numbers)


def net(candidate: Candidate) -> float:
    """Score of a candidate, less `RARE` for what is broken."""
    if candidate.kind in ORDINARY:
        return candidate.score
    return candidate.score - (RARE_LABELS if candidate.kind == "labels_flipped" else RARE)


def candidates(evidence: Evidence) -> list[Candidate]:
    """Everything that the findings allow, in no order."""
    inputs = _inputs(evidence)
    found = list(inputs)
    facets: dict[str, Candidate] = {}
    _keep(facets, "inputs", (c for c in inputs if c.kind == "changed_distribution"))
    if volume_finding(evidence) is not None or evidence.kinds & {"duplicates", "clock"}:
        rows = _some(missing_rows(evidence), duplicated_rows(evidence), time_zone(evidence))
        _keep(facets, "volume", (c for c in rows if c.kind == "missing_rows"))
        found += rows
    if "clock" in evidence.kinds:
        found += _some(changed_day(evidence))
    if evidence.about_outcomes:
        outcomes = Outcomes.of(evidence)
        if outcomes is not None:
            own = _some(labels_flipped(outcomes), changed_behaviour(evidence, outcomes))
            _keep(facets, "outcomes", (c for c in own if c.kind == "changed_behaviour"))
            found += own
    broken = any(net(c) > 0 for c in inputs if c.kind not in ORDINARY)
    if (evidence.about_scores or evidence.about_outcomes) and (evidence.rescore is not None or not broken):
        found += _some(defective(evidence))
    if evidence.about_scores and not inputs:
        own = [_about_scores(c) for c in map(changed_bins, _score_findings(evidence)) if c is not None]
        _keep(facets, "score", own)
        found += own
    found += _some(special_event(evidence, facets))
    if not found:
        found = _some(*(changed_bins(f) for f in evidence.findings if f.kind not in OUTCOME_KINDS))
    return found + _gradual(evidence, found)


def _inputs(evidence: Evidence) -> list[Candidate]:
    if not evidence.rows.height or not evidence.reference.height:
        return []
    found: list[Candidate] = []
    every: dict[str, NumberBackground | CategoryBackground | None] = {}

    def background(column: str) -> NumberBackground | CategoryBackground | None:
        if column not in every:
            number = column in evidence.numbers
            every[column] = (number_background if number else category_background)(evidence, column)
        return every[column]

    for column in evidence.columns:
        kinds = {f.kind for f in evidence.findings if f.column == column}
        if not kinds - set(OUTCOME_KINDS):
            continue  # outcomes lean on it otherwise; the column itself is as it was
        found += _some(nulls(evidence, column))
        own = background(column) if kinds - {"nulls"} else None
        if own is None:
            continue
        found += _some(stuck(evidence, own))
        if isinstance(own, NumberBackground):
            shift = shifted(own)
            found += _some(changed_unit(own), shift, changed_numbers(own), shift and warmer_day(own, shift))
            others = [background(c) for c in evidence.numbers]
        else:
            found += _some(
                unseen_category(evidence, own), renamed_category(evidence, own), changed_categories(own)
            )
            others = [background(c) for c in evidence.categories]
        found += _some(swapped(own, [other for other in others if other is not None], evidence.columns))
    return _jointly(found)


def _jointly(found: list[Candidate]) -> list[Candidate]:
    """Each cause with what an ordinary change gains on the columns that it does not speak of."""
    world: dict[str, float] = {}
    for c in found:
        if c.kind == "changed_distribution":
            world[c.columns[0]] = max(c.score, world.get(c.columns[0], 0.0))
    return [
        replace(c, gain=c.gain + sum(more for column, more in world.items() if column not in c.columns))
        for c in found
    ]


def _gradual(evidence: Evidence, found: list[Candidate]) -> list[Candidate]:
    ramp = gradual(evidence)
    grows = [c for c in found if c.kind in GROWS and c.score > 0]
    if ramp is None or ramp[0] < LEAST_RAMP or not grows:
        return []
    lead, windows = ramp
    best = max(grows, key=lambda c: c.score)
    column = best.columns[0] if best.columns else "behaviour"
    return [
        Candidate(
            "gradual_drift",
            best.columns,
            best.gain + lead,
            best.price,
            f"{column} has been drifting for {windows} windows, a little more in each: {best.sentence}",
            {**best.evidence, "windows": windows, "ramp_nats": lead, "sizes": list(evidence.history.sizes)},
        )
    ]


def _score_findings(evidence: Evidence) -> list[Finding]:
    return [f for f in evidence.findings if f.kind == "score" or f.column in ("score", MARGIN, "answer")]


def _about_scores(candidate: Candidate) -> Candidate:
    return replace(candidate, evidence={**candidate.evidence, "of": "the answers"})


def _keep(facets: dict[str, Candidate], name: str, found: Iterable[Candidate]) -> None:
    best = max(found, key=lambda c: c.score, default=None)
    if best is not None:
        facets[name] = best


def _some(*found: Candidate | None) -> list[Candidate]:
    return [one for one in found if one is not None]
