from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from jomon.core.errors import DataError
from jomon.data.check import check_data, source_columns

Make = Callable[..., Any]
Rows = Callable[..., pl.DataFrame]


def test_a_check_tells_what_an_ingest_would_do_and_writes_nothing(project: Make, parcels: Rows) -> None:
    made = project(
        more_numeric=", temp",
        lookups=(
            'lookups:\n  w: {source: "data:load_weather", on: [depot, hour_of(sent)], time: at, '
            "features: [temp]}"
        ),
    )
    rows = parcels(5, distance=[100.0, 9000.0, 1.0, 2.0, 3.0], late=[1, 1, 0, None, 0])
    made.rows(pl.concat([rows, rows[4:].with_columns(distance=4.0)]))
    weather = pl.DataFrame({"depot": ["south"], "at": [datetime(2024, 1, 10, 7, tzinfo=UTC)], "temp": [1.0]})
    made.rows(weather, "weather")
    report = check_data(made.folder, made.spec)
    ingested = made.ingest()
    assert (report.rows, report.good, report.bad, report.twice, report.without_outcome) == (6, 4, 1, 1, 1)
    assert (ingested.silver, ingested.quarantine, ingested.by_reason) == (4, 2, report.by_reason)
    assert report.examples == (
        "row 1: distance 9000 is above 6000",
        "row 5: key parcel=4 was seen before, in row 4",
    )
    assert (report.missing, report.unusable) == ({"w": 3}, {"w": 0})
    json.dumps(report.to_json())


def test_a_check_of_an_empty_project_writes_no_table(project: Make, parcels: Rows) -> None:
    made = project().rows(parcels(3))
    assert check_data(made.folder, made.spec).good == 3
    assert source_columns(made.folder, made.spec) == ("parcel", "sent", "late", "distance", "depot")
    assert not (made.folder / ".jomon").exists()


def test_a_check_raises_what_an_ingest_would(project: Make, parcels: Rows) -> None:
    made = project(duplicates="error").rows(pl.concat([parcels(3), parcels(1, distance=[5.0])]))
    with pytest.raises(DataError, match=r"^key parcel=0 comes again in row 3 after row 0"):
        check_data(made.folder, made.spec)
