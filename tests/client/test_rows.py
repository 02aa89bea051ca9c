"""Rows and outcomes as callers have them become JSON that loses nothing, or an error that names the place."""

from __future__ import annotations

import json
from collections import UserDict
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jomon.client.rows import outcomes_of, plain, rows_of
from jomon.core.errors import PredictError


class Carrier(StrEnum):
    UA = "UA"


NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (1.5, 1.5),
        ("x", "x"),
        (float("nan"), None),
        (Decimal("1.5"), 1.5),
        (Decimal("NaN"), None),
        (Carrier.UA, "UA"),
        (date(2013, 11, 3), "2013-11-03"),
        (datetime(2013, 11, 3, 6, 30), "2013-11-03T06:30:00"),
        (datetime(2013, 11, 3, 6, 30, tzinfo=UTC), "2013-11-03T06:30:00+00:00"),
        (datetime(2013, 11, 3, 1, 30, tzinfo=NEW_YORK), "2013-11-03T01:30:00-04:00"),
        (datetime(2013, 11, 3, 1, 30, tzinfo=NEW_YORK, fold=1), "2013-11-03T01:30:00-05:00"),
        (datetime(2013, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=45))), "2013-01-01T00:00:00+05:45"),
        (np.float32(0.5), 0.5),
        (np.float64("nan"), None),
        (np.int64(7), 7),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (np.datetime64("2013-11-03T06:30:00.123456789"), "2013-11-03T06:30:00.123456789"),
        (np.datetime64("NaT"), None),
        (np.array(3.0), 3.0),
    ],
)
def test_a_value_becomes_what_json_has_for_it(value: Any, sent: Any) -> None:
    made = plain(value, 0, "c")
    assert made == sent
    assert type(made) is type(sent)
    json.dumps(made, allow_nan=False)


@pytest.mark.parametrize(
    "value", [float("inf"), -np.inf, Decimal("Infinity"), [1], {"a": 1}, b"x", 1j, object()]
)
def test_what_has_no_form_in_json_names_its_row_and_column(value: Any) -> None:
    with pytest.raises(PredictError, match="Row 3: column 'c' "):
        plain(value, 3, "c")


def test_the_same_rows_in_every_shape_are_the_same(needs: Any) -> None:
    rows = [{"a": 1.5, "b": "x"}, {"a": None, "b": "y"}]
    columns = {"a": [1.5, float("nan")], "b": ["x", "y"]}
    shapes: list[Any] = [
        rows,
        tuple(rows),
        iter(rows),
        [MappingProxyType(row) for row in rows],
        [UserDict(row) for row in rows],
        columns,
        {"a": np.array(columns["a"]), "b": ("x", "y")},
        pl.DataFrame(columns, strict=False),
    ]
    needs.package("pandas")
    import pandas as pd

    shapes.append(pd.DataFrame(columns))
    assert all(rows_of(shape) == rows for shape in shapes)


def test_pandas_missing_values_and_times_with_zones(needs: Any) -> None:
    needs.package("pandas")
    import pandas as pd

    frame = pd.DataFrame(
        {
            "t": pd.to_datetime(["2013-11-03T06:30:00Z", None]),
            "n": pd.array([1, None], dtype="Int64"),
            "s": pd.array(["x", None], dtype="string"),
        }
    )
    assert rows_of(frame) == [
        {"t": "2013-11-03T06:30:00+00:00", "n": 1, "s": "x"},
        {"t": None, "n": None, "s": None},
    ]


def test_polars_times_keep_their_zone() -> None:
    frame = pl.DataFrame({"t": [datetime(2013, 11, 3, 6, 30)]}).with_columns(
        pl.col("t").dt.replace_time_zone("America/New_York")
    )
    assert rows_of(frame) == [{"t": "2013-11-03T06:30:00-05:00"}]


def test_one_mapping_is_one_row() -> None:
    assert rows_of({"a": 1, "b": "x"}) == [{"a": 1, "b": "x"}]
    assert rows_of([]) == []


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("text", "cannot be a str"),
        (7, "cannot be a int"),
        ([{"a": 1}, 2], "Row 1 is a int"),
        ({"a": [1, 2], "b": [1]}, "a 2, b 1"),
        ({"a": [1, 2], "b": 1}, "a 2, b one"),
        (pl.LazyFrame({"a": [1]}), "a lazy one collected"),
    ],
)
def test_what_is_no_rows_is_refused_with_what_to_send(wrong: Any, told: str) -> None:
    with pytest.raises(PredictError, match=told):
        rows_of(wrong)


@given(
    st.lists(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.floats() | st.text()))
)
def test_whatever_is_taken_is_json(rows: list[dict[str, Any]]) -> None:
    try:
        made = rows_of(rows)
    except PredictError as error:
        assert "infinite" in str(error)
    else:
        assert len(json.loads(json.dumps(made, allow_nan=False))) == len(rows)


def test_outcomes_have_the_values_of_their_keys_made_plain_too() -> None:
    item = {"key": {"t": datetime(2013, 11, 3, tzinfo=UTC), "n": np.int64(7)}, "value": np.float64("nan")}
    assert outcomes_of([item]) == [{"key": {"t": "2013-11-03T00:00:00+00:00", "n": 7}, "value": None}]
    assert outcomes_of({"request_id": "ab", "row": 0, "value": True}) == [
        {"request_id": "ab", "row": 0, "value": True}
    ]
    with pytest.raises(PredictError, match="Outcome 0: its key is a str"):
        outcomes_of([{"key": "x", "value": 1}])
