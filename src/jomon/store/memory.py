"""The store, the build cache and the trust list in memory: small, real, and under the same contract tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from jomon.core.errors import CorruptError
from jomon.oci.descriptor import Descriptor
from jomon.oci.digest import Digest, canonical_json
from jomon.oci.ports import BuildCachePort, CachedMember, CacheItem, CacheRead, NewBlob
from jomon.store.catalog import Catalog
from jomon.store.gc import PruneReport, reachable, unwanted
from jomon.store.images import Images

T = TypeVar("T")


class MemoryStore(Images):
    """Images in this process alone."""

    def __init__(self) -> None:
        self._bytes: dict[Digest, bytes] = {}
        self._catalog = Catalog()

    def put_blobs(self, blobs: Iterable[NewBlob]) -> tuple[Descriptor, ...]:
        """Store many blobs."""
        out = []
        for blob in blobs:
            data = blob.source.read_bytes() if isinstance(blob.source, Path) else bytes(blob.source)
            out.append(Descriptor.of(data, blob.media_type, blob.annotations))
            self._bytes[out[-1].digest] = data
        return tuple(out)

    def open_blob(self, blob: Descriptor | Digest) -> memoryview:
        """The bytes of a blob; raises `CorruptError` where there is none."""
        digest = blob if isinstance(blob, Digest) else blob.digest
        if digest not in self._bytes:
            raise CorruptError(f"The blob {digest.short} is missing: put it again.")
        return memoryview(self._bytes[digest])

    def blob_size(self, digest: Digest) -> int | None:
        """Bytes of a blob, or None where there is none."""
        data = self._bytes.get(digest)
        return None if data is None else len(data)

    def catalog(self) -> Catalog:
        """The names as they are now."""
        return self._catalog

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Nobody else prunes this store: nothing to hold."""
        yield

    def prune(self, *, untagged: bool = False) -> PruneReport:
        """Drop the blobs that no listed image needs; with `untagged`, images without a name first."""
        gone = unwanted(self._catalog, untagged=untagged)
        images = tuple(digest for digest in self._catalog.digests() if digest in gone)
        self._catalog = self._catalog.without_digests(gone)
        needed = reachable(self, self._catalog)
        swept = {digest: data for digest, data in self._bytes.items() if digest not in needed}
        self._bytes = {digest: data for digest, data in self._bytes.items() if digest in needed}
        return PruneReport(images, len(swept), sum(map(len, swept.values())))

    def _change(self, rule: Callable[[Catalog], tuple[Catalog, T]]) -> T:
        self._catalog, result = rule(self._catalog)
        return result


@dataclass
class _Slot:
    member: CachedMember
    tick: int


class MemoryCache(BuildCachePort):
    """A build cache in this process alone."""

    def __init__(self) -> None:
        self._slots: dict[Digest, _Slot] = {}
        self._plans: dict[Digest, Digest] = {}
        self._tick = 0

    def get_many(self, keys: Iterable[Digest]) -> CacheRead:
        """The members under `keys`, in the order asked."""
        found: dict[Digest, CachedMember] = {}
        self._tick += 1
        for key in keys:
            if (slot := self._slots.get(key)) is not None:
                slot.tick = self._tick
                found[key] = slot.member
        return CacheRead(found)

    def has_many(self, keys: Iterable[Digest]) -> frozenset[Digest]:
        """Which of `keys` are there."""
        return frozenset(key for key in keys if key in self._slots)

    def put_many(self, items: Iterable[CacheItem]) -> None:
        """Store members: all or none; an item replaces what was under its key."""
        self._tick += 1
        new = {
            item.key: _Slot(
                CachedMember(item.payload, Digest.of(item.payload), _plain(item.note)), self._tick
            )
            for item in items
        }
        self._slots |= new

    def plan(self, build_key: Digest) -> Digest | None:
        """The image that the build with this key gave, or None."""
        return self._plans.get(build_key)

    def put_plan(self, build_key: Digest, image: Digest) -> None:
        """Remember which image a build gave."""
        self._plans[build_key] = image

    def size_bytes(self) -> int:
        """Bytes of all payloads."""
        return sum(len(slot.member.payload) for slot in self._slots.values())

    def __len__(self) -> int:
        """How many members there are."""
        return len(self._slots)

    def prune(self, max_bytes: int) -> int:
        """Drop the members that were least recently used until the payloads fit; gives the bytes dropped."""
        total, dropped = self.size_bytes(), 0
        for key, slot in sorted(self._slots.items(), key=lambda pair: pair[1].tick):
            if total - dropped <= max_bytes:
                break
            dropped += len(slot.member.payload)
            del self._slots[key]
        return dropped


def _plain(note: Mapping[str, object]) -> Mapping[str, object]:
    """The note as it would come back from a file: JSON values, and nobody else's object."""
    return dict(json.loads(canonical_json(dict(note))))
