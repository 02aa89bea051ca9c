"""`jomon serve`: answer for whole fleets over HTTP."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from jomon.cli.console import say

SERVE_EXTRA = "the server needs further packages: pip install 'jomon[serve]'"


def serve(
    fleets: Annotated[
        list[str],
        typer.Argument(
            metavar="FLEET...",
            help="Images to serve: flights, flights:champion, flights@sha256:..., a project's folder, FOLDER//NAME.",
        ),
    ],
    port: Annotated[int, typer.Option("--port", "-p", min=1, max=65535, help="The port to listen at.")] = 8080,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that answer.")] = 1,
    access_log: Annotated[
        str, typer.Option(metavar="FILE", help="Where a line per request goes: a file, - (standard output), or none.")
    ] = "none",
    clock: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A clock that can be moved, to rehearse a date.", hidden=True)
    ] = None,
) -> int:
    """Answer for whole fleets over HTTP."""
    from jomon.project.serving import served_names
    from jomon.serving.app import WorkerConfig
    from jomon.serving.server import ServerConfig, serve as run
    from jomon.serving.worker import Limits

    names = served_names(fleets)
    home = names[0].home
    config = ServerConfig(
        host=host,
        port=port,
        workers=workers,
        worker=WorkerConfig(
            names,
            Limits(),
            home / "run" / f"serve-{os.getpid()}",
            keys=home,
            access_log=None if access_log == "none" else access_log,
            clock=None if clock is None else str(clock),
        ),
        told=lambda line: sys.stderr.write(line + "\n"),
    )
    say(f"http://{host}:{port}")
    run(config)
    return 0
