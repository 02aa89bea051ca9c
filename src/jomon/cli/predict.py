"""`jomon predict`: answers to the rows of a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jomon.cli import words
from jomon.cli.console import print_json, say
from jomon.cli.door import kept
from jomon.cli.options import Json, ProjectDir, Ref, home_here
from jomon.cli.steps import Steps

if TYPE_CHECKING:
    from jomon.project.fleet import Fleet


def predict(
    reference: Ref,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Rows: .parquet, .csv, .csv.gz, .jsonl; a glob or URL too.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT", help="Where to: .parquet, .csv or .jsonl.")
    ] = None,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Add the margin, and what the members of each stage added to it."),
    ] = False,
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:
    """Answer the rows of a file, which may be larger than memory.

    Adds the columns answer, member (the finest that took part) and chain (all of them, the root first). Without
    --output the rows go to stdout as JSON lines. The output appears under its name only when it is whole.
    """
    from jomon.project.fleet import Fleet

    home = home_here(project)
    fleet = Fleet.load(home, reference)
    if output is None:
        _stream(fleet, file, explain)
        return 0
    from jomon.project.predicting import predict_file

    with kept(f"{output} is as it was"), Steps(not as_json) as steps:
        steps.begin(f"answering {file}")
        report = predict_file(
            fleet, file, output, explain=explain, told=lambda rows: steps.advance(rows, " rows")
        )
    if as_json:
        print_json(report.document())
    else:
        rate = report.rows / report.seconds if report.seconds > 0 else 0.0
        took = f"{words.seconds(report.seconds)} ({words.count(round(rate))} rows/s)"
        say(f"Answered {words.of_things(report.rows, 'row')} into {output} in {took}.")
    return 0


def _stream(fleet: Fleet, file: str, explain: bool) -> None:
    from jomon.project.predicting import predicted

    for batch in predicted(fleet, file, explain=explain):
        sys.stdout.write(batch.write_ndjson())
