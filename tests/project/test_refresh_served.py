"""Fast parts learn from answered rows and their outcomes as from gold, bit for bit; nothing is learned twice."""

from __future__ import annotations

import importlib.util
import json
import shutil
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from jomon.core.errors import BuildError, DataError, JomonError, MovedError
from jomon.core.moments import TimeReader
from jomon.data.gold import read_gold
from jomon.data.outcomes import matched
from jomon.oci import media
from jomon.project import Project, open_project, refreshing
from jomon.project.home import Home
from jomon.project.refreshing import RefreshReport, refresh

from .served import Server, fast_of, micros, truth

END = date(2024, 2, 16)  # where the hold-out of the shop begins
DAY = timedelta(days=1)


@pytest.fixture
def rows(shops: Any) -> pl.DataFrame:
    """The shop's rows that a build has not learned, as callers send them, with their outcomes."""
    frame: pl.DataFrame = shops.rows()
    return frame.filter(pl.col("ordered") >= datetime(2024, 2, 15, 12)).sample(
        fraction=1.0, shuffle=True, seed=5
    )


def test_answered_rows_teach_what_gold_teaches(shop: Project, rows: pl.DataFrame) -> None:
    shop.build(names=("shop:gold", "shop:served"))
    server = Server(shop.home, "shop:served")
    server.answer(rows)
    server.report(truth(rows), datetime(2024, 3, 2))
    gold = shop.refresh("shop:gold", "2024-02-28")
    served = refresh(shop.home, "shop:served", "2024-02-28", "predictions")
    assert served.outcomes == gold.outcomes > 900
    assert fast_of(shop.home, served.digest) == fast_of(shop.home, gold.digest)
    assert (served.since, served.until, served.carried, served.unrecorded) == (
        "2024-02-16",
        "2024-02-28",
        0,
        0,
    )


def test_day_by_day_as_they_come_and_at_once_teach_the_same(shop: Project, rows: pl.DataFrame) -> None:
    shop.build(names=("shop:gold", "shop:served"))
    server = Server(shop.home, "shop:served")
    reports = []
    for n in range(14):
        now = datetime(2024, 2, 15, 12) + n * DAY
        server.answer(rows.filter(pl.col("ordered").is_between(now, now + DAY, closed="left")))
        known = pl.col("ordered") + timedelta(hours=12)
        server.report(truth(rows.filter(known.is_between(now, now + DAY, closed="left"))), now + DAY)
        reports.append(refresh(shop.home, "shop:served", None, "predictions", micros(now + DAY)))
    assert [r.until for r in reports] == [str(END + n * DAY) for n in range(len(reports))]
    gold = shop.refresh("shop:gold", reports[-1].until)
    assert sum(r.outcomes for r in reports) == gold.outcomes
    assert fast_of(shop.home, reports[-1].digest) == fast_of(shop.home, gold.digest)


def test_a_home_is_enough(shop: Project, rows: pl.DataFrame, tmp_path: Path) -> None:
    expected = shop.refresh(until="2024-02-25")
    shop.home.images.tag(expected.before, shop.latest)
    home = Home(tmp_path / "elsewhere")
    shutil.copytree(shop.home.root / "images", home.root / "images")
    shutil.rmtree(shop.folder)
    server = Server(home, "shop:latest")
    server.answer(rows)
    server.report(truth(rows), datetime(2024, 3, 2))
    served = refresh(home, "shop", "2024-02-25", "predictions")
    assert home.images.resolve("shop:latest") == served.digest
    assert fast_of(home, served.digest) == fast_of(home, expected.digest)


def learn(server: Server, at: datetime, until: str | None = None) -> RefreshReport:
    return refresh(server.home, server.reference, until, "predictions", micros(at))


def test_before_anything_came_nothing_happens(shop: Project, rows: pl.DataFrame) -> None:
    server = Server(shop.home, shop.latest)
    report = learn(server, datetime(2024, 3, 2))
    assert (report.digest, report.outcomes, report.written_bytes) == (report.before, 0, 0)
    server.report(truth(rows[:5]), datetime(2024, 2, 20))
    report = learn(server, datetime(2024, 3, 2))
    assert (report.digest, report.outcomes) == (report.before, 0)


def test_the_day_that_runs_is_not_learned_until_it_is_over(shop: Project, rows: pl.DataFrame) -> None:
    server = Server(shop.home, shop.latest)
    of_day = rows.filter(pl.col("ordered").dt.date() == date(2024, 2, 20))
    server.answer(of_day)
    morning = of_day.filter(pl.col("ordered").dt.hour() < 4)  # known until 16 o'clock of the same day
    server.report(truth(morning), datetime(2024, 2, 20, 16))
    running = learn(server, datetime(2024, 2, 20, 17))
    assert (running.outcomes, running.until) == (0, "2024-02-20")
    over = learn(server, datetime(2024, 2, 21, 0, 1))
    assert (over.outcomes, over.until) == (morning.height, "2024-02-21")


