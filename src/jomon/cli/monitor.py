"""`jomon monitor`: check every closed window of what a fleet answered."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from jomon.cli import words
from jomon.cli.console import print_json, say
from jomon.cli.door import kept
from jomon.cli.monitor_blocks import tell_checks
from jomon.cli.options import Json, ProjectDir, home_here, project_if_here
from jomon.cli.steps import Steps

if TYPE_CHECKING:
    from jomon.core.checks import CheckResult
    from jomon.core.spec import ProjectSpec
    from jomon.project.monitoring import Monitor

WATCH_SECONDS = 60.0
RANK = {"low": 0, "medium": 1, "high": 2}
Level = Literal["low", "medium", "high"]


def monitor(
    reference: Annotated[
        str | None,
        typer.Argument(metavar="[REF]", help="The image whose reference is used; by default the project's latest.",
                       show_default=False),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(metavar="1d", help="The span of a window (1d, 1w, 6h), in place of the project file's.",
                     show_default=False),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only windows that begin then or later (2013-10-15).", show_default=False),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Check windows once more that were checked.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on: look every minute for a window that closed.")] = False,
    fail_on: Annotated[
        Level | None,
        typer.Option("--fail-on", metavar="low|medium|high",
                     help="Exit with status 1 if an incident of this severity or worse is open.",
                     show_default=False),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a page (HTML) of the last window that was checked.",
                     show_default=False),
    ] = None,
    language: Annotated[
        Literal["en", "pt-BR"], typer.Option("--lang", metavar="en|pt-BR", help="The page's language.")
    ] = "en",
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:  # fmt: skip
    """Check every closed window of what the fleet answered that was not checked yet, and keep what it shows.

    Rows and outcomes that came since are counted, each segment is compared with its own earlier days and with what its
    peers show, and what one cause explains becomes one incident. Few of the quiet windows raise anything: the share is
    `monitor.rate` in the project file. A window of which something came later is checked once more.
    """
    from jomon.project.monitoring import moment_of, open_monitor

    opened = project_if_here(project)
    home = home_here(project) if opened is None else opened.home
    first = None if since is None else moment_of(home, opened, reference, since)
    while True:
        with kept("windows that were checked are in the ledger"), Steps(not as_json) as steps:
            with steps.step("reading what came since"):
                found = open_monitor(home, opened, reference, window)
            windows = found.closed(first, again=again)
            results: list[CheckResult] = []
            if windows:
                results = list(checked_one_by_one(found, windows, steps))
        if report is not None and results:
            found.write_report(results[-1], report, language)
        _tell(results, found.spec, as_json=as_json)
        if not watch:
            break
        again = False
        time.sleep(WATCH_SECONDS)
    worst = found.worst_open()
    return int(fail_on is not None and worst is not None and RANK[worst] >= RANK[fail_on])


def checked_one_by_one(monitor: Monitor, windows: Sequence[int], steps: Steps) -> Iterator[CheckResult]:
    """Check windows, with a bar that moves when one is done."""
    steps.begin(f"checking {words.of_things(len(windows), 'window')}", len(windows))
    for result in monitor.run(windows):
        steps.advance(1)
        yield result
    steps.end(f"checked {words.of_things(len(windows), 'window')}")


def _tell(results: list[CheckResult], spec: ProjectSpec, *, as_json: bool) -> None:
    if as_json:
        print_json([result.document() for result in results])
    elif results:
        tell_checks(results, spec.data.zone)
    else:
        say("No window closed since the last check: 0 checked.")
