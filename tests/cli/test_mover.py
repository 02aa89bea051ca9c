"""`jomon mover`: the log into the tables, once or as it grows, and what it says of it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jomon.core.journal import Kind
from jomon.data.predictions import read_predictions
from jomon.serving.journal import Journal, payload

from .conftest import Run

HEADER = {
    "image": "sha256:aa", "reference": "sales:latest", "role": "champion", "columns": [["shop", "text"]],
    "key": ["shop", "day"], "time": "day",
}  # fmt: skip
MOMENT = 1_767_225_600_000_000


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "jomon.yaml").write_text("fleet: sales\n")
    return tmp_path


def written(project: Path, *names: str, fleet: str = "sales") -> None:
    with Journal.open(project / ".jomon" / "log" / fleet) as journal:
        header = journal.declare(HEADER)
        for name in names:
            row = [0, MOMENT, 0.5, 0.0, [""], ["north"], []]
            journal.write([payload(Kind.PREDICTION, [header, name, None, MOMENT, 9, [row]])])
            journal.write([payload(Kind.OUTCOME, [MOMENT, name, [[1, name, 0, 1.0, None]]])])


def moved(project: Path) -> list[str]:
    frame = read_predictions(project / ".jomon" / "tables", "sales")
    return sorted(frame["request_id"]) if frame.width else []


def test_what_is_there_is_moved_once_and_told(run: Run, project: Path) -> None:
    written(project, "a", "b")
    ran = run("mover", "--once", "-p", project)
    assert (ran.status, ran.out) == (0, "sales: moved 2 predictions and 2 outcomes (2 new).\n")
    assert run("mover", "--once", "-p", project).out == "sales: moved 0 predictions and 0 outcomes.\n"
    assert moved(project) == ["a", "b"]


def test_json_has_every_fleet(run: Run, project: Path) -> None:
    written(project, "a")
    written(project, "x", fleet="births")
    told = run("mover", "--once", "--json", "-p", project).json
    assert [(one["fleet"], one["predictions"], one["outcomes"]) for one in told] == [
        ("births", 1, {"new": 1}),
        ("sales", 1, {"new": 1}),
    ]


def test_a_fleet_that_was_never_served_is_told(run: Run, project: Path) -> None:
    ran = run("mover", "sale", "--once", "-p", project)
    assert ran.status == 2
    assert "There is no log of sale in" in ran.err


def test_damage_is_told_and_the_rest_is_moved(run: Run, project: Path) -> None:
    written(project, "a", "b")
    (file,) = (project / ".jomon" / "log" / "sales").glob("w*.log")
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)
    ran = run("mover", "--once", "-p", project)
    assert ran.status == 0
    assert "of sales had" in ran.err
    assert "set aside under damaged" in ran.err
    assert moved(project) == ["a", "b"]


def test_a_mover_follows_the_log_until_it_is_told_to_end_and_a_second_says_so(
    run: Run, project: Path
) -> None:
    """Each pass is a line of JSON; SIGTERM ends it after a last pass."""
    written(project, "a")
    command = [sys.executable, "-m", "jomon.cli.main", "mover", "--json", "-p", str(project)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert json.loads(process.stdout.readline())["predictions"] == 1
        second = run("mover", "--once", "-p", project)
        assert (second.status, second.err.split(" in ")[0]) == (2, "jomon: Another mover moves the log")
        written(project, "b")
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    assert sum(json.loads(line)["predictions"] for line in said.splitlines()) == 1
    assert moved(project) == ["a", "b"]