def test_replayed_outcomes_tell_the_days_themselves(shop: Project, rows: pl.DataFrame) -> None:
    """Years later by the clock, a day is over when an outcome of the next comes, or when no more came for a day."""
    server = Server(shop.home, shop.latest)
    now = datetime(2026, 1, 1, 12)
    server.answer(rows, now)
    known = pl.col("ordered") + timedelta(hours=12)
    server.report(truth(rows.filter(known < datetime(2024, 2, 20, 9))), now)
    assert learn(server, now + timedelta(minutes=1)).until == "2024-02-20"
    assert learn(server, now + DAY).until == "2024-02-21"


def test_a_repeated_report_or_answer_is_learned_once(shop: Project, rows: pl.DataFrame) -> None:
    shop.build(names=("shop:once", "shop:often"))
    once, often = Server(shop.home, "shop:once"), Server(shop.home, "shop:often")
    for _ in range(3):
        often.answer(rows, datetime(2024, 2, 29))
        often.report(truth(rows), datetime(2024, 3, 2))
    first = learn(often, datetime(2024, 3, 2), "2024-02-24")
    often.answer(rows, datetime(2024, 3, 3))
    often.report([{**o, "known_at": None} for o in truth(rows)], datetime(2024, 3, 4))
    second = learn(often, datetime(2024, 3, 4), "2024-02-28")
    at_once = refresh(once.home, once.reference, "2024-02-28", "predictions", micros(datetime(2024, 3, 4)))
    assert first.outcomes + second.outcomes == at_once.outcomes
    assert fast_of(shop.home, second.digest) == fast_of(shop.home, at_once.digest)


def test_an_outcome_that_changes_after_it_was_learned_is_not_learned_again(
    shop: Project, rows: pl.DataFrame
) -> None:
    server = Server(shop.home, shop.latest)
    server.answer(rows)
    server.report(truth(rows.filter(pl.col("ordered") < datetime(2024, 2, 20))), datetime(2024, 2, 21))
    first = learn(server, datetime(2024, 2, 21), "2024-02-21")
    changed = [
        {**o, "value": 1 - o["value"], "known_at": None}
        for o in truth(rows.filter(pl.col("ordered") < datetime(2024, 2, 20)))
    ]
    server.report(changed, datetime(2024, 2, 22))
    second = learn(server, datetime(2024, 2, 24), "2024-02-23")
    assert (first.outcomes > 0, second.outcomes) == (True, 0)


@pytest.mark.parametrize("late", ["outcome", "prediction"])
def test_what_comes_after_its_day_was_learned_is_learned_on_the_next(
    shop: Project, rows: pl.DataFrame, late: str
) -> None:
    server = Server(shop.home, shop.latest)
    early = rows.filter(pl.col("ordered") < datetime(2024, 2, 20))
    straggler, others = early[:7], early[7:]
    server.answer(others)
    server.report(truth(others), datetime(2024, 2, 22))
    if late == "outcome":
        server.answer(straggler)
    else:
        server.report(truth(straggler), datetime(2024, 2, 22))
    first = learn(server, datetime(2024, 2, 22), "2024-02-22")
    assert (first.outcomes, first.carried) == (_learnable(others), 0)
    after = datetime(2024, 2, 23)
    if late == "outcome":
        server.report(truth(straggler), after)
    else:
        server.answer(straggler, after)
    server.report(truth(rows.filter(pl.col("ordered") >= datetime(2024, 2, 23))), datetime(2024, 2, 24))
    second = learn(server, datetime(2024, 2, 24), "2024-02-23")
    assert (second.outcomes, second.carried) == (7, 7)
    third = learn(server, datetime(2024, 2, 25), "2024-02-24")
    assert third.carried == 0


def _learnable(frame: pl.DataFrame) -> int:
    """Rows whose outcome was known on the first day of the hold-out or later."""
    return frame.filter(pl.col("ordered") + timedelta(hours=12) >= datetime(2024, 2, 16)).height


def test_a_day_that_has_not_begun_is_refused(shop: Project, rows: pl.DataFrame) -> None:
    server = Server(shop.home, shop.latest)
    server.answer(rows)
    server.report(truth(rows[:3]), datetime(2024, 2, 20))
    with pytest.raises(JomonError, match="--until 2024-03-09 has not begun"):
        learn(server, datetime(2024, 3, 1), "2024-03-09")


def test_an_outcome_from_the_future_closes_no_day(shop: Project, rows: pl.DataFrame) -> None:
    server = Server(shop.home, shop.latest)
    server.answer(rows)
    server.report(truth(rows[:1]), datetime(2024, 2, 20))
    server.report(
        [{"key": {"id": int(rows["id"][1])}, "value": 1, "known_at": "2090-01-01"}], datetime(2024, 2, 20)
    )
    assert learn(server, datetime(2024, 2, 20, 1)).until == "2024-02-20"


