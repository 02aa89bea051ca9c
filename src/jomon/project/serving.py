"""Wiring of a server: the fleets it serves, read from image stores, with their journals, lookups and keys."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from jomon.core.errors import JomonError, SpecError, UnknownNameError
from jomon.core.gauges_file import gauges_file
from jomon.oci import media
from jomon.oci.digest import Digest
from jomon.project.fleet import Fleet
from jomon.project.home import FOLDER, Home, find_home, home_of
from jomon.serving.auth import Authority
from jomon.serving.config import ServedName
from jomon.serving.following import ImageSource
from jomon.serving.image import ServedImage
from jomon.serving.lookups import ServedLookups
from jomon.serving.recording import keyed_hash
from jomon.serving.tally import Tally
from jomon.serving.telling import to_stderr
from jomon.serving.worker import FleetSetup
from jomon.store.first_key import first_key
from jomon.store.keys import KeyFile

if TYPE_CHECKING:
    from collections.abc import Sequence

HASH_KEY = "hash.key"
_KEY_BYTES = 32


def served_names(given: Sequence[str]) -> tuple[ServedName, ...]:
    """What `jomon serve` was asked for: `flights`, `flights:champion`, `flights@sha256:...`, or a project's folder.

    A folder means the latest image of the project in it; `folder//name:tag` an image in its store. Raises
    `UnknownNameError` where there is no such store or name.
    """
    found = []
    for text in given:
        folder, slashes, name = text.partition("//")
        if slashes:
            home = home_of(folder)
        elif Path(text).is_dir():
            home, name = home_of(text), _fleet_in(Path(text))
        else:
            home, name = find_home(), text
        reference = name if ":" in name or "@" in name else f"{name}:latest"
        home.images.resolve(reference)
        found.append(ServedName(home.root.resolve(), reference))
    return tuple(found)


def _fleet_in(folder: Path) -> str:
    from jomon.project.project import open_project

    if folder.name == FOLDER or not (folder / "jomon.yaml").exists():
        raise UnknownNameError(f"{folder} holds no project: name an image as {folder}//fleet:tag.")
    return open_project(folder).latest


def fleet_of(reference: str) -> str:
    """The name of the fleet in a reference."""
    return reference.partition("@")[0].partition(":")[0]


class StoreSource(ImageSource):
    """Images of one store."""

    def __init__(self, home: Home, tally: Tally) -> None:
        self._home, self._tally = home, tally

    def stamp(self) -> object:
        """The identity of the file with the names."""
        try:
            found = (self._home.root / "images" / "index.json").stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def resolve(self, reference: str) -> str:
        """The digest that a reference means now."""
        return str(self._home.images.resolve(reference))

    def load(self, reference: str, digest: str) -> ServedImage:
        """The image, every layer checked, warm."""
        fleet = Fleet.load(self._home, Digest.parse(digest))
        for blob in (fleet.manifest.config, *fleet.manifest.layers):
            if blob.media_type != media.MODEL_WEIGHT_RAW:  # those were checked when they were opened
                self._home.images.open_blob(blob)
        spec = fleet.runtime.spec
        lookups = ServedLookups(self._home.root / "lookups", spec, self._tally.lookup_missed)
        served = ServedImage(fleet.name, reference, digest, fleet.runtime, lookups, self._hashed)
        served.warm()
        return served

    @cached_property
    def _hashed(self) -> Callable[[str], str]:
        return keyed_hash(hash_key(self._home))


def hash_key(home: Home) -> bytes:
    """The secret under which personal values are hashed; made once per store, readable by its owner alone."""
    path = home.root / HASH_KEY
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    fresh = home.root / f"{HASH_KEY}.{os.getpid()}.{secrets.token_hex(4)}"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(_KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(fresh, path)  # the first one wins; whoever comes later reads what is there
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return path.read_bytes()


def setups(
    names: Sequence[ServedName], served_before: Callable[[str], str | None] = lambda reference: None
) -> tuple[FleetSetup, ...]:
    """The fleets of a worker, their images loaded; several references to one fleet are versions of it.

    `served_before` gives the digest that another worker of this server serves a reference as: that image is taken
    where the name is gone meanwhile, or what it means now is damaged. Raises `SpecError` where two stores have a fleet
    of the same name, and what loading raises.
    """
    by_fleet: dict[str, list[ServedName]] = {}
    for name in names:
        by_fleet.setdefault(fleet_of(name.reference), []).append(name)
    out = []
    for fleet, mine in by_fleet.items():
        if len({name.home for name in mine}) > 1:
            raise SpecError([f"Two stores have a fleet {fleet}: serve them by servers of their own."])
        home, tally = Home(mine[0].home), Tally(fleet)
        source = StoreSource(home, tally)
        images = tuple(_first(source, n.reference, served_before) for n in mine)
        sync = min(image.runtime.spec.serving.log.sync.total_seconds() for image in images)
        journal, checks = home.root / "log" / images[0].fleet, gauges_file(home.root, images[0].fleet)
        out.append(FleetSetup(images, source, journal, tally, sync, checks))
    return tuple(out)


def _first(source: StoreSource, reference: str, served_before: Callable[[str], str | None]) -> ServedImage:
    """The image that a worker begins with."""
    try:
        return source.load(reference, source.resolve(reference))
    except JomonError as error:
        last = served_before(reference)
        if last is None:
            raise
        to_stderr(f"{reference} stays as it is ({last[:19]}): {error}")
        return source.load(reference, last)


def authority(root: Path, key_file: Path | None) -> Authority:
    """Who may do what, by the keys of the home at `root`, and the first key of a secret file, held in memory alone."""
    extra = () if key_file is None else (first_key(key_file, datetime.now(UTC)),)
    found = Authority(KeyFile(root), required=True, extra=extra)
    found.check()
    return found
