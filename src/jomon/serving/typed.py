"""Values of columns with a declared type, made what a column of a table would make of them.

In a table `07` in a column of whole numbers is 7, and TRUE in a column of truth values is true; a row alone has to
get the same, or it would meet other members than training did. What is not of the type is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import partial
from math import isfinite
from typing import Any

from jomon.core.columns import as_text
from jomon.core.errors import PredictError
from jomon.core.row_columns import RowColumns
from jomon.core.spec import ColumnContract

Normal = Callable[[Any], Any]
_EXACT = 2**53
_LONG = 2**63
_SHOWN = 60
_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CLOCK = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?")
_TRUTH: Mapping[Any, str] = {
    "true": "true",
    "1": "true",
    1: "true",
    "false": "false",
    "0": "false",
    0: "false",
}


def normals(columns: RowColumns, contract: Mapping[str, ColumnContract]) -> tuple[tuple[int, Normal], ...]:
    """The columns (by position) whose values have to be made what their declared type says, and what does that.

    Each function takes a raw value (text, bool, int, float, None or what stands for an absent one, which it passes)
    and gives text for a column of text, a number for one of numbers. It raises `PredictError` without the row's number.
    """
    found: list[tuple[int, Normal]] = []
    for at, column in enumerate(columns):
        wanted = contract.get(column.name)
        if wanted is None:
            continue
        if column.kind == "number" and wanted.type in _NUMBERS:
            found.append((at, partial(_NUMBERS[wanted.type], column.name)))
        elif column.kind == "text" and wanted.type in _TEXTS:
            found.append((at, partial(_TEXTS[wanted.type], column.name)))
        elif column.kind == "text" and wanted.type is None and (implied := _implied(wanted)) is not None:
            found.append((at, partial(_if_text, partial(_TEXTS[implied], column.name))))
    return tuple(found)


def _implied(wanted: ColumnContract) -> str | None:
    """The type that bounds imply for text."""
    bounds = [bound for bound in (wanted.min, wanted.max) if bound is not None]
    if not bounds:
        return None
    return "datetime" if isinstance(bounds[0], date) else "float"


def _if_text(normal: Normal, value: Any) -> Any:
    if isinstance(value, str):
        return normal(value)
    return as_text(value) if isinstance(value, bool | int | float) else value


def _whole(name: str, value: Any) -> Any:
    number: float | None = None
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        if _WHOLE.fullmatch(text) and len(text) < 40:
            number = int(text)
        elif _NUMBER.fullmatch(text):
            number = float(text)
    elif isinstance(value, bool | int | float):
        number = value
    else:
        return value
    if number is None or not _is_whole(number):
        raise _refusal(name, value, "no whole number")
    return str(int(number))


def _is_whole(number: float) -> bool:
    if isinstance(number, int):
        return -_LONG <= number < _LONG
    return number.is_integer() and abs(number) <= _EXACT


def _real(name: str, value: Any) -> Any:
    number: float | None = None
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        if _NUMBER.fullmatch(text):
            number = float(text)
    elif isinstance(value, bool | int | float):
        number = float(value) if abs(value) < _LONG**16 else None
    else:
        return value
    if number is None or not isfinite(number):
        raise _refusal(name, value, "no finite number")
    return as_text(number)


def _truth(name: str, value: Any) -> Any:
    found: str | None
    if isinstance(value, str):
        text = value.strip().lower()
        if not text:
            return None
        found = _TRUTH.get(text)
    elif isinstance(value, bool | int | float):
        found = _TRUTH.get(value)
    else:
        return value
    if found is None:
        raise _refusal(name, value, "neither true nor false")
    return found


def _day(name: str, value: Any) -> Any:
    if not isinstance(value, str | bool | int | float):
        return value
    text = value.strip() if isinstance(value, str) else "a number"
    if not text:
        return None
    try:
        return date.fromisoformat(text if _DAY.fullmatch(text) else "").isoformat()
    except ValueError:
        raise _refusal(name, value, "no date such as 2013-11-03") from None


def _moment(name: str, value: Any) -> Any:
    if not isinstance(value, str | bool | int | float):
        return value
    text = value.strip() if isinstance(value, str) else "a number"
    if not text:
        return None
    try:
        written = text if _DAY.fullmatch(text) or _CLOCK.fullmatch(text) else ""
        return f"{datetime.fromisoformat(written):%Y-%m-%d %H:%M:%S}"
    except ValueError:
        raise _refusal(name, value, "no time such as 2013-11-03T06:30:00") from None


def _whole_number(name: str, value: Any) -> Any:
    if value.__class__ is float and not value.is_integer():
        raise _refusal(name, value, "no whole number")
    return value


def _truth_number(name: str, value: Any) -> Any:
    if isinstance(value, int | float) and value not in (0, 1):
        raise _refusal(name, value, "neither true nor false")
    return value


_TEXTS: Mapping[Any, Callable[[str, Any], Any]] = {
    "int": _whole,
    "float": _real,
    "bool": _truth,
    "date": _day,
    "datetime": _moment,
}
_NUMBERS: Mapping[Any, Callable[[str, Any], Any]] = {"int": _whole_number, "bool": _truth_number}


def _refusal(name: str, value: Any, what: str) -> PredictError:
    shown = repr(value)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
    return PredictError(f"column {name!r} holds {shown}, which is {what}: correct it.")
