"""`jomon verify`: is the store whole, and do members fitted again give the same bytes?"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jomon.cli import words
from jomon.cli.console import print_json, say, show, table
from jomon.cli.door import kept
from jomon.cli.options import Json, ProjectDir, home_here, project_here
from jomon.cli.steps import Steps
from jomon.core.errors import CorruptError, JomonError

if TYPE_CHECKING:
    from jomon.project.home import Home


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
            document["recovered"] = _recover(home)
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
    same = all(one["same"] for one in document.get("refit", ()))
    if as_json:
        print_json(document)
    else:
        _show(document, repair)
    return 0 if report.whole and same else 1


def _recover(home: Home) -> dict[str, Any] | None:
    from jomon.store.layout import ImageStore

    path = home.root / "images"
    if not path.is_dir():
        raise CorruptError(f"There is no store at {path}: run `jomon build` first.")
    return ImageStore.recover(path).document()


def _refit(project: Any, reference: str | None, count: int, seed: int, steps: Steps) -> list[dict[str, Any]]:
    if importlib.util.find_spec("jomon.project.verifying") is None:
        raise JomonError("This jomon cannot fit members again; leave --refit out.")
    from importlib import import_module

    steps.begin(f"fitting {words.of_things(count, 'member')} again")
    found = import_module("jomon.project.verifying").refit(project, reference or project.latest, count, seed)
    listed: Iterable[Any] = found.members if hasattr(found, "members") else found
    out = [_document(one) for one in listed]
    steps.end(f"fitted {words.of_things(len(out), 'member')} again")
    return out


def _document(one: Any) -> dict[str, Any]:
    if hasattr(one, "document"):
        return dict(one.document())
    return asdict(one) if is_dataclass(one) and not isinstance(one, type) else dict(one)


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
        out = table("SAME BYTES", "SEGMENT", wrap=["SEGMENT"])
        for one in document["refit"]:
            out.add_row("yes" if one["same"] else "NO", one["segment"])
        show(out)
        same = sum(bool(one["same"]) for one in document["refit"])
        say(
            f"{words.count(same)} of {words.of_things(len(document['refit']), 'member')} fitted again gave the same bytes."
        )
    if document["whole"]:
        held = f"{words.of_things(document['images'], 'image')}, {words.of_things(document['blobs'], 'blob')}"
        say(f"The store is whole: {held}, {words.size(document['bytes'])}.")
    else:
        say(f"{words.of_things(len(document['problems']), 'problem')} found.", style="red")
