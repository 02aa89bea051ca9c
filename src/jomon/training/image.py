"""Write a built fleet as an image: packs by stage and hash bucket, fast parts, documents, one manifest."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from jomon.engine.fasttable import FastState, write_fast
from jomon.engine.pack import PackEntry, write_pack
from jomon.oci import media
from jomon.oci.descriptor import Descriptor
from jomon.oci.digest import Digest, canonical_json
from jomon.oci.manifest import Manifest
from jomon.oci.ports import ImageStorePort, NewBlob
from jomon.training.build import Built
from jomon.training.document import fleet_document, members_document
from jomon.training.estimators import packable
from jomon.training.stage import Candidate, StageResult

PACKS_PER_IMAGE = (
    96  # about: a retrained member rewrites one pack, and a manifest stays a few tens of kilobytes
)
LEAST_PER_PACK = 4  # members a pack should hold at least, before more packs are made


def publish(
    built: Built,
    store: ImageStorePort,
    names: Sequence[str],
    created: datetime,
    gold: str,
    last_layer: Callable[[Manifest], NewBlob] | None = None,
) -> tuple[Digest, Manifest]:
    """Store every layer, then the manifest under `names`; gives its digest. Equal fleets give equal digests.

    `last_layer` makes one more layer out of the image as far as it is: a manifest without config, its layers stored.
    """
    buckets = bucket_counts(built.stages)
    blobs: list[NewBlob] = []
    for stage, count in zip(built.stages, buckets, strict=True):
        blobs += _stage_layers(stage, count, built.encoder.names)
    blobs.append(
        _layer(
            write_fast([fast_state(s, built.end_day) for s in built.stages]), media.FAST, "fast.safetensors"
        )
    )
    fleet = canonical_json(fleet_document(built, buckets, gold))
    blobs.append(_layer(fleet, media.FLEET, "fleet.json"))
    blobs.append(_layer(canonical_json(members_document(built)), media.MEMBERS, "members.json"))
    layers = tuple(store.put_blobs(blobs))
    if last_layer is not None:
        unfinished = Manifest(layers=layers, artifact_type=media.MODEL_MANIFEST)
        layers = (*layers, *store.put_blobs([last_layer(unfinished)]))
    config = store.put_blob(canonical_json(_config(built, layers)), media.MODEL_CONFIG)
    serving = sum(len(stage.serving) for stage in built.stages)
    manifest = Manifest(
        config=config,
        layers=layers,
        artifact_type=media.MODEL_MANIFEST,
        annotations={media.MEMBER_COUNT: str(serving)},
    )
    return store.put_manifest(manifest, list(names), created), manifest


def bucket_counts(stages: Sequence[StageResult]) -> list[int]:
    """Packs per stage: a power of two by the number of candidates, so that it seldom changes; 0 without slow parts."""
    slow = [len(s.candidates) if s.spec.estimator != "none" else 0 for s in stages]
    total = max(sum(slow), 1)
    counts = []
    for n in slow:
        share = min(PACKS_PER_IMAGE * n / total, n / LEAST_PER_PACK)
        counts.append(0 if n == 0 else 1 << max(int(np.ceil(np.log2(max(share, 1.0)))), 0))
    return counts


def bucket_of(code: int, buckets: int) -> int:
    """The pack of a segment: the low bits of its code, which is a hash."""
    return code & (buckets - 1)


def _stage_layers(stage: StageResult, buckets: int, features: tuple[str, ...]) -> list[NewBlob]:
    serving = sorted(stage.serving, key=lambda c: c.segment.code)
    slow = [c for c in serving if c.fit is not None and c.fit.fit is not None and c.shrink > 0.0]
    if not packable(stage.spec.estimator):
        return [_opaque_layer(stage, c, c.fit.fit.member, features) for c in slow if c.fit and c.fit.fit]
    packs: dict[int, list[PackEntry]] = {}
    for c in slow:
        assert c.fit is not None and c.fit.fit is not None
        arrays = c.fit.fit.arrays().with_shrink(c.shrink)
        entry = PackEntry(c.segment.text, c.segment.code, str(c.fit.key), arrays)
        packs.setdefault(bucket_of(c.segment.code, buckets), []).append(entry)
    return [
        _layer(
            write_pack(entries, features), media.MODEL_WEIGHT_RAW, f"stages/{stage.index}/{b:03d}.safetensors"
        )
        for b, entries in sorted(packs.items())
    ]


def _opaque_layer(stage: StageResult, c: Candidate, data: bytes, features: tuple[str, ...]) -> NewBlob:
    pinned = c.fit.pinned if c.fit is not None else None
    recipe = pinned.recipe if pinned is not None else stage.recipe
    seen = tuple(recipe["features"]) if recipe is not None else features
    notes = {media.SEGMENT: c.segment.text, media.SHRINK: repr(c.shrink)}
    if seen != features:
        notes[media.FEATURES] = json.dumps(seen)
    path = f"stages/{stage.index}/{c.segment.code & 0xFFFFFFFFFFFFFFFF:016x}.skops"
    return _layer(data, media.OPAQUE, path, notes)


def fast_state(stage: StageResult, day: int) -> FastState | None:
    """The fast rows of the members that answer, with what updates them; None where the stage has no fast part."""
    if stage.fast is None or stage.state is None or not stage.serving:
        return None
    chosen = sorted(stage.serving, key=lambda c: c.segment.code)
    at = np.array([c.s for c in chosen], np.intp)
    theta = stage.state.theta[at]
    return FastState(
        codes=np.array([c.segment.code for c in chosen], np.int64),
        offset=theta[:, 0].copy(),
        slope=theta[:, 1].copy(),
        center=np.full(len(at), stage.fast.center),
        extra={"linear": stage.state.linear[at], "precision": stage.state.precision[at]},
        meta={
            "day": int(day),
            "params": stage.fast.document(),
            "grow": stage.spec.estimator == "none",
            "closed": [str(c.segment.code) for c in stage.candidates if not c.serving],
            "born": {},
        },
    )


def _layer(data: bytes, media_type: str, path: str, more: dict[str, str] | None = None) -> NewBlob:
    return NewBlob(data, media_type, {media.MODEL_FILEPATH: path, media.TITLE: path, **(more or {})})


def _config(built: Built, layers: Sequence[Descriptor]) -> dict[str, Any]:
    """The configuration that the ModelPack specification asks for."""
    return {
        "descriptor": {"name": built.spec.fleet, "family": "jomon-fleet", "title": built.spec.question},
        "config": {"format": "safetensors"},
        "modelfs": {"type": "layers", "diffIds": [str(layer.digest) for layer in layers]},
    }
