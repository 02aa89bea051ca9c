"""Rows as a caller has them, made into what JSON can say: missing values are null, times are ISO 8601 text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from math import isfinite, isnan
from typing import Any

from jomon.core.errors import PredictError

_KEPT = (str, bool, int)
Row = dict[str, Any]


def rows_of(rows: Any) -> list[Row]:
    """Rows from a sequence of mappings, one mapping, a mapping from column to values, or a Polars, pandas or Arrow
    frame; none of these libraries is imported. Raises `PredictError` that names the row and the column."""
    return [
        {str(name): plain(value, number, str(name)) for name, value in row.items()}
        for number, row in enumerate(_mappings(rows))
    ]


def _mappings(rows: Any) -> Iterable[Mapping[Any, Any]]:
    for frame in ("to_dicts", "to_pylist"):  # Polars, Arrow
        if hasattr(rows, frame):
            return list(getattr(rows, frame)())
    if hasattr(rows, "to_dict") and hasattr(rows, "columns"):  # pandas
        return list(rows.to_dict("records"))
    if isinstance(rows, Mapping):
        return _columns(rows) if any(map(_is_list, rows.values())) else [rows]
    if isinstance(rows, Iterable) and not isinstance(rows, str | bytes):
        found = list(rows)
        for number, row in enumerate(found):
            if not isinstance(row, Mapping):
                raise PredictError(f"Row {number} is a {_named(row)}: send a mapping from column to value.")
        return found
    raise PredictError(
        f"Rows cannot be a {_named(rows)}: send a list of mappings, or a data frame (a lazy one collected)."
    )


def _is_list(value: Any) -> bool:
    return not isinstance(value, str | bytes | Mapping) and hasattr(value, "__len__")


def _columns(columns: Mapping[Any, Any]) -> list[Mapping[Any, Any]]:
    counts = {str(name): len(values) if _is_list(values) else -1 for name, values in columns.items()}
    if len(set(counts.values())) != 1:
        told = ", ".join(f"{name} {'one' if n < 0 else n}" for name, n in counts.items())
        raise PredictError(f"The columns do not have one number of values each ({told}): make them equal.")
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def plain(value: Any, row: int, column: str) -> Any:
    """A value as JSON has it; raises `PredictError` for an infinite number and for what has no form."""
    if value is None or type(value) in _KEPT:
        return value
    if isinstance(value, float | Decimal):
        if isnan(value):
            return None
        if not isfinite(value):
            raise PredictError(f"Row {row}: column {column!r} is infinite: send a finite number or None.")
        return float(value)
    if isinstance(value, date):  # datetime too, and pandas' own, whose missing time is unequal to itself
        return value.isoformat() if value == value else None  # noqa: PLR0124
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    if type(value).__name__ == "datetime64":
        text = str(value)
        return None if text == "NaT" else text
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return str(value)
    if hasattr(value, "item") and getattr(value, "shape", None) == ():  # numpy's scalars
        return plain(value.item(), row, column)
    raise PredictError(
        f"Row {row}: column {column!r} holds a {_named(value)}: send text, a number, a truth value, a time or None."
    )


def _named(value: Any) -> str:
    return type(value).__name__


def outcomes_of(items: Sequence[Mapping[str, Any]] | Mapping[str, Any]) -> list[Row]:
    """Outcomes, with the values of their keys, as JSON has them; raises `PredictError` for what has no form."""
    out = []
    for number, item in enumerate(_mappings(items)):
        key = item.get("key")
        row = {str(name): plain(value, number, str(name)) for name, value in item.items() if name != "key"}
        if isinstance(key, Mapping):
            row["key"] = {str(name): plain(value, number, str(name)) for name, value in key.items()}
        elif key is not None:
            raise PredictError(
                f"Outcome {number}: its key is a {_named(key)}: send a mapping of the key columns."
            )
        out.append(row)
    return out
