"""`jomon tag`: another name for an image."""

from __future__ import annotations

from typing import Annotated

import typer

from jomon.cli.console import print_json
from jomon.cli.options import Json, ProjectDir, home_here


def tag(
    source: Annotated[str, typer.Argument(metavar="SRC", help="An image: a name or the start of a digest.")],
    name: Annotated[str, typer.Argument(metavar="DST", help="The name it gets: NAME[:TAG].")],
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:
    """Give an image a further name; another image that had the name keeps its own others."""
    images = home_here(project).images
    digest = images.resolve(source)
    images.tag(digest, name)
    if as_json:
        print_json({"digest": str(digest), "names": images.catalog().names_of(digest)})
    return 0
