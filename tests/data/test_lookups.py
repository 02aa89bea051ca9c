from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jomon.core.errors import DataError
from jomon.core.spec import LookupSpec, ProjectSpec
from jomon.core.spec_yaml import parse_project
from jomon.data.gold import read_gold
from jomon.data.lookups import LookupTable, join_lookups
from jomon.data.tables import ROW

Make = Callable[..., Any]
Rows = Callable[..., pl.DataFrame]

HOUR = 3_600_000_000
START = int(datetime(2024, 1, 10, tzinfo=UTC).timestamp()) * 1_000_000


def lookup_text(**changes: str) -> str:
    fields = {
        "source": '"data:load_weather"',
        "on": "[depot, hour_of(sent)]",
        "time": "at",
        "features": "[temp]",
        **changes,
    }
    return "lookups:\n  weather: {" + ", ".join(f"{key}: {value}" for key, value in fields.items()) + "}"


@cache
def _parsed(**changes: str) -> ProjectSpec:
    return parse_project(
        "fleet: f\nquestion: q\n"
        "data: {source: 'data:load', time: sent, timezone: Asia/Kolkata, key: [sent], "
        "target: {column: late, kind: binary}, features: {numeric: [temp], categorical: [depot]}}\n"
        + lookup_text(**changes)
        + "\nstages: [{level: []}]\n"
    ).spec


def _spec(**changes: Any) -> ProjectSpec:
    """A project whose lookup is changed past the rules of the file, which refuse a delay that none meets."""
    base = _parsed()
    values = {**base.lookups["weather"].model_dump(mode="json"), **changes}
    lookup = LookupSpec.model_validate_json(json.dumps(values))
    return base.model_copy(update={"lookups": {"weather": lookup}})


def _weather(rows: list[tuple[str, int, float]]) -> pl.DataFrame:
    """Rows of (depot, microseconds after the start, temperature)."""
    frame = pl.DataFrame(rows, schema={"depot": pl.String, "at": pl.Int64, "temp": pl.Float64}, orient="row")
    return frame.with_columns(
        (pl.col("at") + START).cast(pl.Datetime("us", "UTC")),
        pl.int_range(pl.len(), dtype=pl.Int64).alias(ROW),
    )


def _joined(spec: ProjectSpec, weather: pl.DataFrame, rows: list[tuple[str, int]]) -> list[float | None]:
    frame = pl.DataFrame(rows, schema={"depot": pl.String, "t": pl.Int64}, orient="row")
    table = LookupTable.build("weather", weather, spec)
    joined = join_lookups(frame, frame["t"].to_numpy() + START, spec, {"weather": table})
    return joined.frame["temp"].to_list()


@settings(max_examples=150, deadline=None)
@given(
    lookups=st.lists(
        st.tuples(st.sampled_from("ns"), st.integers(0, 600)), min_size=1, max_size=40, unique=True
    ),
    asked=st.lists(st.tuples(st.sampled_from("nsx"), st.integers(0, 700)), min_size=1, max_size=40),
    on=st.sampled_from(["hour_of(sent)", "day_of(sent)", "sent"]),
    limits=st.tuples(st.integers(0, 180), st.integers(0, 300)),
    duplicates=st.sampled_from(["first", "last"]),
)
def test_no_row_is_given_a_value_from_after_its_time_minus_the_delay(
    lookups: list[tuple[str, int]],
    asked: list[tuple[str, int]],
    on: str,
    limits: tuple[int, int],
    duplicates: str,
) -> None:
    """Minutes at random, each value telling its own; joined as of the time, it is the latest one known."""
    (delay, max_age), minute = limits, 60_000_000
    spec = _spec(on=["depot", on], delay=f"{delay}m", max_age=f"{max_age}m", duplicates=duplicates)
    weather = _weather([(depot, at * minute, float(at)) for depot, at in lookups])
    found = _joined(spec, weather, [(depot, at * minute) for depot, at in asked])
    for (depot, at), value in zip(asked, found, strict=True):
        known = [m for d, m in lookups if d == depot and m + delay <= at]
        if value is not None:
            assert value in known
        if duplicates == "last" and on == "sent":
            latest = max(known, default=None)
            expected = latest if latest is not None and at - latest <= max_age else None
            assert value == expected


