"""Descriptors: what a blob is, how long it is, and the digest under which it lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from jomon.oci import reading
from jomon.oci.annotations import Annotations
from jomon.oci.digest import Digest
from jomon.oci.media import EMPTY_JSON, OCI_EMPTY

_KNOWN = frozenset({"mediaType", "digest", "size", "annotations", "artifactType"})


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A pointer to one blob; `size` in bytes, `other` canonical JSON of properties that jomon does not know.

    Raises `OciError` for a media type or a size that cannot be.
    """

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=Annotations)
    artifact_type: str | None = None
    other: str = ""

    def __post_init__(self) -> None:
        reading.require_media_type(self.media_type, "the media type")
        reading.require_size(self.size, "the size")
        if self.artifact_type is not None:
            reading.require_media_type(self.artifact_type, "the artifact type")
        object.__setattr__(self, "annotations", Annotations(self.annotations))

    @classmethod
    def of(
        cls, data: bytes | memoryview, media_type: str, annotations: Mapping[str, str] | None = None
    ) -> Descriptor:
        """The descriptor of the bytes `data`."""
        return cls(media_type, Digest.of(data), len(data), Annotations(annotations))

    @classmethod
    def from_document(cls, document: Mapping[str, Any], what: str = "descriptor") -> Descriptor:
        """Read the JSON form; raises `OciError` that begins with `what`, the place in the document."""
        return cls(
            reading.media_type(document, "mediaType", what),
            reading.digest(document, "digest", what),
            reading.size(document, "size", what),
            reading.read_annotations(document, what),
            reading.media_type(document, "artifactType", what) if "artifactType" in document else None,
            reading.others(document, _KNOWN, what),
        )

    def document(self) -> dict[str, Any]:
        """The JSON form; properties without a value are left out."""
        out = reading.restore(self.other)
        out |= {"mediaType": self.media_type, "digest": str(self.digest), "size": self.size}
        if self.annotations:
            out["annotations"] = dict(self.annotations)
        if self.artifact_type is not None:
            out["artifactType"] = self.artifact_type
        return out

    def with_annotations(self, more: Mapping[str, str]) -> Descriptor:
        """The same descriptor with `more` annotations, which win over those it has."""
        return replace(self, annotations=Annotations(self.annotations).with_(more))

    def without_annotations(self, *keys: str) -> Descriptor:
        """The same descriptor less the annotations `keys`."""
        return replace(self, annotations=Annotations(self.annotations).without(*keys))

    def bare(self) -> Descriptor:
        """The same blob without annotations: how a subject is named."""
        return Descriptor(self.media_type, self.digest, self.size)


EMPTY = Descriptor.of(EMPTY_JSON, OCI_EMPTY)
