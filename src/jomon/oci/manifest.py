"""The manifest: one fleet image, or one attachment to it, as a value that never changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from jomon.oci import media, reading
from jomon.oci.annotations import Annotations
from jomon.oci.descriptor import EMPTY, Descriptor
from jomon.oci.digest import Digest, canonical_json
from jomon.oci.errors import OciError

_KNOWN = frozenset(
    {"schemaVersion", "mediaType", "artifactType", "config", "layers", "subject", "annotations"}
)


@dataclass(frozen=True)
class Manifest:
    """An OCI 1.1 image manifest: equal manifests have equal bytes and so an equal digest.

    `subject` is what an attachment is attached to. Raises `OciError` for what the specification forbids.
    """

    config: Descriptor = EMPTY
    layers: tuple[Descriptor, ...] = ()
    artifact_type: str | None = None
    subject: Descriptor | None = None
    annotations: Mapping[str, str] = field(default_factory=Annotations)
    other: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        object.__setattr__(self, "annotations", Annotations(self.annotations))
        if self.artifact_type is not None:
            reading.require_media_type(self.artifact_type, "the manifest's artifact type")
        elif self.config.media_type == media.OCI_EMPTY:
            raise OciError("a manifest with an empty config needs an artifact type that says what it is.")

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Read a manifest as it lies in a store; raises `OciError` that says what is wrong and where."""
        if len(data) > media.MANIFEST_LIMIT_BYTES:
            raise OciError(
                f"the manifest has {len(data)} bytes, and registries take {media.MANIFEST_LIMIT_BYTES}."
            )
        document = reading.parse_object(data, "the manifest")
        reading.require_kind(document, media.OCI_MANIFEST)
        what = "the manifest"
        config = document.get("config")
        subject = document.get("subject")
        if not isinstance(config, dict):
            raise OciError(
                "the manifest: config is missing or no JSON object, where a descriptor was expected."
            )
        if subject is not None and not isinstance(subject, dict):
            raise OciError("the manifest: subject is no JSON object, where a descriptor was expected.")
        layers = reading.objects(document, "layers", what)
        return cls(
            Descriptor.from_document(config, f"{what}: config"),
            tuple(Descriptor.from_document(item, f"{what}: layers[{i}]") for i, item in enumerate(layers)),
            reading.media_type(document, "artifactType", what) if "artifactType" in document else None,
            Descriptor.from_document(subject, f"{what}: subject") if subject is not None else None,
            reading.read_annotations(document, what),
            reading.others(document, _KNOWN, what),
        )

    def document(self) -> dict[str, Any]:
        """The JSON form; properties without a value are left out."""
        out = reading.restore(self.other)
        out |= {"schemaVersion": 2, "mediaType": media.OCI_MANIFEST, "config": self.config.document()}
        out["layers"] = [layer.document() for layer in self.layers]
        if self.artifact_type is not None:
            out["artifactType"] = self.artifact_type
        if self.subject is not None:
            out["subject"] = self.subject.document()
        if self.annotations:
            out["annotations"] = dict(self.annotations)
        return out

    @cached_property
    def bytes(self) -> bytes:
        """The canonical form, as it is stored and hashed."""
        return canonical_json(self.document())

    @cached_property
    def digest(self) -> Digest:
        """The digest of the canonical form."""
        return Digest.of(self.bytes)

    @property
    def descriptor(self) -> Descriptor:
        """This manifest as a list of referrers shows it: with artifact type and annotations."""
        return Descriptor(
            media.OCI_MANIFEST, self.digest, len(self.bytes), self.annotations, self.artifact_type_or_config
        )

    def listed_as(self, entry: Descriptor, annotations: Mapping[str, str]) -> Descriptor:
        """How a list of referrers shows this manifest, which lies under `entry`."""
        kind = self.artifact_type_or_config
        return Descriptor(entry.media_type, entry.digest, entry.size, annotations, kind)

    @property
    def artifact_type_or_config(self) -> str:
        """The artifact type, or where there is none the config's media type: so lists of referrers do."""
        return self.artifact_type or self.config.media_type

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """The config and the layers: everything that has to be there for the image to be whole."""
        return (self.config, *self.layers)

    @property
    def size_bytes(self) -> int:
        """Bytes of the manifest and of all its blobs, each counted once."""
        return len(self.bytes) + sum({blob.digest: blob.size for blob in self.blobs}.values())

    @property
    def members(self) -> int | None:
        """How many members the image has, as it says itself; None where it does not say."""
        count = self.annotations.get(media.MEMBER_COUNT, "")
        return int(count) if count.isascii() and count.isdigit() else None

    def layers_of(self, media_type: str) -> tuple[Descriptor, ...]:
        """The layers of one media type, in order."""
        return tuple(layer for layer in self.layers if layer.media_type == media_type)

    def layer(self, media_type: str) -> Descriptor:
        """The one layer of a media type; raises `OciError` where there is none, or more than one."""
        found = self.layers_of(media_type)
        if len(found) != 1:
            raise OciError(f"the image has {len(found)} layers of type {media_type}, where one was expected.")
        return found[0]

    def with_layer(self, layer: Descriptor) -> Manifest:
        """The same image with one more layer at the end."""
        return replace(self, layers=(*self.layers, layer))

    def with_layers(self, layers: Iterable[Descriptor]) -> Manifest:
        """The same image with other layers."""
        return replace(self, layers=tuple(layers))

    def without_layer(self, digest: Digest) -> Manifest:
        """The same image less the layers of one digest; raises `OciError` where it has none."""
        return self.with_layers(layer for layer in self.layers if layer.digest != self._has(digest))

    def with_layer_replaced(self, digest: Digest, layer: Descriptor) -> Manifest:
        """The same image with `layer` in the place of `digest`; raises `OciError` where it has none."""
        self._has(digest)
        return self.with_layers(layer if old.digest == digest else old for old in self.layers)

    def with_config(self, config: Descriptor) -> Manifest:
        """The same image with another config."""
        return replace(self, config=config)

    def with_subject(self, subject: Descriptor | None) -> Manifest:
        """The same content, attached to `subject`."""
        return replace(self, subject=subject)

    def with_annotations(self, more: Mapping[str, str]) -> Manifest:
        """The same image with `more` annotations, which win over those it has."""
        return replace(self, annotations=Annotations(self.annotations).with_(more))

    def without_annotations(self, *names: str) -> Manifest:
        """The same image less some annotations, where it has them."""
        return replace(self, annotations={k: v for k, v in self.annotations.items() if k not in names})

    def _has(self, digest: Digest) -> Digest:
        if all(layer.digest != digest for layer in self.layers):
            raise OciError(f"the image has no layer {digest.short}.")
        return digest
