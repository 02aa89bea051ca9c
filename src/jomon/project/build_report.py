"""What a build tells: the digest, what became of every candidate, sizes and seconds."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jomon.oci import media
from jomon.oci.digest import Digest
from jomon.project.opened import OpenProject, day_text

if TYPE_CHECKING:
    from jomon.training.stage import StageResult


@dataclass(frozen=True)
class BuildReport:
    """What a build gave. `members` counts candidates, verdicts, and slow parts trained and cached; `stages` is what the
    summary shows; `cached` says that nothing had to be done at all. `untrusted` are types of objects in the image that
    have to be trusted before it can answer.
    """

    digest: Digest
    names: tuple[str, ...]
    members: Mapping[str, int]
    size_bytes: int
    seconds: Mapping[str, float]
    stages: list[dict[str, Any]] = field(default_factory=list)
    cached: bool = False
    layers: int = 0
    rows: int = 0
    until: str = ""
    failures: list[dict[str, str]] = field(default_factory=list)
    untrusted: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """The JSON of `jomon build --json`."""
        return {
            "digest": str(self.digest),
            "name": self.names[0] if self.names else None,
            "names": list(self.names),
            "members": dict(self.members),
            "size_bytes": self.size_bytes,
            "layers": self.layers,
            "rows": self.rows,
            "until": self.until,
            "seconds": {k: round(v, 4) for k, v in self.seconds.items()},
            "cached": self.cached,
            "stages": self.stages,
            "failures": self.failures,
            "untrusted": list(self.untrusted),
        }


def stage_summary(stage: Any) -> dict[str, Any]:
    """One stage as the summary shows it."""
    evidence = stage.evidence
    return {
        "stage": stage.index,
        "level": list(stage.spec.level),
        "estimator": stage.spec.estimator,
        "candidates": len(stage.candidates),
        "accepted": stage.count("accepted"),
        "rejected": stage.count("rejected"),
        "unknown": stage.count("unknown"),
        "failed": stage.failed,
        "few": len(stage.few),
        "serving": len(stage.serving),
        "slow": sum(c.fit is not None and c.shrink > 0 for c in stage.serving),
        "trained": stage.fits("fitted"),
        "cached": stage.fits("cached"),
        "shrink": stage.stage_shrink,
        "fast": stage.fast.document() if stage.fast else None,
        "answered_share": stage.answered_share,
        "verdict": evidence.verdict,
        "reason": evidence.reason,
        "brought": evidence.difference.to_json(),
        "seconds": {k: round(v, 4) for k, v in stage.seconds.items()},
        "corrupt": stage.corrupt,
    }


def count_members(stages: list[dict[str, Any]]) -> dict[str, int]:
    """Members over all stages, by what became of them."""
    names = ("candidates", "accepted", "rejected", "unknown", "failed", "trained", "cached", "serving")
    return {name: sum(int(stage[name]) for stage in stages) for name in names}


def untrusted_types_of(project: OpenProject, stages: Iterable[StageResult]) -> tuple[str, ...]:
    """Types in the opaque members of these stages that neither skops nor the store's trust list knows."""
    opaque = [
        c.fit.fit.member
        for stage in stages
        if ":" in stage.spec.estimator
        for c in stage.serving
        if c.fit is not None and c.fit.fit is not None
    ]
    if not opaque:
        return ()
    from jomon.engine.opaque import untrusted_types

    found = {name for data in opaque for name in untrusted_types(data)}
    return tuple(sorted(found - project.home.trust.trusted()))


def known_report(project: OpenProject, digest: Digest, names: tuple[str, ...], started: float) -> BuildReport:
    """The report of a build that found its image: the counts are those of the image, and nothing was trained."""

    store = project.home.images
    manifest = store.manifest(digest)
    document = json.loads(store.read_blob(manifest.layer(media.MEMBERS)))
    fleet = json.loads(store.read_blob(manifest.layer(media.FLEET)))
    stages = []
    for number, stage in enumerate(document["stages"]):
        verdicts = [m["verdict"] for m in stage["members"]]
        slow = [m for m in stage["members"] if "key" in m and m["verdict"] != "failed"]
        serving = [m for m in stage["members"] if m["serving"]]
        stages.append(
            {
                "stage": number,
                "level": stage["level"],
                "estimator": stage["estimator"],
                "candidates": len(verdicts),
                **{v: verdicts.count(v) for v in ("accepted", "rejected", "unknown", "failed")},
                "few": stage["few"],
                "serving": len(serving),
                "slow": sum(m.get("shrink", 0) > 0 for m in serving),
                "trained": 0,
                "cached": len(slow),
                "shrink": stage["shrink"],
                "fast": stage["fast"],
                "answered_share": stage["answered_share"],
                "verdict": stage["evidence"]["verdict"],
                "reason": stage["evidence"]["reason"],
                "brought": stage["evidence"]["difference"],
                "seconds": {},
                "corrupt": 0,
            }
        )
    total = time.perf_counter() - started
    return BuildReport(
        digest,
        names,
        count_members(stages),
        manifest.size_bytes,
        {"total": total},
        stages,
        True,
        len(manifest.layers),
        int(fleet["rows"]),
        day_text(int(fleet["end_day"])),
        [
            {"segment": " ".join("=".join(i) for i in m["segment"]), "error": m.get("error", "")}
            for s in document["stages"]
            for m in s["members"]
            if m["verdict"] == "failed"
        ],
    )
