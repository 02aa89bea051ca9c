"""The pointer to a lookup's serving copy: the one small file that says which file holds the rows now."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any
from urllib.parse import quote

from jomon.core.errors import CorruptError, StoreError
from jomon.core.lookup_arrays import FORMAT

SUFFIX = ".safetensors"
_SHORT = 12


@dataclass(frozen=True, slots=True)
class CopyPointer:
    """Where the rows of a lookup are, and what they are.

    `file` is beside the pointer, `nbytes` long and has the `digest`; `declaration` is the digest of what the rows were
    made by (`DeclaredLookup.digest`), `newest_us` the own time of the newest row (None without a time part or rows),
    `written_us` when they were last read from their source, `previous` the file of the copy before.
    """

    name: str
    file: str
    digest: str
    nbytes: int
    declaration: str
    rows: int
    newest_us: int | None
    written_us: int
    previous: str | None = None
    format: int = FORMAT

    def as_json(self) -> bytes:
        """The pointer as it stands in its file."""
        return json.dumps(asdict(self), sort_keys=True, indent=1).encode()

    @classmethod
    def from_json(cls, text: bytes, name: str) -> CopyPointer:
        """The inverse of `as_json`; raises `CorruptError` where `text` is no pointer of the lookup `name`."""
        try:
            document = json.loads(text)
            version = document["format"]
            if isinstance(version, int) and version > FORMAT:
                raise StoreError(
                    f"The copy of the lookup {name} was written by a newer jomon: upgrade this one."
                )
            pointer = cls(**{entry.name: document[entry.name] for entry in fields(cls)})
            kinds: dict[str, Any] = {
                "name": str,
                "file": str,
                "digest": str,
                "declaration": str,
                "previous": str | None,
            }
            kinds |= {"nbytes": int, "rows": int, "written_us": int, "newest_us": int | None}
            fits = all(isinstance(document[key], kind) for key, kind in kinds.items())
            if fits and pointer.name == name and "/" not in pointer.file and pointer.file.endswith(SUFFIX):
                return pointer
        except (ValueError, KeyError, TypeError):
            pass
        raise CorruptError(
            f"The pointer to the copy of the lookup {name} is damaged: run `jomon ingest` to write it again."
        )


def pointer_file(name: str) -> str:
    """The file name of the pointer of the lookup `name`."""
    return f"{quote(name, safe='')}.json"


def copy_file(name: str, digest: str) -> str:
    """The file name of a copy of the lookup `name` with a digest `sha256:...`."""
    return f"{quote(name, safe='')}.{digest.removeprefix('sha256:')[:_SHORT]}{SUFFIX}"


def is_copy_file(file: str, name: str) -> bool:
    """Whether a file name is that of some copy of the lookup `name`."""
    head, tail = f"{quote(name, safe='')}.", SUFFIX
    middle = file.removeprefix(head).removesuffix(tail)
    return file == f"{head}{middle}{tail}" and len(middle) == _SHORT and "." not in middle
