"""The mover at work: it follows a growing log, ends when told, and whatever is killed loses and doubles nothing."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from jomon.core.errors import DataError, StoreError, UnknownNameError
from jomon.data.mover import MoveRules
from jomon.data.outcomes_table import read_outcomes
from jomon.data.predictions import read_predictions
from jomon.project.home import Home
from jomon.project.moving import MoveReport, Pace, fleets_with_log, log_folder, move_once, rules_of, watch
from jomon.project.scaffold import scaffold
from jomon.serving.journal import Journal

from ..data.log_help import HEADER, request  # noqa: TID252 - two rooms write the same records

QUICK = Pace(look=0.005, move=0.01, settle=0.05, upkeep=0.3, vacuum=0.5, again=0.02)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / ".jomon")


def written(home: Home, *names: str, fleet: str = "flights") -> None:
    with Journal.open(log_folder(home, fleet)) as journal:
        for name in names:
            journal.write([request(journal.declare(HEADER), name)])


def ids(home: Home, fleet: str = "flights") -> list[str]:
    frame = read_predictions(home.tables, fleet)
    return sorted(frame["request_id"]) if frame.width else []


@contextmanager
def watching(home: Home, *fleets: str, **options: object) -> Iterator[tuple[list[MoveReport], list[str]]]:
    """A mover in a thread: what it moved and what kept it from moving; told to stop at the end."""
    stop, moved, failed = threading.Event(), list[MoveReport](), list[str]()
    raised: list[BaseException] = []

    def run() -> None:
        try:
            watch(home, fleets, stop, moved=moved.append, failed=failed.append, pace=QUICK, **options)  # type: ignore[arg-type]
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield moved, failed
    finally:
        stop.set()
        thread.join()
    if raised:
        raise raised[0]


def until(holds: Callable[[], bool]) -> None:
    """Wait for something that other threads bring about."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, "it does not come about"
        time.sleep(0.005)


def test_one_pass_moves_a_fleet_and_tells_what_it_did(home: Home) -> None:
    written(home, "a", "b")
    told = move_once(home, "flights").document()
    assert {key: told[key] for key in ("fleet", "predictions", "outcomes", "files", "damaged")} == {
        "fleet": "flights", "predictions": 2, "outcomes": {}, "files": 1, "damaged": {},
    }  # fmt: skip
    assert ids(home) == ["a", "b"]


def test_a_fleet_without_a_log_is_told(home: Home) -> None:
    with pytest.raises(UnknownNameError, match="There is no log of flights"):
        move_once(home, "flights")
    assert fleets_with_log(home) == ()


def test_a_watch_follows_logs_that_come_and_grow_and_ends_after_a_last_pass(home: Home) -> None:
    with watching(home) as (moved, failed):
        written(home, "a")
        until(lambda: sum(one.moved.predictions for one in moved) == 1)
        written(home, "x", fleet="births")
        written(home, "b")
        until(lambda: sum(one.moved.predictions for one in moved) == 3)
        written(home, "c")
    assert (ids(home), ids(home, "births"), failed) == (["a", "b", "c"], ["x"], [])
    assert not list(log_folder(home, "flights").glob("w*.log"))


def test_a_watch_ends_when_its_lifeline_is_cut(home: Home) -> None:
    theirs, ours = os.pipe()
    written(home, "a")
    stop = threading.Event()
    thread = threading.Thread(target=watch, args=(home, ("flights",), stop), kwargs={"lifeline": theirs})
    thread.start()
    until(lambda: ids(home) == ["a"])
    written(home, "b")
    os.close(ours)
    thread.join()
    os.close(theirs)
    assert ids(home) == ["a", "b"]


def test_a_second_mover_says_so_and_the_first_goes_on(home: Home) -> None:
    written(home, "a")
    with watching(home) as (moved, _):
        until(lambda: bool(moved))
        with pytest.raises(StoreError, match="Another mover moves the log in"):
            move_once(home, "flights")
        with pytest.raises(StoreError, match="Another mover"), watching(home):
            pass
        written(home, "b")
    assert ids(home) == ["a", "b"]


def test_a_watch_tells_what_keeps_it_from_moving_and_tries_again(home: Home) -> None:
    written(home, "a")
    home.tables.mkdir(parents=True)
    (home.tables / "predictions").write_text("in the way")
    with watching(home) as (moved, failed):
        until(lambda: bool(failed))
        assert len(failed) == 1
        (home.tables / "predictions").unlink()
        until(lambda: bool(moved))
    assert ids(home) == ["a"]


def test_a_last_pass_that_cannot_move_is_an_error(home: Home) -> None:
    written(home, "a")
    home.tables.mkdir(parents=True)
    (home.tables / "predictions").write_text("in the way")
    with pytest.raises(DataError, match="predictions/flights"), watching(home):
        pass


