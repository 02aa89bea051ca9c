"""Elements of tensors as the values of a fleet's column: numbers, text or times, None where one is missing.

NaN is a missing value, and so is an empty BYTES element, since binary data have nothing else to say it with.
"""

from __future__ import annotations

import math
from typing import Any

from jomon.core.row_columns import RowColumn
from jomon.serving.v2.datatypes import Datatype, Value
from jomon.serving.v2.refusals import ProtocolError, shown

_EXACT = 2.0**53
"""Beyond this float64 skips whole numbers: a time that large is no microsecond any more."""


def column_values(column: RowColumn, datatype: Datatype, elements: list[Any]) -> list[Value]:
    """The n `elements` of one column as its values; raises `ProtocolError` (422) that names row and column.

    A number: float, int or bool, parsed from BYTES. Text: what was sent, numbers as numbers. A time: text, or whole
    microseconds since 1970-01-01 UTC.
    """
    if column.kind == "time":
        return _times(column.name, datatype, elements)
    if datatype.family == "float":
        return _finite(column.name, elements)
    if datatype.family != "text":
        return elements
    if column.kind == "number":
        return [_number(column.name, row, text) for row, text in enumerate(elements)]
    return [text or None for text in elements] if "" in elements else elements


def _finite(name: str, elements: list[Any]) -> list[Value]:
    if None not in elements and math.isfinite(sum(elements)):
        return elements
    values: list[Value] = []
    for row, value in enumerate(elements):
        if value is None or math.isnan(value):
            values.append(None)
        elif math.isinf(value):
            raise _refusal(name, row, "is infinite", "send a finite number, or NaN or null if there is none")
        else:
            values.append(value)
    return values


def _number(name: str, row: int, text: str | None) -> float | None:
    if text is None or not text.strip():
        return None
    try:
        # Python reads 1_000 and other scripts' digits too, which nobody means.
        number = float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        number = None
    if number is None:
        raise _refusal(name, row, f"holds {shown(text)}, which is no number", "send a number")
    if math.isinf(number):
        raise _refusal(name, row, f"holds {shown(text)}, which is infinite", "send a finite number")
    return None if math.isnan(number) else number


def _times(name: str, datatype: Datatype, elements: list[Any]) -> list[Value]:
    if datatype.family == "text":
        return [text or None for text in elements]
    if datatype.family == "integer":
        return elements
    if datatype.name != "FP64":
        raise ProtocolError(
            f"The time {name!r} cannot be {datatype.name}: send BYTES such as 2013-11-03T06:30:00Z, or INT64 "
            "microseconds since 1970-01-01 UTC.",
            422,
        )
    return [None if value is None else _instant(name, row, value) for row, value in enumerate(elements)]


def _instant(name: str, row: int, value: float) -> int | None:
    if math.isnan(value):
        return None
    if not (abs(value) < _EXACT and value.is_integer()):
        raise _refusal(
            name, row, f"holds {value!r}", "send whole microseconds since 1970-01-01 UTC, as INT64 if you can"
        )
    return int(value)


def _refusal(name: str, row: int, what: str, remedy: str) -> ProtocolError:
    return ProtocolError(f"Row {row}: column {name!r} {what}: {remedy}.", 422)
