"""`jomon route`: which members answer for a row, and why others do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from jomon.cli import words
from jomon.cli.console import print_json, say, show, table
from jomon.cli.options import Json, ProjectDir, Ref, home_here

if TYPE_CHECKING:
    from jomon.project.predicting import Explained


def route(
    reference: Ref,
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]", help="Rows with all features: .parquet, .csv, .jsonl.", show_default=False
        ),
    ] = None,
    row: Annotated[
        list[str] | None,
        typer.Option(
            "--row",
            metavar="ROW",
            help="A row: 'carrier=UA time=\"2013-10-01 08:00\"'; axes left out have no value.",
        ),
    ] = None,
    rows: Annotated[
        int, typer.Option("--rows", min=1, max=10_000, metavar="N", help="How many rows of FILE.")
    ] = 10,
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:
    """Explain the answer to rows: the segment at every level, whether its member answers, and why not.

    For rows of a file, which have all features, also what each member adds to the margin.
    """
    from jomon.project import predicting
    from jomon.project.fleet import Fleet

    if (file is None) == (not row):
        raise typer.BadParameter("give a FILE or --row, one of the two")
    values = [predicting.parse_row(text) for text in row or ()]
    fleet = Fleet.load(home_here(project), reference)
    if file is not None:
        found = predicting.explain(fleet, predicting.read_rows(file, rows))
    else:
        found = [predicting.route_values(fleet, given) for given in values]
    if as_json:
        print_json([one.document() for one in found])
        return 0
    for number, one in enumerate(found):
        if number:
            say()
        given = "  ".join(f"{name}={value}" for name, value in one.values.items() if value is not None)
        say(f"Row {one.row if file is not None else number}: {given}", style="bold")
        show_chain(one, fleet.kind)
    return 0


def show_chain(one: Explained, kind: str) -> None:
    """The chain of one row: stage by stage what its member adds and the answer so far, or why none answers."""
    if one.answer is None:
        out = table("STAGE", "SEGMENT", "ANSWERS", "WHY", wrap=["SEGMENT", "WHY"])
        for stage, step in enumerate(one.steps):
            segment = step.segment or words.level(step.level)
            out.add_row(
                str(stage), segment, "yes" if step.active else "no", step.reason, style=_style(step.active)
            )
        show(out)
        return
    answer = "PROBABILITY" if kind == "binary" else "EXPECTED"
    out = table("STAGE", "SEGMENT", "ADDS", answer, right=["ADDS", answer], wrap=["SEGMENT"])
    digits = 3 if kind == "binary" else words.digits_for([one.answer], 3)
    for stage, step in enumerate(one.steps):
        if step.so_far is None:
            why = f"{step.segment or words.level(step.level)}: {step.reason}"
            out.add_row(str(stage), why, "", "", style="dim")
            continue
        parts = _parts(step.slow or 0.0, step.fast or 0.0)
        out.add_row(str(stage), f"{step.segment}{parts}", words.signed((step.slow or 0.0) + (step.fast or 0.0), 3),
                    words.number(step.so_far, digits))  # fmt: skip
    show(out)


def _parts(slow: float, fast: float) -> str:
    named = [name for name, value in (("slow", slow), ("fast", fast)) if value]
    return f" ({' and '.join(named)} part)" if named else ""


def _style(active: bool) -> str | None:
    return None if active else "dim"
