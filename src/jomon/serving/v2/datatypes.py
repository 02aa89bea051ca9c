"""The tensor datatypes of the protocol: their sizes, their numpy types and how JSON tells their elements."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from jomon.core.suggest import ending
from jomon.serving.v2.refusals import ProtocolError, shown

Family = Literal["truth", "integer", "float", "text"]
Value = bool | int | float | str | None
"""One element; None is a missing value."""
_BITS = (8, 16, 32, 64)


@dataclass(frozen=True)
class Datatype:
    """One datatype: `code` is its letter for `struct` and numpy, `size` its bytes (BYTES: none, each tells its length).

    `flat` and `nested` decode JSON; integers are from `low` to `high`.
    """

    name: str
    family: Family
    code: str
    flat: msgspec.json.Decoder[list[Any]]
    nested: msgspec.json.Decoder[list[list[Any]]]
    size: int
    low: int
    high: int


def _datatype(name: str, family: Family, code: str) -> Datatype:
    flat, nested = _IN_JSON[family]
    size = struct.calcsize(f"<{code}")
    low, high = 0, 0
    if family == "integer":
        low, high = (
            (-(2 ** (8 * size - 1)), 2 ** (8 * size - 1) - 1) if code.islower() else (0, 2 ** (8 * size) - 1)
        )
    return Datatype(name, family, code, flat, nested, size, low, high)


_IN_JSON: Mapping[Family, tuple[msgspec.json.Decoder[list[Any]], msgspec.json.Decoder[list[list[Any]]]]] = {
    "truth": (msgspec.json.Decoder(list[bool | None]), msgspec.json.Decoder(list[list[bool | None]])),
    "integer": (msgspec.json.Decoder(list[int | None]), msgspec.json.Decoder(list[list[int | None]])),
    "float": (msgspec.json.Decoder(list[float | None]), msgspec.json.Decoder(list[list[float | None]])),
    "text": (msgspec.json.Decoder(list[str | None]), msgspec.json.Decoder(list[list[str | None]])),
}
DATATYPES: Mapping[str, Datatype] = {
    "BOOL": _datatype("BOOL", "truth", "?"),
    **{
        f"INT{bits}": _datatype(f"INT{bits}", "integer", code)
        for bits, code in zip(_BITS, "bhiq", strict=True)
    },
    **{
        f"UINT{bits}": _datatype(f"UINT{bits}", "integer", code)
        for bits, code in zip(_BITS, "BHIQ", strict=True)
    },
    **{
        f"FP{bits}": _datatype(f"FP{bits}", "float", code)
        for bits, code in zip(_BITS[1:], "efd", strict=True)
    },
    "BYTES": _datatype("BYTES", "text", ""),
}


def datatype_of(name: str, tensor: str) -> Datatype:
    """The datatype called `name`; raises `ProtocolError` that names `tensor` where there is none."""
    found = DATATYPES.get(name)
    if found is None:
        raise ProtocolError(
            f"The input {shown(tensor)} has the unknown datatype {shown(name)}"
            f"{ending(name[:20], DATATYPES, 'choose from ' + ', '.join(DATATYPES))}"
        )
    return found
