"""`jomon outcomes`: the truth from files, and how much of it came."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jomon.cli import words
from jomon.cli.console import print_json, say, show, table
from jomon.cli.door import kept
from jomon.cli.options import Json, ProjectDir, home_here, project_if_here
from jomon.cli.steps import Steps

if TYPE_CHECKING:
    from jomon.core.spec import ProjectSpec
    from jomon.project.home import Home
    from jomon.project.outcomes import AddReport

outcomes = typer.Typer(name="outcomes", help="The truth about what was predicted: add it, count it.",
                       no_args_is_help=True)  # fmt: skip
FleetName = Annotated[
    str | None,
    typer.Option(
        "--fleet", metavar="NAME", help="The fleet; by default the project's, or the only one of the store."
    ),
]


@outcomes.command("add")
def add(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV, Parquet or JSON lines: key columns and target, or request_id "
                                                  "(and row) and value; known_at if it is not now.")
    ],
    fleet: FleetName = None,
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:  # fmt: skip
    """Add the outcomes in a file: all of them, or none where one cannot be read.

    Outcomes that came before are counted as repeated and change nothing; those of rows that were not predicted (yet)
    are kept, and matched when the prediction arrives. A row without a value says that it will never be known.
    """
    from jomon.project.outcomes import add_outcomes

    home, name, spec = _meant(fleet, project)
    with kept("nothing was added, or all of it"), Steps(not as_json) as steps, steps.step(f"adding {file}"):
        report = add_outcomes(home, name, spec, file)
    if as_json:
        print_json(report.document())
    else:
        _tell(report)
    return 0


@outcomes.command("status")
def status(fleet: FleetName = None, project: ProjectDir = None, as_json: Json = False) -> int:
    """Count outcomes by what became of them, and predictions by whether their outcome came."""
    from jomon.project.outcomes import outcomes_status

    found = outcomes_status(*_meant(fleet, project))
    if as_json:
        print_json(found)
        return 0
    out = table(f"OUTCOMES OF {found['fleet']}", "COUNT", right=["COUNT"])
    out.add_row("received", words.count(found["received"]))
    for name in ("new", "repeated", "conflicting", "late"):
        out.add_row(f"  {name}", words.count(found[name]))
    out.add_row("  of a recorded prediction", words.count(found["matched"]))
    out.add_row("  waiting for their prediction", words.count(found["unmatched"]))
    out.add_row("predictions recorded", words.count(found["predictions"]))
    out.add_row("  with an outcome", words.count(found["with_outcome"]))
    out.add_row("  whose outcome will never be known", words.count(found["never"]))
    out.add_row("  with different values, undecided", words.count(found["undecided"]))
    out.add_row("  without an outcome yet", words.count(found["without_outcome"]))
    show(out)
    return 0


def _meant(fleet: str | None, project: Path | None) -> tuple[Home, str, ProjectSpec]:
    from jomon.project.outcomes import fleet_and_spec

    opened = project_if_here(project)
    home = home_here(project) if opened is None else opened.home
    return (home, *fleet_and_spec(home, fleet, opened))


def _tell(report: AddReport) -> None:
    counts = ", ".join(f"{words.count(n)} {name}" for name, n in report.statuses.items())
    say(f"Added {words.of_things(report.rows, 'outcome')} of {report.fleet}: {counts}.")
    say(f"{words.count(report.matched)} of recorded predictions, the others wait for theirs.")
    if report.without_value:
        say(f"{words.of_things(report.without_value, 'outcome')} without a value: never to be known.")
    for name, rows in report.refused.items():
        if rows:
            say(f"Not used: {words.of_things(rows, 'outcome')}, {name} (serving.outcomes.{name}: refuse).")
    if report.ignored:
        say(f"Columns that were not needed: {', '.join(report.ignored)}.")
