"""`jomon mover`: the prediction log into the tables."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from jomon.cli import words
from jomon.cli.console import print_json, say
from jomon.cli.door import told
from jomon.cli.options import Json, ProjectDir, home_here

if TYPE_CHECKING:
    from jomon.project.moving import MoveReport
    from jomon.project.refreshing import RefreshReport

POLITE = 10


def mover(
    fleets: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FLEET...]", help="Whose log; by default every fleet's.", show_default=False),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Move what is there, and end.")] = False,
    lifeline: Annotated[
        int | None, typer.Option(metavar="FD", min=0, help="End when this pipe closes.", hidden=True)
    ] = None,
    refresh: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REF",
            help="An image whose fast parts learn as `serving.refresh` says; by default the latest of each fleet.",
        ),
    ] = None,
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:
    """Move the prediction log into the tables `predictions/FLEET` and `outcomes/FLEET`, each record once.

    `jomon serve` runs it beside the server; run it alone where the server was told not to. It joins small files, and
    lets rows go that are older than `serving.log.retention`. It also reads lookups again and refreshes fast parts where
    the section `serving` says so. SIGTERM or Ctrl-C ends it after one last pass.
    """
    from jomon.project.chores import beside
    from jomon.project.moving import fleets_with_log, move_once, watch

    home = home_here(project)
    if once:
        reports = [move_once(home, fleet) for fleet in fleets or fleets_with_log(home)]
        if as_json:
            print_json([report.document() for report in reports])
        for report in reports if not as_json else ():
            _show(report)
        return 0
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Both may reach a whole group: with a lifeline they are for the server, which ends the mover after its workers.
        signal.signal(number, signal.SIG_IGN if lifeline is not None else lambda *_: stop.set())
    if lifeline is not None:
        os.nice(POLITE)  # answers go first; what waits is safe in the log
    with beside(home, refresh or (), _refreshed, told):
        watch(home, fleets or (), stop, lifeline=lifeline, moved=_line if as_json else _quiet, failed=told)
    return 0


def _refreshed(report: RefreshReport) -> None:
    told(
        f"refreshed {report.name}: {words.of_things(report.outcomes, 'outcome')} of {report.since} to {report.until} "
        f"learned, sha256:{report.digest.short}"
    )


def _show(report: MoveReport) -> None:
    moved, done = report.moved, report.upkeep
    of_status = ", ".join(f"{words.count(n)} {status}" for status, n in sorted(moved.outcomes.items()))
    outcomes = words.of_things(sum(moved.outcomes.values()), "outcome")
    say(f"{report.fleet}: moved {words.of_things(moved.predictions, 'prediction')} and {outcomes}"
        f"{f' ({of_status})' if of_status else ''}.")  # fmt: skip
    if done.joined or done.expired_rows:
        say(f"Joined {words.of_things(done.joined, 'file')} into {words.count(done.became)}; "
            f"{words.of_things(done.expired_rows, 'row')} beyond retention went.")  # fmt: skip
    for name, lost in moved.damaged.items():
        told(
            f"{name} of {report.fleet} had {words.size(lost)} that cannot be read; it was set aside under damaged"
        )
    for name in moved.stuck:
        told(f"{name} of {report.fleet} is damaged; the rest of it is moved when its writer has gone on")


def _line(report: MoveReport) -> None:
    sys.stdout.write(json.dumps(report.document()) + "\n")
    sys.stdout.flush()


def _quiet(report: MoveReport) -> None:
    for name, lost in report.moved.damaged.items():
        told(
            f"{name} of {report.fleet} had {words.size(lost)} that cannot be read; it was set aside under damaged"
        )
