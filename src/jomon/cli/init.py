"""`jomon init`: a new project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jomon.cli.console import print_json, say
from jomon.cli.options import Json


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    example: Annotated[
        str | None, typer.Option("--example", metavar="NAME", help="Copy an example: flights or births.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Start a project: a commented project file with data that fit it.

    Without --example it is a small one with invented sales, to be replaced by your own table.
    """
    from jomon.project.scaffold import scaffold

    made = scaffold(folder, example)
    if as_json:
        print_json(made.document())
        return 0
    say(f"Wrote {', '.join(made.files)} to {folder}.")
    say("Next:")
    say(f"  cd {folder} && jomon check")
    say("  jomon ingest && jomon build")
    return 0
