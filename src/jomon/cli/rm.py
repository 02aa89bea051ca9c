"""`jomon rm`: names and images go."""

from __future__ import annotations

from typing import Annotated

import typer

from jomon.cli.console import print_json, say
from jomon.cli.options import Json, ProjectDir, home_here


def rm(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names or digests of images.")],
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:
    """Take names away; an image that loses its last name goes, with what is attached to it.

    Its blobs stay on the disk until `jomon prune`. All names have to be there, or nothing is removed.
    """
    images = home_here(project).images
    for name in names:
        images.resolve(name)
    done = [
        {"name": name, "deleted": [str(digest) for digest in images.remove(name)]}
        for name in dict.fromkeys(names)
    ]
    if as_json:
        print_json(done)
        return 0
    for one in done:
        say(f"Untagged: {one['name']}")
        for digest in one["deleted"]:
            say(f"Deleted: {digest}")
    return 0
