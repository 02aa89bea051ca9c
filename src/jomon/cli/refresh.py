"""`jomon refresh`: the fast parts up to the outcomes known."""

from __future__ import annotations

from typing import Annotated

import typer

from jomon.cli import words
from jomon.cli.console import print_json, say
from jomon.cli.door import kept
from jomon.cli.options import Json, ProjectDir, project_here
from jomon.cli.steps import Steps


def refresh(
    reference: Annotated[
        str | None,
        typer.Argument(metavar="[REF]", help="The image; by default FLEET:latest.", show_default=False),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="DAY", help="Learn outcomes known by the start of this local day (2013-10-31)."),
    ] = None,
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:
    """Bring the fast parts of an image up to the outcomes that have arrived.

    The name moves to a new image that shares every other layer; slow parts are not fitted again.
    """
    opened = project_here(project)
    name = reference or opened.latest
    with kept(f"{name} is as it was"), Steps(not as_json) as steps, steps.step(f"refreshing {name}"):
        report = opened.refresh(reference, until)
    if as_json:
        print_json(report.document())
        return 0
    moved = f"{words.of_things(report.segments, 'segment')} ({words.count(report.born)} new)"
    say(
        f"Learned {words.of_things(report.outcomes, 'outcome')} of {report.since} to {report.until}: {moved} moved."
    )
    say(
        f"Wrote {words.size(report.written_bytes)}; {words.size(report.shared_bytes)} are shared with the image before."
    )
    same = "the image is the same" if report.digest == report.before else f"was sha256:{report.before.short}"
    say(f"{report.name}  sha256:{report.digest.short}  ({same})")
    return 0