def test_gold_after_answered_rows_begins_anew(shop: Project, rows: pl.DataFrame) -> None:
    server = Server(shop.home, shop.latest)
    server.answer(rows)
    server.report(truth(rows), datetime(2024, 3, 2))
    served = learn(server, datetime(2024, 3, 2), "2024-02-20")
    assert media.HEARD in shop.home.images.manifest(served.digest).annotations
    gold = shop.refresh(until="2024-02-24")
    assert media.HEARD not in shop.home.images.manifest(gold.digest).annotations
    again = learn(server, datetime(2024, 3, 2), "2024-02-24")
    assert (again.digest, again.outcomes) == (gold.digest, 0)


def test_a_log_that_hides_what_is_learned_from_cannot_teach(workshop: Any) -> None:
    serving = {"log": {"hash": ["region"]}}
    project = workshop.make("shop", workshop.rows(), workshop.spec(serving=serving))
    project.ingest()
    project.build()
    with pytest.raises(BuildError, match="the log hides 'region'"):
        project.refresh(source="predictions")


def test_rows_that_lack_a_column_are_left_out_and_counted(shop: Project, rows: pl.DataFrame) -> None:
    """The image before did not record `noise`."""
    text = (shop.folder / "jomon.yaml").read_text(encoding="utf-8")
    less = json.loads(text) | {"serving": {"log": {"leave_out": ["noise"]}}}
    (shop.folder / "jomon.yaml").write_text(json.dumps(less), encoding="utf-8")
    open_project(shop.folder).build(names=("shop:less",))
    (shop.folder / "jomon.yaml").write_text(text, encoding="utf-8")
    old, new = Server(shop.home, "shop:less"), Server(shop.home, shop.latest)
    old.answer(rows[:50])
    old.report(truth(rows[:50]), datetime(2024, 3, 1))
    with pytest.raises(DataError, match="have no column 'noise', which the image learns from"):
        learn(new, datetime(2024, 3, 1), "2024-02-28")
    new.answer(rows[50:])
    new.report(truth(rows[50:]), datetime(2024, 3, 1))
    report = learn(new, datetime(2024, 3, 1), "2024-02-28")
    within = rows.filter(pl.col("ordered") + timedelta(hours=12) < datetime(2024, 2, 28))
    assert report.unrecorded == _learnable(within.join(rows[:50], on="id", how="semi"))
    assert report.outcomes == _learnable(within.join(rows[50:], on="id", how="semi"))


# A name that moves while it is refreshed.


def test_two_refreshes_at_once_lose_nothing_and_count_nothing_twice(
    shop: Project, rows: pl.DataFrame
) -> None:
    shop.build(names=("shop:latest", "shop:alone"))
    server = Server(shop.home, shop.latest)
    server.answer(rows)
    server.report(truth(rows), datetime(2024, 3, 2))
    alone = learn(Server(shop.home, "shop:alone"), datetime(2024, 3, 2), "2024-02-28")
    ready = threading.Barrier(2)
    reports: list[RefreshReport] = []

    def run(until: str) -> None:
        ready.wait()
        reports.append(learn(server, datetime(2024, 3, 2), until))

    both = [threading.Thread(target=run, args=(until,)) for until in ("2024-02-28", "2024-02-24")]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    now = shop.home.images.resolve(shop.latest)
    assert fast_of(shop.home, now) == fast_of(shop.home, alone.digest)
    assert len(reports) == 2


