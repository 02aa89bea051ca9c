"""From the types a source has to the types that silver has, value by value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import polars as pl

from jomon.core.errors import DataError
from jomon.core.spec import ColumnContract, ProjectSpec
from jomon.data.text import text_of

Typed = Callable[[pl.Expr], pl.Expr]

_EXACT = 2**53
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class Cast:
    """How one column becomes typed: `typed` maps it, giving null where a value is not `what`."""

    raw: pl.DataType
    kind: pl.DataType
    what: str
    typed: Typed
    can_fail: bool

    def is_missing(self, raw: pl.Expr) -> pl.Expr:
        """Which raw values mean `missing`: NaN among floats, blank text where another type is wanted."""
        if self.raw.is_float():
            return raw.is_nan()
        if self.raw == pl.String and self.kind != pl.String:
            return raw.str.strip_chars() == ""
        return pl.lit(False)


def cast_for(name: str, raw: pl.DataType, spec: ProjectSpec) -> Cast:
    """The cast of column `name` by its part in the project: contract type first, then target or feature.

    Raises `DataError` where a type can never become the wanted one, such as dates for a number.
    """
    data = spec.data
    wanted = data.contract.get(name)
    if name == data.target.column:
        return _target(name, raw, data.target.kind)
    if wanted is not None and wanted.type is not None:
        return _declared(name, raw, wanted.type)
    if name in data.features.numeric:
        return number(name, raw)
    if wanted is not None:
        implied = _implied(wanted)
        if implied is not None and raw == pl.String:
            return _declared(name, raw, implied)
    if name in data.features.categorical or name in data.key or raw == pl.Null:
        return category(raw)
    return _as_it_is(raw)


def number(name: str, raw: pl.DataType) -> Cast:
    """Any number as float64; NaN and blank text are missing."""
    if raw.is_float():
        return Cast(raw, pl.Float64(), "a number", lambda e: e.cast(pl.Float64).fill_nan(None), False)
    if raw.is_numeric() or raw in (pl.Boolean, pl.Null):
        return Cast(raw, pl.Float64(), "a number", lambda e: e.cast(pl.Float64), False)
    if raw == pl.String:
        return Cast(raw, pl.Float64(), "a number", _text_to_float, True)
    raise DataError(f"Column {name!r} holds {raw} values where numbers are needed: turn them into numbers.")


def category(raw: pl.DataType) -> Cast:
    """Categories: text, whole numbers and truth values stay what they are (their text is made later)."""
    if raw in (pl.String, pl.Boolean) or raw.is_integer():
        return _as_it_is(raw)
    if raw.is_float():
        return Cast(raw, raw, "a category", lambda e: e.fill_nan(None), False)
    return Cast(raw, pl.String(), "text", lambda e: e.cast(pl.String), False)


def _as_it_is(raw: pl.DataType) -> Cast:
    return Cast(raw, raw, "a value", lambda e: e, False)


def _implied(wanted: ColumnContract) -> str | None:
    bounds = [bound for bound in (wanted.min, wanted.max) if bound is not None]
    if not bounds:
        return None
    return "datetime" if isinstance(bounds[0], date) else "float"


def _target(name: str, raw: pl.DataType, kind: str) -> Cast:
    base = number(name, raw)
    if kind == "regression":
        return base
    if kind == "count":
        return Cast(raw, pl.Float64(), "a count (0, 1, 2, ...)", lambda e: _count(base.typed(e)), True)
    if raw == pl.String:
        return Cast(raw, pl.Float64(), "0 or 1", _text_to_truth, True)
    if raw == pl.Boolean:
        return base
    return Cast(raw, pl.Float64(), "0 or 1", lambda e: _zero_or_one(base.typed(e)), True)


def _declared(name: str, raw: pl.DataType, wanted: str) -> Cast:
    if wanted == "float":
        return number(name, raw)
    if wanted == "int":
        return _integer(name, raw)
    if wanted == "string":
        return Cast(raw, pl.String(), "text", as_text, False)
    if wanted == "bool":
        return _truth(name, raw)
    return _moment(name, raw, wanted)


def _integer(name: str, raw: pl.DataType) -> Cast:
    if raw.is_integer():
        return Cast(raw, pl.Int64(), "a whole number", lambda e: e.cast(pl.Int64, strict=False), True)
    base = number(name, raw)

    def typed(e: pl.Expr) -> pl.Expr:
        value = base.typed(e)
        whole = pl.when((value == value.round()) & (value.abs() <= _EXACT)).then(value).cast(pl.Int64)
        exact = (
            e.str.strip_chars().cast(pl.Int64, strict=False) if raw == pl.String else pl.lit(None, pl.Int64)
        )
        return pl.coalesce(exact, whole)

    return Cast(raw, pl.Int64(), "a whole number", typed, True)


def _truth(name: str, raw: pl.DataType) -> Cast:
    if raw == pl.Boolean:
        return _as_it_is(raw)
    if raw == pl.String:
        return Cast(raw, pl.Boolean(), "true or false", lambda e: _text_to_truth(e).cast(pl.Boolean), True)
    base = number(name, raw)
    return Cast(
        raw, pl.Boolean(), "true or false", lambda e: _zero_or_one(base.typed(e)).cast(pl.Boolean), True
    )


def _moment(name: str, raw: pl.DataType, wanted: str) -> Cast:
    what = "a date" if wanted == "date" else "a time"
    kind = pl.Date() if wanted == "date" else pl.Datetime("us")
    if raw == kind or (wanted == "datetime" and isinstance(raw, pl.Datetime)):
        return _as_it_is(raw)
    if raw == pl.Date or isinstance(raw, pl.Datetime):
        return Cast(raw, kind, what, lambda e: e.cast(kind), False)
    if raw != pl.String:
        raise DataError(f"Column {name!r} holds {raw} values where data.contract.{name} declares {what}.")
    if wanted == "date":
        return Cast(raw, kind, what, lambda e: e.str.strptime(pl.Date, "%Y-%m-%d", strict=False), True)
    formats = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M")

    def typed(e: pl.Expr) -> pl.Expr:
        return pl.coalesce(
            *(e.str.strptime(pl.Datetime("us"), f, strict=False) for f in formats),
            e.str.strptime(pl.Date, "%Y-%m-%d", strict=False).cast(pl.Datetime("us")),
        )

    return Cast(raw, kind, what, typed, True)


def _text_to_float(e: pl.Expr) -> pl.Expr:
    return e.str.strip_chars().cast(pl.Float64, strict=False).fill_nan(None)


def _text_to_truth(e: pl.Expr) -> pl.Expr:
    lower = e.str.strip_chars().str.to_lowercase()
    return (
        pl.when(lower.is_in([text for text, truth in _TRUTH.items() if truth]))
        .then(1.0)
        .when(lower.is_in([text for text, truth in _TRUTH.items() if not truth]))
        .then(0.0)
    )


def _zero_or_one(e: pl.Expr) -> pl.Expr:
    return pl.when((e == 0) | (e == 1)).then(e)


def _count(e: pl.Expr) -> pl.Expr:
    return pl.when((e >= 0) & (e == e.round()) & (e <= _EXACT)).then(e)


def shown(value: pl.Expr) -> pl.Expr:
    """Values as text for people: text in quotes, everything else as `text_of` writes it."""

    def quoted(column: pl.Series) -> pl.Series:
        if column.dtype != pl.String:
            return text_of(column)
        return pl.Series([None if v is None else repr(v) for v in column], dtype=pl.String)

    return value.map_batches(quoted, return_dtype=pl.String)


def as_text(value: pl.Expr) -> pl.Expr:
    """Values as text for comparison, as `text_of` writes it."""
    return value.map_batches(text_of, return_dtype=pl.String)
