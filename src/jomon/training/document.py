"""What an image says of itself as JSON: the fleet document (to answer with) and the members document (to
explain with)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jomon.stats.estimate import Estimate
from jomon.training.build import Built
from jomon.training.judge import MemberEvidence, StageEvidence
from jomon.training.stage import Candidate, StageResult

FORMAT = 1


def fleet_document(built: Built, buckets: list[int], gold: str) -> dict[str, Any]:
    """Everything an answer needs but the packs and fast tables; `gold` is the digest of the rows it learned from."""
    return {
        "format": FORMAT,
        "fleet": built.spec.fleet,
        "question": built.spec.question,
        "kind": built.spec.data.target.kind,
        "relation": built.spec.relation,
        "spec": built.spec.canonical(),
        "encoder": built.encoder.canonical(),
        "calendars": built.context.canonical_calendars(built.first_year, built.last_year),
        "edges": list(built.edges),
        "end_day": built.end_day,
        "rows": built.rows,
        "gold": gold,
        "stages": [
            {
                "level": list(stage.spec.level),
                "estimator": stage.spec.estimator,
                "members": len(stage.serving),
                "packs": count,
            }
            for stage, count in zip(built.stages, buckets, strict=True)
        ],
    }


def members_document(built: Built) -> dict[str, Any]:
    """Lineage and evidence of every candidate, by stage."""
    return {"format": FORMAT, "stages": [_stage(stage) for stage in built.stages]}


def _stage(stage: StageResult) -> dict[str, Any]:
    return {
        "level": list(stage.spec.level),
        "estimator": stage.spec.estimator,
        "keep": stage.spec.keep,
        "recipe": dict(stage.recipe) if stage.recipe else None,
        "shrink": stage.stage_shrink,
        "fast": stage.fast.document() if stage.fast else None,
        "fast_path": [p.document() if p else None for p in stage.fast_path],
        "min_rows": stage.spec.min_rows,
        "few": len(stage.few),
        "few_segments": [
            {"segment": [list(i) for i in segment.items], "rows": rows} for segment, rows in stage.few
        ],
        "answered_share": stage.answered_share,
        "evidence": stage_evidence(stage.evidence),
        "members": [_member(c, stage.recipe) for c in sorted(stage.candidates, key=lambda c: c.segment.code)],
    }


def _member(c: Candidate, recipe: Mapping[str, Any] | None) -> dict[str, Any]:
    fit = c.fit
    out: dict[str, Any] = {
        "segment": [list(item) for item in c.segment.items],
        "rows": c.rows,
        "verdict": "failed" if c.failed else c.evidence.verdict,
        "serving": c.serving,
        "difference": c.evidence.difference.to_json(),
    }
    if fit is not None:
        out["key"] = str(fit.key) if fit.key else None
        if fit.lineage:
            out["lineage"] = {
                "rows": str(fit.lineage.rows),
                "margins": str(fit.lineage.margins) if fit.lineage.margins else None,
            }
        if fit.pinned is not None and _plain(fit.pinned.recipe) != _plain(recipe):
            out["recipe"] = dict(fit.pinned.recipe)
        out["shrink"] = c.shrink
        if fit.error:
            out["error"] = fit.error
    return out


def _plain(recipe: Mapping[str, Any] | None) -> Any:
    """A recipe as it reads after JSON, where tuples are lists."""
    return json.loads(json.dumps(recipe))


def stage_evidence(evidence: StageEvidence) -> dict[str, Any]:
    """A stage's verdict as JSON; `read_stage_evidence` is the inverse, members apart."""
    return {
        "verdict": evidence.verdict,
        "reason": evidence.reason,
        "difference": evidence.difference.to_json(),
        "loss": evidence.loss,
        "spread": evidence.spread,
    }


def read_stage_evidence(document: dict[str, Any], members: tuple[MemberEvidence, ...]) -> StageEvidence:
    """The inverse of `stage_evidence`."""
    return StageEvidence(
        document["verdict"],
        document["reason"],
        Estimate.from_json(document["difference"]),
        document["loss"],
        document["spread"],
        members,
    )
