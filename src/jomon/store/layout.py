"""The image store on disk: an OCI image layout that oras and skopeo read as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from jomon.core.errors import CorruptError, StoreError
from jomon.oci.descriptor import Descriptor
from jomon.oci.digest import Digest
from jomon.oci.errors import OciError
from jomon.oci.index import Index
from jomon.oci.manifest import Manifest
from jomon.oci.ports import NewBlob
from jomon.store import atomic, gc, recovery, verify
from jomon.store.blobs import BlobFiles, DamagedBlobError
from jomon.store.catalog import Catalog
from jomon.store.format import constants, require_format
from jomon.store.images import Images
from jomon.store.indexfile import IndexFile
from jomon.store.locks import locked
from jomon.store.paths import CACHE_FILE, TRUST_FILE, Paths, writing

T = TypeVar("T")


class ImageStore(Images):
    """Images in a folder; safe for many processes at once, and whole after `kill -9` at any moment.

    It holds no open file, so it may be handed to other processes. Errors: `StoreError` and its
    `CorruptError`, `UnknownNameError`.
    """

    def __init__(self, root: Path) -> None:
        self._paths = Paths(root)
        self._blobs = BlobFiles(self._paths)
        self._index = IndexFile(self._paths)

    @property
    def root(self) -> Path:
        """The folder of the store."""
        return self._paths.root

    @classmethod
    def create(cls, root: Path) -> ImageStore:
        """Make a store at `root`, or open the one that is there."""
        store = cls(root)
        with atomic.disk_errors(root, "making the store"):
            if not store._paths.marker.exists():
                _require_free(store._paths)
                store._make()
        return cls.open(root)

    @classmethod
    def open(cls, root: Path) -> ImageStore:
        """Open the store at `root`; raises `StoreError` where there is none, or one of a newer format."""
        store = cls(root)
        require_format(store._paths)
        return store

    @classmethod
    def recover(cls, root: Path) -> recovery.RecoveryReport:
        """Bring a damaged `index.json`, `oci-layout` or `jomon.json` back; see `recovery.recover`."""
        paths = Paths(root)
        if not paths.blobs.is_dir():
            raise StoreError(f"{root} is no store, because it has no folder blobs/sha256: check the path.")
        with atomic.disk_errors(root, "recovering the store"):
            paths.make()
            with locked(paths.index_lock):
                return recovery.recover(cls(root), paths)

    def put_blobs(self, blobs: Iterable[NewBlob]) -> tuple[Descriptor, ...]:
        """Store many blobs, durable together when this returns; a damaged one is replaced by what is put."""
        return self._blobs.put(blobs)

    def open_blob(self, blob: Descriptor | Digest) -> memoryview:
        """The bytes of a blob, read-only and mapped into memory; every opening hashes all of them.

        Raises `CorruptError` that names the blob, the images that need it, and how to mend them.
        """
        digest = blob if isinstance(blob, Digest) else blob.digest
        with atomic.disk_errors(self.root, f"reading the blob {digest.short}"):
            try:
                return self._blobs.open(digest)
            except DamagedBlobError as error:
                raise CorruptError(self._damage(error)) from None

    def blob_size(self, digest: Digest) -> int | None:
        """Bytes of a blob's file, or None where it is absent."""
        return self._blobs.size(digest)

    def catalog(self) -> Catalog:
        """The names as they are now."""
        with atomic.disk_errors(self.root, "reading the index"):
            return self._index.read()

    @contextmanager
    def lease(self) -> Iterator[None]:
        """While it is held, `prune` keeps every blob that was put since it began: a build holds one."""
        with ExitStack() as stack:
            with atomic.disk_errors(self.root, "taking a lease"):
                stack.enter_context(writing(self._paths))
            yield

    def prune(self, *, untagged: bool = False, grace: timedelta = gc.GRACE) -> gc.PruneReport:
        """Delete the blobs that no listed image needs; with `untagged`, images without a name first.

        Blobs younger than `grace`, and those put under a lease that is still held, are kept.
        """
        with atomic.disk_errors(self.root, "pruning"):
            return gc.prune(self, self._paths, self._index, untagged=untagged, grace=grace)

    def verify(
        self, *, repair: bool = False, progress: Callable[[int, int], None] | None = None
    ) -> verify.VerifyReport:
        """Check every blob against its name, and every image; `repair` removes leftover files.

        `progress` is told the bytes checked so far and those there are.
        """
        with atomic.disk_errors(self.root, "verifying"):
            return verify.verify(self, self._paths, repair=repair, progress=progress)

    def _change(self, rule: Callable[[Catalog], tuple[Catalog, T]]) -> T:
        require_format(self._paths)
        return self._index.change(rule)

    def _make(self) -> None:
        self._paths.make()
        with locked(self._paths.index_lock):
            if self._paths.marker.exists():
                return
            if not self._paths.index.exists():
                self._index.write(Catalog(Index()))
            atomic.sync_folder(self._paths.blobs.parent)
            with writing(self._paths) as lease:
                for path, data in constants(self._paths).items():
                    atomic.replace_file(path, data, self._paths.temporary / lease.name)

    def _damage(self, error: DamagedBlobError) -> str:
        users = self._users_of(error.digest)
        of = f" of {', '.join(users[:3])}" + (" and others" if len(users) > 3 else "") if users else ""
        mend = "run `jomon verify` to see all damage, then `jomon build` to write it again"
        return f"The blob {error.digest.short}{of} in {self.root} {error.what}: {mend}."

    def _users_of(self, blob: Digest) -> list[str]:
        """The images that need a blob, by name or short digest; what cannot be read is passed over."""
        try:
            catalog = self._index.read()
        except StoreError:
            return []
        users = (digest for digest in catalog.digests() if digest == blob or blob in self._needs(digest))
        return [name for digest in users for name in catalog.names_of(digest) or [digest.short]]

    def _needs(self, digest: Digest) -> set[Digest]:
        try:
            manifest = Manifest.from_bytes(bytes(self._blobs.open(digest)))
        except (DamagedBlobError, OciError):
            return set()
        return {blob.digest for blob in manifest.blobs}


def _require_free(paths: Paths) -> None:
    """Refuse to make a store among other files; what an interrupted `create` left is ours."""
    if not paths.root.exists():
        return
    ours = {"blobs", "run", paths.index.name, paths.backup.name, paths.format.name, TRUST_FILE}
    names = {path.name for path in paths.root.iterdir() if not path.name.startswith(CACHE_FILE)}
    foreign = sorted(names - ours)
    if foreign:
        raise StoreError(
            f"{paths.root} holds other files ({foreign[0]}): choose an empty folder for the store."
        )
