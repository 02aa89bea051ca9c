"""Nothing acknowledged is lost, and nothing comes twice, whichever process is killed at whichever moment."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pytest

from jomon.data.outcomes_table import read_outcomes
from jomon.data.predictions import read_predictions
from jomon.project.home import Home

from .fleets import STATIONS, ride
from .load import Callers, Next, calling
from .releases import Releases
from .servers import END_SECONDS, PAUSE, START_SECONDS, children_of, lives, reserved

Role = Literal["worker", "mover", "supervisor"]
KILLS: list[Role] = ["worker"] * 8 + ["mover"] * 4 + ["supervisor"] * 2
MOVES = 2


class Victim:
    """A server that is killed part by part, and started again when its supervisor is gone."""

    def __init__(self, folder: Path, port: int, words: list[str]) -> None:
        self.folder, self.port = folder, port
        self._command = [sys.executable, "-m", "jomon.cli.main", "serve", *words, "--port", str(port)]
        self._log = (folder / "said").open("ab")
        self.old: set[int] = set()
        self.process = self._begin()

    def _begin(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, cwd=self.folder, stdout=self._log, stderr=self._log)

    def children(self, role: Role) -> list[int]:
        """Processes that the supervisor started, by what they do."""
        return [pid for pid in children_of(self.process.pid) if _role(pid) == role]

    def kill(self, role: Role, draw: random.Random) -> bool:
        """Kill one process of a role; whether there was one."""
        if role == "supervisor":
            self.old |= {*self.children("worker"), *self.children("mover")}
            self.process.kill()
            self.process.wait()
            self.process = self._begin()
            return True
        found = self.children(role)
        if found:
            os.kill(draw.choice(found), signal.SIGKILL)
        return bool(found)

    def end(self) -> None:
        """SIGTERM, when it hears it; all processes of all lives are gone then."""
        wait(lambda: self.children("worker"), "the start")
        self.process.terminate()
        assert self.process.wait(END_SECONDS) == 0, self.said()
        wait(lambda: not any(lives(pid) for pid in self.old), "the end of what killed supervisors left")

    def said(self) -> str:
        return (self.folder / "said").read_text(errors="replace")

    def stop(self) -> None:
        """After a test that failed."""
        for pid in (*self.children("worker"), *self.children("mover")):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        self._log.close()


def _role(pid: int) -> Role | None:
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"--multiprocessing-fork" in words:
            return "worker"
        if b"--lifeline" in words:
            return "mover"
    return None


def wait(holds: Any, what: str, seconds: float = START_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"{what} did not come about"
        time.sleep(PAUSE)


@contextmanager
def victim(folder: Path, *words: str) -> Iterator[Victim]:
    with reserved() as port:
        server = Victim(folder, port, list(words))
        try:
            yield server
        finally:
            server.stop()


def predictions(seed: int, sizes: tuple[int, ...]) -> Next:
    draw = random.Random(seed)

    def ask() -> tuple[str, Any]:
        rows = [
            ride(ride=draw.randint(1, 10**9), station=draw.choice(STATIONS), distance=draw.uniform(1, 20))
            for _ in range(draw.choice(sizes))
        ]
        return "/predict", {"rows": rows}

    return ask


def outcomes(seed: int) -> Next:
    draw = random.Random(seed)

    def ask() -> tuple[str, Any]:
        items = []
        for _ in range(draw.randint(1, 3)):
            key = {name: ride(ride=draw.randint(1, 10**9))[name] for name in ("station", "ride", "booked")}
            items.append({"key": key, "value": draw.randint(0, 1)})
        return "/outcomes", {"outcomes": items}

    return ask


@pytest.mark.parametrize(("image", "seed"), [("one", 11), ("two", 12)], ids=["synced later", "synced first"])
def test_kills_at_random_moments_lose_and_double_nothing(
    releases: Releases, image: str, seed: int, tmp_path: Path
) -> None:
    """Kills of workers, mover and supervisor in random order and at random moments, for each way of syncing, while
    the tag moves."""
    folder = shutil.copytree(releases.folder, tmp_path / "fleets")
    images = Home(folder / "rides" / ".jomon").images
    images.tag(f"rides:{image}", "rides:latest")
    draw = random.Random(seed)
    asks = [predictions(1, (1, 2, 3)), predictions(2, (1,)), predictions(3, (1, 300)), outcomes(4)]
    with victim(folder, "rides", "--workers", "2") as server:
        with calling(server.port, asks, patient=True) as callers:
            heard = Heard(callers)
            heard.more(20)
            for role in draw.sample([*KILLS, *[None] * MOVES], len(KILLS) + MOVES):
                if role is None:
                    images.tag(f"rides:{draw.choice(['one', 'two'])}", "rides:latest")
                else:
                    wait(partial(server.kill, role, draw), f"a {role} to kill")
                callers.stop.wait(draw.uniform(0.0, 0.8))
                if draw.random() < 0.4:
                    heard.more(20)  # a full life now and then
            heard.more(20)
        server.end()
    once = [sys.executable, "-m", "jomon.cli.main", "mover", "--once", "--project", str(folder / "rides")]
    done = subprocess.run(once, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    home = folder / "rides" / ".jomon"
    assert list((home / "log" / "rides").glob("w*")) == []
    assert not (home / "log" / "rides" / "damaged").exists()
    check_predictions(callers, read_predictions(home / "tables", "rides"))
    check_outcomes(callers, read_outcomes(home / "tables", "rides"))


class Heard:
    """Waits for answers."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    def more(self, count: int) -> None:
        """Wait for so many further answers of each kind."""
        goal = {status: self._count(status) + count for status in (200, 202)}
        wait(lambda: all(self._count(status) >= goal[status] for status in goal), "answers")

    def _count(self, status: int) -> int:
        return sum(one.status == status for one in self._callers.answered)


def check_predictions(callers: Callers, table: pl.DataFrame) -> None:
    """Every row of every request that was answered is there once, no row of any request twice."""
    assert callers.statuses <= {200, 202, 503}
    assert not table.select("request_id", "row").is_duplicated().any()
    kept = dict(table.group_by("request_id").len().iter_rows())
    answered = {
        one.document["request_id"]: len(one.sent["rows"]) for one in callers.answered if one.status == 200
    }
    assert len(answered) > 100
    assert {name: kept.get(name, 0) for name in answered} == answered


def check_outcomes(callers: Callers, table: pl.DataFrame) -> None:
    """Every outcome that was accepted is there once, and none of any report twice."""
    assert not table.select("report_id", "key").is_duplicated().any()
    kept = dict(table.group_by("report_id").len().iter_rows())
    accepted = {
        one.document["report_id"]: one.document["accepted"] for one in callers.answered if one.status == 202
    }
    assert len(accepted) > 40
    assert {name: kept.get(name, 0) for name in accepted} == accepted
