"""Replays of real tables: every row once, in event order, outcomes after their predictions, the same answers."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jomon
from jomon.core.errors import DataError, JomonError
from jomon.core.journal import Kind
from jomon.data.outcomes import matched
from jomon.data.outcomes_table import read_outcomes
from jomon.data.predictions import read_predictions
from jomon.data.tables import LayerTable
from jomon.project import Project, load_fleet, open_project
from jomon.project.local_server import served_locally
from jomon.project.replay_plan import SECOND, Ask, Tell, event_order, parse_speed
from jomon.project.replaying import Replay, Wish, count_recorded

from .replay_help import NEW_DEPOT, NIGHT, SPEC, Clock, between, journal_records, make_parcels

HOUR = 3600 * SECOND
BUSY = b"HTTP/1.1 503 busy\r\nretry-after: 0\r\ncontent-length: 2\r\n\r\n{}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The parcels, ingested and built; not to be changed."""
    return make_parcels(tmp_path_factory.mktemp("replay") / "parcels")


@pytest.fixture
def parcels(made: Project, tmp_path: Path) -> Project:
    """A copy of the parcels."""
    return open_project(shutil.copytree(made.folder, tmp_path / "parcels"))


@pytest.fixture(scope="module")
def server(made: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, str]]:
    """A server of a copy that all tests share, each replay told from others by its name."""
    folder = shutil.copytree(made.folder, tmp_path_factory.mktemp("served") / "parcels")
    project = open_project(folder)
    with served_locally(project.home, "parcels:latest") as url:
        yield project, url


def span(project: Project, since: int, until: int) -> pl.DataFrame:
    """The recorded rows of a span (microseconds UTC) in order of their time."""
    rows = LayerTable(project.home.tables, "silver").scan().collect()
    micros = pl.col("sent").dt.timestamp("us")
    return rows.filter(micros >= since, micros < until).sort("sent", "_jomon_row")


def answers_offline(project: Project, rows: pl.DataFrame) -> list[float]:
    own = rows.select("depot", "parcel", "sent", "weight", "fragile")
    return load_fleet("parcels:latest", project.folder).predict(own).tolist()


def played(project: Project, **wish: Any) -> Replay:
    """A replay of everything that was asked for, its records in the tables."""
    replay = Replay(project.home, Wish("parcels", **wish))
    replay.play()
    replay.finish()
    return replay


def require_whole(project: Project, replay: Replay, rows: pl.DataFrame) -> None:
    """Every row is recorded once, with the answer that the image gives, and its outcome came when it was known."""
    logged = read_predictions(project.home.tables, "parcels")
    mine = logged.filter(pl.col("caller_id").str.starts_with(f"replay:{replay.name}:"))
    number = mine["caller_id"].str.split(":").list.last().cast(pl.Int64).alias("_jomon_row")
    mine = mine.with_columns(number)
    assert sorted(number) == sorted(rows["_jomon_row"])
    assert mine["request_id"].n_unique() == rows.height
    both = rows.join(mine.select("_jomon_row", "answer", "request_id", pl.col("sent").alias("logged")), on="_jomon_row",
                     maintain_order="left")  # fmt: skip
    assert both["answer"].to_list() == answers_offline(project, rows)
    assert both["answer"].to_list() == replay.sheet.answers.tolist()
    assert both["request_id"].to_list() == replay.sheet.request_ids
    assert (both["sent"] == both["logged"]).all()
    told = matched(project.home.tables, "parcels", project.spec, columns=["caller_id", "sent"])
    told = told.filter(pl.col("caller_id").is_in(mine["caller_id"].to_list()))
    known = rows.filter(pl.col("late").is_not_null())
    assert 0 < known.height < rows.height
    names = [f"replay:{replay.name}:{row}" for row in known["_jomon_row"]]
    assert sorted(told["caller_id"]) == sorted(names)
    assert (
        told["outcome_known_at"] - told["sent"] == pl.Series([10_800_000_000]).cast(pl.Duration("us"))
    ).all()
    values = dict(zip(names, known["late"], strict=True))
    assert dict(zip(told["caller_id"], told["outcome"], strict=True)) == values


# The order.


