"""A fleet image as Python sees it: frames in, answers out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jomon.core.binning import Binning
from jomon.core.errors import CorruptError, PredictError
from jomon.core.reference import Reference
from jomon.core.routing import Route
from jomon.core.segments import Segment
from jomon.core.table import Floats, Ints, Table
from jomon.engine.fasttable import FastState, read_fast
from jomon.engine.opaque import OpaqueMember, SklearnMember, load
from jomon.engine.pack import Pack
from jomon.engine.runtime import Answers, Runtime
from jomon.oci import media
from jomon.oci.descriptor import Descriptor
from jomon.oci.digest import Digest
from jomon.oci.manifest import Manifest
from jomon.project.home import Home, find_home, home_of

Flags = NDArray[np.bool_]


class Fleet:
    """One fleet image, open: `predict`, `predict_proba` and `route` take a frame of rows.

    A frame is a Polars or pandas data frame, or a mapping from column name to values. Lookup features that it lacks are
    joined from the tables of the project, if there are any.
    """

    def __init__(self, home: Home, digest: Digest, manifest: Manifest, runtime: Runtime) -> None:
        self.home, self.digest, self.manifest, self.runtime = home, digest, manifest, runtime

    @classmethod
    def load(cls, home: Home, reference: str | Digest) -> Fleet:
        """Open an image of `home`; every layer that answers need is read and checked."""
        store = home.images
        digest = reference if isinstance(reference, Digest) else store.resolve(reference)
        return cls.of(home, digest, store.manifest(digest))

    @classmethod
    def of(cls, home: Home, digest: Digest, manifest: Manifest) -> Fleet:
        """The fleet that `manifest` describes, whose layers are in the store of `home`; see `load`."""
        store = home.images
        document = _json(store.read_blob(_layer(manifest, media.FLEET, digest)), digest)
        stages = len(document["stages"])
        packs: list[list[Pack]] = [[] for _ in range(stages)]
        for layer in manifest.layers_of(media.MODEL_WEIGHT_RAW):
            packs[_stage_of(layer, stages)].append(
                Pack.open(store.open_blob(layer), f"The pack {layer.digest.short}")
            )
        fast = read_fast(store.read_blob(_layer(manifest, media.FAST, digest)))
        members = _layer(manifest, media.MEMBERS, digest)
        opaque = _opaque(home, manifest, document)
        runtime = Runtime(document, packs, fast, opaque, lambda: _json(store.read_blob(members), digest))
        return cls(home, digest, manifest, runtime)

    def __repr__(self) -> str:
        return f"<Fleet {self.name} {self.digest.short}: {self.members:,} members>"

    @property
    def name(self) -> str:
        """The fleet's name."""
        return self.runtime.spec.fleet

    @property
    def question(self) -> str:
        """What the fleet answers."""
        return self.runtime.spec.question

    @property
    def kind(self) -> str:
        """binary, regression or count."""
        return self.runtime.kind

    @property
    def members(self) -> int:
        """How many members answer."""
        return self.manifest.members or 0

    @property
    def fast(self) -> tuple[FastState | None, ...]:
        """The fast parts, by stage."""
        return self.runtime.fast

    @cached_property
    def learned_from(self) -> Reference | None:
        """The bins of the watched columns with the rows that the fleet learned from in each; None in an image that was
        built before there were any."""
        layers = self.manifest.layers_of(media.REFERENCE)
        if not layers:
            return None
        return Reference.from_canonical(_json(self.home.images.read_blob(layers[0]), self.digest))

    @property
    def reference(self) -> Binning | None:
        """The bins of the watched columns; None in an image that was built before there were any."""
        return None if self.learned_from is None else self.learned_from.binning

    def predict(self, frame: Any) -> Floats:
        """The answer to each row (float64[n]): probability of the event, value, or expected count.

        Raises `PredictError` that names the column and row of what it refuses.
        """
        return self.answer(frame).answer

    def predict_proba(self, frame: Any) -> Floats:
        """Probability of no event and of the event, float64[n, 2]; raises `PredictError` unless it is binary."""
        if self.kind != "binary":
            raise PredictError(
                f"The fleet {self.name} answers with a {self.kind}, which has no probability; use predict."
            )
        p = self.predict(frame)
        return np.column_stack([1.0 - p, p])

    def answer(self, frame: Any, *, explain: bool = False) -> Answers:
        """Answers with margins, the stages that took part and, if asked for, what each added."""
        table, codes, has = self.prepare(frame)
        return self.runtime.answer(table, codes, has, explain=explain)

    def route(self, frame: Any) -> tuple[Route, ...]:
        """For each row one step per stage: its segment, whether that member answers, and why not."""
        return self.runtime.route(self.prepare(frame)[0])

    def chains(self, frame: Any) -> list[list[str]]:
        """For each row the segments of the members that took part, the root first."""
        return [[step.segment or "" for step in route if step.active] for route in self.route(frame)]

    def prepare(self, frame: Any, first_row: int = 0) -> tuple[Table, Ints, Flags]:
        """Rows as the engine takes them: columns with calendar features, segment codes, and whether there is one.

        Rows are counted from `first_row` in messages.
        """
        from jomon.project.frames import as_polars

        prepared: tuple[Table, Ints, Flags] = self._preparer.prepare(as_polars(frame), first_row)
        return prepared

    @cached_property
    def _preparer(self) -> Any:
        from jomon.data.prepare import Preparer, open_lookups

        return Preparer(self.runtime.spec, open_lookups(self.home.tables, self.runtime.spec))

    def member(self, segment: str | Segment) -> dict[str, Any]:
        """Lineage and evidence of one member; raises `UnknownNameError` where there is no such candidate."""
        from jomon.project.members import find_member

        return find_member(self.runtime.members, segment)


