"""`jomon demo`: the whole of it on real flights."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jomon.cli import words
from jomon.cli.build import run_build, show_build
from jomon.cli.console import print_json, raw, say, stderr
from jomon.cli.demo_monitor import run_monitor
from jomon.cli.demo_serve import run_serve, show_try
from jomon.cli.door import kept
from jomon.cli.evaluate import run_evaluate, show_evaluation, write_report
from jomon.cli.images import show_images
from jomon.cli.ingest import run_ingest, show_ingest
from jomon.cli.options import FILE, Json, project_here, shown_path
from jomon.cli.route import show_chain
from jomon.core.errors import JomonError

if TYPE_CHECKING:
    from jomon.project.fleet import Fleet
    from jomon.project.project import Project
    from jomon.project.showcase import Shown

FLIGHTS = 5  # rows explained: enough to see members differ, few enough for one screen each


def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where the demo goes.")] = Path(
        "flights-demo"
    ),
    as_json: Json = False,
) -> int:
    """Run everything on 336,776 real flights: ingest, build, evaluate, explain answers, serve and replay an afternoon,
    monitor a week and a day that is broken.

    Everything stays in DIR, a project like any other. A second run answers from the cache.
    """
    started = time.perf_counter()
    shown = not as_json
    project = _project(folder, shown)
    out: dict[str, Any] = {"folder": str(folder)}
    with kept("what is done so far is kept, run `jomon demo` again to go on"):
        _heading(shown, "ingest: rows into bronze, silver, quarantine and gold")
        ingested = run_ingest(project, fresh=False, shown=shown)
        out["ingest"] = ingested.to_json()
        if shown:
            show_ingest(ingested)
        _heading(shown, "build: a model for everyone, and corrections where they pay")
        built = run_build(project, shown=shown)
        out["build"] = built.document()
        if shown:
            show_build(built)
        _heading(shown, "evaluate: later weeks, beside the models it has to beat")
        result = run_evaluate(project, None, again=False, shown=shown)
        report = write_report(project, result, None)
        out["evaluate"] = {**result, "report": None if report is None else str(report)}
        if shown:
            show_evaluation(result)
        _heading(shown, "images: what the store holds")
        out["images"] = [entry.document() for entry in project.home.images.images()]
        if shown:
            show_images(project.home)
        fleet = project.load()
        _heading(shown, f"five flights of the held-out time: {fleet.question}")
        flights = _flights(fleet, shown)
        out["answers"] = [flight.document() for flight in flights]
        _heading(shown, "serve: the fleet over HTTP, an afternoon of flights replayed against it")
        out["serve"] = run_serve(project, shown=shown)
        _heading(shown, "monitor: an ordinary week, then a day that is broken in two places")
        out["monitor"] = run_monitor(project, shown=shown)
    took = time.perf_counter() - started
    out["seconds"] = round(took, 2)
    if as_json:
        print_json(out)
    else:
        _next(project, folder, report, took)
    return 0


def _project(folder: Path, shown: bool) -> Project:
    """The demo's project: written now, or found as an earlier run left it."""
    from jomon.project.scaffold import scaffold

    if not (folder / FILE).is_file():
        scaffold(folder, "flights")
        if shown:
            say(f"Wrote the flights example to {folder}.")
    project = project_here(folder)
    if project.spec.fleet != "flights":
        raise JomonError(
            f"{folder} holds the project {project.spec.fleet}, not the demo: name another folder."
        )
    return project


def _heading(shown: bool, text: str) -> None:
    if shown:
        say()
        say(f"── {text} ", style="bold")


def _flights(fleet: Fleet, shown: bool) -> list[Shown]:
    from jomon.project.showcase import held_out_rows, trained_until

    flights = held_out_rows(fleet, FLIGHTS)
    if shown:
        say(
            f"Spread evenly over the held-out weeks, not picked; the fleet as it was on {trained_until(fleet)}.",
            style="dim",
        )
        for flight in flights:
            values = flight.explained.values
            came = {1.0: "it came late", 0.0: "it came on time", None: "nobody knows"}[flight.outcome]
            late = words.share(flight.explained.answer)
            say()
            say(f"{flight.when}  {values['carrier']} {values['flight']:g}  {values['origin']} to {values['dest']}: "
                f"{late} likely to be late ({came})", style="bold")  # fmt: skip
            show_chain(flight.explained, fleet.kind)
        say()
        say("ADDS is in log-odds: what a member adds to the answer of those before it.", style="dim")
    return flights


def _next(project: Project, folder: Path, report: Path | None, took: float) -> None:
    stderr().file.flush()
    if report is not None:
        say(f"The report with plots: {shown_path(report)}")
    say(f"\nDone in {words.seconds(took)}. Try next:", style="bold")
    where = f"-p {shown_path(folder)}"
    row = 'carrier=UA origin=EWR dest=ORD scheduled_departure="2013-12-24 17:00"'
    program = _program()
    raw(f"  {program} route flights:latest {where} --row '{row}'")
    raw(f"  {program} inspect flights:latest {where} --member 'carrier=UA origin=EWR'")
    raw(f"  {program} refresh {where} --until 2013-10-31")
    raw(f"  {program} replay flights:latest {where} --from 2013-10-24 --to 2013-11-01")
    raw(f"  {program} monitor {where}")
    raw(f"  {program} incidents show flights-1 {where}")
    show_try(program, shown_path(folder))


def _program() -> str:
    """What to type for this program: `jomon` where the shell finds it, else the path it was started by."""
    started = sys.argv[0]
    if shutil.which("jomon") or Path(started).name != "jomon":
        return "jomon"
    return shown_path(Path(started))
