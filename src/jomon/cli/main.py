"""The `jomon` command: one verb a file, nothing heavy imported before a verb runs."""

from __future__ import annotations

from typing import Annotated

import typer

import jomon
from jomon.cli.build import build
from jomon.cli.check import check
from jomon.cli.demo import demo
from jomon.cli.diff import diff
from jomon.cli.doctor import doctor
from jomon.cli.door import Door
from jomon.cli.evaluate import evaluate
from jomon.cli.history import history
from jomon.cli.images import images
from jomon.cli.incidents import incidents
from jomon.cli.ingest import ingest
from jomon.cli.init import init
from jomon.cli.inspect import inspect
from jomon.cli.keys import keys
from jomon.cli.monitor import monitor
from jomon.cli.mover import mover
from jomon.cli.outcomes import outcomes
from jomon.cli.predict import predict
from jomon.cli.prune import prune
from jomon.cli.refresh import refresh
from jomon.cli.replay import replay
from jomon.cli.rm import rm
from jomon.cli.route import route
from jomon.cli.serve import serve
from jomon.cli.signals import signals
from jomon.cli.tag import tag
from jomon.cli.trust import trust
from jomon.cli.verify import verify

START, FLEET, IMAGES, STORE = "Start", "Fleets", "Images", "Store"
_VERBS = {
    START: (init, check, demo, doctor),
    FLEET: (ingest, build, refresh, evaluate, predict, route, serve, replay, monitor, signals, mover),
    IMAGES: (images, inspect, history, diff, tag, rm),
    STORE: (prune, verify),
}

app = typer.Typer(
    cls=Door,
    name="jomon",
    help="Runs a fleet of models as one thing: train, store as an image, evaluate, route, answer and monitor.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"jomon {jomon.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show a traceback in place of one sentence.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options of every command."""


for _panel, _verbs in _VERBS.items():
    for _verb in _verbs:
        app.command(rich_help_panel=_panel)(_verb)
app.add_typer(outcomes, rich_help_panel=FLEET)
app.add_typer(incidents, rich_help_panel=FLEET)
app.add_typer(trust, rich_help_panel=STORE)
app.add_typer(keys, rich_help_panel=STORE)


def run() -> None:
    """The entry point of the program."""
    app()


if __name__ == "__main__":
    run()
