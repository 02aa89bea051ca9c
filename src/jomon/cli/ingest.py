"""`jomon ingest`: the source into tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from jomon.cli import words
from jomon.cli.console import print_json, say, show, table
from jomon.cli.door import kept
from jomon.cli.options import Json, ProjectDir, project_here
from jomon.cli.steps import Steps

if TYPE_CHECKING:
    from jomon.data.report import IngestReport
    from jomon.project.project import Project

KEPT = "every table holds a whole number of ingests, run the command again to go on"


def ingest(
    fresh: Annotated[
        bool,
        typer.Option(
            "--fresh", help="Start all tables anew from this source; older versions stay in their logs."
        ),
    ] = False,
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:
    """Read the source into bronze, silver, quarantine and gold.

    Safe to repeat: rows that are known already are not added again.
    """
    opened = project_here(project)
    report = run_ingest(opened, fresh=fresh, shown=not as_json)
    if as_json:
        print_json(report.to_json())
    else:
        show_ingest(report)
    return 0


def run_ingest(project: Project, *, fresh: bool, shown: bool) -> IngestReport:
    """Ingest with one line a step."""
    with kept(KEPT), Steps(shown) as steps:
        steps.title(f"Ingesting {project.spec.fleet}")
        steps.begin("reading the source")

        def told(step: str) -> None:
            if step.startswith("waiting"):
                steps.begin(step)
                return
            steps.end(_STEPS.get(step, f"bring {step.replace('lookup_', 'lookup ')} up to date"))
            steps.begin("working")

        return project.ingest(fresh=fresh, progress=told)


_STEPS = {
    "source": "read the source",
    "lookups": "read the lookups",
    "checked": "check every row against the contract",
}


def show_ingest(report: IngestReport) -> None:
    """Rows in and out of every layer."""
    out = table("LAYER", "ROWS IN", "ROWS OUT", "WHAT BECAME OF THEM", right=["ROWS IN", "ROWS OUT"],
                wrap=["WHAT BECAME OF THEM"])  # fmt: skip
    n = words.count
    out.add_row("source", n(report.source), n(report.new), f"{n(report.seen)} were known already")
    gone = f"{n(report.quarantine)} to quarantine, {n(report.replaced)} replaced, {n(report.dropped)} dropped"
    out.add_row("bronze", n(report.bronze), n(report.silver), gone)
    out.add_row(
        "silver", n(report.silver), n(report.gold), f"{n(report.held)} held back for want of a lookup"
    )
    out.add_row("gold", n(report.gold), n(report.gold - report.without_outcome),
                f"{n(report.without_outcome)} without an outcome yet")  # fmt: skip
    for name, lookup in report.lookups.items():
        missing = "" if lookup.missing is None else f", nothing for {n(lookup.missing)} rows of gold"
        told = f"{n(lookup.seen)} known already, {n(lookup.unusable)} unusable{missing}"
        out.add_row(f"lookup {name}", n(lookup.source), n(lookup.rows), told)
    show(out)
    if report.by_reason:
        reasons = table("ROWS", "QUARANTINED BECAUSE", right=["ROWS"], wrap=["QUARANTINED BECAUSE"])
        for reason, rows in report.by_reason.items():
            reasons.add_row(n(rows), reason)
        say()
        show(reasons)
    for note in report.notes:
        say(note, style="yellow")
