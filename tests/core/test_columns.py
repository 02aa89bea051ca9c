"""Columns from what people send: text, numbers, truth values and gaps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jomon.core.columns import as_text, categories, column_from, table_from_mapping
from jomon.core.errors import PredictError
from jomon.core.table import Coded


def texts(column: object) -> list[str | None]:
    assert isinstance(column, Coded)
    return [None if code < 0 else column.values[code] for code in column.codes]


def is_gap(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


text = st.text(max_size=4)
gaps = st.none()


@given(
    st.lists(text | gaps, max_size=30), st.sampled_from([list, tuple, lambda v: np.array(v, dtype=object)])
)
def test_text_comes_back_row_by_row_over_sorted_values(values: list[str | None], container: Any) -> None:
    assert texts(column_from("x", container([*values, "text"]))) == [*values, "text"]
    column = column_from("x", container(["text", *values]))
    assert isinstance(column, Coded)
    assert list(column.values) == sorted({"text", *(value for value in values if value is not None)})


@pytest.mark.parametrize("values", [[], [None, None], np.array([None], dtype=object)])
def test_a_column_of_gaps_alone_is_missing_numbers_and_missing_categories_alike(values: Any) -> None:
    column = column_from("x", values)
    assert isinstance(column, np.ndarray)
    assert np.isnan(column).all()
    assert texts(categories("x", column)) == [None] * len(values)


@given(st.lists(st.floats(allow_infinity=False) | st.integers(-(2**53), 2**53) | gaps, max_size=30))
def test_numbers_come_back_as_floats_with_nan_for_gaps(values: list[float | int | None]) -> None:
    column = column_from("x", values)
    assert isinstance(column, np.ndarray)
    expected = np.array([np.nan if value is None else float(value) for value in values])
    np.testing.assert_array_equal(column, expected)


@given(
    st.lists(
        text | st.floats(allow_infinity=False) | st.integers() | st.booleans() | gaps, min_size=1, max_size=30
    )
)
def test_a_column_with_any_text_is_categories_as_a_whole(values: list[Any]) -> None:
    column = column_from("x", [*values, "text"])
    expected = [None if is_gap(v) else as_text(v) for v in values]
    assert texts(column) == [*expected, "text"]


@pytest.mark.parametrize(
    "values",
    [
        [True, None, False],
        np.array([True, False]),
        [np.True_, np.False_, None],
    ],
)
def test_truth_values_are_the_categories_true_and_false(values: Sequence[Any]) -> None:
    expected = [None if v is None else "true" if v else "false" for v in values]
    assert texts(column_from("x", values)) == expected


@pytest.mark.parametrize("values", [[2**60, 2**60 + 1], np.array([2**60, 2**60 + 1])])
def test_integers_too_wide_for_a_float_stay_apart_as_text(values: Any) -> None:
    assert texts(column_from("x", values)) == [str(2**60), str(2**60 + 1)]


@pytest.mark.parametrize(
    "values",
    [
        np.array(["b", "a", "b"]),
        np.array(["b", "a", "b"], dtype=np.dtypes.StringDType()),
        np.array(["b", "a", "b"], dtype=object),
        Coded(np.array([1, 0, 1], dtype=np.int32), ("a", "b")),
        (letter for letter in "bab"),
    ],
)
def test_every_container_of_text_gives_the_same_column(values: Any) -> None:
    assert texts(column_from("x", values)) == ["b", "a", "b"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8, np.uint64])
def test_every_type_of_number_becomes_float64(dtype: type) -> None:
    column = column_from("x", np.array([1, 2], dtype=dtype))
    assert isinstance(column, np.ndarray)
    assert column.dtype == np.float64
    assert column.tolist() == [1.0, 2.0]


def test_a_decimal_is_a_number() -> None:
    assert column_from("x", [Decimal("1.5"), None]).tolist()[0] == 1.5  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, [2]], "Row 1 of column 'x' holds a list"),
        ([date(2013, 1, 1)], "Row 0 of column 'x' holds a date"),
        ([b"raw"], "Row 0 of column 'x' holds a bytes"),
        ([1.0, True], "mixes numbers with true/false"),
        (np.zeros((2, 2)), "has 2 dimensions"),
        (np.array(["2013-01-01"], dtype="datetime64[D]"), r"holds datetime64\[D\] values"),
    ],
)
def test_what_is_no_number_no_text_and_no_truth_value_is_refused(values: Any, message: str) -> None:
    with pytest.raises(PredictError, match=message):
        column_from("x", values)


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(PredictError, match="Column 'x' has 2 values for 3 rows"):
        table_from_mapping({"x": [1, 2]}, np.zeros(3, dtype=np.int64))


numbers = st.floats(-1e6, 1e6) | st.integers(-100, 100).map(float) | st.just(float("nan")) | st.just(-0.0)


@given(st.lists(numbers, max_size=40))
def test_numbers_as_categories_are_their_text(values: list[float]) -> None:
    column = categories("x", np.array(values, dtype=np.float64))
    assert texts(column) == [None if is_gap(value) else as_text(value + 0.0) for value in values]
    assert len(set(column.values)) == len(column.values)


def test_whole_numbers_have_no_point() -> None:
    assert [as_text(v) for v in (3.0, -0.0 + 0.0, 1e15, 0.5, 7, True, "UA")] == [
        "3", "0", "1000000000000000", "0.5", "7", "true", "UA",
    ]  # fmt: skip


def test_an_infinite_number_is_no_category() -> None:
    with pytest.raises(PredictError, match="Row 1 of column 'x' is inf"):
        categories("x", np.array([1.0, np.inf]))
