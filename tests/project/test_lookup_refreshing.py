"""Lookups of a running server: read again on their schedule, while gold stays as it is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import SimpleQueue

import polars as pl
import pytest

from jomon.data.ingest import LOCK
from jomon.data.locks import exclusive
from jomon.data.tables import LayerTable
from jomon.project import Project, open_project
from jomon.project.home import Home
from jomon.project.lookup_refreshing import LookupRefresh, LookupSchedule, refresh_due, watch_lookups
from jomon.serving.lookups import ServedLookups

HOUR = 3_600_000_000
START = datetime(2024, 1, 10, tzinfo=UTC)
NOW = datetime(2031, 1, 1, tzinfo=UTC)
"""Later than the clock of the machine, so that whatever an ingest copied was read long ago."""
FILE = """
fleet: parcels
question: Will the parcel come late?
data:
  source: rows.parquet
  time: sent
  timezone: UTC
  key: [sent]
  target: {column: late, kind: binary}
  features: {numeric: [temp], categorical: [depot]}
lookups:
  weather: {source: weather.parquet, on: [depot, hour_of(sent)], time: at, features: [temp]}
stages: [{level: []}]
serving: {lookups: {weather: 10m}}
"""


@dataclass
class Clocked:
    """A project, and its lookups refreshed at times that the test says."""

    project: Project
    state: LookupSchedule = field(default_factory=LookupSchedule)

    def weather(self, temps: Sequence[object]) -> None:
        """Let the source hand over a temperature for each hour from START on."""
        at = [START + timedelta(hours=n) for n in range(len(temps))]
        frame = pl.DataFrame({"depot": ["n"] * len(temps), "at": at, "temp": temps}, strict=False)
        frame.write_parquet(self.project.folder / "weather.parquet")

    def refresh(self, minutes: float, project: Project | None = None) -> tuple[LookupRefresh, ...]:
        """One pass, so many minutes after NOW."""
        p = project or self.project
        now = NOW + timedelta(minutes=minutes)
        self.state, done = refresh_due(p.home, p.spec, p.folder, now, self.state)
        return done

    def served(self) -> ServedLookups:
        """A server's view of the copies."""
        return ServedLookups(self.project.home.lookups, self.project.spec)


def _at(served: ServedLookups, hour: int) -> object:
    return served.finders["weather"](("n",), int(START.timestamp()) * 1_000_000 + hour * HOUR)


@pytest.fixture
def clocked(tmp_path: Path) -> Clocked:
    (tmp_path / "jomon.yaml").write_text(FILE)
    sent = [START + timedelta(minutes=30 * n) for n in range(8)]
    rows = pl.DataFrame({"sent": sent, "late": [0, 1] * 4, "depot": ["n"] * 8})
    rows.write_parquet(tmp_path / "rows.parquet")
    made = Clocked(open_project(tmp_path))
    made.weather([1.0, 2.0])
    made.project.ingest()
    return made


def test_an_ingest_writes_the_copy_and_a_refresh_brings_new_rows_without_touching_gold(
    clocked: Clocked,
) -> None:
    served = clocked.served()
    assert [_at(served, hour) for hour in range(3)] == [(1.0,), (2.0,), None]
    gold = LayerTable(clocked.project.home.tables, "gold").version
    clocked.weather([1.0, 2.0, 3.0])
    (done,) = clocked.refresh(0)
    assert (done.name, done.rows, done.new, done.problem) == ("weather", 3, 1, None)
    assert served.refresh() == ("weather",)
    assert _at(served, 2) == (3.0,)
    assert LayerTable(clocked.project.home.tables, "gold").version == gold
    report = clocked.project.ingest()
    assert (report.lookups["weather"].new, report.lookups["weather"].missing) == (0, 2)


def test_each_lookup_has_its_turn_when_its_copy_is_older_than_declared(clocked: Clocked) -> None:
    assert [len(clocked.refresh(minutes)) for minutes in (0, 9.9, 10, 19.9, 20)] == [1, 0, 1, 0, 1]
    clocked.state = LookupSchedule()
    assert [len(clocked.refresh(minutes)) for minutes in (29.9, 30)] == [0, 1]


def test_a_lookup_that_is_not_named_is_left_to_ingest(clocked: Clocked) -> None:
    serving = clocked.project.spec.serving.model_copy(update={"lookups": {}})
    spec = clocked.project.spec.model_copy(update={"serving": serving})
    project = clocked.project
    assert refresh_due(project.home, spec, project.folder, NOW, clocked.state) == (clocked.state, ())


