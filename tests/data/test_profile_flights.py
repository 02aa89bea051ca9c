"""Profiles of real flights, as gold has them and as a server recorded them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import polars as pl
import pytest

from jomon.core.localtime import DAY
from jomon.core.spec import ProjectSpec
from jomon.core.spec_yaml import parse_project
from jomon.core.windows import windows_between
from jomon.data.binning import bin_counts, fit_binning
from jomon.data.cubes import cube_of
from jomon.data.log_records import Header
from jomon.data.predictions import prediction_rows, predictions_table
from jomon.data.row_files import prediction_rows_of

EXAMPLE = Path(__file__).parents[2] / "examples" / "flights"
FEATURES = "features: {numeric: [distance], categorical: [carrier, origin, dest]}"


@pytest.fixture(scope="module")
def flights() -> Iterator[pl.DataFrame]:
    """Two weeks of flights around the change of the clocks in November."""
    sys.path.insert(0, str(EXAMPLE))
    try:
        import data as source  # type: ignore[import-not-found]

        lazy = source.load_flights()
    finally:
        sys.path.remove(str(EXAMPLE))
        sys.modules.pop("data", None)
    time = pl.col("scheduled_departure").dt.replace_time_zone(
        "America/New_York", ambiguous="earliest", non_existent="null"
    )
    rows = lazy.with_columns(time.dt.convert_time_zone("UTC"), pl.col("distance").cast(pl.Float64)).collect()
    month = rows.filter(time.dt.month() == 11).sort("scheduled_departure")
    yield month.with_columns(
        answer=pl.lit(0.25), margin=pl.lit(-1.0986), late=pl.col("late").cast(pl.Float64)
    )


@pytest.fixture(scope="module")
def spec() -> ProjectSpec:
    text = (EXAMPLE / "jomon.yaml").read_text()
    before, _, after = text.partition("  features:\n")
    rest = after[after.index("  contract:") :]
    rest = rest[: rest.index("lookups:")] + rest[rest.index("# Stages are built") :]
    return parse_project(f"{before}  {FEATURES}\n{rest}".encode()).spec


def test_a_month_of_flights_is_what_polars_counts(flights: pl.DataFrame, spec: ProjectSpec) -> None:
    since, until = (int(f(flights["scheduled_departure"].dt.epoch("us"))) for f in (min, max))
    windows = windows_between(spec, since - DAY, until + 1)
    binning = fit_binning(flights, spec)
    cube = cube_of(flights, binning, spec, int(windows[0]), until + 1, "late")
    assert len(windows) == len(cube.windows) == 31  # the first began before the first flight
    local = pl.col("scheduled_departure").dt.convert_time_zone(spec.data.zone)
    cell = [local.dt.date().alias("day"), "carrier", "origin", "dest", local.dt.hour().alias("hour")]
    direct = flights.group_by(cell).agg(
        pl.len(), pl.col("late").count().alias("known"), pl.col("late").sum().alias("late")
    )
    rows_bin = int(binning.starts[binning.place("", "rows")])
    mine = cube.at[:, 3] == rows_bin
    assert mine.sum() == direct.height
    assert cube.measure("rows")[mine].sum() == flights.height
    assert cube.measure("labelled")[mine].sum() == direct["known"].sum()
    assert cube.measure("outcome")[mine].sum() == direct["late"].sum()
    hours = [int(cube.measure("rows")[mine & (cube.at[:, 2] == hour)].sum()) for hour in range(24)]
    by_hour = dict(direct.group_by("hour").agg(pl.col("len").sum()).iter_rows())
    assert hours == [by_hour.get(hour, 0) for hour in range(24)]
    totals = [int(cube.measure("rows")[cube.at[:, 3] == at].sum()) for at in range(binning.width)]
    assert totals == bin_counts(flights, binning, spec).tolist()


def test_flights_that_were_recorded_are_counted_as_those_of_gold(
    flights: pl.DataFrame, spec: ProjectSpec, tmp_path: Path
) -> None:
    rows = flights.head(1500)
    columns = (
        ("distance", "number"),
        ("carrier", "text"),
        ("origin", "text"),
        ("dest", "text"),
        ("flight", "text"),
    )
    names = [name for name, _ in columns]
    key = ("carrier", "flight", "origin", "scheduled_departure")
    header = Header(1, 1, "sha256:aa", "flights:latest", "champion", columns, key, "scheduled_departure")
    made = rows.with_columns(pl.col("flight").cast(pl.String), pl.col("scheduled_departure").dt.epoch("us"))
    records = []
    for at, row in enumerate(made.iter_rows(named=True)):
        time, values = row["scheduled_departure"], [row[name] for name in names]
        raw = [1, f"r{at}", None, time, 100, [[0, time, row["answer"], row["margin"], [""], values, []]]]
        records.append((header, header.decoder.decode(msgspec.msgpack.encode(raw))))
    predictions_table(tmp_path, "flights").append(prediction_rows(records), {})
    since, until = (int(f(made["scheduled_departure"])) for f in (min, max))
    start = int(windows_between(spec, since - DAY, since + 1)[-1])
    binning = fit_binning(flights, spec)
    files = prediction_rows_of(predictions_table(tmp_path, "flights"), spec, start, until + 1)
    recorded = cube_of(files, binning, spec, start, until + 1)
    gold = cube_of(rows, binning, spec, start, until + 1)
    assert (recorded.at == gold.at).all() and (recorded.sums == gold.sums).all()
    assert recorded.segments == gold.segments
