from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from jomon.data.digests import content_digests, row_digests, set_digest, united
from jomon.data.tables import storable


def _pairs(frame: pl.DataFrame) -> list[tuple[int, int]]:
    return list(zip(*(words.tolist() for words in row_digests(frame)), strict=True))


VALUES = st.fixed_dictionaries(
    {
        "n": st.none() | st.integers(-(2**62), 2**62),
        "f": st.none() | st.floats(allow_nan=False),
        "t": st.none() | st.text(max_size=5),
        "b": st.none() | st.booleans(),
    }
)
SCHEMA = {"n": pl.Int64, "f": pl.Float64, "t": pl.String, "b": pl.Boolean}


@settings(max_examples=200, deadline=None)
@given(st.lists(VALUES, max_size=30))
def test_rows_have_equal_digests_exactly_where_they_are_equal(rows: list[dict[str, object]]) -> None:
    """Among the copies of a row each has a digest of its own, and the order of columns is nothing."""
    frame = pl.DataFrame(rows, schema=SCHEMA)
    first, second = content_digests(frame)
    digests = list(zip(first.tolist(), second.tolist(), strict=True))
    # 0.0 and -0.0 are one number, and text that is the plain writing of a number counts as that number
    keys = [tuple(row[name] for name in SCHEMA) for row in rows]
    assert len(set(digests)) == len(set(keys))
    assert len(set(_pairs(frame))) == len(rows)
    assert _pairs(frame) == _pairs(frame.select(reversed(frame.columns)))


def test_digests_never_change_for_they_are_in_tables_on_disk() -> None:
    """If this fails, every row of every bronze table would be taken for a new one: keep the digest."""
    frame = pl.DataFrame(
        {
            "whole": [7, None],
            "real": [0.5, float("inf")],
            "text": ["Zürich", "12"],
            "truth": [True, None],
            "day": [date(2024, 2, 29), None],
            "moment": [datetime(2024, 2, 29, 12, 30), None],
            "many": [["a", "b"], []],
        }
    )
    assert _pairs(frame) == [
        (14448053072648336975, 5821800951869338868),
        (13922361125735241549, 1318219814254736410),
    ]


def test_a_column_may_turn_from_integers_into_floats_or_plain_text() -> None:
    whole = pl.DataFrame({"a": [7, 0, -3, None]})
    for kind in (pl.Float64, pl.String, pl.Int8):
        assert _pairs(whole.with_columns(pl.col("a").cast(kind))) == _pairs(whole)
    assert _pairs(pl.DataFrame({"a": ["07"]})) != _pairs(pl.DataFrame({"a": [7]}))


def test_decimals_count_by_value_whatever_the_scale_of_their_column() -> None:
    numbers = ["0.5", "12", "100", "0.25", None]
    exact = pl.DataFrame({"a": pl.Series(numbers).cast(pl.Float64)})
    for scale in (2, 4, 10):
        decimals = pl.DataFrame({"a": pl.Series(numbers).str.to_decimal(scale=scale)})
        assert _pairs(decimals) == _pairs(exact)


def test_a_new_column_of_nulls_changes_nothing() -> None:
    frame = pl.DataFrame({"a": [1, 2]})
    assert _pairs(frame.with_columns(b=pl.lit(None, pl.String))) == _pairs(frame)
    assert _pairs(frame.with_columns(b=pl.lit(""))) != _pairs(frame)


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(0, 40))
def test_the_digest_of_a_set_is_united_from_its_parts(values: list[int], cut: int) -> None:
    first, second = content_digests(pl.DataFrame({"a": values}, schema={"a": pl.Int64}))
    parts = united(set_digest(first[:cut], second[:cut]), set_digest(first[cut:], second[cut:]))
    assert parts == set_digest(first, second)
    assert parts == set_digest(np.flip(first), np.flip(second))


def test_types_that_tables_lack_are_widened_and_never_wrapped() -> None:
    frame = pl.DataFrame(
        {
            "u8": pl.Series([255], dtype=pl.UInt8),
            "u16": pl.Series([65535], dtype=pl.UInt16),
            "u32": pl.Series([2**32 - 1], dtype=pl.UInt32),
            "u64": pl.Series([2**64 - 1], dtype=pl.UInt64),
            "cat": pl.Series(["x"], dtype=pl.Categorical),
            "enum": pl.Series(["x"], dtype=pl.Enum(["x"])),
            "null": [None],
            "clock": [time(6, 30)],
            "span": [timedelta(seconds=2)],
            "pair": pl.Series([[1, 2]], dtype=pl.Array(pl.Int64, 2)),
            "wide": pl.Series([2**70], dtype=pl.Int128),
            "object": pl.Series([Path("x")], dtype=pl.Object),
            "ns": pl.Series([datetime(2024, 1, 1)], dtype=pl.Datetime("ns")),
        }
    )
    assert storable(frame).rows() == [
        (
            *(255, 65535, 2**32 - 1, "18446744073709551615", "x", "x", None),
            *("06:30:00", 2_000_000, [1, 2], str(2**70), "x", datetime(2024, 1, 1)),
        )
    ]
