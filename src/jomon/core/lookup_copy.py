"""A lookup as single rows ask it: the same rows as `LookupTable.find` gives for columns, one at a time.

It stands on plain arrays, which may be those of a mapped file that several processes share, and builds nothing when it
is opened. What it remembers (keys and rows asked for lately) is bounded.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from typing import Any
from zlib import crc32

from numpy.typing import NDArray

from jomon.core.errors import CorruptError
from jomon.core.localtime import DAY, HOUR, LocalTime
from jomon.core.lookup_arrays import DeclaredLookup, key_bytes, wrong

Values = tuple[float | str | None, ...]
Key = tuple[str | None, ...]
KEYS_KEPT = 50_000
"""Keys whose rows are remembered; then all are forgotten."""
ROWS_KEPT = 50_000
"""Rows whose values are remembered; then all are forgotten."""
_NOWHERE = (0, 0)


class LookupCopy:
    """The rows of one lookup, ready to be asked; `rows` of them, the newest one's own time in `newest_us`.

    `arrays` are as `lookup_arrays.arrange` lays them out, and are not copied. Raises `CorruptError` where they are not
    such arrays. One object may be asked by several threads.
    """

    __slots__ = (
        "_bounds", "_changes", "_codes", "_key_ends", "_key_text", "_known", "_limit", "_marks", "_moments",
        "_numbers", "_offsets", "_order", "_part", "_recent", "_seen", "_slot", "_text", "_text_ends", "_widths",
        "declared", "newest_us", "rows",
    )  # fmt: skip

    def __init__(self, declared: DeclaredLookup, arrays: Mapping[str, NDArray[Any]], what: str = "") -> None:
        problem = wrong(declared, arrays)
        if problem is not None:
            what = what or f"The copy of the lookup {declared.name}"
            raise CorruptError(f"{what} is damaged: {problem}; run `jomon ingest` to write it again.")
        self.declared, self.rows = declared, len(arrays["numbers"])
        self._part, self._limit = declared.part, declared.max_age_us
        flat = {name: array.reshape(-1).data for name, array in arrays.items()}
        self._marks, self._bounds = flat["marks"], flat["bounds"]
        self._key_text, self._key_ends = flat["key_text"], flat["key_ends"]
        self._text, self._text_ends = flat["text"], flat["text_ends"]
        self._numbers, self._codes = flat["numbers"], flat["codes"]
        self._widths = arrays["numbers"].shape[1], arrays["codes"].shape[1]
        numbers, texts = iter(range(self._widths[0])), iter(range(self._widths[0], sum(self._widths)))
        order = tuple(next(numbers if kind == "number" else texts) for kind in declared.kinds)
        self._order = None if order == tuple(range(len(order))) else order
        clock = LocalTime(declared.zone).plain()
        self._changes, self._offsets = clock.changes, clock.offsets
        self.newest_us: int | None = None
        if declared.part is not None:
            self._known, self._slot, self._moments = flat["known"], flat["slot"], flat["moments"]
            if len(self._moments):
                self.newest_us = self._moments[-1] - declared.delay_us
        self._seen: dict[Key, tuple[int, int]] = {}
        self._recent: dict[int, Values] = {}

    def find(self, key: Key, time_us: int) -> int:
        """The position of the row for the texts of the key columns at an instant (microseconds UTC), or -1.

        It is the latest one known by then, if its slot is no older than `max_age`. The instant has to be between 1900
        and 2100, as that of every row that was accepted is.
        """
        found = self._seen.get(key)
        start, end = self._locate(key) if found is None else found
        part = self._part
        if part is None:
            return start if start < end else -1
        at = bisect_right(self._known, time_us, start, end) - 1
        if at < start:
            return -1
        return at if 0 <= self._age(part, time_us, self._slot[at]) <= self._limit else -1

    def values(self, position: int) -> Values:
        """The features of the row at a position that `find` gave, in the order of the declaration."""
        found = self._recent.get(position)
        return self._read(position) if found is None else found

    def get(self, key: Key, time_us: int) -> Values | None:
        """The features for a key at an instant; None where there is no row: `find` and `values` in one."""
        at = self.find(key, time_us)
        if at < 0:
            return None
        found = self._recent.get(at)
        return self._read(at) if found is None else found

    def stale_at(self, time_us: int) -> bool:
        """Whether even the newest row known at an instant, whatever its key, is older than `max_age` allows.

        A copy without any row is stale; one whose rows were all known only later is not.
        """
        if not self.rows:
            return True
        if self._part is None:
            return False
        at = bisect_right(self._moments, time_us) - 1
        if at < 0:
            return False
        slot = self._slot_of(self._part, self._moments[at] - self.declared.delay_us)
        return self._age(self._part, time_us, slot) > self._limit

    def _age(self, part: str, time_us: int, slot: int) -> int:
        """How much older than that of an instant a slot is: in microseconds, whole hours or days of them."""
        if part == "hour":
            wall = time_us + self._offsets[bisect_right(self._changes, time_us)]
            return time_us - wall % HOUR - slot
        if part == "day":
            wall = time_us + self._offsets[bisect_right(self._changes, time_us)]
            return (wall // DAY - slot) * DAY
        return time_us - slot

    def _slot_of(self, part: str, time_us: int) -> int:
        age = self._age(part, time_us, 0)
        return age // DAY if part == "day" else age

    def _locate(self, key: Key) -> tuple[int, int]:
        """The first row of a key, and the end of its rows; nothing for a key with a missing value."""
        found, marks = _NOWHERE, self._marks
        if None not in key:
            text = key_bytes(key)  # type: ignore[arg-type]
            mark = crc32(text)
            at = bisect_left(marks, mark)
            while at < len(marks) and marks[at] == mark:
                if self._key_text[self._key_ends[at] : self._key_ends[at + 1]] == text:
                    found = self._bounds[at], self._bounds[at + 1]
                    break
                at += 1
        if len(self._seen) >= KEYS_KEPT:
            self._seen.clear()
        self._seen[key] = found
        return found

    def _read(self, position: int) -> Values:
        numbers, texts = self._widths
        row: list[float | str | None] = [
            value if value == value else None  # noqa: PLR0124 - NaN differs from itself
            for value in self._numbers[position * numbers : (position + 1) * numbers]
        ]
        for code in self._codes[position * texts : (position + 1) * texts]:
            text = self._text[self._text_ends[code] : self._text_ends[code + 1]] if code >= 0 else None
            row.append(None if text is None else str(text, "utf-8", "surrogatepass"))
        values = tuple(row) if self._order is None else tuple([row[at] for at in self._order])
        if len(self._recent) >= ROWS_KEPT:
            self._recent.clear()
        self._recent[position] = values
        return values
