"""How a server is to run, from what the caller of `jomon serve` wants: checked before anything listens."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jomon.core.errors import JomonError
from jomon.project.footprint import measured
from jomon.project.home import STORE_VARIABLE, Home
from jomon.project.serving import fleet_of, served_names
from jomon.serving.binding import Binding, decide, is_loopback
from jomon.serving.config import Command, Limits, ServedName, ServerConfig, WorkerConfig
from jomon.serving.run_folder import PREFIX
from jomon.store.first_key import first_key
from jomon.store.keys import KeyFile

RUN = "run"
_MALLOC = "_RJEM_MALLOC_CONF"  # of the allocator (jemalloc) that Polars and deltalake bring
_ONE_ARENA = "narenas:1"
"""A hundred threads of the mover take turns in eight arenas, each of which keeps what was freed; one keeps some 20 MB
less, and costs no more time, as commits come one after the other."""


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
    worker = WorkerConfig(
        names,
        wishes.limits,
        root / RUN / f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}",
        keys=root,
        keys_required=binding.keys_required,
        key_file=wishes.key_file,
        hosts=_hosts(wishes, binding),
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


def _hosts(wishes: Wishes, binding: Binding) -> tuple[str, ...] | None:
    """The names under which a server is called that asks for no keys because nobody else can reach it."""
    if binding.keys_required or wishes.proxy or not is_loopback(wishes.host):
        return None
    return (wishes.host,)


def _mover(home: Path, names: Sequence[ServedName]) -> Command:
    """The command of the mover of one store."""
    fleets = dict.fromkeys(fleet_of(name.reference) for name in names if name.home == home)
    tags = dict.fromkeys(name.reference for name in names if name.home == home and "@" not in name.reference)
    refreshed = [word for tag in tags for word in ("--refresh", tag)]
    words = (sys.executable, "-m", "jomon.cli.main", "mover", *fleets, *refreshed)
    return Command(words, {STORE_VARIABLE: str(home), _MALLOC: os.environ.get(_MALLOC, _ONE_ARENA)})


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
