"""`jomon refresh`: the fast parts up to the outcomes known."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from jomon.cli import words
from jomon.cli.console import print_json, say
from jomon.cli.door import kept
from jomon.cli.options import Json, ProjectDir, home_here, project_here, project_if_here
from jomon.cli.steps import Steps

if TYPE_CHECKING:
    from jomon.project.home import Home
    from jomon.project.project import Project


class Source(StrEnum):
    """Where outcomes are learned from."""

    gold = "gold"
    predictions = "predictions"


def refresh(
    reference: Annotated[
        str | None,
        typer.Argument(metavar="[REF]", help="The image; by default FLEET:latest.", show_default=False),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="DAY", help="Learn outcomes known by the start of this local day (2013-10-31)."),
    ] = None,
    source: Annotated[
        Source,
        typer.Option(
            "--from", metavar="SOURCE", help="gold (ingested data) or predictions (answered rows, outcomes)."
        ),
    ] = Source.gold,
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:
    """Bring the fast parts of an image up to the outcomes that have arrived.

    The name moves to a new image that shares every other layer; slow parts are not fitted again. From predictions, days
    that are over are learned, each outcome once; a store without a project is enough then.
    """
    from jomon.project.refreshing import refresh as run

    place: Project | Home
    if reference is None:
        place = project_here(project)
        reference = place.latest
    else:
        place = project_if_here(project) or home_here(project)
    with (
        kept(f"{reference} is as it was"),
        Steps(not as_json) as steps,
        steps.step(f"refreshing {reference}"),
    ):
        report = run(place, reference, until, source.value)
    if as_json:
        print_json(report.document())
        return 0
    moved = f"{words.of_things(report.segments, 'segment')} ({words.count(report.born)} new)"
    say(
        f"Learned {words.of_things(report.outcomes, 'outcome')} of {report.since} to {report.until}: {moved} moved."
    )
    if report.carried:
        say(f"{words.of_things(report.carried, 'outcome')} of days learned before are among them.")
    if report.unrecorded:
        say(f"Left out: {words.of_things(report.unrecorded, 'row')} of images that record too little.")
    say(
        f"Wrote {words.size(report.written_bytes)}; {words.size(report.shared_bytes)} are shared with the image before."
    )
    same = "the image is the same" if report.digest == report.before else f"was sha256:{report.before.short}"
    say(f"{report.name}  sha256:{report.digest.short}  ({same})")
    return 0
