"""Recovery of a store whose small files were damaged: no name is lost while one copy is whole.

1. A whole `index.json` stays as it is. A damaged one is set aside as `index.json.damaged` and replaced by
its second copy, `index.json.bak`, which is written before every change and so holds every name that was
acknowledged.
2. Manifests among the blobs that the second copy does not list (another program put them, or the second
copy is damaged too) are listed without a name, so that no prune deletes them and a person can tag them
again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jomon.core.errors import CorruptError
from jomon.oci import media
from jomon.oci.descriptor import Descriptor
from jomon.oci.digest import Digest
from jomon.oci.errors import OciError
from jomon.oci.index import Index
from jomon.oci.manifest import Manifest
from jomon.store import atomic
from jomon.store.catalog import Catalog
from jomon.store.format import constants, is_whole
from jomon.store.images import Images
from jomon.store.indexfile import IndexFile, read_index
from jomon.store.paths import Paths, writing


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """What was brought back: files, names from the second copy, images found that no copy listed."""

    rewritten: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    found: tuple[Digest, ...] = ()

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "rewritten": list(self.rewritten),
            "names": list(self.names),
            "found": [str(digest) for digest in self.found],
        }


def recover(store: Images, paths: Paths) -> RecoveryReport:
    """Bring damaged files back; the caller holds the index lock."""
    rewritten = [path.name for path, data in constants(paths).items() if _restore(paths, path, data)]
    if _read(paths.index) is not None:
        return RecoveryReport(tuple(rewritten))
    if paths.index.exists():
        paths.index.replace(paths.root / "index.json.damaged")
    saved = Catalog(_read(paths.backup) or Index())
    unlisted = tuple(_unlisted(store, paths, saved))
    catalog = Catalog(saved.index.with_manifests([*saved.entries, *unlisted]))
    IndexFile(paths).write(catalog)
    found = tuple(entry.digest for entry in unlisted)
    return RecoveryReport((*rewritten, paths.index.name), tuple(sorted(saved.names)), found)


def _read(path: Path) -> Index | None:
    try:
        return read_index(path)
    except CorruptError:
        return None


def _restore(paths: Paths, path: Path, data: bytes) -> bool:
    """Write a file that always says the same again, unless it is whole."""
    if is_whole(path, data):
        return False
    with writing(paths) as lease:
        atomic.replace_file(path, data, paths.temporary / lease.name)
    return True


def _unlisted(store: Images, paths: Paths, saved: Catalog) -> Iterator[Descriptor]:
    listed = saved.digests()
    for path in sorted(paths.blobs.iterdir()):
        try:
            digest = Digest(path.name)
            if digest in listed or path.stat().st_size > media.MANIFEST_LIMIT_BYTES:
                continue
            manifest = Manifest.from_bytes(store.read_blob(digest))
        except (ValueError, OciError, CorruptError):
            continue
        marks = {media.SUBJECT: str(manifest.subject.digest)} if manifest.subject is not None else {}
        size, kind = path.stat().st_size, manifest.artifact_type_or_config
        yield Descriptor(media.OCI_MANIFEST, digest, size, marks, artifact_type=kind)
