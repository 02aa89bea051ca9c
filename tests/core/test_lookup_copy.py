"""Arrays that are not those of a copy are refused, however they came about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from jomon.core.errors import CorruptError, StoreError
from jomon.core.lookup_arrays import DeclaredLookup, arrange, key_bytes
from jomon.core.lookup_copy import LookupCopy
from jomon.core.lookup_pointer import CopyPointer
from jomon.core.table import Coded

Arrays = dict[str, NDArray[Any]]
HOUR = 3_600_000_000
DECLARED = DeclaredLookup(
    "weather", ("origin",), "hour", ("sky", "temp"), ("text", "number"), 0, 0, "UTC", False, "sha256:1"
)


def _arrays() -> Arrays:
    """Four hours at each of two airports; the third hour of the second has no temperature."""
    hours = np.tile(np.arange(4) * HOUR, 2)
    origin = Coded(np.repeat(np.arange(2, dtype=np.int32), 4), ("EWR", "JFK"))
    temp = np.where(np.arange(8) == 6, np.nan, np.arange(8.0))
    sky = Coded(np.array([0, 1, 0, -1] * 2, np.int32), ("clear", "grey"))
    return arrange(DECLARED, [origin], [sky, temp], hours, hours)


def test_each_row_is_found_by_its_key_and_hour() -> None:
    copy = LookupCopy(DECLARED, _arrays())
    assert copy.get(("EWR",), HOUR + 5) == ("grey", 1.0)
    assert copy.get(("JFK",), 2 * HOUR) == ("clear", None)
    assert copy.get(("JFK",), 3 * HOUR) == (None, 7.0)
    assert copy.get(("LGA",), HOUR) is None
    assert copy.get(("JFK",), 4 * HOUR) is None
    assert (copy.rows, copy.newest_us) == (8, 3 * HOUR)


def _set(name: str, at: Any, value: Any) -> Callable[[Arrays], Arrays]:
    def change(arrays: Arrays) -> Arrays:
        array = arrays[name].copy()
        array[at] = value
        return {**arrays, name: array}

    return change


DAMAGE: dict[str, Callable[[Arrays], Arrays]] = {
    "an array is missing": lambda a: {name: array for name, array in a.items() if name != "known"},
    "an array has another type": lambda a: {**a, "slot": a["slot"].astype(np.float64)},
    "an array has another shape": lambda a: {**a, "numbers": a["numbers"].reshape(-1)},
    "rows are fewer than times": lambda a: {**a, "numbers": a["numbers"][:-1], "codes": a["codes"][:-1]},
    "there is one feature too many": lambda a: {**a, "numbers": np.repeat(a["numbers"], 2, axis=1)},
    "bounds lead outside": _set("bounds", -1, 9),
    "bounds go back": _set("bounds", 1, 9),
    "bounds begin late": _set("bounds", 0, 1),
    "keys end outside their text": _set("key_ends", -1, 1000),
    "texts end outside": _set("text_ends", -1, 1000),
    "a code points outside": _set("codes", 0, 2),
    "a code is negative": _set("codes", 0, -2),
    "keys are out of order": lambda a: {**a, "marks": a["marks"][::-1].copy()},
    "times are out of order": _set("known", 1, 9 * HOUR),
    "moments are out of order": _set("moments", 0, 9 * HOUR),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_copy_is_refused_where(damage: str) -> None:
    with pytest.raises(
        CorruptError, match=r"^The copy of the lookup weather is damaged: .*; run `jomon ingest`"
    ):
        LookupCopy(DECLARED, DAMAGE[damage](_arrays()))


@given(st.lists(st.lists(st.text(st.sampled_from("1:2a\0ü")), max_size=3), min_size=2, max_size=2))
def test_two_keys_never_have_the_same_bytes(keys: list[list[str]]) -> None:
    one, other = keys
    assert (key_bytes(one) == key_bytes(other)) == (one == other)


def test_keys_with_the_same_mark_are_told_apart() -> None:
    """`plumless` and `buckeroo` are known to share their crc32; with their lengths before them they still do."""
    names = ("buckeroo", "plumless")
    origin = Coded(np.arange(2, dtype=np.int32), names)
    sky = Coded(np.array([0, 1], np.int32), ("clear", "grey"))
    hours = np.zeros(2, np.int64)
    arrays = arrange(DECLARED, [origin], [sky, np.array([1.0, 2.0])], hours, hours)
    assert arrays["marks"][0] == arrays["marks"][1]
    copy = LookupCopy(DECLARED, arrays)
    assert [copy.get((name,), 0) for name in names] == [("clear", 1.0), ("grey", 2.0)]


POINTER = CopyPointer("weather", "weather.0123456789ab.safetensors", "sha256:1", 10, "sha256:2", 3, None, 4)


def test_a_pointer_survives_its_file() -> None:
    assert CopyPointer.from_json(POINTER.as_json(), "weather") == POINTER


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"{}", POINTER.as_json()[:-9], POINTER.as_json().replace(b"weather.", b"../weather."),
     POINTER.as_json().replace(b'"rows": 3', b'"rows": "3"'), POINTER.as_json().replace(b'"weather"', b'"other"')],
)  # fmt: skip
def test_what_is_no_pointer_is_refused(text: bytes) -> None:
    with pytest.raises(CorruptError, match=r"^The pointer to the copy of the lookup weather is damaged"):
        CopyPointer.from_json(text, "weather")


def test_a_pointer_of_a_newer_program_is_told_as_such() -> None:
    with pytest.raises(StoreError, match=r"newer jomon"):
        CopyPointer.from_json(POINTER.as_json().replace(b'"format": 1', b'"format": 2'), "weather")
