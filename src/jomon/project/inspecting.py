"""What an image says of itself: its stages, one member with lineage and evidence, its layers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jomon.core.errors import CorruptError
from jomon.core.segments import Segment
from jomon.oci import media
from jomon.oci.digest import Digest
from jomon.oci.manifest import Manifest
from jomon.project.members import find_member
from jomon.project.opened import day_text

if TYPE_CHECKING:
    from jomon.oci.descriptor import Descriptor
    from jomon.project.home import Home


@dataclass(frozen=True)
class OpenImage:
    """The documents of one image, read and checked: no pack is opened."""

    digest: Digest
    names: tuple[str, ...]
    manifest: Manifest
    fleet: Mapping[str, Any]
    members: Mapping[str, Any]


def open_image(home: Home, reference: str) -> OpenImage:
    """Read the documents of an image; raises `UnknownNameError` or `CorruptError`."""
    store = home.images
    digest = store.resolve(reference)
    manifest = store.manifest(digest)
    documents = []
    for kind in (media.FLEET, media.MEMBERS):
        layers = manifest.layers_of(kind)
        if len(layers) != 1:
            raise CorruptError(
                f"{reference} is no fleet image: it has {len(layers)} layers of type {kind}, not 1."
            )
        documents.append(json.loads(store.read_blob(layers[0])))
    return OpenImage(digest, tuple(store.catalog().names_of(digest)), manifest, documents[0], documents[1])


def inspect_image(home: Home, reference: str) -> dict[str, Any]:
    """The JSON of `jomon inspect REF`."""
    image = open_image(home, reference)
    entry = next((e for e in home.images.images() if e.digest == image.digest), None)
    fleet = image.fleet
    return {
        "digest": str(image.digest),
        "names": list(image.names),
        "created": entry.document()["created"] if entry else None,
        "fleet": fleet["fleet"],
        "question": fleet["question"],
        "kind": fleet["kind"],
        "relation": fleet["relation"],
        "trained_until": day_text(int(fleet["end_day"])),
        "rows": fleet["rows"],
        "gold": fleet["gold"],
        "features": [*fleet["spec"]["data"]["features"]["numeric"], *fleet["spec"]["data"]["features"]["categorical"],
                     *fleet["spec"]["data"]["features"]["calendar"]],
        "members": image.manifest.members,
        "size_bytes": image.manifest.size_bytes,
        "layers": len(image.manifest.layers),
        "fast_until": _fast_until(home, image.manifest),
        "attachments": [
            {"type": d.artifact_type, "digest": str(d.digest), "created": d.annotations.get(media.CREATED)}
            for d in home.images.referrers(image.digest)
        ],
        "stages": [_stage(number, stage) for number, stage in enumerate(image.members["stages"])],
    }  # fmt: skip


def _fast_until(home: Home, manifest: Manifest) -> str | None:
    from jomon.engine.fasttable import read_fast

    states = [s for s in read_fast(home.images.read_blob(manifest.layer(media.FAST))) if s is not None]
    return day_text(max(int(s.meta["day"]) for s in states)) if states else None


def _stage(number: int, stage: Mapping[str, Any]) -> dict[str, Any]:
    verdicts = [m["verdict"] for m in stage["members"]]
    return {
        "stage": number,
        "level": stage["level"],
        "estimator": stage["estimator"],
        "keep": stage["keep"],
        "candidates": len(verdicts),
        **{v: verdicts.count(v) for v in ("accepted", "rejected", "unknown", "failed")},
        "few": stage["few"],
        "serving": sum(bool(m["serving"]) for m in stage["members"]),
        "answered_share": stage["answered_share"],
        "shrink": stage["shrink"],
        "fast": stage["fast"],
        "evidence": stage["evidence"],
        "recipe": stage["recipe"],
    }


def inspect_member(home: Home, reference: str, segment: str) -> dict[str, Any]:
    """The JSON of `jomon inspect REF --member SEGMENT`: lineage, evidence, its slow part and its fast part.

    Raises `UnknownNameError` where the image has no such candidate.
    """
    from jomon.engine.fasttable import read_fast
    from jomon.engine.member import member_to_bytes

    image = open_image(home, reference)
    found = find_member(image.members, segment)
    stage, code = int(found["stage"]), Segment.parse(found["segment"]).code
    slow: dict[str, Any] | None = None
    for layer, pack in packs_of(home, image.manifest, stage):
        at = _place(pack.codes, code)
        if at is not None:
            arrays = pack.entry(at).arrays
            slow = {
                "layer": str(layer.digest),
                "kind": arrays.kind,
                "size_bytes": len(member_to_bytes(arrays)),
            }
            slow["shrink"] = arrays.shrink
    for layer in image.manifest.layers_of(media.OPAQUE):
        if stage_of(layer) == stage and Segment.parse(layer.annotations[media.SEGMENT]).code == code:
            slow = {"layer": str(layer.digest), "kind": "skops", "size_bytes": layer.size}
            slow["shrink"] = float(layer.annotations[media.SHRINK])
    state = read_fast(home.images.read_blob(image.manifest.layer(media.FAST)))[stage]
    at = None if state is None else _place(state.codes, code)
    fast: dict[str, Any] | None = None
    if state is not None and at is not None:
        fast = {name: float(getattr(state, name)[at]) for name in ("offset", "slope", "center")}
        fast |= {"until": day_text(int(state.meta["day"])), "settings": state.meta["params"]}
        fast |= {name: array[at].tolist() for name, array in state.extra.items()}
    out = {"image": str(image.digest), **found, "code": code, "slow": slow}
    return {**out, "fast_settings": found["fast"], "fast": fast}


def _place(codes: Any, code: int) -> int | None:
    import numpy as np

    at = int(np.searchsorted(codes, code))
    return at if at < len(codes) and int(codes[at]) == code else None


def packs_of(home: Home, manifest: Manifest, stage: int | None = None) -> Iterator[tuple[Descriptor, Any]]:
    """The packs of an image (of one stage, if it is given), open, each with its layer."""
    from jomon.engine.pack import Pack

    for layer in manifest.layers_of(media.MODEL_WEIGHT_RAW):
        if stage is None or stage_of(layer) == stage:
            yield layer, Pack.open(home.images.open_blob(layer), f"The pack {layer.digest.short}")


def stage_of(layer: Descriptor) -> int | None:
    """The stage that a layer belongs to, as its path says; None for the layers that all stages share."""
    parts = layer.annotations.get(media.MODEL_FILEPATH, "").split("/")
    return int(parts[1]) if len(parts) == 3 and parts[0] == "stages" and parts[1].isdigit() else None


def history(home: Home, reference: str) -> list[dict[str, Any]]:
    """The JSON of `jomon history REF`: every layer with what made it, its size and the other images that share it."""
    image = open_image(home, reference)
    others: dict[Digest, set[str]] = {}
    for entry in home.images.images():
        if entry.digest != image.digest:
            name = f"{entry.repository}:{entry.tag}" if entry.tag else entry.digest.short
            for blob in home.images.manifest(entry.digest).blobs:
                others.setdefault(blob.digest, set()).add(name)
    packed = {layer.digest: len(pack) for layer, pack in packs_of(home, image.manifest)}
    return [
        {
            "layer": str(blob.digest),
            "media_type": blob.media_type,
            "size_bytes": blob.size,
            "stage": stage_of(blob),
            "created_by": _made_by(blob, image),
            "members": packed.get(blob.digest, 1 if blob.media_type == media.OPAQUE else None),
            "shared_with": sorted(others.get(blob.digest, ())),
        }
        for blob in image.manifest.blobs
    ]


def _made_by(blob: Descriptor, image: OpenImage) -> str:
    stage = stage_of(blob)
    if stage is not None:
        told = image.members["stages"][stage]
        return f"stage {stage} [{', '.join(told['level'])}] {told['estimator']}"
    shared = {
        media.FAST: "fast parts of all stages",
        media.FLEET: "project file, encoder, calendars",
        media.MEMBERS: "lineage and evidence",
        media.REFERENCE: "bins of the rows learned from",
        media.MODEL_CONFIG: "config of the image",
    }
    return shared.get(blob.media_type, blob.media_type)