def test_rows_that_the_source_no_longer_shows_stay_in_the_copy(clocked: Clocked) -> None:
    frame = pl.DataFrame({"depot": ["n"], "at": [START + timedelta(hours=2)], "temp": [3.0]})
    frame.write_parquet(clocked.project.folder / "weather.parquet")
    clocked.refresh(0)
    assert [_at(clocked.served(), hour) for hour in range(3)] == [(1.0,), (2.0,), (3.0,)]


Break = Callable[[Clocked], object]
BROKEN: dict[str, tuple[Break, str]] = {
    "is gone": (
        lambda c: (c.project.folder / "weather.parquet").unlink(),
        "no file matches 'weather.parquet'",
    ),
    "is damaged": (lambda c: (c.project.folder / "weather.parquet").write_bytes(b"x"), "cannot be read"),
    "contradicts what it said": (lambda c: c.weather([1.5, 2.0]), "rows for keys that come more than once"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_the_copy_before_stays_where_the_source(broken: str, clocked: Clocked) -> None:
    """It is told in one sentence, waits for its next turn, and goes on when the source is right again."""
    breaks, said = BROKEN[broken]
    table = LayerTable(clocked.project.home.tables, "lookup_weather").version
    served = clocked.served()
    breaks(clocked)
    (done,) = clocked.refresh(0)
    assert done.problem is not None
    assert said in done.problem
    assert (done.rows, done.new, done.document()["problem"]) == (None, None, done.problem)
    assert served.refresh() == ()
    assert (_at(served, 0), served.problems) == ((1.0,), {})
    assert LayerTable(clocked.project.home.tables, "lookup_weather").version == table
    clocked.weather([1.0, 2.0, 3.0])
    assert clocked.refresh(9) == ()
    assert [done.new for done in clocked.refresh(10)] == [1]


def test_a_copy_of_another_declaration_is_written_at_once(clocked: Clocked) -> None:
    folder = clocked.project.folder
    clocked.refresh(0)
    (folder / "jomon.yaml").write_text(FILE.replace("time: at,", "time: at, max_age: 2h,"))
    changed = Clocked(open_project(folder))
    assert "another declaration" in changed.served().problems["weather"]
    assert len(changed.refresh(1)) == 1
    assert changed.served().problems == {}
    assert _at(changed.served(), 3) == (2.0,)


def test_while_an_ingest_runs_no_lookup_has_its_turn(clocked: Clocked) -> None:
    with exclusive(clocked.project.folder / LOCK):
        assert clocked.refresh(0) == ()
    assert len(clocked.refresh(0)) == 1


def test_many_small_files_of_a_lookups_table_become_one(
    clocked: Clocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jomon.data.lookup_run.FILES_KEPT", 3)
    tables, files = clocked.project.home.tables, []
    for turn in range(6):
        clocked.weather([float(n + 1) for n in range(turn + 3)])
        assert [done.new for done in clocked.refresh(10 * turn)] == [1]
        files.append(LayerTable(tables, "lookup_weather").files)
    assert files == [2, 3, 1, 2, 3, 1]
    assert [_at(clocked.served(), hour) for hour in range(8)] == [(hour + 1.0,) for hour in range(8)]
    assert clocked.project.ingest().lookups["weather"].new == 0


def test_a_watch_refreshes_what_is_due_and_tells_of_a_failure_once(clocked: Clocked) -> None:
    home, stop, told = clocked.project.home, threading.Event(), SimpleQueue[object]()
    (home.lookups / "weather.json").unlink()
    text = FILE.replace("weather: 10m", "weather: 1s")
    (clocked.project.folder / "jomon.yaml").write_text(text)
    watch = threading.Thread(target=watch_lookups, args=(home, stop, told.put, told.put, 0.01))
    watch.start()
    try:
        first = told.get(timeout=60)
        assert isinstance(first, LookupRefresh)
        assert (first.rows, first.problem) == (2, None)
        (clocked.project.folder / "weather.parquet").unlink()
        while isinstance(sentence := told.get(timeout=60), LookupRefresh):
            pass
        assert str(sentence).startswith(
            "The lookup weather was not refreshed: the lookup weather: no file matches"
        )
        (clocked.project.folder / "jomon.yaml").write_text("fleet: [")
        assert "jomon.yaml" in str(told.get(timeout=60))
        clocked.weather([1.0, 2.0, 3.0])
        (clocked.project.folder / "jomon.yaml").write_text(text)
        while not isinstance(again := told.get(timeout=60), LookupRefresh):
            pass
        assert again.rows == 3
    finally:
        stop.set()
        watch.join()


def test_a_home_without_a_project_has_nothing_to_refresh(tmp_path: Path) -> None:
    stop, told = threading.Event(), list[object]()
    stop.set()
    watch_lookups(Home(tmp_path / "elsewhere"), stop, told.append, told.append)
    assert told == []
