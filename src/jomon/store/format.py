"""The two files that say what a folder is: `oci-layout` to every program, `jomon.json` to this one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jomon.core.errors import CorruptError, StoreError
from jomon.oci.digest import canonical_json
from jomon.store.paths import Paths

# The format of what jomon adds to the layout. To change it: raise it, and convert older ones on opening.
FORMAT = 1
_FORMAT_DOCUMENT = {"format": FORMAT}
_LAYOUT_DOCUMENT = {"imageLayoutVersion": "1.0.0"}


def constants(paths: Paths) -> dict[Path, bytes]:
    """What the two files say; the marker comes last, so that a folder is a store only when it is whole."""
    return {paths.format: canonical_json(_FORMAT_DOCUMENT), paths.marker: canonical_json(_LAYOUT_DOCUMENT)}


def is_whole(path: Path, constant: bytes) -> bool:
    """Whether `path` has the keys of `constant`, and values of the same kind: a newer number is no damage."""
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    expected: dict[str, Any] = json.loads(constant)
    return isinstance(found, dict) and all(
        type(found.get(key)) is type(value) for key, value in expected.items()
    )


def require_format(paths: Paths) -> None:
    """Raise `StoreError` unless this program knows the store, `CorruptError` where it cannot be told."""
    if not paths.marker.is_file():
        raise StoreError(
            f"{paths.root} is no image store: run `jomon build` in a project, or check the path."
        )
    if not paths.format.exists():
        return  # a layout that another program made: everything that jomon adds is optional
    if not is_whole(paths.format, constants(paths)[paths.format]):
        mend = "run `jomon verify --repair`, which writes it again"
        raise CorruptError(f"The file {paths.format} is damaged; {mend}.")
    found = json.loads(paths.format.read_bytes())["format"]
    if found > FORMAT:
        newer = f"has format {found}, and this jomon knows formats up to {FORMAT}"
        raise StoreError(f"The store {paths.root} {newer}: upgrade jomon (`pip install --upgrade jomon`).")