def test_an_exact_hour_takes_its_hour_alone_and_hours_begin_where_the_local_clock_says() -> None:
    """In Kolkata, five and a half hours from UTC, an hour begins at half past by UTC."""
    half = HOUR // 2
    weather = _weather([("n", half, 1.0), ("n", half + HOUR, 2.0)])
    rows = [("n", half - 1), ("n", half), ("n", half + HOUR - 1), ("n", half + HOUR), ("n", half + 2 * HOUR)]
    assert _joined(_spec(), weather, rows) == [None, 1.0, 1.0, 2.0, None]


def test_a_row_later_in_the_hour_is_not_used_before_it_is_known() -> None:
    half = HOUR // 2
    weather = _weather([("n", half, 1.0), ("n", half + 50 * 60_000_000, 2.0)])
    rows = [("n", half + 40 * 60_000_000), ("n", half + 55 * 60_000_000)]
    assert _joined(_spec(duplicates="last"), weather, rows) == [1.0, 2.0]
    assert _joined(_spec(duplicates="first"), weather, rows) == [1.0, 1.0]


def test_age_counts_in_whole_hours_and_days_of_the_slot() -> None:
    """With `max_age: 1h` the hour before is taken, whatever the minutes."""
    half = HOUR // 2
    weather = _weather([("n", half, 1.0)])
    rows = [("n", half + 2 * HOUR - 1), ("n", half + 2 * HOUR)]
    assert _joined(_spec(max_age="1h"), weather, rows) == [1.0, None]
    day = _spec(on=["depot", "day_of(sent)"], max_age="1d", delay="1d")
    assert _joined(day, weather, [("n", half + 20 * HOUR), ("n", half + 25 * HOUR)]) == [None, 1.0]


def test_a_lookup_without_a_time_is_joined_by_its_columns_alone() -> None:
    spec = _spec(on=["depot"], time=None)
    weather = _weather([("n", 0, 1.0), ("s", 0, 2.0)]).drop("at")
    assert _joined(spec, weather, [("s", 0), ("x", 0), ("n", 0)]) == [2.0, None, 1.0]