def load_fleet(reference: str, store: Path | str | None = None) -> Fleet:
    """The fleet image called `reference` (`flights:latest`, a digest), ready to answer.

    `store` is a project folder or its `.jomon`; without it the nearest one is used. Every layer is checked against its
    digest. Raises `UnknownNameError`, `CorruptError` or `StoreError`.
    """
    return Fleet.load(find_home() if store is None else home_of(store), reference)


def _layer(manifest: Manifest, media_type: str, digest: Digest) -> Descriptor:
    found = manifest.layers_of(media_type)
    if len(found) != 1:
        raise CorruptError(
            f"The image {digest.short} is not a fleet image: it has {len(found)} layers of type {media_type}, not 1."
        )
    return found[0]


def _json(data: bytes, digest: Digest) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError as error:
        raise CorruptError(
            f"A document of the image {digest.short} cannot be read ({error}); build it again."
        ) from error
    if not isinstance(document, dict):
        raise CorruptError(f"A document of the image {digest.short} is no JSON object; build it again.")
    return document


def _stage_of(layer: Descriptor, stages: int) -> int:
    parts = layer.annotations.get(media.MODEL_FILEPATH, "").split("/")
    if len(parts) == 3 and parts[0] == "stages" and parts[1].isdigit() and int(parts[1]) < stages:
        return int(parts[1])
    raise CorruptError(
        f"The layer {layer.digest.short} does not say which stage it belongs to; build the image again."
    )


def _opaque(home: Home, manifest: Manifest, document: Mapping[str, Any]) -> list[dict[int, OpaqueMember]]:
    """Members that are objects, by stage and code; only types that skops or the store's trust list know are loaded."""
    out: list[dict[int, OpaqueMember]] = [{} for _ in document["stages"]]
    layers = manifest.layers_of(media.OPAQUE)
    if not layers:
        return out
    trusted = home.trust.trusted()
    for layer in layers:
        stage = _stage_of(layer, len(out))
        segment = Segment.parse(layer.annotations[media.SEGMENT])
        root = document["relation"] == "replace" or stage == 0
        kind = str(document["kind"])
        output = {"binary": "probability", "regression": "value", "count": "rate"}[kind] if root else "value"
        model = load(home.images.read_blob(layer), trusted, f"The member {segment}")
        shrink = float(layer.annotations[media.SHRINK])
        columns = _columns(layer, document)
        out[stage][segment.code] = SklearnMember(model, output, shrink, columns)  # type: ignore[arg-type]
    return out


def _columns(layer: Descriptor, document: Mapping[str, Any]) -> tuple[int, ...] | None:
    """Where the features that an opaque member sees stand among all; None where it sees them all."""
    given = layer.annotations.get(media.FEATURES)
    if given is None:
        return None
    names = list(document["encoder"]["names"])
    try:
        return tuple(names.index(name) for name in json.loads(given))
    except ValueError as error:
        raise CorruptError(
            f"The layer {layer.digest.short} names features that the image lacks; build the image again."
        ) from error
