"""Several processes that record at once lose nothing, and one that is killed at any moment leaves nothing by halves."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jomon.store.ledger import open_ledger
from jomon.store.sql.ledger import Ledger

KILLS = 4
WRITER = """
import os, sys
from contextlib import suppress
from jomon.core.errors import JomonError
from jomon.core.findings import Cause, Span
from jomon.core.incidents import Trouble
from jomon.core.segments import Segment
from jomon.store.ledger import open_ledger

DAY, first, step, last = 86_400_000_000, *map(int, sys.argv[2:5])

def trouble(day, column):
    parts = (Segment((("carrier", "UA"),)),)
    severity = "high" if day % 3 == 0 else "low"
    return Trouble(Span(day * DAY, (day + 1) * DAY), parts, (column,), (), Cause("stuck", "so", 1.0), 1, 10, severity)

with open_ledger(sys.argv[1]) as ledger:
    os.write(1, b"ready" + bytes([10]))
    sys.stdin.readline()
    for day in range(first, last, step):
        window = Span(day * DAY, (day + 1) * DAY)
        columns = ("distance", "temp", f"only{day}") if day % 2 else ("distance", f"only{day}")
        said = [trouble(day, column) for column in columns]
        [found, *_] = ledger.record("flights", window, said, day, online={"day": day})
        os.write(1, f"{day}".encode() + bytes([10]))
        if day % 5 == 4:
            with suppress(JomonError):  # the other process was quicker
                ledger.close_incident(found.name, "anna", day, "over")
"""


def start(place: Path | str, first: int, step: int, last: int = 10**6) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WRITER, str(place), str(first), str(step), str(last)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def go(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.write(b"go\n")
    process.stdin.flush()


def check(ledger: Ledger) -> None:
    """Every incident has its windows, events and news, and none has half of them."""
    every = ledger.incidents()
    assert len({one.name for one in every}) == len(every)
    told = 0
    for one in every:
        seen = ledger.troubles(one.name)
        assert (one.windows, one.rows) == (len(seen), 10 * len(seen))
        assert len({trouble.window for trouble in seen}) == len(seen)
        acts = [event.act for event in one.events]
        assert acts[0] == "opened"
        assert acts.count("opened") == 1
        assert one.state == ("closed" if acts[-1] == "closed" else "open")
        told += len(acts)  # growth is of severity alone here
    assert ledger.notifications("flights").waiting == told


def test_two_processes_record_at_once(ledger_place: Path | str) -> None:
    days = 20
    writers = [start(ledger_place, first, 2, days) for first in (0, 1)]
    for writer in writers:
        go(writer)
    for writer in writers:
        with writer:
            said, _ = writer.communicate(timeout=120)
        assert writer.returncode == 0
        assert len(said.split()) == days / 2
    with open_ledger(ledger_place) as ledger:
        check(ledger)
        every = ledger.incidents()
        assert sorted(int(one.name.rpartition("-")[2]) for one in every) == list(range(1, len(every) + 1))
        whole = {window.start for one in every for window in (t.window for t in ledger.troubles(one.name))}
        assert len(whole) == days
        lonely = [one for one in every if one.last.columns[0].startswith("only")]
        assert len(lonely) == days  # one window's own trouble is an incident once


def test_a_recorder_that_is_killed_leaves_nothing_by_halves(ledger_place: Path | str) -> None:
    chance, done = random.Random(5), 0
    for _ in range(KILLS):
        with start(ledger_place, done, 1) as writer:
            go(writer)
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(chance.uniform(0, 0.25))
            writer.kill()
            said = writer.communicate()[0].split()
        done = max(done, *(int(day) + 1 for day in said)) if said else done + 1
        with open_ledger(ledger_place) as ledger:
            check(ledger)
            state = ledger.online("flights")
            assert state is not None
            assert state["day"] >= done - 1  # what was acknowledged is there
            windows = {t.window.start for one in ledger.incidents() for t in ledger.troubles(one.name)}
            assert len(windows) >= done


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_killed_at_the_commit_has_all_or_nothing(ledger_place: Path | str, moment: str) -> None:
    code = WRITER.replace(
        "with open_ledger",
        f"""
import signal
from jomon.store.sql import ledger as module
keep = module._keep_online
def dying(connection, *others):
    keep(connection, *others)
    if {moment == "after"}:
        connection.commit()
    os.kill(os.getpid(), signal.SIGKILL)
module._keep_online = dying
with open_ledger""",
        1,
    )
    open_ledger(ledger_place).close()
    done = subprocess.run(
        [sys.executable, "-c", code, str(ledger_place), "0", "1", "9"],
        input=b"go\n",
        capture_output=True,
        check=False,
    )
    assert done.returncode == -9
    with open_ledger(ledger_place) as ledger:
        check(ledger)
        assert len(ledger.incidents()) == (2 if moment == "after" else 0)
        assert ledger.online("flights") == ({"day": 0} if moment == "after" else None)


def test_an_opener_killed_between_two_tables_leaves_none(ledger_place: Path | str) -> None:
    code = """
import os, signal, sys
from alembic.operations import Operations
from jomon.store.ledger import open_ledger

make = Operations.create_table
def dying(self, name, *others, **options):
    if name == "checks":
        os.kill(os.getpid(), signal.SIGKILL)
    return make(self, name, *others, **options)
import alembic.op
alembic.op.create_table = lambda name, *others, **options: dying(alembic.op._proxy, name, *others, **options)
open_ledger(sys.argv[1])
"""
    done = subprocess.run([sys.executable, "-c", code, str(ledger_place)], check=False, capture_output=True)
    assert done.returncode == -9, done.stderr
    with open_ledger(ledger_place) as ledger:
        assert ledger.incidents() == []
        assert ledger.checks("flights") == []
