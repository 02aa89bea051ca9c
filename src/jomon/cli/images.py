"""`jomon images`: what the store holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from jomon.cli import words
from jomon.cli.console import print_json, show, table
from jomon.cli.options import Json, ProjectDir, home_here

if TYPE_CHECKING:
    from jomon.project.home import Home

NONE = "<none>"


def images(
    digests: Annotated[bool, typer.Option("--digests", help="Show whole digests.")] = False,
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:
    """List the images of the store, newest first."""
    home = home_here(project)
    if as_json:
        print_json([entry.document() for entry in home.images.images()])
    else:
        show_images(home, digests=digests)
    return 0


def show_images(home: Home, *, digests: bool = False) -> None:
    """The list, one name a line."""
    heads = ("REPOSITORY", "TAG", "DIGEST" if digests else "IMAGE ID", "CREATED", "SIZE", "MEMBERS")
    out = table(*heads, right=["SIZE", "MEMBERS"], wrap=["DIGEST"])
    for entry in home.images.images():
        out.add_row(
            entry.repository or NONE,
            entry.tag or NONE,
            str(entry.digest) if digests else entry.digest.short,
            words.ago(entry.created),
            words.size(entry.size_bytes),
            words.count(entry.members) + (f" ({words.count(entry.opaque)} opaque)" if entry.opaque else ""),
        )
    show(out)
