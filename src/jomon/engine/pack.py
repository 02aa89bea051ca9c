"""Packs: the slow parts of many members in one file, used where it is mapped.

A pack is a safetensors file (see `tensors`) with the arrays of `flat` and `codes` int64[M]; its metadata
holds the segments' texts, the members' keys and the names of the feature columns as JSON. Opening one runs
no code, copies no array, and checks every index, so that no pack, however made, is read outside its arrays.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from jomon.core.errors import BuildError, StoreError
from jomon.core.table import Ints
from jomon.engine.flat import FlatMembers
from jomon.engine.member import MemberArrays
from jomon.engine.tensors import Buffer, corrupt, expect, expect_version, read_tensors, write_tensors

VERSION = 1
_PAGE = 4096
_FORMAT = "jomon.pack"


@dataclass(frozen=True)
class PackEntry:
    """A member to be packed: the text and code of its segment, its key (lineage digest) and its arrays."""

    segment: str
    code: int
    key: str
    arrays: MemberArrays


@dataclass(frozen=True, eq=False)
class Pack:
    """An open pack of M members, sorted by code.

    codes: int64[M], ascending; segments, keys: M texts each; features: names of the columns that rows have,
    in order; members: the arrays, read-only views of the file; nbytes: size of the file.
    """

    codes: Ints
    segments: tuple[str, ...]
    keys: tuple[str, ...]
    features: tuple[str, ...]
    members: FlatMembers
    nbytes: int

    def __len__(self) -> int:
        return len(self.codes)

    @classmethod
    def open(cls, source: Path | str | Buffer, what: str | None = None) -> Pack:
        """Map the file at a path, or view bytes; nothing is copied and the source stays mapped while in use.

        `what` names the pack in errors. Raises `CorruptError` where the bytes are not a pack that is whole
        and consistent, `StoreError` where the file cannot be read or is of a newer format.
        """
        if isinstance(source, str | Path):
            return cls._of_bytes(_map(Path(source)), what or f"The pack {source}")
        return cls._of_bytes(source, what or "The pack")

    def touch(self) -> None:
        """Read a byte of every page, so that all of the pack is in memory."""
        for array in vars(self.members).values():
            if isinstance(array, np.ndarray) and array.size:
                array.reshape(-1).view(np.uint8)[::_PAGE].max()

    def entry(self, i: int) -> PackEntry:
        """Member i (0 to M-1) as it was packed."""
        model = self.members.model(i, len(self.features))
        arrays = MemberArrays(model, float(self.members.shrink[i]))
        return PackEntry(self.segments[i], int(self.codes[i]), self.keys[i], arrays)

    @classmethod
    def _of_bytes(cls, data: Buffer, what: str) -> Pack:
        arrays, metadata = read_tensors(data, what)
        if metadata.get("format") != _FORMAT:
            raise corrupt(what, "it is not a pack")
        expect_version(metadata, VERSION, what)
        members = FlatMembers.of_arrays(arrays, what)
        codes = expect(arrays, "codes", "I64", (len(members),), what)
        segments, keys = (_texts(metadata, name, len(members), what) for name in ("segments", "keys"))
        features = _texts(metadata, "features", None, what)
        if (codes[1:] <= codes[:-1]).any():
            raise corrupt(what, "its members are not in order")
        problem = members.problem(len(features))
        if problem:
            raise corrupt(what, problem)
        return cls(codes, segments, keys, features, members, memoryview(data).nbytes)


def write_pack(entries: Sequence[PackEntry], features: tuple[str, ...]) -> bytes:
    """The pack of `entries` for rows whose columns are `features`; the order of entries makes no difference.

    Raises `BuildError` where two entries have one code or a member has another number of columns.
    """
    entries = sorted(entries, key=lambda entry: entry.code)
    for before, entry in pairwise(entries):
        if before.code == entry.code:
            raise BuildError(
                f"Segments {before.segment!r} and {entry.segment!r} share the code {entry.code}; pack one."
            )
    for entry in entries:
        if entry.arrays.width != len(features):
            raise BuildError(
                f"The member of {entry.segment!r} has {entry.arrays.width} features and the pack has"
                f" {len(features)}; encode all members of a pack with one encoder."
            )
    flat = FlatMembers.of([e.arrays.model for e in entries], [e.arrays.shrink for e in entries])
    metadata = {
        "format": _FORMAT,
        "version": str(VERSION),
        "features": _json(features),
        "segments": _json([entry.segment for entry in entries]),
        "keys": _json([entry.key for entry in entries]),
    }
    codes = np.array([entry.code for entry in entries], np.int64)
    return write_tensors({**flat.arrays, "codes": codes}, metadata)


def _map(path: Path) -> Buffer:
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:
                return b""
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise StoreError(f"The pack {path} cannot be read ({error.strerror}); check the store.") from None


def _json(texts: Sequence[str]) -> str:
    return json.dumps(list(texts), ensure_ascii=False, separators=(",", ":"))


def _texts(metadata: Mapping[str, str], name: str, count: int | None, what: str) -> tuple[str, ...]:
    try:
        texts = json.loads(metadata.get(name, ""))
    except (ValueError, RecursionError):
        texts = None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise corrupt(what, f"its list of {name} cannot be read")
    if count not in (None, len(texts)):
        raise corrupt(what, f"its list of {name} has {len(texts)} items for {count} members")
    return tuple(texts)
