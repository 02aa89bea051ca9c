"""init, check, ingest: a project from nothing, and what is said of one that does not hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Run


def edit(folder: Path, old: str, new: str) -> None:
    file = folder / "jomon.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_a_new_project_passes_its_own_check(run: Run, tmp_path: Path) -> None:
    made = run("init", tmp_path / "new", "--json")
    assert made.json["files"] == ["jomon.yaml", "sales.csv"]
    checked = run("check", "-p", tmp_path / "new", "--json")
    assert checked.status == 0
    assert checked.json["holds"] is True
    assert checked.json["rows"] == 2920
    assert checked.json["quarantined"] == 0


@pytest.mark.parametrize("example", ["flights", "births"])
def test_an_example_is_copied_and_its_file_holds(run: Run, tmp_path: Path, example: str) -> None:
    assert run("init", tmp_path / "new", "--example", example).status == 0
    checked = run("check", "-p", tmp_path / "new", "--no-data", "--json")
    assert checked.status == 0
    assert checked.json["fleet"] == example
    assert checked.json["rows"] is None


def test_a_folder_that_holds_something_is_left_as_it_is(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    ran = run("init", tmp_path)
    assert ran.status == 2
    assert ran.err == f"jomon: {tmp_path} is not empty: name a new or an empty folder for the project.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_unknown_example_is_told_with_the_near_one(run: Run, tmp_path: Path) -> None:
    ran = run("init", tmp_path / "new", "--example", "flight")
    assert ran.status == 2
    assert "did you mean 'flights'?" in ran.err
    assert not (tmp_path / "new").exists()


def test_every_rule_is_counted_and_zero_is_printed_as_zero(run: Run, copy: Path) -> None:
    ran = run("check", "-p", copy)
    assert ran.status == 0
    assert "   0  price is below 0" in ran.out
    assert "0 of 2,920 rows would go to quarantine." in ran.out


def test_rows_that_break_the_contract_are_counted_by_reason_and_are_no_error(run: Run, copy: Path) -> None:
    edit(copy, "price: {type: float, min: 0}", "price: {type: float, min: 2.0}")
    ran = run("check", "-p", copy, "--json")
    assert ran.status == 0
    cheap = ran.json["by_reason"]["price is below 2"]
    assert 0 < cheap == ran.json["quarantined"] < 2920


def test_rows_with_a_key_seen_before_are_counted(run: Run, copy: Path) -> None:
    edit(copy, "key: [shop, day]", "key: [city, day]")
    ran = run("check", "-p", copy, "--json")
    assert ran.status == 0
    assert ran.json["repeated"] == 1460
    assert "1,460  key seen before" in run("check", "-p", copy).out


def test_a_missing_column_is_told_with_file_line_key_and_a_correction(run: Run, copy: Path) -> None:
    edit(copy, "numeric: [price]", "numeric: [prise]")
    ran = run("check", "-p", copy)
    assert ran.status == 1
    assert "jomon.yaml:" in ran.err
    assert "data.features.numeric[0]: data.source has no column 'prise'; did you mean 'price'?" in ran.err


def test_all_problems_of_a_file_are_told_at_once(run: Run, copy: Path) -> None:
    edit(copy, "kind: count", "kind: cuont")
    edit(copy, "hemisphere: north", "hemisphere: up")
    ran = run("check", "-p", copy)
    assert ran.status == 1
    assert [line.startswith("jomon: ") for line in ran.err.splitlines()] == [True, True]
    told = run("check", "-p", copy, "--json")
    assert told.status == 1
    assert told.json["holds"] is False
    assert len(told.json["problems"]) == 2


def test_a_source_that_is_not_there_is_told_and_the_check_fails(run: Run, copy: Path) -> None:
    (copy / "sales.csv").unlink()
    ran = run("check", "-p", copy)
    assert ran.status == 1
    assert "no file matches 'sales.csv'" in ran.err


def test_a_folder_without_a_project_is_told(run: Run, tmp_path: Path) -> None:
    ran = run("build", "-p", tmp_path)
    assert ran.status == 2
    assert ran.err.startswith(f"jomon: There is no {tmp_path}/jomon.yaml")
    assert len(ran.err.splitlines()) == 1


def test_an_ingest_again_adds_nothing_and_says_so(run: Run, copy: Path) -> None:
    again = run("ingest", "-p", copy, "--json")
    assert again.status == 0
    assert (again.json["source"], again.json["seen"], again.json["new"]) == (2920, 2920, 0)
    told = run("ingest", "-p", copy)
    assert "2,920 were known already" in told.out
    assert "bring gold up to date" in told.err
    assert "bring gold" not in told.out


def test_a_command_finds_the_project_above_the_folder_it_runs_in(
    run: Run, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copy / "notes").mkdir()
    monkeypatch.chdir(copy / "notes")
    assert run("check", "--no-data").status == 0
    assert run("images").status == 0


def test_a_build_before_any_ingest_says_what_to_run_first(run: Run, tmp_path: Path) -> None:
    run("init", tmp_path / "new")
    ran = run("build", "-p", tmp_path / "new")
    assert ran.status == 2
    assert "run `jomon ingest` first" in ran.err
