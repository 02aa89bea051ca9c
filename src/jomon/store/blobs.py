"""Blobs on disk: files named by the digest of their bytes, written once and never changed."""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from jomon.oci.descriptor import Descriptor
from jomon.oci.digest import Digest
from jomon.oci.ports import BlobSource, NewBlob
from jomon.store import atomic
from jomon.store.locks import Lease, locked
from jomon.store.paths import Paths, writing

_CHUNK = 1 << 20  # bytes read at once: large enough that the hash, not the call, takes the time


class DamagedBlobError(Exception):
    """A blob that is absent or does not match; the caller knows the image and writes the sentence."""

    def __init__(self, digest: Digest, what: str) -> None:
        self.digest = digest
        self.what = what
        super().__init__(f"{digest} {what}")


@dataclass
class _Batch:
    """What one call has written so far: temporary files that wait for their names."""

    lease: Lease
    new: dict[Digest, Path] = field(default_factory=dict)
    count: int = 0

    def next_name(self) -> str:
        self.count += 1
        return f"{self.lease.name}.{self.count}"


class BlobFiles:
    """The blobs of one store."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def put(self, blobs: Iterable[NewBlob]) -> tuple[Descriptor, ...]:
        """Store blobs, durable together on return; what is there already, and right, is not written again."""
        with atomic.disk_errors(self._paths.root, "storing blobs"), writing(self._paths) as lease:
            batch = _Batch(lease)
            try:
                out = tuple(self._write(blob, batch) for blob in blobs)
                self._publish(batch)
            finally:
                for path in batch.new.values():
                    with suppress(OSError):
                        path.unlink(missing_ok=True)
            return out

    def open(self, digest: Digest) -> memoryview:
        """The bytes of a blob, read-only and mapped; raises `DamagedBlobError` unless they match."""
        path = self._paths.blob(digest)
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            raise DamagedBlobError(digest, "is missing") from None
        try:
            empty = os.fstat(descriptor).st_size == 0
            view = memoryview(b"" if empty else mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ))
        finally:
            os.close(descriptor)
        if Digest.of(view) != digest:
            raise DamagedBlobError(digest, "does not match its digest")
        return view

    def size(self, digest: Digest) -> int | None:
        """Bytes of a blob's file, or None where there is none."""
        try:
            return self._paths.blob(digest).stat().st_size
        except FileNotFoundError:
            return None

    def _write(self, blob: NewBlob, batch: _Batch) -> Descriptor:
        digest, size = _measure(blob.source)
        if digest not in batch.new and not self._keep_present(digest, size):
            path = self._paths.temporary / batch.next_name()
            hasher = hashlib.sha256()
            atomic.write_new(path, _hashing(_chunks(blob.source), hasher), mode=0o444)
            written = Digest(hasher.hexdigest())
            batch.new.setdefault(written, path)
            if written != digest:  # the file changed between the two looks: what was written counts
                digest, size = written, path.stat().st_size
        return Descriptor(blob.media_type, digest, size, blob.annotations)

    def _keep_present(self, digest: Digest, size: int) -> bool:
        """Whether the blob is there and right; it then counts as put now, so that a prune keeps it."""
        with locked(self._paths.sweep_lock, shared=True):
            if self.size(digest) != size:
                return False
            try:
                self.open(digest)
            except DamagedBlobError:
                return False
            try:
                os.utime(self._paths.blob(digest))
            except PermissionError:
                return False  # another user's file: ours takes its place
            return True

    def _publish(self, batch: _Batch) -> None:
        atomic.sync_files(list(batch.new.values()))
        with locked(self._paths.sweep_lock, shared=True):
            for digest, path in batch.new.items():
                path.replace(self._paths.blob(digest))
        atomic.sync_folder(self._paths.blobs)


def _measure(source: BlobSource) -> tuple[Digest, int]:
    hasher, size = hashlib.sha256(), 0
    for chunk in _chunks(source):
        hasher.update(chunk)
        size += len(chunk)
    return Digest(hasher.hexdigest()), size


def _chunks(source: BlobSource) -> Iterator[bytes | memoryview]:
    if not isinstance(source, Path):
        view = memoryview(source)
        yield view.cast("B") if view.nbytes else b""
        return
    with source.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _hashing(chunks: Iterable[bytes | memoryview], hasher: hashlib._Hash) -> Iterator[bytes | memoryview]:
    for chunk in chunks:
        hasher.update(chunk)
        yield chunk
