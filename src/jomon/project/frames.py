"""Rows from wherever users have them, as a Polars frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from jomon.core.errors import PredictError


def as_polars(frame: Any) -> pl.DataFrame:
    """A Polars or pandas frame, a mapping of columns, or a list of rows (mappings) as a Polars frame.

    Raises `PredictError` where it is none of these or its columns have different lengths.
    """
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if isinstance(frame, pl.DataFrame):
        return frame
    try:
        if isinstance(frame, Mapping):
            return pl.DataFrame(dict(frame))
        if isinstance(frame, list | tuple) and all(isinstance(row, Mapping) for row in frame):
            return pl.DataFrame([dict(row) for row in frame], infer_schema_length=None)
        if hasattr(frame, "columns") and hasattr(frame, "to_dict"):
            return pl.DataFrame({str(c): _values(frame[c]) for c in frame.columns})
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        raise PredictError(
            f"These rows cannot be read as a table ({error}); send one value per row and column."
        ) from error
    raise PredictError(
        f"A {type(frame).__name__} is not a table; send a Polars or pandas data frame, or a mapping of columns."
    )


def _values(series: Any) -> Any:
    """A pandas column as something Polars reads: numbers and times as arrays, the rest as a list with None."""
    array = series.to_numpy()
    if array.dtype.kind in "biufM":
        return array
    missing = series.isna().to_numpy()
    return [None if gone else value for value, gone in zip(array.tolist(), missing.tolist(), strict=True)]
