"""What differs between two images: members that came, went or changed, and what of their lineage did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jomon.oci import media
from jomon.project.inspecting import OpenImage, open_image
from jomon.project.members import iter_members

if TYPE_CHECKING:
    from jomon.project.home import Home

CAUSES = ("data", "code", "params", "environment", "parent", "seed", "features", "blocks", "shrink")
"""What can differ in a member's lineage, in the order in which it is told; `parent` are the margins it starts from."""

_Known = dict[tuple[tuple[str, ...], str], tuple[Mapping[str, Any], Mapping[str, Any]]]


@dataclass(frozen=True)
class FastMoves:
    """The fast parts of one level: segments in both images, those that moved, came and went, the largest move."""

    level: tuple[str, ...]
    both: int
    moved: int
    came: int
    went: int
    largest: float


def diff(home: Home, before: str, after: str) -> dict[str, Any]:
    """The JSON of `jomon diff A B`; members are those that answer, and count as changed where their slow part did."""
    a, b = open_image(home, before), open_image(home, after)
    old, new = _serving(a), _serving(b)
    changed = []
    for place, (member, stage) in new.items():
        if place in old:
            causes = _causes(*old[place], member, stage)
            if causes:
                changed.append({"level": list(place[0]), "segment": place[1], "causes": causes})
    layers_a, layers_b = ({blob.digest: blob.size for blob in i.manifest.blobs} for i in (a, b))
    return {
        "a": {"name": before, "digest": str(a.digest), "members": a.manifest.members},
        "b": {"name": after, "digest": str(b.digest), "members": b.manifest.members},
        "same": a.digest == b.digest,
        "came": [{"level": list(level), "segment": text} for level, text in new if (level, text) not in old],
        "went": [{"level": list(level), "segment": text} for level, text in old if (level, text) not in new],
        "changed": changed,
        "unchanged": sum(place in old for place in new) - len(changed),
        "by_cause": {c: sum(c in item["causes"] for item in changed) for c in CAUSES},
        "fast": [{**vars(moves), "level": list(moves.level)} for moves in _fast(home, a, b)],
        "shared_bytes": sum(size for digest, size in layers_b.items() if digest in layers_a),
        "new_bytes": sum(size for digest, size in layers_b.items() if digest not in layers_a),
        "trained_until": [_day(a), _day(b)],
    }


def _day(image: OpenImage) -> str:
    from jomon.project.opened import day_text

    return day_text(int(image.fleet["end_day"]))


def _serving(image: OpenImage) -> _Known:
    stages = image.members["stages"]
    return {
        (tuple(stages[number]["level"]), segment.text): (member, stages[number])
        for number, segment, member in iter_members(image.members)
        if member["serving"]
    }


def _causes(
    old: Mapping[str, Any], old_stage: Mapping[str, Any], new: Mapping[str, Any], new_stage: Mapping[str, Any]
) -> list[str]:
    found = set()
    if old.get("key") != new.get("key"):
        before, after = old.get("lineage") or {}, new.get("lineage") or {}
        found |= {"data"} if before.get("rows") != after.get("rows") else set()
        found |= {"parent"} if before.get("margins") != after.get("margins") else set()
        was, now = old_stage["recipe"] or {}, new_stage["recipe"] or {}
        same = ("code", "params", "environment", "seed", "features", "blocks")
        found |= {name for name in same if was.get(name) != now.get(name)}
        found |= {"params"} if old_stage["estimator"] != new_stage["estimator"] else set()
    if old.get("shrink") != new.get("shrink"):
        found.add("shrink")
    return [cause for cause in CAUSES if cause in found]


def _fast(home: Home, a: OpenImage, b: OpenImage) -> Iterator[FastMoves]:
    import numpy as np

    from jomon.engine.fasttable import read_fast

    def by_level(image: OpenImage) -> dict[tuple[str, ...], Any]:
        states = read_fast(home.images.read_blob(image.manifest.layer(media.FAST)))
        levels = [tuple(stage["level"]) for stage in image.members["stages"]]
        return {level: s for level, s in zip(levels, states, strict=True) if s is not None and len(s)}

    old, new = by_level(a), by_level(b)
    for level in dict.fromkeys((*old, *new)):
        if level not in old or level not in new:
            came, went = len(new.get(level, ())), len(old.get(level, ()))
            yield FastMoves(level, 0, 0, came, went, 0.0)
            continue
        before, after = old[level], new[level]
        _, i, j = np.intersect1d(before.codes, after.codes, assume_unique=True, return_indices=True)
        moves = np.abs(after.offset[j] - before.offset[i])
        moved = (moves > 0) | (after.slope[j] != before.slope[i]) | (after.center[j] != before.center[i])
        came, went = len(after) - len(j), len(before) - len(i)
        yield FastMoves(level, len(i), int(moved.sum()), came, went, float(moves.max(initial=0.0)))
