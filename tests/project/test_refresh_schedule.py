"""A declared schedule refreshes when it is time to, and asks for next to nothing when it is not."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from jomon.core.errors import DataError
from jomon.project import Project, open_project
from jomon.project.refresh_schedule import RefreshState, refresh_if_due

from .served import Server, micros, truth

START = datetime(2024, 2, 20, 9)
HOUR = timedelta(hours=1)


@pytest.fixture
def hourly(shop: Project) -> Project:
    """The shop with `serving: {refresh: 1h}`."""
    file = shop.folder / "jomon.yaml"
    document = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(document | {"serving": {"refresh": "1h"}}), encoding="utf-8")
    project = open_project(shop.folder)
    project.build()
    return open_project(shop.folder)


@pytest.fixture
def rows(shops: Any) -> pl.DataFrame:
    frame: pl.DataFrame = shops.rows()
    return frame.filter(pl.col("ordered") >= datetime(2024, 2, 15, 12))


def ask(project: Project, at: datetime, state: RefreshState) -> Any:
    return refresh_if_due(project.home, project.latest, micros(at), state)


def known(rows: pl.DataFrame, until: datetime) -> list[dict[str, Any]]:
    return truth(rows.filter(pl.col("ordered") + timedelta(hours=12) < until))


def test_without_a_schedule_nothing_is_ever_read(shop: Project) -> None:
    state = RefreshState()
    shutil.rmtree(shop.home.tables)
    assert ask(shop, START, state) is None
    assert state.every is None


def test_a_reference_that_is_not_there_is_waited_for(hourly: Project) -> None:
    state = RefreshState()
    assert refresh_if_due(hourly.home, "shop:champion", micros(START), state) is None
    hourly.home.images.tag(hourly.latest, "shop:champion")
    refresh_if_due(hourly.home, "shop:champion", micros(START), state)
    assert state.image == hourly.home.images.resolve(hourly.latest)


def test_days_that_are_over_are_learned_hour_by_hour_once(hourly: Project, rows: pl.DataFrame) -> None:
    server, state = Server(hourly.home, hourly.latest), RefreshState()
    server.answer(rows)
    server.report(known(rows, START), START)
    first = ask(hourly, START, state)
    assert (first.until, first.outcomes > 0) == ("2024-02-20", True)
    assert hourly.home.images.resolve(hourly.latest) == first.digest == state.image
    for hour in range(1, 14):
        assert ask(hourly, START + hour * HOUR, state) is None
    server.report(truth(rows.filter(pl.col("ordered") == rows["ordered"].max())), START + 20 * HOUR)
    night = ask(hourly, START + 20 * HOUR, state)
    assert night.until == "2024-02-21"


def test_inside_its_interval_not_even_the_store_is_read(hourly: Project, rows: pl.DataFrame) -> None:
    server, state = Server(hourly.home, hourly.latest), RefreshState()
    server.answer(rows)
    ask(hourly, START, state)
    shutil.rmtree(hourly.home.root)
    assert ask(hourly, START + timedelta(minutes=59), state) is None


def test_no_table_is_read_while_no_day_is_over(hourly: Project, rows: pl.DataFrame) -> None:
    server, state = Server(hourly.home, hourly.latest), RefreshState()
    server.answer(rows)
    server.report(known(rows, START), START)
    assert ask(hourly, START, state) is not None
    for log in hourly.home.tables.rglob("*.json"):
        log.write_text("broken", encoding="utf-8")
    assert ask(hourly, START + 2 * HOUR, state) is None
    with pytest.raises(DataError, match="cannot be read"):
        ask(hourly, START + 20 * HOUR, state)
    assert ask(hourly, START + 20 * HOUR, state) is None  # the next try is an interval later


def test_another_image_under_the_name_is_followed(hourly: Project, rows: pl.DataFrame) -> None:
    server, state = Server(hourly.home, hourly.latest), RefreshState()
    built = hourly.home.images.resolve(hourly.latest)
    server.answer(rows)
    server.report(known(rows, START), START)
    first = ask(hourly, START, state)
    hourly.home.images.tag(built, hourly.latest)
    again = ask(hourly, START + HOUR, state)
    assert again.before == built
    assert (again.digest, again.outcomes) == (first.digest, first.outcomes)
