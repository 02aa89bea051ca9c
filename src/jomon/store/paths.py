"""Where things lie in a store.

oci-layout  index.json  blobs/sha256/<hex>   the OCI image layout, for every tool that reads one
index.json.bak                               a second copy of the index, written before the first
jomon.json                                   the format of what jomon adds to the layout
trust.json  cache.sqlite                     where they are kept here: trusted types, members fitted before
run/index.lock  run/sweep.lock               locks; run/leases/ running writers; run/tmp/ files being written
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jomon.oci.digest import Digest
from jomon.store.locks import Lease, leased

CACHE_FILE = "cache.sqlite"
TRUST_FILE = "trust.json"


@dataclass(frozen=True, slots=True)
class Paths:
    """The files and folders of the store at `root`."""

    root: Path

    @property
    def marker(self) -> Path:
        """The file that makes a folder an OCI image layout."""
        return self.root / "oci-layout"

    @property
    def format(self) -> Path:
        """The number of the store's format."""
        return self.root / "jomon.json"

    @property
    def index(self) -> Path:
        """What the store holds, by name."""
        return self.root / "index.json"

    @property
    def backup(self) -> Path:
        """The second copy of the index."""
        return self.root / "index.json.bak"

    @property
    def blobs(self) -> Path:
        """The folder of all blobs."""
        return self.root / "blobs" / "sha256"

    @property
    def run(self) -> Path:
        """The folder of what running processes need."""
        return self.root / "run"

    @property
    def leases(self) -> Path:
        """One file for each running writer."""
        return self.run / "leases"

    @property
    def temporary(self) -> Path:
        """Files that are being written; their names begin with that of the writer's lease."""
        return self.run / "tmp"

    @property
    def index_lock(self) -> Path:
        """Held by who changes the index."""
        return self.run / "index.lock"

    @property
    def sweep_lock(self) -> Path:
        """Held by who deletes blobs; shared by who finds that a blob is there."""
        return self.run / "sweep.lock"

    def blob(self, digest: Digest) -> Path:
        """The file of one blob."""
        return self.blobs / digest.hex

    def make(self) -> None:
        """Make the folders."""
        for folder in (self.blobs, self.leases, self.temporary):
            folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def writing(paths: Paths) -> Iterator[Lease]:
    """Hold a lease while files are written; folders that another program's layout lacks are made first."""
    paths.make()
    with leased(paths.leases) as lease:
        yield lease
