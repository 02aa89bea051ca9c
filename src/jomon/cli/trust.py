"""`jomon trust`: types that may be loaded from an image, because a person said so."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import Annotated

import typer

from jomon.cli.console import print_json, say, show, table
from jomon.cli.options import Json, ProjectDir, home_here

trust = typer.Typer(name="trust", help="Types of estimators that may be loaded, because a person said so.",
                    no_args_is_help=True)  # fmt: skip


@trust.command("list")
def list_types(project: ProjectDir = None, as_json: Json = False) -> int:
    """List the trusted types, who trusted them, and when."""
    entries = home_here(project).trust.entries()
    if as_json:
        print_json([entry.document() for entry in entries])
        return 0
    out = table("TYPE", "ADDED BY", "ADDED", wrap=["TYPE"])
    for entry in entries:
        out.add_row(entry.type_name, entry.added_by, f"{entry.added:%Y-%m-%d %H:%M} UTC")
    show(out)
    return 0


@trust.command("add")
def add(
    types: Annotated[list[str], typer.Argument(metavar="TYPE...", help="Full names: package.module.Type.")],
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Who trusts them; by default you.")
    ] = None,
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:
    """Trust types: estimators made of them are loaded from images of this store from now on."""
    home = home_here(project)
    new = home.trust.add(types, by or _user(), datetime.now(UTC))
    if as_json:
        print_json([entry.document() for entry in new])
        return 0
    for entry in new:
        say(f"Trusted: {entry.type_name}")
    return 0


@trust.command("remove")
def remove(
    types: Annotated[
        list[str], typer.Argument(metavar="TYPE...", help="Full names, as `jomon trust list` has them.")
    ],
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:
    """Trust types no longer."""
    home = home_here(project)
    gone = [home.trust.remove(name) for name in types]
    if as_json:
        print_json([entry.document() for entry in gone])
        return 0
    for entry in gone:
        say(f"Not trusted any more: {entry.type_name}")
    return 0


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "unknown user"
