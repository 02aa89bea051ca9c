"""The trust list: types that may be loaded from a file, because a person said so.

It belongs to the store and lies beside it; an image cannot bring its own. Without an entry, an estimator
that is kept in a format that names Python types is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from jomon.core.errors import CorruptError, StoreError, UnknownNameError
from jomon.oci.digest import canonical_json
from jomon.oci.entries import format_time, parse_time
from jomon.oci.ports import TrustListPort
from jomon.store import atomic
from jomon.store.locks import locked
from jomon.store.paths import TRUST_FILE, Paths, writing

# The format of the file. To change it: raise it, and let `entries` read the older ones.
FORMAT = 1
_TYPE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


@dataclass(frozen=True, slots=True, order=True)
class TrustEntry:
    """One trusted type: its full name (`package.module.Type`), who trusted it, and when (UTC)."""

    type_name: str
    added_by: str
    added: datetime

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {"type": self.type_name, "added_by": self.added_by, "added": format_time(self.added)}


class TrustList(TrustListPort):
    """The trust list of the store at `root`."""

    def __init__(self, root: Path) -> None:
        self._paths = Paths(root)
        self._path = root / TRUST_FILE

    def entries(self) -> tuple[TrustEntry, ...]:
        """All entries by type name; raises `CorruptError` for a damaged file: no trust by mistake."""
        try:
            document = json.loads(self._path.read_bytes())
            if document["format"] > FORMAT:
                newer = f"has format {document['format']}, and this jomon knows formats up to {FORMAT}"
                raise StoreError(f"The trust list {self._path} {newer}: upgrade jomon.")
            return tuple(sorted(map(_entry, document["types"])))
        except FileNotFoundError:
            return ()
        except (ValueError, KeyError, TypeError, AttributeError):
            mend = "delete it, and trust the types again that you know"
            raise CorruptError(f"The trust list {self._path} is damaged: {mend}.") from None

    def trusted(self) -> frozenset[str]:
        """Full names of the trusted types."""
        return frozenset(entry.type_name for entry in self.entries())

    def add(self, type_names: Iterable[str], added_by: str, added: datetime) -> tuple[TrustEntry, ...]:
        """Trust more types, who and when as given; gives the entries that are new, older ones stay."""
        wanted = {_require_type(name): TrustEntry(name, added_by, added) for name in type_names}
        if not added_by.strip():
            raise StoreError("The trust list needs to know who trusts a type: give a name.")
        with self._changing():
            old = {entry.type_name: entry for entry in self.entries()}
            self._write({**wanted, **old})
        return tuple(entry for name, entry in sorted(wanted.items()) if name not in old)

    def remove(self, type_name: str) -> TrustEntry:
        """Trust a type no longer; raises `UnknownNameError` where it was not trusted."""
        with self._changing():
            entries = {entry.type_name: entry for entry in self.entries()}
            if type_name not in entries:
                raise UnknownNameError(f"The type {type_name!r} is not on the trust list {self._path}.")
            gone = entries.pop(type_name)
            self._write(entries)
        return gone

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with atomic.disk_errors(self._paths.root, "changing the trust list"):
            self._paths.make()
            with locked(self._paths.index_lock):
                yield

    def _write(self, entries: dict[str, TrustEntry]) -> None:
        types = [entry.document() for _, entry in sorted(entries.items())]
        data = canonical_json({"format": FORMAT, "types": types})
        with writing(self._paths) as lease:
            atomic.replace_file(self._path, data, self._paths.temporary / lease.name)


def _entry(document: dict[str, Any]) -> TrustEntry:
    added = parse_time(document["added"])
    if added is None or not isinstance(document["type"], str) or not isinstance(document["added_by"], str):
        raise ValueError("no trust entry")
    return TrustEntry(document["type"], document["added_by"], added)


def _require_type(name: str) -> str:
    if not _TYPE.fullmatch(name):
        raise StoreError(
            f"{name!r} is no name of a type: write package.module.Type, as the refusal shows it."
        )
    return name
