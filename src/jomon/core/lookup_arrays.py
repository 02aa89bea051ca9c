"""The arrays of a lookup's serving copy: groups by key, rows of a group by when they were known.

One layout for the writer and the reader, made so that it can be used where a file is mapped: a key is found by a
binary search in sorted marks, its rows lie side by side, and opening it builds nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from jomon.core.lookup_keys import TimePart
from jomon.core.spec import ProjectSpec
from jomon.core.table import Coded, Column, Ints

FORMAT = 1
Kind = Literal["number", "text"]
Arrays = dict[str, NDArray[Any]]
_US = 1_000_000


@dataclass(frozen=True)
class DeclaredLookup:
    """What a project file says of one lookup, as far as joining by it depends on that.

    `columns` are the plain columns of its key, `kinds` what its features are (numbers, or text), times are in
    microseconds; `digest` is that of the whole declaration: two that differ may give a row different values.
    """

    name: str
    columns: tuple[str, ...]
    part: TimePart | None
    features: tuple[str, ...]
    kinds: tuple[Kind, ...]
    max_age_us: int
    delay_us: int
    zone: str
    demanded: bool
    digest: str

    @classmethod
    def of(cls, spec: ProjectSpec, name: str) -> DeclaredLookup:
        """The lookup `name` of a project."""
        lookup, numeric = spec.lookups[name], set(spec.data.features.numeric)
        key = lookup.key(spec.data.time)
        kinds: tuple[Kind, ...] = tuple("number" if f in numeric else "text" for f in lookup.features)
        said = lookup.model_dump(mode="json", exclude={"source"})
        zone = {"timezone": spec.data.timezone, **spec.data.daylight_saving.model_dump(mode="json")}
        document = {**said, "kinds": kinds, "zone": zone, "part": key.time_part, "columns": key.columns}
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return cls(
            name,
            key.columns,
            key.time_part,
            lookup.features,
            kinds,
            round(lookup.max_age.total_seconds() * _US),
            round(lookup.delay.total_seconds() * _US),
            spec.data.zone,
            lookup.missing == "quarantine",
            f"sha256:{hashlib.sha256(text.encode()).hexdigest()}",
        )


def key_bytes(key: Sequence[str]) -> bytes:
    """The texts of a key as bytes of which no two keys have the same.

    >>> key_bytes(("EWR", "7"))
    b'3:EWR1:7'
    """
    return "".join([f"{len(text)}:{text}" for text in key]).encode("utf-8", "surrogatepass")


def arrange(
    declared: DeclaredLookup,
    keys: Sequence[Coded],
    features: Sequence[Column],
    known: Ints | None = None,
    slot: Ints | None = None,
) -> Arrays:
    """The arrays of n rows: their key columns, their features, and for a time part when each was known and its slot.

    marks uint32[G] ascending, crc32 of `key_bytes`; key_ends int64[G + 1] into key_text uint8; bounds int64[G + 1]:
    the rows of each group; known, slot int64[n], known ascending within a group; moments int64[m]: all of `known`,
    each once, ascending; numbers float64[n, p], NaN where missing; codes int64[n, q] into the texts, -1 where
    missing; text_ends int64[t + 1] into text uint8.
    """
    rows = len(features[0])
    group, groups = _grouped(keys, rows)
    texts = [key_bytes(key) for key in groups]
    order = sorted(range(len(texts)), key=lambda at: (crc32(texts[at]), texts[at]))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    place = rank[group] if rows else group
    index = np.argsort(place, kind="stable") if known is None else np.lexsort((known, place))
    texts = [texts[at] for at in order]
    key_text, key_ends = _packed(texts)
    arrays: Arrays = {
        "marks": np.array([crc32(text) for text in texts], np.uint32),
        "key_text": key_text,
        "key_ends": key_ends,
        "bounds": np.searchsorted(place[index], np.arange(len(texts) + 1)).astype(np.int64),
    }
    if known is not None and slot is not None:
        arrays |= {"known": known[index], "slot": slot[index], "moments": np.unique(known)}
    return arrays | _values(
        declared,
        [column[index] if not isinstance(column, Coded) else column.take(index) for column in features],
        rows,
    )


def _values(declared: DeclaredLookup, features: Sequence[Column], rows: int) -> Arrays:
    """The features of the rows (n), in their order."""
    numbers = [column for column in features if not isinstance(column, Coded)]
    texts = [column for column in features if isinstance(column, Coded)]
    if tuple("text" if isinstance(column, Coded) else "number" for column in features) != declared.kinds:
        raise ValueError(f"the features of {declared.name} are not of the declared kinds")
    vocabulary = sorted({value for column in texts for value in column.values})
    place = {value: code for code, value in enumerate(vocabulary)}
    codes = np.full((rows, len(texts)), -1, np.int64)
    for at, column in enumerate(texts):
        mine = np.array([*(place[value] for value in column.values), -1], np.int64)
        codes[:, at] = mine[column.codes]
    text, ends = _packed([value.encode("utf-8", "surrogatepass") for value in vocabulary])
    floats = np.stack(numbers, axis=1).astype(np.float64) if numbers else np.zeros((rows, 0))
    return {"numbers": np.ascontiguousarray(floats), "codes": codes, "text": text, "text_ends": ends}


def _grouped(keys: Sequence[Coded], rows: int) -> tuple[Ints, list[tuple[str, ...]]]:
    """The group of each row (n), and the key of each group."""
    group = np.zeros(rows, np.int64)
    groups: list[tuple[str, ...]] = [()] if rows else []
    for column in keys:
        pairs, group = np.unique(group * max(len(column.values), 1) + column.codes, return_inverse=True)
        parents, codes = np.divmod(pairs, max(len(column.values), 1))
        groups = [
            (*groups[parent], column.values[code])
            for parent, code in zip(parents.tolist(), codes.tolist(), strict=True)
        ]
    return group.astype(np.int64), groups


def _packed(texts: Sequence[bytes]) -> tuple[NDArray[np.uint8], Ints]:
    """Texts end to end, and where each begins, with the end of the last."""
    ends = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=ends[1:])
    return np.frombuffer(b"".join(texts), np.uint8), ends


def wrong(declared: DeclaredLookup, arrays: Mapping[str, NDArray[Any]]) -> str | None:
    """What is wrong with the arrays of a copy, None where all indices lie inside and all orders hold."""
    timed = ("known", "slot", "moments") if declared.part is not None else ()
    one, two = ("marks", "key_text", "key_ends", "bounds", "text", "text_ends", *timed), ("numbers", "codes")
    kinds = {"marks": "u4", "key_text": "u1", "text": "u1", "numbers": "f8"}
    for name in (*one, *two):
        array = arrays.get(name)
        if array is None or array.ndim != (2 if name in two else 1) or array.dtype != kinds.get(name, "i8"):
            return f"its array {name!r} is missing or has another type or shape"
    rows, groups = len(arrays["numbers"]), len(arrays["marks"])
    wide = {"numbers": declared.kinds.count("number"), "codes": declared.kinds.count("text")}
    if any(arrays[name].shape != (rows, width) for name, width in wide.items()):
        return "its features are not those declared"
    for name, count, end in (
        ("bounds", groups, rows),
        ("key_ends", groups, len(arrays["key_text"])),
        ("text_ends", None, len(arrays["text"])),
    ):
        ends = arrays[name]
        fits = len(ends) and (count is None or len(ends) == count + 1) and ends[0] == 0 and ends[-1] == end
        if not fits or (np.diff(ends) < 0).any():
            return f"its array {name!r} does not divide what it should"
    codes = arrays["codes"]
    if codes.size and (codes.min() < -1 or codes.max() >= len(arrays["text_ends"]) - 1):
        return "a feature points outside its texts"
    if (np.diff(arrays["marks"].astype(np.int64)) < 0).any():
        return "its keys are out of order"
    if not timed:
        return None
    if len(arrays["known"]) != rows or len(arrays["slot"]) != rows or (np.diff(arrays["moments"]) <= 0).any():
        return "its times do not fit its rows"
    down = np.diff(arrays["known"]) < 0
    down[arrays["bounds"][1:-1][(arrays["bounds"][1:-1] > 0) & (arrays["bounds"][1:-1] < rows)] - 1] = False
    return "its times are out of order" if down.any() else None
