"""`jomon outcomes`: a file is added whole or not at all, twice is once, and the counts say what became of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from jomon.core.journal import Kind
from jomon.data.mover import Mover, MoveRules
from jomon.serving.journal import Journal, payload

MIDNIGHT = 1_704_067_200_000_000  # 2024-01-01 in Lisbon
HEADER = {
    "fleet": "sales", "image": "sha256:aa", "reference": "sales:latest", "role": "champion",
    "columns": [["price", "number"], ["shop", "text"]], "key": ["shop", "day"], "time": "day",
    "stages": [""], "hashed": [], "left_out": [],
}  # fmt: skip
Run = Callable[..., Any]


@pytest.fixture
def file(copy: Path) -> Path:
    path = copy / "outcomes.csv"
    path.write_text(
        "shop,day,sold\nharbour,2024-01-01,7\nmarket,2024-01-01,\npark,2024-01-01,9\n", encoding="utf-8"
    )
    return path


def predicted(folder: Path) -> None:
    """Two answers of the server, moved into the tables."""
    home = folder / ".jomon"
    journal = Journal.open(home / "log" / "sales")
    rows = [[n, MIDNIGHT, 5.0, 1.0, [""], [2.0, shop], []] for n, shop in enumerate(("harbour", "market"))]
    journal.write([payload(Kind.PREDICTION, [journal.declare(HEADER), "r1", None, MIDNIGHT, 9, rows])])
    journal.close()
    with Mover.open(home / "log" / "sales", home / "tables", "sales", MoveRules()) as mover:
        assert mover.move().predictions == 2


def test_a_file_is_added_and_counted(run: Run, copy: Path, file: Path) -> None:
    predicted(copy)
    ran = run("outcomes", "add", file, "-p", copy)
    assert ran.status == 0, ran.err
    assert ran.out.splitlines() == [
        "Added 3 outcomes of sales: 3 new, 0 repeated, 0 conflicting, 0 late.",
        "2 of recorded predictions, the others wait for theirs.",
        "1 outcome without a value: never to be known.",
    ]
    told = run("outcomes", "status", "-p", copy, "--json").json
    assert told == {
        "fleet": "sales", "received": 3, "new": 3, "repeated": 0, "conflicting": 0, "late": 0, "matched": 2,
        "unmatched": 1, "predictions": 2, "with_outcome": 1, "never": 1, "undecided": 0, "without_outcome": 0,
    }  # fmt: skip
    lines = run("outcomes", "status", "-p", copy).out.splitlines()
    assert lines[0].split() == ["OUTCOMES", "OF", "sales", "COUNT"]
    assert ["waiting", "for", "their", "prediction", "1"] in [line.split() for line in lines]


def test_a_file_added_twice_is_repeated_and_counts_once(run: Run, copy: Path, file: Path) -> None:
    predicted(copy)
    first = run("outcomes", "add", file, "-p", copy, "--json").json
    second = run("outcomes", "add", file, "-p", copy, "--json").json
    assert (first["statuses"]["new"], second["statuses"]["repeated"]) == (3, 3)
    assert first["report_id"] != second["report_id"]
    told = run("outcomes", "status", "-p", copy, "--json").json
    assert (told["received"], told["with_outcome"], told["predictions"]) == (6, 1, 2)


def test_a_row_that_cannot_be_read_refuses_the_file(run: Run, copy: Path, file: Path) -> None:
    with file.open("a", encoding="utf-8") as lines:
        lines.write("park,2024-01-02,many\n")
    ran = run("outcomes", "add", file, "-p", copy)
    assert ran.status == 2
    assert f"Row 3 of {file}: column 'sold' holds 'many', which is not a count" in ran.err
    assert run("outcomes", "status", "-p", copy, "--json").json["received"] == 0


def test_what_is_not_used_is_told_with_the_rule_that_says_so(run: Run, copy: Path, file: Path) -> None:
    project = copy / "jomon.yaml"
    rules = "\nserving: {outcomes: {late_after: 2d, late: refuse, conflicting: refuse}}\n"
    project.write_text(project.read_text(encoding="utf-8") + rules, encoding="utf-8")
    predicted(copy)
    file.write_text("shop,day,sold\nharbour,2024-01-01,7\nelsewhere,2024-01-01,1\nelsewhere,2024-01-01,2\n")
    ran = run("outcomes", "add", file, "-p", copy)
    assert "Not used: 1 outcome, late (serving.outcomes.late: refuse)." in ran.out
    assert "Not used: 1 outcome, conflicting (serving.outcomes.conflicting: refuse)." in ran.out
    assert run("outcomes", "status", "-p", copy, "--json").json["without_outcome"] == 2


def test_a_store_alone_is_enough(
    run: Run, copy: Path, tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    shutil.move(copy / ".jomon", store)
    monkeypatch.setenv("JOMON_STORE", str(store))
    monkeypatch.chdir(tmp_path)
    assert run("outcomes", "add", file).status == 0
    assert run("outcomes", "status", "--fleet", "sales", "--json").json["received"] == 3
    wrong = run("outcomes", "status", "--fleet", "sails")
    assert (wrong.status, "no image of a fleet 'sails'; did you mean 'sales'?" in wrong.err) == (2, True)


def test_a_store_of_several_fleets_asks_which(run: Run, copy: Path, file: Path) -> None:
    run("tag", "sales", "others:latest", "-p", copy)
    (copy / "jomon.yaml").unlink()
    ran = run("outcomes", "add", file, "-p", copy)
    assert (ran.status, "name it with --fleet (one of others, sales)" in ran.err) == (2, True)


def test_parquet_by_request_is_added(run: Run, copy: Path) -> None:
    predicted(copy)
    pl.DataFrame({"request_id": ["r1"], "row": [1], "value": [3]}).write_parquet(copy / "o.parquet")
    ran = run("outcomes", "add", copy / "o.parquet", "-p", copy, "--json")
    assert ran.json["matched"] == 1
    assert run("outcomes", "status", "-p", copy, "--json").json["with_outcome"] == 1


def test_a_refresh_from_answered_rows_needs_only_a_store(run: Run, copy: Path) -> None:
    (copy / "jomon.yaml").unlink()
    ran = run("refresh", "sales:latest", "--from", "predictions", "-p", copy)
    assert ran.status == 0, ran.err
    assert ran.out.startswith("Learned 0 outcomes of ")
    assert "(the image is the same)" in ran.out
    told = run("refresh", "sales", "--from", "predictions", "-p", copy, "--json").json
    assert (told["source"], told["carried"], told["unrecorded"]) == ("predictions", 0, 0)
    assert run("refresh", "sales", "--from", "silver", "-p", copy).status == 2
    assert run("refresh", "--from", "predictions", "-p", copy).status == 2