def test_a_lookup_may_be_joined_by_the_time_alone() -> None:
    weather = _weather([("n", HOUR // 2, 1.0), ("n", HOUR // 2 + HOUR, 2.0)])
    rows = [("n", HOUR), ("s", 2 * HOUR), ("s", 3 * HOUR)]
    assert _joined(_spec(on=["hour_of(sent)"]), weather, rows) == [1.0, 2.0, None]


def test_columns_of_numbers_meet_columns_of_text() -> None:
    spec = _spec(on=["depot"], time=None)
    weather = pl.DataFrame({"depot": [7, 8], "temp": [1.0, 2.0], ROW: [0, 1]})
    assert _joined(spec, weather, [("8", 0), ("7", 0)]) == [2.0, 1.0]


def test_lookup_rows_that_come_twice_are_an_error_unless_declared() -> None:
    weather = _weather([("n", HOUR, 1.0), ("n", HOUR, 2.0), ("s", HOUR, 3.0)])
    with pytest.raises(
        DataError, match=r"^The lookup weather has 2 rows for keys that come more than once, such as depot=n"
    ):
        _joined(_spec(), weather, [("n", 0)])
    rows = [("n", HOUR), ("s", HOUR)]
    assert _joined(_spec(duplicates="first"), weather, rows) == [1.0, 3.0]
    assert _joined(_spec(duplicates="last"), weather, rows) == [2.0, 3.0]


def test_lookup_rows_that_break_the_contract_are_not_used_and_counted(project: Make, parcels: Rows) -> None:
    made = project(lookups=lookup_text(), more_numeric=", temp")
    made.rows(parcels(3))
    hours = [datetime(2024, 1, 10, 7 + n, tzinfo=UTC) for n in range(3)]
    weather = pl.DataFrame({"depot": ["south", "north", "north"], "at": hours, "temp": ["1.5", "warm", "3"]})
    report = made.rows(weather, "weather").ingest()
    told = report.lookups["weather"]
    assert (told.rows, told.unusable, told.missing) == (3, 1, 1)
    assert told.unusable_by_reason == {"temp is not a number": 1}
    gold = read_gold(made.root, made.spec)
    np.testing.assert_array_equal(gold.table.columns["temp"], [1.5, np.nan, 3.0])


def test_a_lookup_that_demands_a_value_holds_rows_back_until_it_comes(project: Make, parcels: Rows) -> None:
    """They wait in silver and are counted; when the lookup has the value, gold has the row."""
    made = project(lookups=lookup_text(missing="quarantine"), more_numeric=", temp")
    made.rows(parcels(2, depot=["north", "north"]))
    hours = [datetime(2024, 1, 10, 7 + n, tzinfo=UTC) for n in range(2)]
    weather = pl.DataFrame({"depot": ["north"] * 2, "at": hours, "temp": [1.0, 2.0]})
    report = made.rows(weather[:1], "weather").ingest()
    assert (report.silver, report.gold, report.held) == (2, 1, 1)
    assert report.notes == ("1 rows wait in silver for the lookup weather, which has nothing for them.",)
    report = made.rows(weather, "weather").ingest()
    assert (report.silver, report.gold, report.held, report.lookups["weather"].new) == (2, 2, 0, 1)


def test_lookup_rows_that_the_source_no_longer_shows_are_kept(project: Make, parcels: Rows) -> None:
    made = project(lookups=lookup_text(), more_numeric=", temp").rows(parcels(4, depot=["north"] * 4))
    hours = [datetime(2024, 1, 10, 7 + n, tzinfo=UTC) for n in range(4)]
    weather = pl.DataFrame({"depot": ["north"] * 4, "at": hours, "temp": [1.0, 2.0, 3.0, 4.0]})
    made.rows(weather[:2], "weather").ingest()
    report = made.rows(weather[2:], "weather").ingest()
    assert report.lookups["weather"].rows == 4
    assert read_gold(made.root, made.spec).table.columns["temp"].tolist() == [1.0, 2.0, 3.0, 4.0]  # type: ignore[union-attr]


def test_a_lookup_without_a_column_names_the_nearest(project: Make, parcels: Rows) -> None:
    made = project(lookups=lookup_text(), more_numeric=", temp").rows(parcels(2))
    made.rows(pl.DataFrame({"depot": ["north"], "at": [datetime(2024, 1, 10)], "tempe": [1.0]}), "weather")
    with pytest.raises(DataError, match=r"^The lookup weather has no column 'temp': did you mean 'tempe'\?$"):
        made.ingest()


def test_a_column_that_source_and_lookup_both_have_is_refused(project: Make, parcels: Rows) -> None:
    made = project(lookups=lookup_text(), more_numeric=", temp").rows(parcels(2).with_columns(temp=1.0))
    made.rows(_weather([("north", 0, 1.0)]).drop(ROW), "weather")
    with pytest.raises(DataError, match=r"has a column 'temp', which a lookup brings too"):
        made.ingest()


def test_the_delay_may_be_longer_than_the_slot_when_an_age_is_allowed() -> None:
    half = HOUR // 2
    weather = _weather([("n", half + n * HOUR, float(n)) for n in range(10)])
    spec = _spec(delay="2h", max_age="3h")
    rows = [("n", half + n * HOUR + 60) for n in (1, 2, 5, 12, 13)]
    assert _joined(spec, weather, rows) == [None, 0.0, 3.0, 9.0, None]
    assert timedelta(hours=2) == spec.lookups["weather"].delay
