"""Values in, columns out: lists and arrays of text, numbers or truth values become columns."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jomon.core.errors import PredictError
from jomon.core.suggest import nearest
from jomon.core.table import Coded, Codes, Column, Floats, Ints, Table

_EXACT = 2**53
"""Integers up to here are exact in float64; wider ones are kept as text: two keys never become one."""


def table_from_mapping(columns: Mapping[str, Any], time: Ints) -> Table:
    """A table of named `columns` (arrays or sequences of n values each) at `time` (int64 microseconds
    UTC, n).

    Text and truth values become categories ("true", "false"), numbers float64; None and NaN are
    missing. A column with any text is categories as a whole. Raises `PredictError` for a value of another
    type and for columns of unequal length.
    """
    time = np.asarray(time, dtype=np.int64)
    built: dict[str, Column] = {}
    for name, values in columns.items():
        built[name] = column_from(name, values)
        if len(built[name]) != len(time):
            raise PredictError(
                f"Column {name!r} has {len(built[name])} values for {len(time)} rows: send one value per row."
            )
    return Table(time, built)


def column_from(name: str, values: Any) -> Column:
    """One column of `values` (array or sequence, n); `name` is for messages. Raises `PredictError`."""
    if isinstance(values, Coded):
        return values
    if not isinstance(values, np.ndarray):
        return _from_objects(name, values if isinstance(values, Sequence) else list(values))
    if values.ndim != 1:
        raise PredictError(f"Column {name!r} has {values.ndim} dimensions: send one value per row.")
    kind = values.dtype.kind
    if kind == "f":
        return values.astype(np.float64)
    if kind in "iu":
        if len(values) and (int(values.max()) > _EXACT or int(values.min()) < -_EXACT):
            return coded(values.tolist(), str)
        return values.astype(np.float64)
    if kind == "b":
        return Coded(values.astype(np.int32), ("false", "true"))
    if kind in "OUT":
        return _from_objects(name, values.tolist())
    raise PredictError(f"Column {name!r} holds {values.dtype} values: send numbers, text or true/false.")


def _from_objects(name: str, values: Sequence[Any]) -> Column:
    kinds = set(map(type, values))
    if kinds <= {float, type(None)}:
        return np.array(values, dtype=np.float64)
    if kinds <= {str, type(None)}:
        return coded(values, _own)
    if kinds <= {bool, type(None)}:
        return coded(values, _truth)
    plain = [_plain(name, row, value) for row, value in enumerate(values)]
    kinds = {type(value) for value in plain} - {type(None)}
    if kinds <= {bool} or str in kinds:
        return coded([None if value is None else as_text(value) for value in plain], _own)
    if bool in kinds:
        raise PredictError(f"Column {name!r} mixes numbers with true/false: send one of the two.")
    if any(isinstance(value, int) and abs(value) > _EXACT for value in plain):
        return coded([None if value is None else as_text(value) for value in plain], _own)
    return np.array(plain, dtype=np.float64)


def _plain(name: str, row: int, value: Any) -> str | float | int | bool | None:
    """`value` as a plain Python value; NaN is missing."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, numbers.Real | Decimal):
        number = float(value)
        return None if math.isnan(number) else number
    raise PredictError(
        f"Row {row} of column {name!r} holds a {type(value).__name__}: send numbers, text or true/false."
    )


def as_text(value: str | float | int | bool) -> str:
    """The text of a category: whole numbers without ".0", truth values as true and false.

    >>> as_text(3.0), as_text(0.5), as_text(True), as_text("UA")
    ('3', '0.5', 'true', 'UA')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return _truth(value)
    if isinstance(value, int):
        return str(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)


def _own(value: Any) -> str:
    return str(value)


def _truth(value: Any) -> str:
    return "true" if value else "false"


class _FirstSeen(dict[Any, int]):
    """Numbers its keys in the order in which they are first asked for."""

    def __missing__(self, key: Any) -> int:
        number = self[key] = len(self)
        return number


def coded(values: Iterable[Any], text: Callable[[Any], str]) -> Coded:
    """Categories of hashable `values` (n), None being missing; values sorted, equal texts one value."""
    seen = _FirstSeen()
    raw = np.fromiter(map(seen.__getitem__, values), dtype=np.int32)
    texts = [None if key is None else text(key) for key in seen]
    order = tuple(sorted({t for t in texts if t is not None}))
    place = {t: code for code, t in enumerate(order)}
    lookup = np.array([-1 if t is None else place[t] for t in texts], dtype=np.int32)
    return Coded(lookup[raw] if len(raw) else raw, order)


def categories(name: str, column: Column) -> Coded:
    """A column as categories: numbers become their text (`as_text`), NaN is missing.

    Raises `PredictError` for an infinite number; `name` is for the message.
    """
    if isinstance(column, Coded):
        return column
    refuse_infinite(name, column)
    whole = _small_integers(column)
    if whole is not None:
        return whole
    missing = np.isnan(column)
    unique, inverse = np.unique(column[~missing] + 0.0, return_inverse=True)
    codes: Codes = np.full(len(column), -1, dtype=np.int32)
    codes[~missing] = inverse
    return Coded(codes, tuple(as_text(float(value)) for value in unique))


def refuse_infinite(name: str, column: Floats) -> None:
    """Raise `PredictError` that names the first row of `column` that is infinite, if one is."""
    infinite = np.isinf(column)
    if infinite.any():
        row = int(np.argmax(infinite))
        raise PredictError(
            f"Row {row} of column {name!r} is {column[row]}: send a finite number or leave it empty."
        )


def _small_integers(column: Floats) -> Coded | None:
    """Categories of whole numbers in a narrow range, by counting, not sorting; None for others."""
    missing = np.isnan(column)
    known = column[~missing] if missing.any() else column
    if len(known) == 0:
        return Coded(np.full(len(column), -1, dtype=np.int32), ())
    low, high = float(known.min()), float(known.max())
    if not (abs(low) < _EXACT and abs(high) < _EXACT and high - low < 65_536):
        return None
    shifted = known.astype(np.int64)
    if not np.array_equal(shifted, known):
        return None
    shifted -= int(low)
    present = np.flatnonzero(np.bincount(shifted))
    lookup = np.zeros(int(high - low) + 1, dtype=np.int32)
    lookup[present] = np.arange(len(present), dtype=np.int32)
    codes: Codes = np.full(len(column), -1, dtype=np.int32)
    codes[~missing] = lookup[shifted]
    return Coded(codes, tuple(str(int(low) + int(step)) for step in present))


def column_of(table: Table, name: str) -> Column:
    """The column `name` of `table`; raises `PredictError` that names the nearest one where it is missing."""
    column = table.columns.get(name)
    if column is not None:
        return column
    near = nearest(name, table.columns)
    hint = f"; the nearest column is {near!r}" if near else ""
    raise PredictError(
        f"The rows have no column {name!r}{hint}: add it, with an empty value where it is unknown."
    )


def present_values(column: Coded) -> NDArray[np.intp]:
    """Positions in `column.values` that occur in its rows, in order."""
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.values))
    return np.flatnonzero(counts)
