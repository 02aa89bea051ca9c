"""Outcomes are added by one process at a time, and upkeep by another process takes none of them away."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jomon.core.journal import Kind
from jomon.data.log_records import Item, Report
from jomon.data.mover import Mover, MoveRules
from jomon.data.outcomes_table import outcome_rows, outcomes_table, read_outcomes
from jomon.data.outcomes_writing import add_outcomes
from jomon.data.predictions import predictions_table
from jomon.serving.journal import Journal, payload

NOW = 1_767_225_600_000_000
FLEET = "flights"
ADDER = """
import sys
from pathlib import Path
from jomon.data.log_records import Item, Report
from jomon.data.outcomes_table import outcome_rows, outcomes_table
from jomon.data.outcomes_writing import add_outcomes
from jomon.data.predictions import predictions_table

root, me = Path(sys.argv[1]), sys.argv[2]
for n in range(int(sys.argv[3])):
    items = [Item(0, f"k{n} {i}", 0, 1.0, None) for i in range(3)]
    tables = predictions_table(root, "flights"), outcomes_table(root, "flights")
    add_outcomes(root, tables, outcome_rows([Report(1_767_225_600_000_000, f"{me} {n}", items)]), "t", None)
"""

FILE_ADDER = """
import sys
from pathlib import Path
import polars as pl
from jomon.data.log_records import Item, Report
from jomon.data.outcomes_table import outcome_rows, outcomes_table
from jomon.data.outcomes_writing import add_outcomes
from jomon.data.predictions import predictions_table

root = Path(sys.argv[1])
items = [Item(0, f"k{i}", 0, 1.0, None) for i in range(20_000)]
new = outcome_rows([Report(1_767_225_600_000_000, "file", items)])
tables = predictions_table(root, "flights"), outcomes_table(root, "flights")
print("ready", flush=True)
add_outcomes(root, tables, new, "t", None)
print("added", flush=True)
"""


def add(root: Path, *keys: str, at: int = NOW) -> list[str]:
    new = outcome_rows([Report(at, "file", [Item(0, key, 0, 1.0, None) for key in keys])])
    tables = predictions_table(root, FLEET), outcomes_table(root, FLEET)
    return add_outcomes(root, tables, new, "t", None)["status"].to_list()


def test_nothing_to_add_makes_no_table(tmp_path: Path) -> None:
    assert add(tmp_path) == []
    assert not (tmp_path / "outcomes").exists()


def test_processes_that_add_the_same_at_once_find_each_new_once(tmp_path: Path) -> None:
    adders = [subprocess.Popen([sys.executable, "-c", ADDER, str(tmp_path), str(me), "6"]) for me in range(3)]
    assert [adder.wait(timeout=120) for adder in adders] == [0, 0, 0]
    found = read_outcomes(tmp_path, FLEET)
    assert found.height == 3 * 6 * 3
    assert Counter(found["status"].to_list()) == {"new": 18, "repeated": 36}


def test_what_a_file_brought_is_known_to_the_mover_and_stays_through_its_upkeep(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "log")
    root = tmp_path / "tables"
    with Mover.open(tmp_path / "log", root, FLEET, MoveRules()) as mover:
        journal.write([payload(Kind.OUTCOME, [NOW, "r1", [[0, "a", 0, 1.0, None]]])])
        assert mover.move().outcomes == {"new": 1}
        assert add(root, "a", "b", at=NOW + 1) == ["repeated", "new"]
        long_ago = time.time() - 86_400
        for path in root.rglob("*.parquet"):
            os.utime(path, (long_ago, long_ago))
        mover.keep_up(datetime.now(UTC))
        journal.write([payload(Kind.OUTCOME, [NOW + 2, "r2", [[0, "b", 0, 1.0, None]]])])
        assert mover.move().outcomes == {"repeated": 1}
    journal.close()
    found = read_outcomes(root, FLEET, columns=["key", "status"])
    assert sorted(found.rows()) == [("a", "new"), ("a", "repeated"), ("b", "new"), ("b", "repeated")]


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.06, 0.2])
def test_a_process_that_is_killed_has_added_all_or_nothing(tmp_path: Path, delay: float) -> None:
    command = [sys.executable, "-c", FILE_ADDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as adder:
        assert adder.stdout is not None
        assert adder.stdout.readline() == "ready\n"
        with suppress(subprocess.TimeoutExpired):
            adder.wait(delay)
        adder.kill()
        said = adder.stdout.read()
    found = read_outcomes(tmp_path, FLEET)
    assert found.height in ((20_000,) if said else (0, 20_000))
    again = Counter(add(tmp_path, *(f"k{i}" for i in range(20_000))))
    assert again == {"repeated" if found.height else "new": 20_000}


@pytest.mark.parametrize("first", ["file", "mover"])
def test_the_first_to_write_makes_the_table(tmp_path: Path, first: str) -> None:
    journal = Journal.open(tmp_path / "log")
    journal.write([payload(Kind.OUTCOME, [NOW, "r1", [[0, "a", 0, 0.0, None]]])])
    root = tmp_path / "tables"
    with Mover.open(tmp_path / "log", root, FLEET, MoveRules()) as mover:
        if first == "file":
            assert add(root, "a") == ["new"]
            assert mover.move().outcomes == {"conflicting": 1}
        else:
            assert mover.move().outcomes == {"new": 1}
            assert add(root, "a") == ["conflicting"]
    journal.close()
