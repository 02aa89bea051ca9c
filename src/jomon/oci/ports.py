"""What the rooms that build, evaluate and answer ask of a store: they receive one and never import one.

Every implementation inherits the contract tests in `tests/contracts`; errors are in `jomon.core.errors`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from jomon.oci.descriptor import Descriptor
from jomon.oci.digest import Digest
from jomon.oci.entries import ImageEntry
from jomon.oci.index import Index
from jomon.oci.manifest import Manifest
from jomon.oci.reference import Reference

BlobSource = bytes | bytearray | memoryview | Path


@dataclass(frozen=True, slots=True)
class NewBlob:
    """A blob to be stored: its bytes or their file, its media type, and annotations for its descriptor."""

    source: BlobSource
    media_type: str
    annotations: Mapping[str, str] = field(default_factory=dict)


class BlobStore(Protocol):
    """Bytes under their digest; every read is checked against it."""

    def put_blob(
        self, source: BlobSource, media_type: str, annotations: Mapping[str, str] | None = None
    ) -> Descriptor:
        """Store one blob durably (nothing is written if it is there already) and describe it."""

    def put_blobs(self, blobs: Iterable[NewBlob]) -> tuple[Descriptor, ...]:
        """Store many blobs, durable together when this returns: cheaper than one by one."""

    def read_blob(self, blob: Descriptor | Digest) -> bytes:
        """The bytes of a blob; raises `CorruptError` where they are missing or do not match."""

    def open_blob(self, blob: Descriptor | Digest) -> memoryview:
        """The bytes of a blob, read-only and, on a disk, mapped into memory; checked like `read_blob`."""

    def has_blob(self, digest: Digest) -> bool:
        """Whether a blob is there; its bytes are not read."""


class ImageStorePort(BlobStore, Protocol):
    """Images by digest and by name, and what is attached to them."""

    def put_manifest(
        self,
        manifest: Manifest | bytes,
        names: Sequence[str | Reference],
        created: datetime,
        moved_from: Digest | None = None,
    ) -> Digest:
        """Publish an image whose blobs are all there; `names` move to it from other images, all at once.

        With `moved_from` they move only if each of them means that image still (else `MovedError`).
        """

    def manifest(self, digest: Digest) -> Manifest:
        """The manifest under `digest`."""

    def resolve(self, name: str | Reference) -> Digest:
        """The digest of the image that `name` means; raises `UnknownNameError` with names that are near."""

    def images(self) -> list[ImageEntry]:
        """Every image with each of its names, newest first; attachments are not listed."""

    def tag(
        self, image: str | Reference | Digest, name: str | Reference, moved_from: Digest | None = None
    ) -> None:
        """Let `name` mean `image`; the image that had the name stays, without it.

        With `moved_from` it moves only if it means that image still (else `MovedError`).
        """

    def untag(self, name: str | Reference) -> Digest:
        """Take a name away; the image stays, listed without it."""

    def remove(self, name: str | Reference | Digest) -> tuple[Digest, ...]:
        """Take a name away, and the image if that was its last; gives the images that are gone."""

    def attach(
        self,
        subject: Digest | str | Reference,
        artifact_type: str,
        blobs: Iterable[NewBlob],
        created: datetime,
        annotations: Mapping[str, str] | None = None,
    ) -> Digest:
        """Attach documents to an image, which itself stays as it is; gives the digest of the attachment."""

    def referrers(self, subject: Digest, artifact_type: str | None = None) -> list[Descriptor]:
        """The attachments of an image, newest first, with their artifact type and annotations."""

    def referrers_index(self, subject: Digest) -> Index:
        """The same as a document, for registries that list attachments under `referrers_tag(subject)`."""

    def lease(self) -> AbstractContextManager[None]:
        """While it is held, `prune` keeps every blob that was put since it began: a build holds one."""


@dataclass(frozen=True, slots=True)
class CacheItem:
    """A fitted member for the cache: `key` its lineage, `note` JSON values such as seconds and rows."""

    key: Digest
    payload: bytes
    note: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CachedMember:
    """What the cache had under a key: the payload, its digest (checked), and the note that came with it."""

    payload: bytes
    digest: Digest
    note: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CacheRead:
    """The answer to many keys: `found` in the order asked; `corrupt`: keys whose payload was damaged."""

    found: Mapping[Digest, CachedMember]
    corrupt: tuple[Digest, ...] = ()


class BuildCachePort(Protocol):
    """Members that were fitted before, by the digest of their lineage; and which image a whole build gave."""

    def get_many(self, keys: Iterable[Digest]) -> CacheRead:
        """The members under `keys`; a key that is absent, or whose payload is corrupt, is not found."""

    def has_many(self, keys: Iterable[Digest]) -> frozenset[Digest]:
        """Which of `keys` are there; payloads are not read, so `get_many` may still find one corrupt."""

    def put_many(self, items: Iterable[CacheItem]) -> None:
        """Store members in one transaction: all or none; an item replaces what was under its key."""

    def plan(self, build_key: Digest) -> Digest | None:
        """The image that the build with this key gave, or None."""

    def put_plan(self, build_key: Digest, image: Digest) -> None:
        """Remember which image a build gave."""

    def size_bytes(self) -> int:
        """Bytes of all payloads."""

    def prune(self, max_bytes: int) -> int:
        """Drop the members that were least recently used until the payloads fit; gives the bytes dropped."""


class TrustListPort(Protocol):
    """Types that may be loaded from a file, because a person said so."""

    def trusted(self) -> frozenset[str]:
        """Full names of the trusted types."""
