"""`jomon verify`: is the store whole, and do members fitted again give the same bytes?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from jomon.cli import words
from jomon.cli.console import print_json, say, show, table
from jomon.cli.door import kept
from jomon.cli.options import Json, ProjectDir, home_here, project_here
from jomon.cli.steps import Steps

if TYPE_CHECKING:
    from jomon.project.project import Project


def verify(
    reference: Annotated[
        str | None,
        typer.Argument(metavar="[REF]", help="The image whose members are fitted again.", show_default=False),
    ] = None,
    refit: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Fit a random sample of N members again and compare their bytes."
        ),
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, metavar="SEED", help="Which sample.")] = 0,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Bring damaged small files back, and remove what dead writers left."),
    ] = False,
    project: ProjectDir = None,
    as_json: Json = False,
) -> int:
    """Check every blob against its digest and every image for what it needs; exit status 1 where something is wrong.

    With --refit members are fitted again from the data: equal lineage has to give equal bytes on this platform.
    """
    home = home_here(project)
    document: dict[str, Any] = {"recovered": None}
    with kept("nothing was changed but what was already reported"), Steps(not as_json) as steps:
        if repair:
            document["recovered"] = home.recover().document()
        steps.begin("checking blobs")
        told = [0]

        def progress(done: int, total: int) -> None:
            if not told[0]:
                steps.begin("checking blobs", total)
            steps.advance(done - told[0], " bytes")
            told[0] = done

        if reference is not None:
            home.images.resolve(reference)
        report = home.images.verify(repair=repair, progress=progress)
        steps.end(f"checked {words.of_things(report.blobs, 'blob')}, {words.size(report.bytes)}")
        document |= report.document()
        if refit and report.whole:
            document["refit"] = _refit(project_here(project), reference, refit, seed, steps)
    held = report.whole and ("refit" not in document or document["refit"]["holds"])
    if as_json:
        print_json(document)
    else:
        _show(document, repair)
    return 0 if held else 1


def _refit(project: Project, reference: str | None, count: int, seed: int, steps: Steps) -> dict[str, Any]:
    from jomon.project.verifying import refit

    steps.begin(f"fitting {words.of_things(count, 'member')} again")
    report = refit(project, reference or project.latest, count, seed)
    steps.end(f"fitted {words.of_things(count, 'member')} again")
    return report.document()


def _show(document: dict[str, Any], repair: bool) -> None:
    recovered = document["recovered"] or {}
    for name in recovered.get("rewritten", ()):
        say(f"Brought back: {name}")
    for digest in recovered.get("found", ()):
        say(f"Found without a name: {digest}; `jomon tag` gives it one.")
    for problem in document["problems"]:
        say(f"{problem['kind']}: {problem['text']}", style="red")
    left = len(document["leftovers"])
    if left:
        hint = "removed" if repair else "harmless, `jomon verify --repair` removes them"
        say(f"{words.of_things(left, 'file')} left by writers that died: {hint}.")
    if "refit" in document:
        _show_refit(document["refit"])
    if document["whole"]:
        held = f"{words.of_things(document['images'], 'image')}, {words.of_things(document['blobs'], 'blob')}"
        say(f"The store is whole: {held}, {words.size(document['bytes'])}.")
    else:
        say(f"{words.of_things(len(document['problems']), 'problem')} found.", style="red")


def _show_refit(refit: dict[str, Any]) -> None:
    out = table("SAME BYTES", "MEMBER", wrap=["MEMBER"])
    for answer, kind in (("yes", "same"), ("NO", "different"), ("unknown", "gone")):
        for member in refit[kind]:
            out.add_row(answer, member, style=None if kind == "same" else "red")
    show(out)
    total = sum(len(refit[kind]) for kind in ("same", "different", "gone"))
    say(f"{words.count(len(refit['same']))} of {words.of_things(total, 'member')} gave the same bytes again.")
    if refit["gone"]:
        say("Unknown: rows, code or libraries have changed since, so the same lineage cannot be made again.")
