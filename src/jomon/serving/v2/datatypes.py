"""The tensor datatypes of the protocol: their sizes, their numpy types and how JSON tells their elements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np

from jomon.core.suggest import ending
from jomon.serving.v2.refusals import ProtocolError, shown

Family = Literal["truth", "integer", "float", "text"]
Value = bool | int | float | str | None
"""One element; None is a missing value."""


@dataclass(frozen=True)
class Datatype:
    """One datatype: `size` bytes an element in binary data (0: each tells its length), `dtype` little-endian."""

    name: str
    family: Family
    dtype: np.dtype[Any] | None
    flat: msgspec.json.Decoder[list[Any]]
    nested: msgspec.json.Decoder[list[list[Any]]]
    low: int = 0
    high: int = 0

    @property
    def size(self) -> int:
        """Bytes of an element in binary data, 0 for BYTES."""
        return 0 if self.dtype is None else self.dtype.itemsize


def _fixed(name: str, family: Family, code: str, flat: Any, nested: Any) -> Datatype:
    dtype = np.dtype(code)
    decoders = msgspec.json.Decoder(flat), msgspec.json.Decoder(nested)
    if family != "integer":
        return Datatype(name, family, dtype, *decoders)
    info = np.iinfo(dtype)
    return Datatype(name, family, dtype, *decoders, low=int(info.min), high=int(info.max))


_INTS = list[int | None], list[list[int | None]]
_FLOATS = list[float | None], list[list[float | None]]
DATATYPES: Mapping[str, Datatype] = {
    "BOOL": _fixed("BOOL", "truth", "?", list[bool | None], list[list[bool | None]]),
    **{f"INT{8 * n}": _fixed(f"INT{8 * n}", "integer", f"<i{n}", *_INTS) for n in (1, 2, 4, 8)},
    **{f"UINT{8 * n}": _fixed(f"UINT{8 * n}", "integer", f"<u{n}", *_INTS) for n in (1, 2, 4, 8)},
    **{f"FP{8 * n}": _fixed(f"FP{8 * n}", "float", f"<f{n}", *_FLOATS) for n in (2, 4, 8)},
    "BYTES": Datatype(
        "BYTES",
        "text",
        None,
        msgspec.json.Decoder(list[str | None]),
        msgspec.json.Decoder(list[list[str | None]]),
    ),
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
