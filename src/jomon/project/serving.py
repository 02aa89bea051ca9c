"""Wiring of a server: the fleets it serves, read from image stores, with their journals, lookups and keys."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from jomon.core.errors import JomonError, SpecError, UnknownNameError
from jomon.oci.digest import Digest
from jomon.project.fleet import Fleet
from jomon.project.home import FOLDER, STORE_VARIABLE, Home, find_home, home_of
from jomon.serving.auth import Authority
from jomon.serving.binding import decide
from jomon.serving.config import Command, Limits, ServedName, ServerConfig, WorkerConfig
from jomon.serving.following import ImageSource
from jomon.serving.image import ServedImage
from jomon.serving.lookups import ServedLookups
from jomon.serving.probe import measured
from jomon.serving.recording import keyed_hash
from jomon.serving.tally import Tally
from jomon.serving.worker import FleetSetup
from jomon.store.first_key import first_key
from jomon.store.keys import KeyFile

if TYPE_CHECKING:
    from collections.abc import Sequence

HASH_KEY = "hash.key"
RUN = "run"
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


def _fleet_of(reference: str) -> str:
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


def setups(names: Sequence[ServedName]) -> tuple[FleetSetup, ...]:
    """The fleets of a worker, their images loaded; several references to one fleet are versions of it.

    Raises `SpecError` where two stores have a fleet of the same name, and what loading raises.
    """
    by_fleet: dict[str, list[ServedName]] = {}
    for name in names:
        by_fleet.setdefault(_fleet_of(name.reference), []).append(name)
    out = []
    for fleet, mine in by_fleet.items():
        if len({name.home for name in mine}) > 1:
            raise SpecError([f"Two stores have a fleet {fleet}: serve them by servers of their own."])
        home, tally = Home(mine[0].home), Tally(fleet)
        source = StoreSource(home, tally)
        images = tuple(source.load(n.reference, source.resolve(n.reference)) for n in mine)
        sync = min(image.runtime.spec.serving.log.sync.total_seconds() for image in images)
        out.append(FleetSetup(images, source, home.root / "log" / images[0].fleet, tally, sync))
    return tuple(out)


@dataclass(frozen=True)
class Wishes:
    """What the caller of `jomon serve` wants; see its options."""

    fleets: tuple[str, ...]
    host: str
    port: int
    workers: int
    limits: Limits
    memory: int | None = None
    require_keys: bool = False
    key_file: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    proxy: bool = False
    insecure: bool = False
    mover: bool = True
    access_log: str | None = None
    batch_wait: float = 0.0
    grace: float = 0.5
    clock: Path | None = None


def configured(wishes: Wishes, told: Callable[[str], None]) -> tuple[ServerConfig, list[str]]:
    """How a server is to run, and what to tell of it, line by line.

    Raises `JomonError` where an image is damaged, does not fit into the memory, or the place to listen at is not safe.
    """
    names = served_names(wishes.fleets)
    root = names[0].home
    if wishes.key_file is not None:
        first_key(wishes.key_file, datetime.now(UTC))
    has_keys = wishes.key_file is not None or bool(KeyFile(root).entries())
    binding = decide(
        wishes.host,
        has_keys=has_keys,
        tls=wishes.tls_cert is not None,
        proxy=wishes.proxy,
        insecure=wishes.insecure,
        require_keys=wishes.require_keys,
    )
    for warning in binding.warnings:
        told(warning)
    about = [_checked(name) for name in names]
    if wishes.memory is not None:
        about.append(_admitted(names, wishes.workers, wishes.memory))
    run = root / RUN
    _clear_dead(run)
    worker = WorkerConfig(
        names,
        wishes.limits,
        run / f"serve-{os.getpid()}",
        keys=root,
        keys_required=binding.keys_required,
        key_file=wishes.key_file,
        access_log=wishes.access_log,
        clock=None if wishes.clock is None else str(wishes.clock),
        batch_wait=wishes.batch_wait,
    )
    scheme = "http" if wishes.tls_cert is None else "https"
    shown = f"[{wishes.host}]" if ":" in wishes.host else wishes.host
    about.append(f"{scheme}://{shown}:{wishes.port}  (try it: /docs)")
    movers = tuple(_mover(home, names) for home in dict.fromkeys(name.home for name in names))
    return ServerConfig(
        host=wishes.host,
        port=wishes.port,
        workers=wishes.workers,
        worker=worker,
        grace=wishes.grace,
        tls_cert=wishes.tls_cert,
        tls_key=wishes.tls_key,
        movers=movers if wishes.mover else (),
        told=told,
    ), about


def _mover(home: Path, names: Sequence[ServedName]) -> Command:
    """The command of the mover of one store."""
    fleets = dict.fromkeys(_fleet_of(name.reference) for name in names if name.home == home)
    return Command((sys.executable, "-m", "jomon.cli.main", "mover", *fleets), {STORE_VARIABLE: str(home)})


def _checked(name: ServedName) -> str:
    """A line about an image whose every layer matches its digest; raises `CorruptError` otherwise."""
    store = Home(name.home).images
    digest = store.resolve(name.reference)
    manifest = store.manifest(digest)
    for blob in (manifest.config, *manifest.layers):
        store.open_blob(blob)
    members = "unknown" if manifest.members is None else f"{manifest.members:,}"
    return f"{name.reference}  sha256:{digest.short}  {members} members"


def _admitted(names: Sequence[ServedName], workers: int, limit: int) -> str:
    need = measured(names)
    total = need.total(workers)
    told = (
        f"{total / 1e6:,.0f} MB ({workers} x {need.worker / 1e6:,.0f} MB and packs of {need.packs / 1e6:,.1f} MB "
        f"for {need.members:,} members), measured"
    )
    if total > limit:
        raise JomonError(
            f"These fleets need {told}, more than --memory {limit / 1e6:,.0f} MB: give more, or serve fewer."
        )
    return f"needs {told}, of {limit / 1e6:,.0f} MB"


def _clear_dead(run: Path) -> None:
    """Remove what servers left that did not end in order."""
    for folder in run.glob("serve-*"):
        number = folder.name.removeprefix("serve-")
        if number.isdigit() and not Path(f"/proc/{number}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def authority(root: Path, key_file: Path | None) -> Authority:
    """Who may do what, by the keys of the home at `root`, and the first key of a secret file, held in memory alone."""
    extra = () if key_file is None else (first_key(key_file, datetime.now(UTC)),)
    return Authority(KeyFile(root), required=True, extra=extra)