def test_rules_are_those_of_the_project_and_without_one_every_row_stays(tmp_path: Path) -> None:
    assert rules_of(Home(tmp_path / "alone" / ".jomon"), "sales") == MoveRules()
    project = tmp_path / "sales"
    scaffold(project)
    home = Home(project / ".jomon")
    assert rules_of(home, "sales") == MoveRules(timedelta(days=90), None, "day")
    with (project / "jomon.yaml").open("a") as file:
        file.write("serving: {log: {retention: 7d}, outcomes: {late_after: 2d}}\n")
    assert rules_of(home, "sales") == MoveRules(timedelta(days=7), timedelta(days=2), "day")
    assert rules_of(home, "other") == MoveRules()


WRITER = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from log_help import HEADER, report, request
from jomon.serving.journal import Journal

acknowledged = os.open(sys.argv[3], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
journal = Journal.open(sys.argv[2], rotate_bytes=60_000)
header = journal.declare(HEADER)
number = 0
while True:
    name = f"{sys.argv[4]}-{number}"
    now = time.time_ns() // 1000
    batch = [request(header, name, rows=1 + number % 3, received=now)]
    if number % 4 == 0:
        batch.append(report(name, [1, name, 0, 1.0, None], [0, name, None, None, now], received=now))
    journal.write(batch)
    os.write(acknowledged, f"{name} {len(batch)}\\n".encode())
    number += 1
    if number % 5 == 0:
        time.sleep(0.002)
"""
"""Records requests and reports as fast as a server might, and acknowledges each once it is written."""

MOVER = """
import sys, threading
from pathlib import Path
from jomon.project.home import Home
from jomon.project.moving import Pace, watch

watch(Home(Path(sys.argv[1])), (), threading.Event(), lifeline=0, failed=lambda said: sys.exit(said),
      pace=Pace(look=0.002, move=0.02, settle=0.05, upkeep=0.5, vacuum=1.0))
"""


class Crew:
    """Two writers and a mover that are killed and replaced."""

    def __init__(self, home: Home, folder: Path) -> None:
        self.home, self.folder, self.lives = home, folder, 0
        self.helper = str(Path(__file__).parents[1] / "data")
        self.writers = [self.writer() for _ in range(2)]
        self.mover = self.new_mover()

    def writer(self) -> subprocess.Popen[bytes]:
        self.lives += 1
        given = [
            self.helper,
            str(log_folder(self.home, "flights")),
            str(self.folder / f"acknowledged-{self.lives}"),
        ]
        return subprocess.Popen([sys.executable, "-c", WRITER, *given, f"life{self.lives}"])

    def new_mover(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", MOVER, str(self.home.root)], stdin=subprocess.PIPE)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        assert process.poll() is None, "a process ended by itself"
        process.kill()
        process.communicate()


def test_nothing_acknowledged_is_lost_or_doubled_whatever_is_killed(home: Home, tmp_path: Path) -> None:
    """30 kills at random moments under load: 15 of writers, 15 of the mover, which also joins and cleans up."""
    dice = random.Random(3)
    crew = Crew(home, tmp_path)
    commits = home.tables / "predictions" / "flights" / "_delta_log"

    def commit_count() -> int:
        return len(list(commits.glob("*.json")))

    for turn in range(30):
        before = commit_count()
        if turn % 2:
            until(lambda before=before: commit_count() > before)  # type: ignore[misc]
        time.sleep(dice.uniform(0.0, 0.6))
        if turn % 2:
            crew.kill(crew.mover)
            crew.mover = crew.new_mover()
        else:
            at = dice.randrange(2)
            crew.kill(crew.writers[at])
            crew.writers[at] = crew.writer()
    for process in (*crew.writers, crew.mover):
        crew.kill(process)
    move_once(home, "flights")

    acknowledged = [
        line.split() for path in tmp_path.glob("acknowledged-*") for line in path.read_text().splitlines()
    ]
    rows = read_predictions(home.tables, "flights", columns=["request_id", "row"])
    once = rows.unique()
    assert once.height == rows.height
    sizes = dict(rows.group_by("request_id").len().iter_rows())
    assert [name for name, _ in acknowledged if sizes.get(name) != 1 + int(name.split("-")[1]) % 3] == []
    assert len(acknowledged) > 2000
    assert len(sizes) <= len(acknowledged) + crew.lives

    outcomes = read_outcomes(home.tables, "flights", columns=["report_id", "key", "status"])
    assert outcomes.unique().height == outcomes.height
    reported = outcomes.group_by("report_id").agg(pl.len(), pl.col("status").unique().sort())
    assert reported["len"].unique().to_list() == [2]
    assert outcomes["status"].unique().to_list() == ["new"]
    assert {name for name, size in acknowledged if size == "2"} <= set(reported["report_id"])
    assert list(log_folder(home, "flights").glob("w*.log")) == []
    assert not (log_folder(home, "flights") / "damaged").exists()
