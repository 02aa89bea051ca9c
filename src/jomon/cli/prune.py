"""`jomon prune`: blobs that no image needs go."""

from __future__ import annotations

from typing import Annotated

import typer

from jomon.cli import words
from jomon.cli.console import print_json, say
from jomon.cli.options import Json, ProjectDir, home_here
from jomon.cli.steps import Steps


def prune(
    everything: Annotated[bool, typer.Option("--all", "-a", help="Images without a name go too.")] = False,
    cache_bytes: Annotated[
        int | None,
        typer.Option("--cache-bytes", min=0, metavar="N", help="Shrink the build cache to N bytes."),
    ] = None,
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:
    """Delete the blobs that no image needs; blobs younger than an hour and those of a running build are kept."""
    home = home_here(project)
    with Steps(not as_json) as steps:
        steps.begin("pruning")
        report = home.images.prune(untagged=everything)
        dropped = None if cache_bytes is None else home.cache.prune(cache_bytes)
    if as_json:
        print_json({**report.document(), "cache_bytes": dropped})
        return 0
    for digest in report.images:
        say(f"Deleted: {digest}")
    say(f"Deleted {words.of_things(report.blobs, 'blob')}, {words.size(report.bytes)}; kept "
        f"{words.count(report.kept_young)} that may still be needed.")  # fmt: skip
    if dropped is not None:
        say(f"Dropped {words.size(dropped)} of the build cache.")
    return 0