@given(
    st.lists(st.integers(0, 40 * HOUR), max_size=60),
    st.sampled_from([0, SECOND // 2, SECOND, 90 * SECOND, HOUR, 12 * HOUR]),
)
def test_every_row_is_asked_and_told_once_in_event_order(times: list[int], delay: int) -> None:
    """A report comes when its outcomes are known, at most a fiftieth of the delay later, after all rows until then."""
    ordered = np.array(sorted(times), np.int64)
    asked, told = 0, 0
    for step in event_order(ordered, delay):
        assert step.first < step.stop
        if isinstance(step, Ask):
            assert step.first == asked
            asked = step.stop
            continue
        assert step.first == told
        told = step.stop
        assert told <= asked
        late = step.moment - (ordered[step.first : step.stop] + delay)
        assert (late >= 0).all()
        assert (late < max(delay // 50, SECOND)).all()
        assert (ordered[:asked] <= step.moment).all()
        assert (ordered[asked:] > step.moment).all()
    assert asked == told == len(ordered)


def test_reports_stay_far_below_what_a_server_takes() -> None:
    steps = list(event_order(np.zeros(2500, np.int64), HOUR))
    assert [step.stop - step.first for step in steps if isinstance(step, Tell)] == [1000, 1000, 500]


def test_speeds_are_read() -> None:
    assert (parse_speed("max"), parse_speed("60"), parse_speed("2x")) == (None, 60.0, 2.0)
    for text in ("0", "-1", "fast", "nan", "inf"):
        with pytest.raises(JomonError, match=r"--speed .* is no speed"):
            parse_speed(text)


# In the process.


def test_a_span_is_replayed_whole_and_is_in_the_tables(parcels: Project) -> None:
    replay = played(parcels, since="2024-10-10", until="2024-10-25 12:00")
    rows = span(parcels, replay.since_us, replay.until_us)
    assert rows.height > 600
    require_whole(parcels, replay, rows)
    report = replay.report()
    assert report.whole
    assert (report.rows, report.answered, report.unsent) == (rows.height, rows.height, 0)
    assert report.outcomes + report.without_outcome == rows.height
    assert report.moved is not None
    assert (report.moved["predictions"], report.moved["outcomes"]) == (rows.height, {"new": report.outcomes})
    assert not list((parcels.home.root / "log" / "parcels").glob("w*.log"))


def test_the_night_in_which_an_hour_comes_twice_is_replayed_in_order(parcels: Project) -> None:
    replay = played(parcels, since=NIGHT[0], until=NIGHT[1])
    assert replay.until_us - replay.since_us == 7 * HOUR
    rows = span(parcels, replay.since_us, replay.until_us)
    local = rows["sent"].dt.convert_time_zone("America/New_York")
    assert rows.filter(local.dt.hour() == 1)["sent"].dt.hour().unique().sort().to_list() == [5, 6]
    require_whole(parcels, replay, rows)


def test_the_journal_has_predictions_in_order_and_each_outcome_after_its_prediction(parcels: Project) -> None:
    replay = Replay(parcels.home, Wish("parcels", "2024-10-20", "2024-10-23"))
    replay.play()
    times: list[int] = []
    outcomes = 0
    for kind, record in journal_records(parcels.home.root, "parcels"):
        if kind == Kind.PREDICTION:
            (row,) = record[5]
            assert row[1] >= (times[-1] if times else 0)
            times.append(row[1])
        elif kind == Kind.OUTCOME:
            for _, key, _, _, known_at in record[2]:
                asked_at = int(json.loads(key)[2])
                assert asked_at in times  # its prediction is in the journal before it
                assert known_at == asked_at + 3 * HOUR
                assert times[-1] < known_at + 3 * HOUR // 50
                outcomes += 1
    assert len(times) == len(replay.recorded)
    assert outcomes == replay.report().outcomes > 0


def test_what_a_server_of_the_image_would_refuse_is_refused_with_its_reason(parcels: Project) -> None:
    replay = played(parcels)  # the held-out time, by default
    report = replay.report()
    assert replay.local(replay.since_us) == "2024-10-31T00:00:00-04:00"
    (reason,) = report.refused
    assert f"'depot' holds '{NEW_DEPOT}', which training never saw" in reason
    assert report.refused[reason] == 2
    assert not report.whole
    assert report.answered == report.rows - 2
    rows = span(parcels, replay.since_us, replay.until_us).filter(pl.col("depot") != NEW_DEPOT)
    assert count_recorded(parcels.home, "parcels", replay.name) == rows.height
    answers = replay.sheet.answers[~np.isnan(replay.sheet.answers)]
    assert answers.tolist() == answers_offline(parcels, rows)


def test_the_figures_are_those_of_the_answers(parcels: Project) -> None:
    replay = played(parcels, since="2024-10-10", until="2024-10-20")
    report, sheet = replay.report(), replay.sheet
    rows = span(parcels, replay.since_us, replay.until_us)
    assert sum(report.levels.values()) == report.answered
    assert report.unknown_level == 0
    assert report.levels["hour_band"] == rows.height  # the finest stage has a member for every hour
    assert report.missed == {"weather": sum(1 for m in _missed(parcels, replay.name) if m)}
    assert report.missed["weather"] > 0
    y, p = sheet.recorded.targets[sheet.told], sheet.answers[sheet.told]
    assert report.loss.value == pytest.approx(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)))
    known = LayerTable(parcels.home.tables, "silver").scan().collect()
    before = known.filter(pl.col("sent").dt.timestamp("us") <= replay.since_us - 3 * HOUR)["late"].mean()
    assert report.loss.before == pytest.approx(before)
    assert isinstance(before, float)
    assert report.loss.base == pytest.approx(-np.mean(y * np.log(before) + (1 - y) * np.log(1 - before)))
    assert json.loads(json.dumps(report.document()))["rows"] == rows.height


def _missed(project: Project, name: str) -> list[list[str]]:
    logged = read_predictions(project.home.tables, "parcels")
    found: list[list[str]] = logged.filter(pl.col("caller_id").str.contains(name))["missed"].to_list()
    return found


def test_a_span_without_rows_sends_nothing(parcels: Project) -> None:
    replay = played(parcels, since="2023-01-01", until="2023-02-01")
    report = replay.report()
    assert (report.rows, report.answered, report.outcomes, report.unsent) == (0, 0, 0, 0)
    assert (report.first_event, report.last_event, report.loss.value) == (None, None, None)
    assert not report.whole
    assert not (parcels.home.root / "log").exists()


def test_outcomes_can_be_left_out(parcels: Project) -> None:
    replay = played(parcels, since="2024-10-20", until="2024-10-22", outcomes=False)
    report = replay.report()
    assert report.whole
    assert (report.outcomes, report.outcomes_unsent, report.reports) == (0, 0, 0)
    assert read_outcomes(parcels.home.tables, "parcels").height == 0


def test_a_second_replay_repeats_the_outcomes_and_stays_apart(parcels: Project) -> None:
    first = played(parcels, since="2024-10-20", until="2024-10-22")
    second = played(parcels, since="2024-10-20", until="2024-10-22")
    assert second.report().moved["outcomes"] == {"repeated": first.report().outcomes}  # type: ignore[index]
    for replay in (first, second):
        require_whole(parcels, replay, span(parcels, replay.since_us, replay.until_us))


def test_speed_keeps_the_distances_of_event_time(parcels: Project) -> None:
    """At sixty times real time each row and each report goes out when its moment has come by the clock."""
    clock = Clock()
    replay = Replay(parcels.home, Wish("parcels", "2024-10-05", "2024-10-06", speed=60.0))
    first = int(replay.recorded.times[0])
    seen: list[tuple[float, int]] = []
    replay.play(lambda moment: seen.append((clock.now, moment)), clock, clock.wait)
    assert len(seen) > 50
    for now, moment in seen:
        assert now - 100.0 == pytest.approx((moment - first) / SECOND / 60, abs=1e-6)
    assert all(one <= two for (_, one), (_, two) in pairwise(seen))
    assert (replay.sheet.image_of >= 0).all()
    assert replay.report().outcomes_unsent == 0


def test_times_are_read_as_times_of_the_data_are(parcels: Project) -> None:
    def since(text: str) -> str:
        replay = Replay(parcels.home, Wish("parcels", text, "2025-01-01"))
        return replay.local(replay.since_us)

    assert since("2024-10-05") == "2024-10-05T00:00:00-04:00"
    assert since("2024-11-03 01:30") == "2024-11-03T01:30:00-04:00"  # the earlier one, as declared
    assert since("2024-11-03T06:30:00Z") == "2024-11-03T01:30:00-05:00"
    with pytest.raises(JomonError, match=r"^--from is 'autumn', which is no time: write it as"):
        since("autumn")
    with pytest.raises(JomonError, match=r"--to has to be later than --from"):
        Replay(parcels.home, Wish("parcels", "2024-10-05", "2024-10-05"))


def test_an_image_that_needs_a_column_that_was_not_recorded_is_refused(parcels: Project) -> None:
    from jomon.project.replay_plan import read_recorded

    features = parcels.spec.data.features.model_copy(update={"numeric": ("weight", "rain", "age")})
    spec = parcels.spec.model_copy(
        update={"data": parcels.spec.data.model_copy(update={"features": features})}
    )
    with pytest.raises(DataError, match=r"no column 'age', which the image needs"):
        read_recorded(parcels.home, spec, 0, None)


# Over HTTP.


def test_a_server_answers_a_replay_as_the_image_does(parcels: Project) -> None:
    """Every row once, each outcome after its prediction, all in the tables when the server has ended."""
    with served_locally(parcels.home, "parcels:latest") as url:
        replay = played(parcels, since=NIGHT[0], until="2024-11-06", url=url)
    rows = span(parcels, replay.since_us, replay.until_us)
    require_whole(parcels, replay, rows)
    report = replay.report()
    assert report.whole
    assert (report.retried, report.url, list(report.images.values())) == (0, url, [rows.height])
    logged = read_predictions(parcels.home.tables, "parcels", columns=["key", "received_at"])
    outcomes = read_outcomes(parcels.home.tables, "parcels", columns=["key", "received_at"])
    both = outcomes.join(logged, on="key", suffix="_predicted")
    assert both.height == report.outcomes
    assert (both["received_at"] > both["received_at_predicted"]).all()
    here = played(parcels, since=NIGHT[0], until="2024-11-06")
    assert here.report().levels == report.levels
    assert here.report().missed == report.missed
    assert here.report().loss == report.loss


def test_an_image_that_takes_over_during_a_replay_is_told_and_its_levels_are_unknown_elsewhere(
    made: Project, parcels: Project, tmp_path: Path
) -> None:
    """The server's store gets another image under the same tag while rows are on their way; ours has it not."""
    theirs = open_project(shutil.copytree(made.folder, tmp_path / "theirs"))
    with served_locally(theirs.home, "parcels:latest") as url, jomon.Client(url) as client:

        def release(number: int) -> None:
            if number == 60:
                asked = {**SPEC, "question": "Will it be late?"}
                (theirs.folder / "jomon.yaml").write_text(json.dumps(asked), encoding="utf-8")
                after = str(open_project(theirs.folder).build().digest)
                until = time.monotonic() + 30
                while client.fleets()[0].image != after and time.monotonic() < until:
                    time.sleep(0.02)

        with between(int(url.rpartition(":")[2]), release) as (through, _):
            replay = played(parcels, since="2024-10-20", until="2024-10-24", url=through)
    report = replay.report()
    assert report.whole
    assert len(report.images) == 2
    before, after = (str(load_fleet("parcels:latest", p.folder).digest) for p in (parcels, theirs))
    assert report.images[before] > 0
    assert report.images[after] == report.unknown_level == report.rows - report.images[before] > 0
    assert sum(report.levels.values()) == report.images[before]


def test_requests_leave_in_event_order_and_reports_wait_for_their_answers(
    server: tuple[Project, str],
) -> None:
    """With eight connections the bodies arrive at most as far out of order as there are connections."""
    project, url = server
    with between(int(url.rpartition(":")[2]), lambda number: None) as (through, bodies):
        replay = played(project, since="2024-10-20", until="2024-10-24", url=through)
    assert replay.report().whole
    numbers = replay.recorded.numbers.tolist()
    place = {f"replay:{replay.name}:{number}": at for at, number in enumerate(numbers)}
    seen: list[int] = []
    for body in map(json.loads, bodies):
        if "rows" in body:
            seen.append(place[body["id"]])
            continue
        times = {row["sent"] for row in (json.loads(b)["rows"][0] for b in bodies[: bodies.index(_same(bodies, body))]
                                         if b"rows" in b)}  # fmt: skip
        assert {outcome["key"]["sent"] for outcome in body["outcomes"]} <= times
    assert sorted(seen) == list(range(len(numbers)))
    assert all(abs(at - row) < 8 for at, row in enumerate(seen))


def _same(bodies: list[bytes], document: Any) -> bytes:
    return next(body for body in bodies if json.loads(body) == document)


def test_a_busy_server_is_asked_again_and_later_rows_wait(server: tuple[Project, str]) -> None:
    project, url = server
    trouble = {3: BUSY, 4: BUSY, 20: b""}
    with between(int(url.rpartition(":")[2]), trouble.get) as (through, bodies):
        replay = played(project, since="2024-10-20", until="2024-10-22", url=through, connections=1)
    report = replay.report()
    assert report.whole
    assert report.retried == 3
    assert bodies[3] == bodies[4] == bodies[5]
    assert bodies[20] == bodies[21]


def test_fewer_requests_are_on_their_way_when_the_server_was_too_busy(server: tuple[Project, str]) -> None:
    """Whatever is refused with 503 is sent again, and nothing is answered twice."""
    project, url = server
    with between(int(url.rpartition(":")[2]), lambda number: BUSY if number % 20 in (3, 4, 5) else None) as (
        through,
        bodies,
    ):
        replay = played(project, since="2024-10-20", until="2024-10-22", url=through)
    report = replay.report()
    assert report.whole
    assert report.retried == sum(1 for number in range(len(bodies)) if number % 20 in (3, 4, 5)) > 10
    answered = [body for number, body in enumerate(bodies) if number % 20 not in (3, 4, 5)]
    assert len(answered) == len(set(answered)) == report.rows + report.reports
    place = {f"replay:{replay.name}:{row}": at for at, row in enumerate(replay.recorded.numbers.tolist())}
    asked = [place[one["id"]] for one in map(json.loads, answered) if "rows" in one]
    assert all(abs(at - row) < 8 for at, row in enumerate(asked))  # those on their way, and no later ones


def test_a_server_that_goes_away_ends_the_replay_and_what_was_answered_stays(
    server: tuple[Project, str],
) -> None:
    project, url = server
    with between(int(url.rpartition(":")[2]), lambda number: None if number < 30 else b"") as (through, _):
        replay = played(project, since="2024-10-20", until="2024-10-25", url=through, patience=0.3)
    report = replay.report()
    assert 0 < report.answered <= 30
    assert "did not answer for 0.3 s (it closed the connection)" in report.problem
    assert sum(report.failed.values()) + report.unsent + report.answered == report.rows
    assert report.unsent > 0
    assert not report.whole


def test_a_server_is_asked_at_the_speed_that_is_wanted(server: tuple[Project, str]) -> None:
    """No row and no report leaves before its moment has come by the clock."""
    project, url = server
    seen: list[tuple[float, int]] = []
    replay = Replay(project.home, Wish("parcels", "2024-10-20", "2024-10-21", url=url, speed=200_000.0))
    began = time.monotonic()
    replay.play(lambda moment: seen.append((time.monotonic(), moment)))
    replay.finish()
    assert replay.report().whole
    first = int(replay.recorded.times[0])
    assert len(seen) == len(replay.recorded) + replay.report().reports
    assert all(now - began >= (moment - first) / SECOND / 200_000 for now, moment in seen)
    assert [moment for _, moment in seen] == sorted(moment for _, moment in seen)


def test_nobody_at_the_url_is_one_sentence(parcels: Project) -> None:
    for url, said in (
        (
            "http://127.0.0.1:9",
            r"^http://127.0.0.1:9 does not answer \(connection refused\): is the server running\?$",
        ),
        ("ftp://x", "'ftp://x' is not the URL of a server"),
        ("http://x:99999", "is not the URL of a server"),
        ("http://a b", "is not the URL of a server"),
    ):
        with pytest.raises(JomonError, match=said):
            played(parcels, since="2024-10-20", until="2024-10-22", url=url)


def test_another_program_at_the_url_is_told(parcels: Project) -> None:
    class Stranger(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Stranger) as other:
        thread = threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            with pytest.raises(JomonError, match="is no jomon server: check the URL"):
                played(
                    parcels, since="2024-10-20", until="2024-10-22", connections=1,
                    url=f"http://127.0.0.1:{other.server_address[1]}",
                )  # fmt: skip
        finally:
            other.shutdown()
            thread.join()


def test_a_fleet_that_is_not_served_is_told_in_the_server_s_words(server: tuple[Project, str]) -> None:
    project, url = server
    replay = Replay(project.home, Wish("parcels", "2024-10-20", "2024-10-22", url=url))
    replay.spec = replay.spec.model_copy(update={"fleet": "letters"})
    with pytest.raises(JomonError, match=r"refuses: This server does not know a fleet 'letters'"):
        replay.play()


def test_a_running_server_is_not_disturbed_by_a_replay_in_the_process(server: tuple[Project, str]) -> None:
    """It has a slot of its own in the journal, and leaves the moving to the server's mover."""
    project, url = server
    here = played(project, since="2024-10-12", until="2024-10-14")
    there = played(project, since="2024-10-12", until="2024-10-14", url=url)
    assert here.report().moved is None
    assert here.report().whole
    assert there.report().whole
    assert here.sheet.answers.tolist() == there.sheet.answers.tolist()
    assert {path.name for path in (project.home.root / "log" / "parcels").glob("slot-*.lock")} >= {
        "slot-00.lock",
        "slot-01.lock",
    }
