"""How a server runs: plain values that the supervisor hands to its workers when they start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Limits:
    """What a server takes: bytes and rows of a request, rows that wait in one worker, seconds for a body to arrive."""

    body_bytes: int = 16 * 2**20
    rows: int = 10_000
    queue_rows: int = 20_000
    seconds: float = 10.0


@dataclass(frozen=True)
class ServedName:
    """A reference as it is served: the store it is in, and its name there, with a tag or digest."""

    home: Path
    reference: str


@dataclass(frozen=True)
class WorkerConfig:
    """What every worker of a server is told. `keys`: the store whose keys count, if keys are required; `key_file`: a
    secret file with a first one; `hosts`: the names under which a server without keys is called, None: any; `run`: the
    folder of the running server."""

    names: tuple[ServedName, ...]
    limits: Limits
    run: Path
    keys: Path
    keys_required: bool = False
    key_file: Path | None = None
    hosts: tuple[str, ...] | None = None
    access_log: str | None = None
    clock: str | None = None
    batch_wait: float = 0.0


@dataclass(frozen=True)
class Command:
    """A program to run beside the workers, with what its environment has besides ours."""

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ServerConfig:
    """Where a server listens, how many workers it has, and how it ends.

    `grace`: seconds between saying that it is not ready and taking no more requests, so that a balancer can turn away;
    `silence`: seconds after which a worker that gives no sign of life is killed and replaced; `movers`: one per store,
    none where another machine moves the logs; `told` hears what operators should know.
    """

    host: str
    port: int
    workers: int
    worker: WorkerConfig
    grace: float = 0.5
    silence: float = 60.0
    tls_cert: Path | None = None
    tls_key: Path | None = None
    movers: tuple[Command, ...] = ()
    told: Callable[[str], None] = field(default=lambda line: None)
