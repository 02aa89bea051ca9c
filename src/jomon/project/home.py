"""Where a project keeps what it makes: image store, build cache and tables under `.jomon`, or elsewhere if told."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from jomon.core.errors import StoreError
from jomon.store.cache import BuildCache
from jomon.store.keys import KeyFile
from jomon.store.layout import ImageStore
from jomon.store.recovery import RecoveryReport
from jomon.store.trust import TrustList

STORE_VARIABLE = "JOMON_STORE"  # a folder that is used instead of the project's own `.jomon`
FOLDER = ".jomon"


@dataclass(frozen=True)
class Home:
    """The folder with images, cache and tables; made when something is first written."""

    root: Path

    @cached_property
    def images(self) -> ImageStore:
        """The image store; made if it is not there."""
        path = self.root / "images"
        return ImageStore.open(path) if (path / "oci-layout").exists() else ImageStore.create(path)

    def recover(self) -> RecoveryReport:
        """Bring damaged small files of the image store back; raises `StoreError` where there is no store."""
        return ImageStore.recover(self.root / "images")

    @cached_property
    def cache(self) -> BuildCache:
        """The build cache."""
        return BuildCache(self.root / "cache")

    @cached_property
    def trust(self) -> TrustList:
        """The types that opaque members may be made of."""
        return TrustList(self.root / "images")

    @cached_property
    def keys(self) -> KeyFile:
        """Who may use the servers of this home."""
        return KeyFile(self.root)

    @property
    def tables(self) -> Path:
        """Where the Delta tables are."""
        return self.root / "tables"

    @property
    def lookups(self) -> Path:
        """Where the serving copies of lookups are."""
        return self.root / "lookups"


def find_home(start: Path | str | None = None) -> Home:
    """The home named by JOMON_STORE, else the nearest `.jomon` or project from `start` (this folder) upwards.

    Raises `StoreError` where there is none.
    """
    named = os.environ.get(STORE_VARIABLE)
    if named:
        return Home(Path(named))
    here = Path(start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / FOLDER).is_dir() or (folder / "jomon.yaml").is_file():
            return Home(folder / FOLDER)
    raise StoreError(
        f"There is no project in {here} or above it: "
        "go into one, name it with --project, or start one with `jomon init`."
    )


def home_of(store: Path | str) -> Home:
    """The home in a project folder, or the home that `store` itself is."""
    path = Path(store)
    return Home(path / FOLDER if (path / FOLDER).is_dir() or (path / "jomon.yaml").exists() else path)
