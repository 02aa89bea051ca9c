"""The lookups of one image as a server asks them: copies opened by their pointers, swapped when these move.

`look` opens what is new, as slowly as the disk wants, in any thread; `take` puts it in place in one step, in the
thread that answers. So no request waits for a copy, and none sees two. A copy that is not there, is damaged or was
made by another declaration is not used: it is named in `problems`, and its rows count as stale.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from jomon.core.errors import CorruptError, JomonError, StoreError
from jomon.core.lookup_arrays import DeclaredLookup
from jomon.core.lookup_copy import Key, LookupCopy, Values
from jomon.core.lookup_pointer import CopyPointer, pointer_file
from jomon.core.spec import ProjectSpec
from jomon.engine.tensors import read_tensors

Why = Literal["missing", "stale"]
"""Why a lookup had nothing: no row for the key and time, or no row of the whole copy is recent enough (or no copy)."""
Told = Callable[[str, Why], None]
"""Hears of every row for which a lookup had nothing: its name, and why."""
_ATTEMPTS = 3
_US = 1_000_000


@dataclass(frozen=True, slots=True)
class LookupState:
    """A lookup as a server has it: what metrics and metadata tell of it.

    `age_seconds` is that of the newest row, `read_seconds` the time since its source was last read; None where there
    is no copy, or no time.
    """

    name: str
    digest: str | None
    rows: int
    age_seconds: float | None
    read_seconds: float | None
    problem: str | None


@dataclass(frozen=True)
class Looked:
    """What `look` found: pointers, the copies that differ from those in use, and what could not be used."""

    pointers: Mapping[str, CopyPointer] = field(default_factory=dict)
    copies: Mapping[str, LookupCopy] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


class ServedLookups:
    """The copies of the lookups that `spec` declares, in `folder`; those that are there are open from the start.

    `told` hears of each row that a lookup had nothing for. All but `look` is for the thread that answers.
    """

    def __init__(self, folder: Path, spec: ProjectSpec, told: Told = lambda name, why: None) -> None:
        self.folder = folder
        self.problems: Mapping[str, str] = {}
        self._lookups = {name: _Lookup(DeclaredLookup.of(spec, name), told) for name in spec.lookups}
        self.refresh()

    @property
    def finders(self) -> Mapping[str, Callable[[Key, int], Values | None]]:
        """What each lookup knows for the texts of its key columns at an instant (microseconds UTC), or None.

        The values are in the order of the lookup's features. A finder asks whatever copy is in use when it is called.
        """
        return {name: lookup.find for name, lookup in self._lookups.items()}

    def why(self, name: str, time_us: int) -> Why:
        """Why the lookup had nothing for a row at an instant (microseconds UTC)."""
        return self._lookups[name].why(time_us)

    def refresh(self) -> tuple[str, ...]:
        """`take` what `look` finds; returns the names of the lookups whose copy was swapped."""
        return self.take(self.look())

    def look(self) -> Looked:
        """Open the copies whose pointers moved, checked against their digests; changes nothing, never raises."""
        pointers, copies, problems = dict[str, CopyPointer](), dict[str, LookupCopy](), dict[str, str]()
        for name, lookup in self._lookups.items():
            try:
                pointer, copy = open_copy(self.folder, lookup.declared, lookup.digest)
            except JomonError as error:
                problems[name] = str(error)
                continue
            pointers[name] = pointer
            if copy is not None:
                copies[name] = copy
        return Looked(pointers, copies, problems)

    def take(self, looked: Looked) -> tuple[str, ...]:
        """Answer with what `look` found from now on; what could not be used leaves the copy before in place."""
        for name, pointer in looked.pointers.items():
            lookup = self._lookups[name]
            if name in looked.copies:
                lookup.copy = looked.copies[name]
            elif lookup.digest != pointer.digest:
                continue  # another look was taken in between
            lookup.pointer = pointer
        self.problems = looked.problems
        return tuple(looked.copies)

    def states(self, now_us: int) -> tuple[LookupState, ...]:
        """Each lookup as it is now (`now_us`, microseconds UTC)."""
        return tuple(
            LookupState(
                name,
                lookup.digest,
                0 if lookup.copy is None else lookup.copy.rows,
                _seconds(now_us, None if lookup.copy is None else lookup.copy.newest_us),
                _seconds(now_us, None if lookup.pointer is None else lookup.pointer.written_us),
                self.problems.get(name),
            )
            for name, lookup in self._lookups.items()
        )


class _Lookup:
    """One lookup: the copy in use, and who hears of rows that it has nothing for."""

    def __init__(self, declared: DeclaredLookup, told: Told) -> None:
        self.declared, self._told = declared, told
        self.copy: LookupCopy | None = None
        self.pointer: CopyPointer | None = None

    @property
    def digest(self) -> str | None:
        """The digest of the copy in use."""
        return None if self.pointer is None else self.pointer.digest

    def find(self, key: Key, time_us: int) -> Values | None:
        """See `ServedLookups.finders`."""
        copy = self.copy
        if copy is not None:
            values = copy.get(key, time_us)
            if values is not None:
                return values
        self._told(self.declared.name, self.why(time_us))
        return None

    def why(self, time_us: int) -> Why:
        """See `ServedLookups.why`."""
        return "stale" if self.copy is None or self.copy.stale_at(time_us) else "missing"


def open_copy(
    folder: Path, declared: DeclaredLookup, known: str | None = None
) -> tuple[CopyPointer, LookupCopy | None]:
    """The pointer of a lookup and its copy, which is None where its digest is `known` already.

    Raises `StoreError` where there is no copy or one of another declaration, `CorruptError` where it is damaged.
    """
    for attempt in range(_ATTEMPTS):
        pointer = _pointer(folder, declared)
        if pointer.digest == known:
            return pointer, None
        try:
            return pointer, _mapped(folder / pointer.file, pointer, declared)
        except FileNotFoundError:
            if attempt == _ATTEMPTS - 1:  # else it was deleted because the pointer moved on meanwhile
                break
        except OSError as error:
            raise StoreError(
                f"The copy of the lookup {declared.name} cannot be read ({error.strerror or error}): "
                "check the disk and its permissions."
            ) from error
    raise CorruptError(
        f"The copy of the lookup {declared.name} is gone while its pointer stands: run `jomon ingest` to write it."
    )


def _pointer(folder: Path, declared: DeclaredLookup) -> CopyPointer:
    name = declared.name
    try:
        pointer = CopyPointer.from_json((folder / pointer_file(name)).read_bytes(), name)
    except OSError:
        raise StoreError(
            f"There is no copy of the lookup {name} that could be read: run `jomon ingest` to write it."
        ) from None
    if pointer.declaration != declared.digest:
        raise StoreError(
            f"The copy of the lookup {name} was made by another declaration than the image has: build an image of "
            "what the project file declares now, or run `jomon ingest` with the one of the image."
        )
    return pointer


def _mapped(path: Path, pointer: CopyPointer, declared: DeclaredLookup) -> LookupCopy:
    what = f"The copy of the lookup {declared.name}"
    with path.open("rb") as file:
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise CorruptError(f"{what} is empty: run `jomon ingest` to write it again.") from None
    if len(data) != pointer.nbytes or f"sha256:{hashlib.sha256(data).hexdigest()}" != pointer.digest:
        raise CorruptError(f"{what} is not what its pointer promises: run `jomon ingest` to write it again.")
    arrays, _ = read_tensors(memoryview(data), what)
    return LookupCopy(declared, arrays, what)


def _seconds(now_us: int, then_us: int | None) -> float | None:
    return None if then_us is None else (now_us - then_us) / _US
