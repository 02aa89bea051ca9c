"""The text of a value: one way of writing it for keys, categories, allowed values and messages."""

from __future__ import annotations

import polars as pl

_WHOLE = 1e15  # below this a whole float has one plain writing; above it the exponent form is kept


def text_of(column: pl.Series) -> pl.Series:
    """Values as text: whole numbers without `.0`, true and false, times in ISO form; nulls stay."""
    kind = column.dtype
    if kind == pl.String:
        return column
    if kind.is_float():
        return _float_text(column)
    if isinstance(kind, pl.Datetime):
        return column.dt.to_string("%Y-%m-%d %H:%M:%S" + ("" if kind.time_zone is None else " %Z"))
    if kind.is_nested():
        return (
            column.alias("v").to_frame().select(pl.struct("v").struct.json_encode())["v"].alias(column.name)
        )
    if kind == pl.Binary:
        return column.bin.encode("hex")
    return column.cast(pl.String)


def _float_text(column: pl.Series) -> pl.Series:
    whole = ((column == column.round()) & (column.abs() < _WHOLE)).fill_null(False)
    value = column.alias("v").to_frame()
    integers = value.select(pl.when(whole).then("v").otherwise(0.0).cast(pl.Int64).cast(pl.String))["v"]
    return integers.zip_with(whole, column.cast(pl.String)).alias(column.name)
