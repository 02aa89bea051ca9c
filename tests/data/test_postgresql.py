"""Rows of a real PostgreSQL server."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from jomon.core.errors import DataError
from jomon.core.spec import DatabaseSource
from jomon.data.sources import read_source


def test_a_query_keeps_the_types_of_postgresql(postgresql: str, tmp_path: Path) -> None:
    query = (
        "select n, 'x' || n as t, n / 2.0 as d, n * 0.5::float8 as f, n > 1 as b, "
        "timestamptz '2024-05-01 12:00+02' + n * interval '1 hour' as at "
        "from generate_series(1, 3) n order by n"
    )
    frame = read_source(tmp_path, DatabaseSource(database=postgresql, query=query))
    assert frame["n"].to_list() == [1, 2, 3]
    assert frame["t"].to_list() == ["x1", "x2", "x3"]
    assert [float(value) for value in frame["d"]] == [0.5, 1.0, 1.5]
    assert isinstance(frame["d"][0], Decimal)
    assert frame["f"].to_list() == [0.5, 1.0, 1.5]
    assert frame["b"].to_list() == [False, True, True]
    assert frame["at"].cast(pl.Datetime("us", "UTC"))[0] == datetime(2024, 5, 1, 11, tzinfo=UTC)


def test_more_rows_than_one_fetch_arrive_in_order_and_late_types_count(
    postgresql: str, tmp_path: Path
) -> None:
    query = "select n, case when n > 119999 then 0.5 end as late from generate_series(1, 120000) n order by n"
    frame = read_source(tmp_path, DatabaseSource(database=postgresql, query=query))
    assert frame["n"].to_list() == list(range(1, 120_001))
    assert frame["late"].null_count() == 119_999


def test_what_postgresql_refuses_is_one_sentence_without_the_password(
    postgresql: str, tmp_path: Path
) -> None:
    url = postgresql.replace("tester@", "tester:secret@")
    with pytest.raises(DataError, match=r'failed: relation "nothing" does not exist\.$') as caught:
        read_source(tmp_path, DatabaseSource(database=url, query="select * from nothing"))
    assert "secret" not in str(caught.value)
    closed = url.rpartition(":")[0] + ":1/postgres"
    with pytest.raises(DataError, match=r"failed: connection failed") as caught:
        read_source(tmp_path, DatabaseSource(database=closed, query="select 1"))
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
