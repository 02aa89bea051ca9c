"""build, refresh, evaluate, predict, route: from gold to answers."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from .conftest import Run

COUNTS = {"candidates", "accepted", "rejected", "unknown", "failed", "trained", "cached"}
ESTIMATE = {"value", "low", "high", "rows"}


def test_a_build_with_nothing_changed_comes_from_the_cache_step_by_step(run: Run, copy: Path) -> None:
    ran = run("build", "-p", copy)
    assert ran.status == 0
    steps = [line for line in ran.err.splitlines() if line.startswith((" => [", " => CACHED ["))]
    assert len(steps) == 4
    assert all(step.startswith(" => CACHED [") for step in steps)
    assert " => => naming to sales:latest" in ran.err
    assert "0 trained, 5 cached, 0 failed" in ran.out


def test_the_json_of_a_build_is_its_contract(run: Run, copy: Path) -> None:
    ran = run("build", "-p", copy, "--json")
    assert ran.err == ""
    document = ran.json
    assert document["digest"].startswith("sha256:")
    assert document["name"] == "sales:latest"
    assert set(document["members"]) >= COUNTS
    assert document["members"]["trained"] == 0
    assert document["size_bytes"] > 0
    assert set(document["seconds"]) >= {"total"}
    image = next(i for i in run("images", "-p", copy, "--json").json if i["tag"] == "latest")
    assert image["digest"] == document["digest"]
    assert image["size_bytes"] == document["size_bytes"]
    assert image["members"] == document["members"]["serving"]


def test_a_build_without_the_cache_fits_all_and_gives_the_same_image(run: Run, copy: Path) -> None:
    before = run("build", "-p", copy, "--json").json
    again = run("build", "-p", copy, "--no-cache", "--workers", "1", "--json").json
    assert again["members"]["trained"] == before["members"]["cached"] == 5
    assert again["digest"] == before["digest"]


def test_a_build_shows_every_count_of_every_stage_and_what_it_brought(run: Run, copy: Path) -> None:
    out = run("build", "-p", copy, "-t", "sales:other").out
    for heading in (
        "CANDIDATES",
        "ACCEPTED",
        "REJECTED",
        "UNKNOWN",
        "FAILED",
        "TOO FEW ROWS",
        "ANSWERED",
        "BROUGHT",
    ):
        assert heading in out
    assert "[shop, weekday]" in out
    assert "sales:other  sha256:" in out


def test_a_build_of_an_unknown_part_is_wrong_use(run: Run, copy: Path) -> None:
    ran = run("build", "-p", copy, "--refresh", "everything")
    assert ran.status == 2
    assert ran.err.splitlines()[-1].startswith("jomon: ")


def test_a_refresh_moves_the_name_and_shares_every_other_layer(run: Run, copy: Path) -> None:
    ran = run("refresh", "-p", copy, "--until", "2024-10-15", "--json")
    assert ran.status == 0
    assert ran.json["until"] == "2024-10-15"
    assert ran.json["outcomes"] == 84
    assert ran.json["digest"] != ran.json["before"]
    found = run("diff", "sales:v1", "sales:latest", "-p", copy, "--json").json
    assert (found["came"], found["went"], found["changed"]) == ([], [], [])
    assert sum(fast["moved"] for fast in found["fast"]) > 0
    assert "2024-10-15" in run("refresh", "-p", copy, "--until", "2024-10-15").out


def test_a_refresh_until_no_day_is_told(run: Run, copy: Path) -> None:
    ran = run("refresh", "-p", copy, "--until", "soon")
    assert ran.status == 2
    assert ran.err.splitlines()[-1] == "jomon: --until 'soon' is not a day; write it as 2013-10-31."


def test_the_json_of_an_evaluation_is_its_contract(run: Run, built: Path) -> None:
    document = run("evaluate", "-p", built, "--json").json
    assert document["cached"] is True
    for player in ("fleet", "global_kept", "global_retrained", "local"):
        assert set(document[player]) == set(document["metrics"])
        assert all(set(estimate) >= ESTIMATE for estimate in document[player].values())
    assert set(document["difference"]) == {"global_kept", "global_retrained", "local"}
    assert all(set(e) >= ESTIMATE for peer in document["difference"].values() for e in peer.values())


def test_an_evaluation_shows_players_stages_cost_and_sentences_and_writes_the_report(
    run: Run, built: Path
) -> None:
    ran = run("evaluate", "-p", built)
    assert ran.status == 0
    assert "CACHED the evaluation attached to the image" in ran.err
    for text in (
        "the fleet",
        "global, kept",
        "global, retrained",
        "local models",
        "VERDICT",
        "COMPUTE",
    ):
        assert text in ran.out
    assert (
        (built / ".jomon/reports/sales-latest.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    )


def test_an_evaluation_writes_its_report_where_it_is_told_to(run: Run, built: Path, tmp_path: Path) -> None:
    ran = run("evaluate", "-p", built, "--html", tmp_path / "mine.html", "--json")
    assert ran.json["report"] == str(tmp_path / "mine.html")
    assert (tmp_path / "mine.html").exists()


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_predictions_keep_the_rows_and_add_answer_member_and_chain(
    run: Run, built: Path, tmp_path: Path, suffix: str
) -> None:
    rows = pl.read_csv(built / "sales.csv", infer_schema=False).drop("sold").tail(50)
    file, out = tmp_path / f"rows{suffix}", tmp_path / f"out{suffix}"
    {".csv": rows.write_csv, ".parquet": rows.write_parquet, ".jsonl": rows.write_ndjson}[suffix](file)
    ran = run("predict", "sales", file, "-p", built, "-o", out, "--json")
    assert ran.status == 0, ran.err
    assert ran.json["rows"] == 50
    read = {".csv": pl.read_csv, ".parquet": pl.read_parquet, ".jsonl": pl.read_ndjson}[suffix](out)
    assert read.columns == [*rows.columns, "answer", "member", "chain"]
    assert (read["answer"] > 0).all()
    for member, chain in read.select("member", "chain").iter_rows():
        assert chain.startswith("(all)")
        assert chain.split(" > ")[-1] == member


def test_predictions_without_an_output_are_json_lines_on_stdout(run: Run, built: Path) -> None:
    ran = run("predict", "sales", built / "sales.csv", "-p", built)
    lines = pl.read_ndjson(ran.out.encode())
    assert lines.height == 2920
    assert ran.err == ""


def test_explained_margins_add_up_to_the_answer(run: Run, built: Path, tmp_path: Path) -> None:
    run("predict", "sales", built / "sales.csv", "-p", built, "-o", tmp_path / "out.parquet", "--explain")
    read = pl.read_parquet(tmp_path / "out.parquet")
    added = [name for name in read.columns if name.startswith("added:")]
    assert added == ["added:(all)", "added:shop", "added:city,season", "added:shop,weekday"]
    off = read.select((pl.sum_horizontal(added) - pl.col("margin")).abs().max()).item()
    assert off < 1e-12
    assert read.select((pl.col("margin").exp() - pl.col("answer")).abs().max()).item() < 1e-9


def test_a_missing_column_at_prediction_is_told_and_no_file_is_left(
    run: Run, built: Path, tmp_path: Path
) -> None:
    pl.read_csv(built / "sales.csv").drop("price").write_csv(tmp_path / "rows.csv")
    ran = run("predict", "sales", tmp_path / "rows.csv", "-p", built, "-o", tmp_path / "out.csv")
    assert ran.status == 2
    assert "Column 'price' is missing" in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_a_column_that_the_answer_brings_is_refused(run: Run, built: Path, tmp_path: Path) -> None:
    pl.read_csv(built / "sales.csv").rename({"sold": "answer"}).write_csv(tmp_path / "rows.csv")
    ran = run("predict", "sales", tmp_path / "rows.csv", "-p", built)
    assert ran.status == 2
    assert "'answer'" in ran.err


def test_a_route_of_a_row_needs_its_axes_alone_and_says_why_members_do_not_answer(
    run: Run, built: Path
) -> None:
    ran = run("route", "sales", "--row", "shop=park city=south day=2024-10-05", "-p", built, "--json")
    assert ran.status == 0, ran.err
    steps = ran.json[0]["steps"]
    assert [step["segment"] for step in steps] == [
        "(all)",
        "shop=park",
        "city=south season=autumn",
        "shop=park weekday=sat",
    ]
    assert all(step["active"] or step["reason"].startswith("no member") for step in steps)
    partly = run("route", "sales", "--row", "shop=park day=2024-10-05", "-p", built, "--json").json[0][
        "steps"
    ]
    assert partly[2]["reason"] == "no value for city"


def test_a_misspelt_name_in_a_row_is_told(run: Run, built: Path) -> None:
    ran = run("route", "sales", "--row", "shpo=park day=2024-10-05", "-p", built)
    assert ran.status == 2
    assert ran.err == "jomon: The fleet sales has no column 'shpo'; did you mean 'shop'?\n"


def test_a_row_without_its_time_is_told(run: Run, built: Path) -> None:
    ran = run("route", "sales", "--row", "shop=park", "-p", built)
    assert ran.status == 2
    assert "The time 'day' is missing" in ran.err


def test_rows_of_a_file_are_explained_with_what_each_member_adds(run: Run, built: Path) -> None:
    found = run("route", "sales", built / "sales.csv", "--rows", 3, "-p", built, "--json").json
    assert len(found) == 3
    for row in found:
        last = [step for step in row["steps"] if step["so_far"] is not None][-1]
        assert last["so_far"] == pytest.approx(row["answer"], abs=1e-12)
    assert "ADDS" in run("route", "sales", built / "sales.csv", "--rows", 1, "-p", built).out


def test_a_route_of_nothing_is_wrong_use(run: Run, built: Path) -> None:
    ran = run("route", "sales", "-p", built)
    assert ran.status == 2
    assert (
        ran.err
        == "jomon: Invalid value: give a FILE or --row, one of the two; `jomon route --help` shows how.\n"
    )


def test_rows_to_show_are_spread_over_the_held_out_time_and_explained(built: Path) -> None:
    from jomon.project import load_fleet
    from jomon.project.showcase import held_out_rows, trained_until

    fleet = load_fleet("sales", built)
    shown = held_out_rows(fleet, 5)
    assert [one.when for one in shown] == sorted(one.when for one in shown)
    assert len(shown) == 5
    assert all(one.when >= trained_until(fleet) for one in shown)
    assert all(one.outcome is not None and one.explained.answer is not None for one in shown)


def test_a_demo_leaves_other_projects_and_folders_alone(run: Run, copy: Path, tmp_path: Path) -> None:
    ran = run("demo", copy)
    assert ran.status == 2
    assert "holds the project sales, not the demo" in ran.err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    assert run("demo", tmp_path / "mine").status == 2
