"""`jomon serve`: answer for whole fleets over HTTP."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Annotated

import typer

from jomon.cli import words
from jomon.cli.console import say
from jomon.cli.door import told
from jomon.core.errors import JomonError

NEEDED = ("granian", "msgspec", "prometheus_client")
TLS, LIMITS, OPERATE = "Who may call", "Limits", "Operation"


def serve(
    fleets: Annotated[
        list[str],
        typer.Argument(
            metavar="FLEET...",
            help="Images: flights, flights:champion, flights@sha256:..., a project's folder, or FOLDER//NAME.",
        ),
    ],
    port: Annotated[
        int, typer.Option("--port", "-p", min=1, max=65535, metavar="PORT", help="The port to listen at.")
    ] = 8080,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="The address to listen at.")] = "127.0.0.1",
    workers: Annotated[int, typer.Option(min=1, max=256, metavar="N", help="Processes that answer.")] = 1,
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="BYTES", help="Refuse fleets that need more, such as 512MB.", rich_help_panel=LIMITS
        ),
    ] = None,
    max_body: Annotated[
        str, typer.Option(metavar="BYTES", help="The largest body.", rich_help_panel=LIMITS)
    ] = "16MB",
    max_rows: Annotated[
        int, typer.Option(min=1, metavar="N", help="Rows of one request.", rich_help_panel=LIMITS)
    ] = 10_000,
    queue: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Rows that may wait in one worker; beyond it, 503.",
            rich_help_panel=LIMITS,
        ),
    ] = 20_000,
    timeout: Annotated[
        float,
        typer.Option(
            min=0.1, metavar="SECONDS", help="Time for a request to arrive.", rich_help_panel=LIMITS
        ),
    ] = 10.0,
    require_keys: Annotated[
        bool, typer.Option("--require-keys", help="Ask for API keys on loopback too.", rich_help_panel=TLS)
    ] = False,
    key_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A secret file that holds a first, admin key.", rich_help_panel=TLS
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The certificate chain, PEM.", rich_help_panel=TLS)
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its private key, PEM.", rich_help_panel=TLS)
    ] = None,
    proxy: Annotated[
        bool, typer.Option("--proxy", help="A proxy that ends TLS stands in front.", rich_help_panel=TLS)
    ] = False,
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure", help="Listen beyond this machine without keys or TLS.", rich_help_panel=TLS
        ),
    ] = False,
    no_mover: Annotated[
        bool,
        typer.Option(
            "--no-mover", help="Leave the prediction log to a mover elsewhere.", rich_help_panel=OPERATE
        ),
    ] = False,
    access_log: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="A JSON line per request; - is standard output.", rich_help_panel=OPERATE
        ),
    ] = None,
    batch_wait: Annotated[
        float,
        typer.Option(
            min=0, max=1000, metavar="MS", help="Wait this long for a batch to fill.", rich_help_panel=OPERATE
        ),
    ] = 0.0,
    grace: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="Go on answering after SIGTERM, not ready.",
            rich_help_panel=OPERATE,
        ),
    ] = 0.5,
    clock: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A clock that can be moved, to rehearse a date.", hidden=True),
    ] = None,
) -> int:
    """Answer for whole fleets over HTTP: `POST /predict`, the Open Inference Protocol, outcomes, metrics, `/docs`.

    The server follows the tags it serves: a new image takes over between two requests. Every answered row is in the
    prediction log before its answer leaves; a mover beside the server brings the log into the table
    `predictions/FLEET`. SIGTERM or Ctrl-C ends it when all that came is answered.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise JomonError(f"Serving needs the package {missing[0]}: pip install 'jomon[serve]'.")
    from jomon.project.serve_setup import Wishes, configured
    from jomon.serving.config import Limits
    from jomon.serving.server import serve as run

    if (tls_cert is None) != (tls_key is None):
        raise JomonError("TLS needs both --tls-cert and --tls-key: give the other one too.")
    wishes = Wishes(
        fleets=tuple(fleets),
        host=host,
        port=port,
        workers=workers,
        limits=Limits(words.parse_size(max_body), max_rows, queue, timeout),
        memory=None if memory is None else words.parse_size(memory),
        require_keys=require_keys,
        key_file=key_file,
        tls_cert=tls_cert,
        tls_key=tls_key,
        proxy=proxy,
        insecure=insecure,
        mover=not no_mover,
        access_log=access_log,
        batch_wait=batch_wait / 1000,
        grace=grace,
        clock=clock,
    )
    config, about = configured(wishes, told)
    for line in about:
        say(line)
    sys.stdout.flush()
    run(config)
    return 0
