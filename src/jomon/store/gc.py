"""Prune: mark what the listed images need, sweep the rest, and never what a running build has put."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from jomon.core.errors import CorruptError
from jomon.oci import media
from jomon.oci.digest import Digest
from jomon.oci.errors import OciError
from jomon.oci.index import Index
from jomon.oci.manifest import Manifest
from jomon.store.catalog import Catalog
from jomon.store.images import Images
from jomon.store.indexfile import IndexFile
from jomon.store.locks import live_leases, locked
from jomon.store.names import is_named
from jomon.store.paths import Paths

# How long a blob is kept that nothing needs yet: longer than from the first blob to its image.
GRACE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What a prune did: `images` (and attachments) no longer listed, blobs and bytes deleted.

    `kept_young` blobs are needed by nothing but too young to go; `leftovers` are files of writers that died.
    """

    images: tuple[Digest, ...] = ()
    blobs: int = 0
    bytes: int = 0
    kept_young: int = 0
    leftovers: int = 0

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "images": [str(digest) for digest in self.images],
            "blobs": self.blobs,
            "bytes": self.bytes,
            "kept_young": self.kept_young,
            "leftovers": self.leftovers,
        }


def prune(store: Images, paths: Paths, index: IndexFile, *, untagged: bool, grace: timedelta) -> PruneReport:
    """See `ImageStore.prune`. Nobody finds a blob or publishes an image between the mark and the sweep."""
    paths.make()
    with locked(paths.sweep_lock) as lock, locked(paths.index_lock):
        before = index.read()
        after = before.without_digests(unwanted(before, untagged=untagged))
        needed = reachable(store, after)
        if after.index != before.index:
            index.write(after)
        os.utime(lock)
        older = os.fstat(lock).st_mtime_ns - int(grace.total_seconds() * 1e9)
        leases = live_leases(paths.leases)
        horizon = min([older + 1, *(lease.since_ns for lease in leases)])
        leftovers = _sweep_temporary(paths, {lease.name for lease in leases})
        gone = tuple(digest for digest in before.digests() if digest not in after.digests())
        blobs, size, young = _sweep_blobs(paths, needed, horizon)
        return PruneReport(gone, blobs, size, young, leftovers)


def unwanted(catalog: Catalog, *, untagged: bool) -> set[Digest]:
    """Attachments whose subject is gone; with `untagged`, images without a name and their attachments."""
    gone: set[Digest] = set()
    if untagged:
        gone = {entry.digest for entry in catalog.images() if not is_named(entry)}
    while more := set(catalog.without_digests(gone).orphans()) - gone:
        gone |= more
    return gone


def reachable(store: Images, catalog: Catalog) -> set[Digest]:
    """Every blob that a listed manifest needs, itself included; raises `CorruptError` for a damaged one."""
    needed: set[Digest] = set()
    waiting = [(entry.digest, entry.media_type) for entry in catalog.entries]
    while waiting:
        digest, media_type = waiting.pop()
        if digest in needed:
            continue
        needed.add(digest)
        waiting += _needs(store, digest, media_type)
    return needed


def _needs(store: Images, digest: Digest, media_type: str) -> Iterator[tuple[Digest, str]]:
    try:
        if media_type == media.OCI_INDEX:
            listed: Iterable[Any] = Index.from_bytes(store.read_blob(digest)).manifests
        elif media_type == media.OCI_MANIFEST:
            listed = Manifest.from_bytes(store.read_blob(digest)).blobs
        else:
            listed = ()
    except OciError as error:
        raise CorruptError(
            f"The blob {digest.short} cannot be read, so nothing was pruned: {error}"
        ) from None
    return iter([(item.digest, item.media_type) for item in listed])


def _sweep_blobs(paths: Paths, needed: set[Digest], horizon_ns: int) -> tuple[int, int, int]:
    blobs = size = young = 0
    wanted = {digest.hex for digest in needed}
    for entry in os.scandir(paths.blobs):
        if entry.name in wanted or not entry.is_file(follow_symlinks=False):
            continue
        facts = entry.stat(follow_symlinks=False)
        if facts.st_mtime_ns >= horizon_ns:
            young += 1
            continue
        Path(entry.path).unlink()
        blobs, size = blobs + 1, size + facts.st_size
    return blobs, size, young


def _sweep_temporary(paths: Paths, running: set[str]) -> int:
    removed = 0
    for path in paths.temporary.iterdir():
        if path.name.partition(".")[0] not in running:
            path.unlink(missing_ok=True)
            removed += 1
    return removed
