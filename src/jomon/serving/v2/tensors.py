"""The elements of one tensor, from JSON or from binary data, checked before anything is allocated for them.

Binary data are little-endian, row-major and without padding; a BYTES element is its length (4 bytes, unsigned) and its
bytes, a BOOL one byte, 0 or 1.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import msgspec
import numpy as np

from jomon.serving.v2.datatypes import Datatype, Value
from jomon.serving.v2.refusals import ProtocolError, shown

_LENGTH = struct.Struct("<I")
_CONTENT = {
    "truth": "true, false or null",
    "integer": "whole numbers or null",
    "float": "numbers or null",
    "text": "texts or null",
}


class Tensor(NamedTuple):
    """One input as it was sent: its elements are in `binary`, or else in `json`; `columns` if the caller names them."""

    name: str
    datatype: Datatype
    shape: Sequence[int]
    json: msgspec.Raw | msgspec.UnsetType
    binary: memoryview | None
    columns: object = None

    @property
    def elements_told(self) -> int:
        """How many elements the shape speaks of; it may be far more than there are."""
        return prod(self.shape)

    def elements(self) -> list[Any]:
        """The elements in row-major order, None where one is missing; raises `ProtocolError` where they do not fit.

        Floats are Python floats (NaN and infinities as they came), integers ints, truth values bools, BYTES text.
        """
        if self.binary is not None:
            return self._from_binary(self.binary)
        assert self.json is not msgspec.UNSET
        return self._from_json(self.json)

    def _from_json(self, json: msgspec.Raw) -> list[Any]:
        nested = len(self.shape) > 1 and _opens_twice(json)
        try:
            if nested:
                return self._in_range(self._flattened(self.datatype.nested.decode(json)))
            values = self.datatype.flat.decode(json)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise self.refusal(
                f"has data that do not fit {self.datatype.name} ({error})",
                f"send a list, flat or nested as the shape is, of {_CONTENT[self.datatype.family]}",
            ) from None
        if len(values) != self.elements_told:
            raise self.refusal(f"has {len(values)} elements for {self._wanted()}", "send one for each")
        return self._in_range(values)

    def _flattened(self, rows: list[list[Any]]) -> list[Any]:
        height, width = self.shape
        if len(rows) != height:
            raise self.refusal(f"has {len(rows)} rows for {self._wanted()}", "send one list for each")
        flat: list[Any] = []
        for at, row in enumerate(rows):
            if len(row) != width:
                raise self.refusal(
                    f"has {len(row)} elements in row {at} for {self._wanted()}", "send one for each"
                )
            flat += row
        return flat

    def _in_range(self, values: list[Any]) -> list[Any]:
        """Values of JSON, which knows no sizes of numbers, as the datatype holds them."""
        datatype = self.datatype
        if datatype.family == "integer":
            for at, value in enumerate(values):
                if value is not None and not datatype.low <= value <= datatype.high:
                    raise self.refusal(
                        f"holds {shown(value)} at element {at}, beyond {datatype.name}",
                        "send another datatype",
                    )
        elif datatype.family == "float" and datatype.size < 8:
            with np.errstate(over="ignore"):
                narrow = np.array(values, np.float64).astype(datatype.code).tolist()
            return [None if value is None else kept for value, kept in zip(values, narrow, strict=True)]
        return values

    def _from_binary(self, data: memoryview) -> list[Any]:
        datatype, told = self.datatype, self.elements_told
        if not datatype.code:
            return self._texts(data)
        if len(data) != told * datatype.size:
            raise self.refusal(
                f"has {len(data)} bytes of binary data for {self._wanted()} of {datatype.size} bytes each",
                "correct its shape or its binary_data_size",
            )
        if datatype.family == "truth" and data and max(data) > 1:
            raise self.refusal("holds a byte that is neither 0 nor 1", "send one byte for each truth value")
        # For a row or two, struct is quicker than an array of numpy.
        return list(struct.unpack(f"<{told}{datatype.code}", data))

    def _texts(self, data: memoryview) -> list[Value]:
        count, at, end = self.elements_told, 0, len(data)
        if count * _LENGTH.size > end:
            raise self.refusal(
                f"has {end} bytes of binary data for {self._wanted()} with 4 bytes of length each",
                "correct its shape or its binary_data_size",
            )
        values: list[Value] = []
        for element in range(count):
            start = at + _LENGTH.size
            at = start + _LENGTH.unpack_from(data, at)[0] if start <= end else end + 1
            if at > end:
                raise self.refusal(f"ends within element {element}", "send all of its binary data")
            try:
                values.append(str(data[start:at], "utf-8"))
            except UnicodeDecodeError:
                raise self.refusal(f"holds no UTF-8 at element {element}", "send text as UTF-8") from None
        if at != end:
            raise self.refusal(
                f"has {end - at} bytes of binary data more than {self._wanted()} take", "leave them out"
            )
        return values

    def _wanted(self) -> str:
        return f"the shape {shown(self.shape)}"

    def refusal(self, what: str, remedy: str) -> ProtocolError:
        """The error that says of this tensor `what` is wrong and the `remedy`."""
        return ProtocolError(f"The input {shown(self.name)} {what}: {remedy}.")


def _opens_twice(json: msgspec.Raw) -> bool:
    start = bytes(memoryview(json)[:64]).split()
    return b"".join(start).startswith(b"[[")
