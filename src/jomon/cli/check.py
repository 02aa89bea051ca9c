"""`jomon check`: does the project file hold, and do the data fit it?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from jomon.cli import words
from jomon.cli.console import print_json, say, show, table
from jomon.cli.door import told
from jomon.cli.options import Json, ProjectDir, project_here
from jomon.cli.steps import Steps
from jomon.core.errors import SpecError

if TYPE_CHECKING:
    from jomon.project.checking import CheckReport


def check(
    no_data: Annotated[bool, typer.Option("--no-data", help="Check the project file alone.")] = False,
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:
    """Check the project file, and the data against it; nothing is written.

    All problems are told at once. Rows that break the contract are counted by reason: they would go to quarantine,
    which is no error. Exit status 1 means that something has to be mended before `jomon ingest` can work.
    """
    from jomon.project.checking import check as run

    try:
        opened = project_here(project)
    except SpecError as error:
        if as_json:
            print_json({"holds": False, "problems": list(error.problems)})
        for problem in error.problems if not as_json else ():
            told(problem)
        return 1
    with Steps(not as_json and not no_data) as steps:
        report = run(opened, data=not no_data, told=lambda step: steps.begin(f"checking the {step}"))
    if as_json:
        print_json(report.document())
    else:
        _show(report)
    return 0 if report.holds else 1


def _show(report: CheckReport) -> None:
    stages, features = words.of_things(report.stages, "stage"), words.of_things(report.features, "feature")
    say(f"The project file of {report.fleet} holds: {stages}, {features}.")
    for name, lookup in report.lookups.items():
        say(
            f"\nLookup {name}: {words.count(lookup.rows)} rows, {words.count(lookup.unusable)} of them unusable."
        )
        _reasons(lookup.by_reason)
    if report.rows is not None:
        say(f"\nSource: {words.of_things(report.rows, 'row')}.")
    if report.by_reason is not None:
        _reasons({**report.by_reason, "key seen before": report.repeated or 0})
        say(
            f"{words.count(report.quarantined)} of {words.of_things(report.rows or 0, 'row')} would go to quarantine."
        )
        say(f"{words.count(report.without_outcome)} of the others have no outcome yet.")
    for problem in report.problems:
        told(problem)
    say("" if report.problems else "\nThe data fit the project file." if report.rows is not None else "")


def _reasons(counted: Mapping[str, int]) -> None:
    out = table("ROWS", "REASON", right=["ROWS"], wrap=["REASON"])
    for reason, rows in counted.items():
        out.add_row(words.count(rows), reason, style="yellow" if rows else None)
    show(out)