def test_a_refresh_does_not_move_a_name_back_over_a_build(
    shop: Project, rows: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody gives the name to another image between reading and storing: the refresh starts from that one."""
    store = shop.home.images
    server = Server(shop.home, shop.latest)
    server.answer(rows)
    server.report(truth(rows), datetime(2024, 3, 2))
    old = store.resolve(shop.latest)
    spec = json.loads((shop.folder / "jomon.yaml").read_text(encoding="utf-8"))
    spec["stages"] = spec["stages"][:2]
    (shop.folder / "jomon.yaml").write_text(json.dumps(spec), encoding="utf-8")
    other = open_project(shop.folder).build(names=("shop:other",)).digest
    real = refreshing.operate
    moved: list[Any] = []

    def slow(*given: Any, **more: Any) -> Any:
        if not moved:
            moved.append(store.tag(other, shop.latest))
        return real(*given, **more)

    monkeypatch.setattr(refreshing, "operate", slow)
    report = learn(server, datetime(2024, 3, 2), "2024-02-24")
    assert (report.before, moved) == (other, [None])
    assert store.resolve(shop.latest) == report.digest != old


def test_a_name_that_never_holds_still_is_left_alone(
    shop: Project, rows: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.build(names=("shop:latest", "shop:other"))
    store = shop.home.images
    server = Server(shop.home, shop.latest)
    server.answer(rows)
    server.report(truth(rows), datetime(2024, 3, 2))
    images = [store.resolve(shop.latest), learn(server, datetime(2024, 3, 2), "2024-02-20").digest]
    real = refreshing.operate

    def restless(*given: Any, **more: Any) -> Any:
        store.tag(images[store.resolve(shop.latest) == images[0]], shop.latest)
        return real(*given, **more)

    monkeypatch.setattr(refreshing, "operate", restless)
    with pytest.raises(MovedError, match=r"shop:latest meant .* and has moved to"):
        learn(server, datetime(2024, 3, 2), "2024-02-24")
    assert store.resolve(shop.latest) in images


# Real flights.

FLIGHTS = """
fleet: flights
question: Will this flight arrive more than 15 minutes late?
data:
  source: flights.parquet
  time: scheduled_departure
  timezone: America/New_York
  key: [carrier, flight, origin, scheduled_departure]
  target: {column: late, kind: binary, known_after: 12h}
  features:
    numeric: [distance, temp, wind_speed, visib, precip]
    categorical: [carrier, origin, dest]
    calendar: [hour, minute_of_day, weekday, year_phase, days_to_occasion]
axes:
  season: {hemisphere: north}
  occasion: {country: US, subdivision: NY, days_before: 1, days_after: 1}
  hour_band: {early: 5-9, day: 10-15, evening: 16-20, night: 21-4}
lookups:
  weather:
    source: weather.parquet
    on: [origin, hour_of(scheduled_departure)]
    time: time_hour
    features: [temp, wind_speed, visib, precip]
    duplicates: first
stages:
  - {level: [], estimator: lightgbm, params: {num_iterations: 20, num_leaves: 15}}
  - {level: [carrier, origin], estimator: linear, min_rows: 500, keep: always}
  - {level: [origin, hour_band], estimator: none, keep: always}
  - {level: [season], estimator: none, keep: always}
evaluation: {holdout: 2w, step: 1w, trials: 1, bootstrap: 100}
build: {blocks: 4, workers: 1}
"""


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, pl.DataFrame]:
    """Ten weeks of flights with their weather, built; the frame has every flight that the build has not learned."""
    place = importlib.util.spec_from_file_location(
        "flights_data", Path(__file__).parents[2] / "examples" / "flights" / "data.py"
    )
    assert place is not None
    assert place.loader is not None
    data = importlib.util.module_from_spec(place)
    place.loader.exec_module(data)
    folder = tmp_path_factory.mktemp("flights")
    rows = data.load_flights().filter(pl.col("scheduled_departure") < datetime(2013, 3, 12)).collect()
    rows.write_parquet(folder / "flights.parquet")
    weather = data.load_weather().filter(pl.col("time_hour") < datetime(2013, 3, 13, tzinfo=UTC)).collect()
    weather.write_parquet(folder / "weather.parquet")
    (folder / "jomon.yaml").write_text(FLIGHTS, encoding="utf-8")
    project = open_project(folder)
    project.ingest()
    project.build(names=("flights:gold", "flights:served"))
    return project, rows.filter(pl.col("scheduled_departure") >= datetime(2013, 2, 25))


def test_real_flights_served_teach_what_gold_teaches(
    flights: tuple[Project, pl.DataFrame], needs: Callable[..., Any]
) -> None:
    project, rows = flights
    home = project.home
    gold = read_gold(home.tables, project.spec)
    server = Server(home, "flights:served")
    sent = rows.sample(fraction=1.0, shuffle=True, seed=2)
    server.answer(sent, datetime(2013, 3, 12))
    known_at = dict(zip(gold.time.tolist(), gold.known_at.tolist(), strict=True))
    read = TimeReader(project.spec.data, server.image.runtime.context.local).read
    outcomes = []
    for row in rows.filter(pl.col("late").is_not_null()).iter_rows(named=True):
        left = row["scheduled_departure"].isoformat()
        key = {name: row[name] for name in ("carrier", "flight", "origin")} | {"scheduled_departure": left}
        outcomes.append({"key": key, "value": row["late"], "known_at": known_at[read(left)]})
    server.report(outcomes, datetime(2013, 3, 13))
    for until in ("2013-03-04", "2013-03-11"):
        taught = project.refresh("flights:gold", until)
        served = refresh(Home(home.root), "flights:served", until, "predictions")
        assert served.outcomes == taught.outcomes > 3_000
        assert fast_of(home, served.digest) == fast_of(home, taught.digest)
    found = matched(home.tables, "flights", project.spec, columns=["key"])
    assert found.height == len(outcomes)
