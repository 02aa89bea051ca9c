"""Verify: every blob against its name, every image whole, every name sane."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jomon.core.errors import CorruptError
from jomon.oci import media
from jomon.oci.digest import Digest
from jomon.oci.errors import OciError
from jomon.oci.index import Index
from jomon.oci.manifest import Manifest
from jomon.store.catalog import Catalog
from jomon.store.format import constants, is_whole
from jomon.store.images import Images
from jomon.store.indexfile import read_index
from jomon.store.locks import live_leases, locked
from jomon.store.paths import Paths


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong: `kind` for programs, `text` one sentence for people."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was checked and found; `leftovers` are files of writers that died: harmless, and listed."""

    blobs: int = 0
    bytes: int = 0
    images: int = 0
    problems: tuple[Problem, ...] = ()
    leftovers: tuple[Path, ...] = ()
    repaired: bool = False

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "whole": self.whole,
            "blobs": self.blobs,
            "bytes": self.bytes,
            "images": self.images,
            "problems": [{"kind": problem.kind, "text": problem.text} for problem in self.problems],
            "leftovers": [path.name for path in self.leftovers],
            "repaired": self.repaired,
        }


@dataclass
class _Findings:
    good: dict[Digest, int] = field(default_factory=dict)
    bad: set[Digest] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def add(self, kind: str, text: str) -> None:
        self.problems.append(Problem(kind, text))


def verify(
    store: Images, paths: Paths, *, repair: bool, progress: Callable[[int, int], None] | None
) -> VerifyReport:
    """See `ImageStore.verify`; no prune runs meanwhile; a store that cannot be written is checked too."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(paths.sweep_lock, shared=True))
        except OSError:
            repair = False
        findings = _Findings()
        _check_constants(paths, findings)
        catalog = _read_catalog(paths, findings)
        _check_blobs(store, paths, findings, progress or _silent)
        for name in catalog.doubled():
            mend = f"run `jomon tag` to let it mean one of them, or `jomon rm {name}`"
            findings.add("doubled name", f"The index lists {name} more than once: {mend}.")
        for digest in catalog.digests():
            _check_image(store, catalog, digest, findings)
        leftovers = tuple(_leftovers(paths))
        for path in leftovers if repair else ():
            path.unlink(missing_ok=True)
        return VerifyReport(
            len(findings.good) + len(findings.bad),
            sum(findings.good.values()),
            sum(1 for _ in dict.fromkeys(entry.digest for entry in catalog.images())),
            tuple(findings.problems),
            leftovers,
            repair,
        )


def _check_constants(paths: Paths, findings: _Findings) -> None:
    for path, data in constants(paths).items():
        if path.exists() and not is_whole(path, data):
            mend = "run `jomon verify --repair`, which writes it again"
            findings.add("damaged file", f"The file {path} is damaged; {mend}.")


def _read_catalog(paths: Paths, findings: _Findings) -> Catalog:
    try:
        catalog = Catalog(read_index(paths.index))
    except CorruptError as error:
        findings.add("damaged index", str(error))
        return Catalog()
    if paths.backup.exists():
        try:
            read_index(paths.backup)
        except CorruptError:
            mend = "the next change of a name writes it again"
            findings.add(
                "damaged backup", f"The second copy of the index, {paths.backup}, is damaged; {mend}."
            )
    return catalog


def _check_blobs(
    store: Images, paths: Paths, findings: _Findings, progress: Callable[[int, int], None]
) -> None:
    files = {path: path.stat().st_size for path in sorted(paths.blobs.iterdir())}
    total, done = sum(files.values()), 0
    for path, size in files.items():
        _check_blob(store, path, findings)
        done += size
        progress(done, total)


def _check_blob(store: Images, path: Path, findings: _Findings) -> None:
    try:
        digest = Digest(path.name)
    except ValueError:
        findings.add("stray file", f"{path} is no blob of the store: move it elsewhere.")
        return
    try:
        findings.good[digest] = len(store.open_blob(digest))
    except CorruptError as error:
        findings.bad.add(digest)
        findings.add("corrupt blob", str(error))


def _silent(done: int, total: int) -> None:
    """Nobody is told of the progress."""


def _check_image(store: Images, catalog: Catalog, digest: Digest, findings: _Findings) -> None:
    title = ", ".join(catalog.names_of(digest)) or digest.short
    if digest in findings.bad:
        return  # said already, with the images that need it
    if digest not in findings.good:
        findings.add(
            "missing blob", f"The manifest of image {title} is missing: build or pull the image again."
        )
        return
    entries = [entry for entry in catalog.entries if entry.digest == digest]
    if any(entry.size != findings.good[digest] for entry in entries):
        findings.add("bad index", f"The index says a wrong size of image {title}: build it again.")
    try:
        needs = _needs(store.read_blob(digest), entries[0].media_type)
    except OciError as error:
        findings.add("bad manifest", f"The manifest of image {title} cannot be read: {error}")
        return
    for blob, size in needs.items():
        if blob in findings.bad:
            continue
        if blob not in findings.good:
            findings.add(
                "missing blob", f"Image {title} lacks the blob {blob.short}: build or pull the image again."
            )
        elif findings.good[blob] != size:
            what = f"says {size} bytes of the blob {blob.short}, which has {findings.good[blob]}"
            findings.add("bad manifest", f"The manifest of image {title} {what}: build the image again.")


def _needs(data: bytes, media_type: str) -> dict[Digest, int]:
    if media_type == media.OCI_MANIFEST:
        return {blob.digest: blob.size for blob in Manifest.from_bytes(data).blobs}
    if media_type == media.OCI_INDEX:
        return {blob.digest: blob.size for blob in Index.from_bytes(data).manifests}
    return {}


def _leftovers(paths: Paths) -> Iterator[Path]:
    if not paths.temporary.is_dir():
        return
    found = sorted(paths.temporary.iterdir())
    try:
        running = {lease.name for lease in live_leases(paths.leases)}
    except OSError:
        running = set()
    for path in found:
        if path.name.partition(".")[0] not in running:
            yield path
