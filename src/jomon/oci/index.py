"""The index: what a layout holds, or what refers to an image, as a value that never changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from jomon.oci import media, reading
from jomon.oci.annotations import Annotations
from jomon.oci.descriptor import Descriptor
from jomon.oci.digest import Digest, canonical_json

_KNOWN = frozenset({"schemaVersion", "mediaType", "manifests", "annotations"})


@dataclass(frozen=True)
class Index:
    """An OCI image index: an ordered list of descriptors of manifests."""

    manifests: tuple[Descriptor, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=Annotations)
    other: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "manifests", tuple(self.manifests))
        object.__setattr__(self, "annotations", Annotations(self.annotations))

    @classmethod
    def from_bytes(cls, data: bytes) -> Index:
        """Read an index; raises `OciError` that says what is wrong and where."""
        document = reading.parse_object(data, "the index")
        reading.require_kind(document, media.OCI_INDEX)
        items = reading.objects(document, "manifests", "the index")
        return cls(
            tuple(
                Descriptor.from_document(item, f"the index: manifests[{i}]") for i, item in enumerate(items)
            ),
            reading.read_annotations(document, "the index"),
            reading.others(document, _KNOWN, "the index"),
        )

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        out = reading.restore(self.other)
        out |= {"schemaVersion": 2, "mediaType": media.OCI_INDEX}
        out["manifests"] = [item.document() for item in self.manifests]
        if self.annotations:
            out["annotations"] = dict(self.annotations)
        return out

    @cached_property
    def bytes(self) -> bytes:
        """The canonical form, as it is written."""
        return canonical_json(self.document())

    @property
    def digest(self) -> Digest:
        """The digest of the canonical form."""
        return Digest.of(self.bytes)

    def with_manifests(self, manifests: Iterable[Descriptor]) -> Index:
        """The same index with other entries."""
        return replace(self, manifests=tuple(manifests))
