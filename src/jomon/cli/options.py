"""Options that many commands share, and how they find the project or the store they mean."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from jomon.project.home import Home
    from jomon.project.project import Project

FILE = "jomon.yaml"

Json = Annotated[bool, typer.Option("--json", help="Print facts as JSON, and nothing else, on stdout.")]
ProjectDir = Annotated[
    Path | None,
    typer.Option(
        "--project", "-p", metavar="DIR", help="The project folder; by default this one, or one above."
    ),
]
Ref = Annotated[
    str, typer.Argument(metavar="REF", help="An image: name, name:tag, or the start of a digest.")
]


def project_here(folder: Path | None) -> Project:
    """The project in `folder`, or the nearest from here upwards; its store is elsewhere if JOMON_STORE says so."""
    from jomon.project.home import STORE_VARIABLE, Home
    from jomon.project.project import open_project

    named = os.environ.get(STORE_VARIABLE)
    place = folder if folder is not None else _nearest()
    project = open_project(place)
    return (
        open_project(place, Path(named).resolve()) if named and project.home != Home(Path(named)) else project
    )


def project_if_here(folder: Path | None) -> Project | None:
    """The project that `project_here` would find; None where there is no project file, and so only a store."""
    return project_here(folder) if ((folder or _nearest()) / FILE).is_file() else None


def home_here(folder: Path | None) -> Home:
    """The store of the project in `folder`, or the nearest from here upwards."""
    from jomon.core.errors import StoreError
    from jomon.project.home import STORE_VARIABLE, find_home, home_of

    if folder is None or os.environ.get(STORE_VARIABLE):
        return find_home()
    if not folder.is_dir():
        raise StoreError(f"{folder} is no folder: name a project with --project.")
    home = home_of(folder)
    if not (home.root / "images").exists() and not (folder / FILE).exists():
        raise StoreError(
            f"There is no project in {folder}: name one with --project, or start one with `jomon init`."
        )
    return home


def _nearest() -> Path:
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / FILE).is_file()), Path())


def shown_path(path: Path) -> str:
    """A path as a user would type it from here."""
    try:
        relative = os.path.relpath(path)
    except ValueError:
        return str(path)
    return relative if len(relative) <= len(str(path)) else str(path)
