"""New projects: a copy of an example, or a small project of its own that works as it is."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jomon.core.errors import JomonError
from jomon.core.suggest import ending
from jomon.project.starter import PROJECT_FILE, starter_rows

EXAMPLES = ("flights", "births")


@dataclass(frozen=True)
class Scaffold:
    """What was written: the folder, the example it is a copy of (None: the starter), and the files by name."""

    folder: Path
    example: str | None
    files: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """The JSON of `jomon init --json`."""
        return {"folder": str(self.folder), "example": self.example, "files": list(self.files)}


def scaffold(folder: Path, example: str | None = None) -> Scaffold:
    """Write a project into `folder`, which has to be empty or not there yet; all files are written, or none.

    Raises `JomonError` where the folder holds something, the example is unknown, or the disk refuses.
    """
    if example is not None and example not in EXAMPLES:
        raise JomonError(f"There is no example {example!r}{ending(example, EXAMPLES)}")
    if folder.exists() and not folder.is_dir():
        raise JomonError(f"{folder} is a file: name a folder for the project.")
    try:
        if folder.is_dir() and any(folder.iterdir()):
            raise JomonError(f"{folder} is not empty: name a new or an empty folder for the project.")
        folder.mkdir(parents=True, exist_ok=True)
        if example is None:
            (folder / "sales.csv").write_text(starter_rows(), encoding="utf-8")
            (folder / "jomon.yaml").write_text(PROJECT_FILE, encoding="utf-8")
        else:
            for source in sorted(_example(example).iterdir()):
                if source.is_file():
                    shutil.copyfile(source, folder / source.name)
    except OSError as error:
        raise JomonError(f"{folder} cannot be written ({error.strerror}): choose another folder.") from error
    return Scaffold(folder, example, tuple(sorted(p.name for p in folder.iterdir() if p.is_file())))


def _example(name: str) -> Path:
    """The folder of an example: inside the installed package, or beside the sources it runs from."""
    package = Path(__file__).parents[1]
    for folder in (package / "examples" / name, package.parents[1] / "examples" / name):
        if (folder / "jomon.yaml").is_file():
            return folder
    raise JomonError(f"This installation lacks the example {name}: install jomon again.")
