"""What scikit-learn calls X and y as the rows and outcomes a fleet reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from sklearn.base import is_regressor
from sklearn.utils.validation import (
    assert_all_finite,
    check_array,
    check_consistent_length,
    column_or_1d,
    validate_data,
)

from jomon.core.table import Floats
from jomon.project.frames import as_polars

FIRST_DAY = datetime(2000, 1, 1, tzinfo=UTC)  # of rows without a time
DAYS = 100  # days that rows without a time are spread over: enough to tell noise between days


def read(estimator: Any, X: Any, y: Any) -> tuple[pl.DataFrame, Any]:
    """Rows and outcomes to fit: a frame with the columns of X, and y as one array.

    Sets `n_features_in_` and `feature_names_in_`. An array has columns x0, x1, ...; numbers must be finite or
    missing. Raises `ValueError` or `TypeError` as scikit-learn does.
    """
    if not is_frame(X):
        numbers = is_regressor(estimator)
        X, y = validate_data(
            estimator,
            X,
            y,
            dtype=np.float64,
            ensure_all_finite="allow-nan",
            ensure_min_samples=2,
            y_numeric=numbers,
        )
        return _from_array(estimator, X), y
    validate_data(estimator, X, y, skip_check_array=True)
    frame = _from_frame(X, least=2)
    y = column_or_1d(y, warn=True)
    assert_all_finite(y, input_name="y")
    check_consistent_length(frame, y)
    return frame, y


def read_rows(estimator: Any, X: Any) -> pl.DataFrame:
    """Rows to answer, held against the columns that the estimator was fitted on."""
    if not is_frame(X):
        X = validate_data(estimator, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        return _from_array(estimator, X)
    validate_data(estimator, X, reset=False, skip_check_array=True)
    return _from_frame(X, least=1)


def is_frame(X: Any) -> bool:
    """Whether X is a pandas or Polars data frame whose columns have names."""
    if not (hasattr(X, "columns") and hasattr(X, "to_dict")):
        return False
    return len(X.columns) > 0 and all(isinstance(name, str) for name in X.columns)


def holds_numbers(frame: pl.DataFrame) -> dict[str, bool]:
    """Each column with whether it holds numbers (truth values and nothing at all among them)."""
    return {name: kind.is_numeric() or kind in (pl.Boolean, pl.Null) for name, kind in frame.schema.items()}


def with_time(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """`frame` with a time: the rows in their order over at most `DAYS` days, equally many a day."""
    if name in frame.columns:
        return frame
    rows = frame.height
    day = np.arange(rows) * min(rows, DAYS) // max(rows, 1)
    start = np.datetime64(FIRST_DAY.replace(tzinfo=None), "us")
    return frame.with_columns(
        pl.Series(name, start + day.astype("timedelta64[D]")).dt.replace_time_zone("UTC")
    )


def with_late_time(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """`frame` with one time after all that rows without a time were fitted on."""
    if name in frame.columns:
        return frame
    return frame.with_columns(pl.lit(FIRST_DAY + timedelta(days=DAYS)).alias(name))


def _from_array(estimator: Any, X: Floats) -> pl.DataFrame:
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        names = [f"x{i}" for i in range(X.shape[1])]
    return pl.DataFrame({str(name): np.ascontiguousarray(X[:, i]) for i, name in enumerate(names)})


def _from_frame(X: Any, least: int) -> pl.DataFrame:
    """The same columns in Polars, their numbers finite or missing, `least` rows at least."""
    frame = as_polars(X)
    numbers = [name for name, holds in holds_numbers(frame).items() if holds]
    array = (
        frame.select(pl.col(numbers).cast(pl.Float64)).to_numpy() if numbers else np.zeros((frame.height, 1))
    )
    check_array(array, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=least)
    return frame
