"""What every image store does alike, on a disk or in memory, over its blobs and its catalog."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TypeVar

from jomon.core.errors import CorruptError, StoreError, UnknownNameError
from jomon.oci import media
from jomon.oci.descriptor import EMPTY, Descriptor
from jomon.oci.digest import Digest
from jomon.oci.entries import ImageEntry, parse_time
from jomon.oci.errors import OciError
from jomon.oci.index import Index
from jomon.oci.manifest import Manifest
from jomon.oci.ports import BlobSource, ImageStorePort, NewBlob
from jomon.oci.reference import Reference
from jomon.store import names as naming
from jomon.store.catalog import Catalog

T = TypeVar("T")
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


class Images(ImageStorePort, ABC):
    """Images by digest and by name; a subclass keeps the blobs and the catalog."""

    @abstractmethod
    def put_blobs(self, blobs: Iterable[NewBlob]) -> tuple[Descriptor, ...]:
        """Store many blobs, durable together when this returns."""

    @abstractmethod
    def open_blob(self, blob: Descriptor | Digest) -> memoryview:
        """The bytes of a blob, read-only; raises `CorruptError` where they are missing or do not match."""

    @abstractmethod
    def blob_size(self, digest: Digest) -> int | None:
        """Bytes of a blob, or None where it is absent; the bytes are not read."""

    @abstractmethod
    def catalog(self) -> Catalog:
        """The names as they are now."""

    @abstractmethod
    def _change(self, rule: Callable[[Catalog], tuple[Catalog, T]]) -> T:
        """Apply `rule` to the catalog, alone, and keep what it gives."""

    @abstractmethod
    def lease(self) -> AbstractContextManager[None]:
        """While it is held, a prune keeps every blob that was put since it began."""

    def put_blob(
        self, source: BlobSource, media_type: str, annotations: Mapping[str, str] | None = None
    ) -> Descriptor:
        """Store one blob durably and describe it; nothing is written if it is there already, and right."""
        return self.put_blobs([NewBlob(source, media_type, annotations or {})])[0]

    def read_blob(self, blob: Descriptor | Digest) -> bytes:
        """The bytes of a blob, checked against its digest."""
        return bytes(self.open_blob(blob))

    def has_blob(self, digest: Digest) -> bool:
        """Whether a blob is there; its bytes are not read."""
        return self.blob_size(digest) is not None

    def put_manifest(
        self,
        manifest: Manifest | bytes,
        names: Sequence[str | Reference],
        created: datetime,
        moved_from: Digest | None = None,
    ) -> Digest:
        """Publish an image under `names`, all at once, and give its digest.

        Its blobs have to be there. `manifest` is given as bytes where it was made elsewhere and its digest
        has to stay. An image that the store has already keeps the time at which it was first made. With
        `moved_from`, every name has to mean that image still; else `MovedError`, and nothing is listed.
        """
        data = manifest if isinstance(manifest, bytes) else manifest.bytes
        parsed = _parse_new(data)
        given = [naming.new_name(name) for name in names]
        subject = parsed.subject.digest if parsed.subject is not None else None

        def rule(catalog: Catalog, listed: Descriptor) -> Catalog:
            if moved_from is not None:
                catalog.require(given, moved_from)
            return catalog.with_manifest(listed, given, created, subject)

        with self.lease():
            return self._list(parsed, data, rule)

    def manifest(self, digest: Digest) -> Manifest:
        """The manifest under `digest`; raises `CorruptError` where it is missing, damaged or no manifest."""
        try:
            return Manifest.from_bytes(self.read_blob(digest))
        except OciError as error:
            raise CorruptError(f"The blob {digest.short} cannot be read as an image: {error}") from None

    def resolve(self, name: str | Reference) -> Digest:
        """The digest of the image that `name` means; raises `UnknownNameError` with names that are near."""
        return self.catalog().find(name)

    def images(self) -> list[ImageEntry]:
        """Every image with each of its names, newest first; attachments are not listed."""
        listed = [entry for entry in self.catalog().images() if entry.media_type == media.OCI_MANIFEST]
        manifests = {digest: self.manifest(digest) for digest in {entry.digest for entry in listed}}
        out = [
            _describe(entry, manifests[entry.digest])
            for entry in listed
            if naming.is_named(entry) or manifests[entry.digest].subject is None
        ]
        return sorted(out, key=_newest_first)

    def tag(
        self, image: str | Reference | Digest, name: str | Reference, moved_from: Digest | None = None
    ) -> None:
        """Let `name` mean `image`; the image that had the name stays, without it.

        With `moved_from`, the name has to mean that image still; else `MovedError`, and nothing changes.
        """
        given = naming.new_name(name)

        def rule(catalog: Catalog) -> tuple[Catalog, None]:
            if moved_from is not None:
                catalog.require([given], moved_from)
            return catalog.with_name(_listed(catalog, image), given), None

        self._change(rule)

    def untag(self, name: str | Reference) -> Digest:
        """Take a name away and give the digest it meant; the image stays, listed without the name."""

        def rule(catalog: Catalog) -> tuple[Catalog, Digest]:
            digest = catalog.find(name)
            return catalog.without_name(catalog.name_of(name)), digest

        return self._change(rule)

    def remove(self, name: str | Reference | Digest) -> tuple[Digest, ...]:
        """Take a name away, and the image with its attachments if that was its last; gives what is gone.

        The blobs go with the next prune. By digest, an image goes if it has one name at most.
        """

        def rule(catalog: Catalog) -> tuple[Catalog, tuple[Digest, ...]]:
            if isinstance(name, Digest):
                _listed(catalog, name)
            return catalog.without(name)

        return self._change(rule)

    def attach(
        self,
        subject: Digest | str | Reference,
        artifact_type: str,
        blobs: Iterable[NewBlob],
        created: datetime,
        annotations: Mapping[str, str] | None = None,
    ) -> Digest:
        """Attach documents to an image, which itself stays as it is; gives the digest of the attachment."""
        target = _listed(self.catalog(), subject)
        pointer = Descriptor(media.OCI_MANIFEST, target, self.blob_size(target) or 0)

        def rule(catalog: Catalog, listed: Descriptor) -> Catalog:
            return catalog.with_manifest(listed, (), created, _listed(catalog, target))

        with self.lease():
            _, *layers = self.put_blobs([NewBlob(media.EMPTY_JSON, media.OCI_EMPTY), *blobs])
            try:
                manifest = Manifest(
                    EMPTY, tuple(layers) or (EMPTY,), artifact_type, pointer, annotations or {}
                )
            except OciError as error:
                raise StoreError(naming.sentence(error)) from None
            return self._list(manifest, manifest.bytes, rule)

    def referrers(self, subject: Digest, artifact_type: str | None = None) -> list[Descriptor]:
        """The attachments of an image, newest first, with artifact type and annotations.

        Those that another program copied into the layout are found too. `CREATED` is added to the
        annotations.
        """
        found: list[tuple[datetime, Descriptor]] = []
        for entry in self.catalog().entries:
            if self._subject_of(entry) != subject or any(entry.digest == other.digest for _, other in found):
                continue
            manifest = self.manifest(entry.digest)
            if artifact_type in (None, manifest.artifact_type_or_config):
                created = entry.annotations.get(media.CREATED)
                marked = {**({media.CREATED: created} if created else {}), **manifest.annotations}
                found.append((parse_time(created) or _BEFORE_ALL, manifest.listed_as(entry, marked)))
        return [
            descriptor
            for _, descriptor in sorted(found, key=lambda pair: (pair[0], pair[1].digest), reverse=True)
        ]

    def referrers_index(self, subject: Digest) -> Index:
        """The attachments as a document, for registries that list them under `referrers_tag(subject)`."""
        return Index(tuple(item.without_annotations(media.CREATED) for item in self.referrers(subject)))

    def _list(
        self, manifest: Manifest, data: bytes, rule: Callable[[Catalog, Descriptor], Catalog]
    ) -> Digest:
        """Store a manifest and list it by `rule`; the caller holds a lease on its blobs."""
        stored = self.put_blob(data, media.OCI_MANIFEST)
        listed = Descriptor(
            stored.media_type, stored.digest, stored.size, artifact_type=manifest.artifact_type_or_config
        )

        def change(catalog: Catalog) -> tuple[Catalog, Digest]:
            self._require_blobs(manifest, stored)
            return rule(catalog, listed), stored.digest

        return self._change(change)

    def _subject_of(self, entry: Descriptor) -> Digest | None:
        """What an entry is attached to; the manifest is read only of entries that jomon did not write."""
        marked = entry.annotations.get(media.SUBJECT)
        if marked is not None:
            return _digest_or_none(marked)
        if media.CREATED in entry.annotations or entry.media_type != media.OCI_MANIFEST:
            return None
        subject = self.manifest(entry.digest).subject
        return subject.digest if subject is not None else None

    def _require_blobs(self, manifest: Manifest, stored: Descriptor) -> None:
        for blob in (*manifest.blobs, stored):
            size = self.blob_size(blob.digest)
            if size is None:
                what = f"needs the blob {blob.digest.short}, which is not in the store"
                raise StoreError(f"The image {what}: put it first.")
            if size != blob.size:
                what = f"has {size} bytes where the image says {blob.size}"
                raise CorruptError(
                    f"The blob {blob.digest.short} {what}: run `jomon verify`, and put it again."
                )


def _parse_new(data: bytes) -> Manifest:
    try:
        return Manifest.from_bytes(data)
    except OciError as error:
        raise StoreError(f"The image cannot be stored: {error}") from None


def _listed(catalog: Catalog, image: str | Reference | Digest) -> Digest:
    digest = image if isinstance(image, Digest) else catalog.find(image)
    if digest not in catalog.digests():
        raise UnknownNameError(
            f"The store has no image {digest.short}: `jomon images` lists those that it has."
        )
    return digest


def _describe(entry: Descriptor, manifest: Manifest) -> ImageEntry:
    name = entry.annotations.get(media.REF_NAME)
    repository, tag = naming.split_name(name) if name else (entry.annotations.get(media.REPOSITORY), None)
    created = parse_time(entry.annotations.get(media.CREATED))
    opaque = len(manifest.layers_of(media.OPAQUE))
    return ImageEntry(repository, tag, entry.digest, created, manifest.size_bytes, manifest.members, opaque)


def _newest_first(entry: ImageEntry) -> tuple[float, str, str, str]:
    age = -entry.created.timestamp() if entry.created is not None else float("inf")
    return age, entry.repository or "", entry.tag or "", entry.digest.hex


def _digest_or_none(text: str) -> Digest | None:
    try:
        return Digest.parse(text)
    except ValueError:
        return None
