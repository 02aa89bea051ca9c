"""A fleet that was fitted in this process: an image in memory, ready to answer, to be pickled and to be saved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import polars as pl
from pydantic import ValidationError

from jomon.core.errors import StoreError
from jomon.core.routing import Route
from jomon.core.segments import Segment
from jomon.core.spec import ProjectSpec
from jomon.core.table import Floats
from jomon.data.prepare import Preparer
from jomon.engine.opaque import untrusted_types
from jomon.engine.runtime import Answers, Runtime
from jomon.oci import media
from jomon.oci.descriptor import Descriptor
from jomon.oci.digest import Digest, canonical_json
from jomon.oci.manifest import Manifest
from jomon.oci.ports import ImageStorePort, NewBlob
from jomon.project.fleet import Fleet
from jomon.project.home import Home, home_of
from jomon.project.members import find_member
from jomon.project.project import Project
from jomon.store.memory import MemoryStore
from jomon.store.names import new_name
from jomon.training.build import Built
from jomon.training.image import publish

_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)  # an image in memory has no date, so that equal fits are equal


class FittedFleet:
    """The image of a fitted fleet, in memory; what is pickled are its bytes alone."""

    def __init__(self, manifest: Manifest, blobs: Mapping[Digest, bytes]) -> None:
        """`blobs` are the bytes of the config and of every layer of `manifest`."""
        self.manifest, self._blobs = manifest, dict(blobs)

    @classmethod
    def publish(cls, built: Built, gold: str) -> FittedFleet:
        """Write a built fleet as an image in memory; `gold` is the digest of its rows."""
        store = MemoryStore()
        _, manifest = publish(built, store, [], _NO_TIME, gold)
        return cls(manifest, {blob.digest: store.read_blob(blob) for blob in manifest.blobs})

    def __getstate__(self) -> dict[str, Any]:
        return {
            "manifest": self.manifest.bytes,
            "blobs": {str(digest): data for digest, data in self._blobs.items()},
        }

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        manifest = Manifest.from_bytes(state["manifest"])
        self.__init__(manifest, {Digest.parse(text): data for text, data in state["blobs"].items()})  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"<FittedFleet {self.digest.short}: {self.members} members>"

    @property
    def digest(self) -> Digest:
        """The digest of the image: equal fits have equal ones."""
        return self.manifest.digest

    @property
    def size_bytes(self) -> int:
        """Bytes of the image."""
        return self.manifest.size_bytes

    @property
    def members(self) -> int:
        """How many members answer."""
        return self.manifest.members or 0

    @property
    def spec(self) -> ProjectSpec:
        """The project file that the estimator's parameters stand for."""
        return self.runtime.spec

    @cached_property
    def runtime(self) -> Runtime:
        """What routes, encodes and scores rows; made when it is first needed."""
        store = MemoryStore()
        self.put_into(store, [])
        opaque = self.manifest.layers_of(media.OPAQUE)
        # Whoever has this object has the code that made its members, or trusts the pickle they came in.
        trusted = frozenset(name for layer in opaque for name in untrusted_types(self._blobs[layer.digest]))
        home = cast(Home, _MemoryHome(store, _Trust(trusted)))
        return Fleet.load(home, self.digest).runtime

    @cached_property
    def _preparer(self) -> Preparer:
        return Preparer(self.spec, {})

    def answer(self, frame: pl.DataFrame, *, explain: bool = False) -> Answers:
        """Answers to the rows of `frame`, which has the time; raises `PredictError` for what it refuses."""
        return self.runtime.answer(*self._preparer.prepare(frame), explain=explain)

    def margin(self, frame: pl.DataFrame) -> Floats:
        """The sum of what the members add, on the scale of the logit, the value or the logarithm: float64[n]."""
        return self.answer(frame).scores.margin

    def route(self, frame: pl.DataFrame) -> tuple[Route, ...]:
        """For each row one step per stage: its segment, whether that member answers, and why not."""
        return self.runtime.route(self._preparer.prepare(frame)[0])

    def member(self, segment: str | Segment) -> dict[str, Any]:
        """Lineage and evidence of one member; raises `UnknownNameError` where there is no such candidate."""
        return find_member(self.runtime.members, segment)

    @property
    def stages(self) -> list[dict[str, Any]]:
        """For each stage its level, verdict and why, and its candidates: all, serving, failed, with too few rows."""
        return [
            {
                "level": stage["level"],
                "verdict": stage["evidence"]["verdict"],
                "reason": stage["evidence"]["reason"],
                "candidates": len(stage["members"]),
                "serving": sum(member["serving"] for member in stage["members"]),
                "failed": sum(member["verdict"] == "failed" for member in stage["members"]),
                "few": stage["few"],
            }
            for stage in self.runtime.members["stages"]
        ]

    def put_into(self, store: ImageStorePort, names: list[str], created: datetime = _NO_TIME) -> Digest:
        """Put the image into `store` under `names`; gives its digest."""
        with store.lease():
            store.put_blobs(
                NewBlob(self._blobs[blob.digest], blob.media_type, blob.annotations)
                for blob in self.manifest.blobs
            )
            return store.put_manifest(self.manifest, names, created)

    def save(self, store: ImageStorePort | Home | Project | Path | str, name: str) -> Digest:
        """Publish the image as `name` (`flights:v1`): a project, its folder, its home, or an image store.

        The fleet takes the name's repository as its own. Gives the digest; raises `StoreError` and what the
        name's rules say.
        """
        images = _images_of(store)
        repository = new_name(name).repository or ""
        return self.named(repository.rpartition("/")[2]).put_into(images, [name], datetime.now(UTC))

    def named(self, fleet: str) -> FittedFleet:
        """The same fleet under another name: every layer is shared but the document that names it.

        Raises `StoreError` where the name is none for a fleet.
        """
        blobs = dict(self._blobs)
        old = self.manifest.layer(media.FLEET)
        document = json.loads(blobs.pop(old.digest))
        document["fleet"] = document["spec"]["fleet"] = fleet
        try:
            ProjectSpec.from_canonical(document["spec"])
        except ValidationError:
            raise StoreError(
                f"{fleet!r} cannot name a fleet; use lower-case letters and digits, '.', '_' or '-' between them."
            ) from None
        data = canonical_json(document)
        layer = Descriptor.of(data, old.media_type, old.annotations)
        manifest = self.manifest.with_layer_replaced(old.digest, layer)
        config = json.loads(blobs.pop(manifest.config.digest))
        config["descriptor"]["name"] = fleet
        config["modelfs"]["diffIds"] = [str(one.digest) for one in manifest.layers]
        config_data = canonical_json(config)
        described = Descriptor.of(config_data, manifest.config.media_type, manifest.config.annotations)
        blobs |= {layer.digest: data, described.digest: config_data}
        return FittedFleet(manifest.with_config(described), blobs)


@dataclass(frozen=True)
class _Trust:
    names: frozenset[str]

    def trusted(self) -> frozenset[str]:
        return self.names


@dataclass(frozen=True)
class _MemoryHome:
    """As much of a home as an image needs to be loaded from: no folder, no tables."""

    images: MemoryStore
    trust: _Trust
    tables: Path = Path("nowhere")


def _images_of(store: ImageStorePort | Home | Project | Path | str) -> ImageStorePort:
    if isinstance(store, Path | str):
        return home_of(store).images
    if isinstance(store, Project):
        return store.home.images
    return store.images if isinstance(store, Home) else store
