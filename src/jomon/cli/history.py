"""`jomon history`: the layers of an image."""

from __future__ import annotations

from jomon.cli import words
from jomon.cli.console import print_json, show, stdout, table
from jomon.cli.options import Json, ProjectDir, Ref, home_here

WIDE = 110  # columns from which media types are shown


def history(reference: Ref, project: ProjectDir = None, as_json: Json = False) -> int:
    """Show the layers of an image: what made each, its size, and the images that share it."""
    from jomon.project.inspecting import history as layers_of

    layers = layers_of(home_here(project), reference)
    if as_json:
        print_json(layers)
        return 0
    wide = stdout().width >= WIDE
    more = ("MEDIA TYPE",) if wide else ()
    out = table("LAYER", "CREATED BY", "SIZE", "MEMBERS", "SHARED", *more, right=["SIZE", "MEMBERS", "SHARED"],
                wrap=["CREATED BY", "MEDIA TYPE"])  # fmt: skip
    for layer in layers:
        out.add_row(
            layer["layer"][7:19],
            layer["created_by"],
            words.size(layer["size_bytes"]),
            "" if layer["members"] is None else words.count(layer["members"]),
            words.count(len(layer["shared_with"])),
            *((layer["media_type"].removeprefix("application/vnd."),) if wide else ()),
        )
    show(out)
    return 0
