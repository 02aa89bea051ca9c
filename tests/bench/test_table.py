"""The table holds every result against its mark and hides no miss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bench.common import document, single, write
from bench.marks import MARKS, Check, Mark
from bench.table import BEGIN, END, PAGE, cells, read_results, table, with_table

CHECK = Check("ratios", "peer*", ">=", 10.0)
MARK = Mark("S0", "work", "a peer", "at least 10 times", (CHECK,), "The disk is slow.")


def result(value: float | None, against: str = "peer, 1 connection") -> dict[str, Any]:
    row = {"against": against, "value": value, "low": value, "high": value, "n": 5}
    return document("S0", "work", {}, [single("members", 3, "members")], [row])


def test_a_mark_that_is_reached_is_said_as_reached() -> None:
    assert cells(MARK, result(12.0))[-2:] == ("peer, 1 connection: 12 (12 to 12)", "yes")


def test_a_missed_mark_is_said_as_missed_with_the_number_and_the_reason() -> None:
    shown, reached = cells(MARK, result(9.0))[-2:]
    assert "9" in shown
    assert reached.startswith("**missed**: peer, 1 connection")
    assert reached.endswith("The disk is slow.")


def test_a_value_that_is_not_known_does_not_reach_a_mark() -> None:
    assert "missed" in cells(MARK, result(None))[-1]


def test_a_check_that_finds_nothing_to_check_is_a_miss() -> None:
    assert "missed" in cells(MARK, result(12.0, "somebody else"))[-1]


def test_what_was_not_measured_is_said_and_not_called_reached() -> None:
    assert cells(MARK, None)[-2:] == ("not measured yet", "")


def test_every_check_may_look_at_the_end_of_an_interval() -> None:
    check = Check("results", "*share*", "<", 0.0, "high")
    assert not check.holds({"what": "share", "value": -1.0, "low": -2.0, "high": 0.1})
    assert check.holds({"what": "share", "value": -1.0, "low": -2.0, "high": -0.1})


def test_a_bar_in_a_cell_does_not_break_the_table() -> None:
    line = table([Mark("S0", "a|b", "", "")], {}).splitlines()[2]
    assert r"a\|b" in line


def test_only_the_part_between_the_marks_of_a_page_is_replaced() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    new = with_table(page, "new\n")
    assert new.startswith("before\n") and new.endswith("\nafter\n") and "old" not in new
    assert with_table(new, "new\n") == new
    with pytest.raises(SystemExit, match="has no lines"):
        with_table("nothing", "new")


def test_short_runs_are_never_quoted_and_broken_files_are_refused(tmp_path: Path) -> None:
    write(result(1.0), False, tmp_path)
    assert read_results(tmp_path) == {}
    (tmp_path / "S0.json").write_text(json.dumps({"id": "S0"}))
    with pytest.raises(SystemExit, match="lacks work"):
        read_results(tmp_path)


def test_every_mark_has_an_id_of_its_own() -> None:
    assert len({mark.id for mark in MARKS}) == len(MARKS)


def test_the_page_shows_the_results_that_are_there() -> None:
    """Run `python -m bench.table` where this fails."""
    page = PAGE.read_text()
    assert with_table(page, table(MARKS, read_results())) == page
