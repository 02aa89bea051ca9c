"""Lineage is the address: equal inputs give equal digests, and a change moves what it touches and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from jomon.project import Project, open_project

Keys = Callable[..., dict[tuple[int, str], str | None]]

FACTORY = """
from sklearn.linear_model import Ridge
def make(alpha=1.0):
    return Ridge(alpha=alpha)
"""


def test_another_process_with_one_worker_and_an_empty_cache_gives_the_same_digest(
    built: Project, shops: Any
) -> None:
    spec = shops.spec()
    spec["build"] = {"blocks": 4, "workers": 2}
    other = shops.make("again", shops.rows(), spec)
    code = (
        "import sys; from jomon.project import open_project; p = open_project(sys.argv[1]); "
        "p.ingest(); print(p.build(workers=1).digest)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(other.folder)], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == str(built.home.images.resolve(built.latest))


def test_nothing_changed_means_the_cached_plan_and_nothing_trained(built: Project) -> None:
    report = open_project(built.folder).build()
    assert report.cached
    assert report.members["trained"] == 0
    assert report.digest == built.home.images.resolve(built.latest)


def test_the_cached_report_counts_what_the_first_one_counted(workshop: Any) -> None:
    project = workshop.make("shop", workshop.rows(), workshop.spec())
    project.ingest()
    first, second = project.build(), open_project(project.folder).build()
    for name in ("candidates", "accepted", "rejected", "unknown", "failed", "serving"):
        assert first.members[name] == second.members[name], name
    assert (first.rows, first.until, first.size_bytes) == (second.rows, second.until, second.size_bytes)
    same = ("level", "few", "slow", "shrink", "fast", "answered_share", "verdict", "reason", "brought")
    for one, other in zip(first.stages, second.stages, strict=True):
        assert {k: one[k] for k in same} == {k: other[k] for k in same}
    assert second.members["cached"] == first.members["trained"]


def test_without_the_cache_everything_is_trained_and_the_digest_is_the_same(shop: Project) -> None:
    report = shop.build(use_cache=False)
    assert report.members["trained"] == 9
    assert report.members["cached"] == 0
    assert report.digest == shop.home.images.resolve(shop.latest)


def test_one_changed_row_changes_its_member_and_no_other_of_a_stage_that_starts_from_nothing(
    workshop: Any, keys_of: Keys
) -> None:
    stage = {"level": ["region"], "estimator": "linear", "min_rows": 50, "fast": False}
    spec = workshop.spec(stages=[stage], relation="replace")
    rows = workshop.rows()
    project = workshop.make("shop", rows, spec)
    project.ingest()
    project.build()
    before = keys_of(project)
    at = rows.with_row_index().filter((pl.col("region") == "r3") & (pl.col("index") < 1000))["index"][0]
    changed = rows.with_columns(
        x=pl.when(pl.int_range(pl.len()) == at).then(pl.col("x") + 0.001).otherwise("x")
    )
    changed.write_parquet(project.folder / "rows.parquet")
    project.ingest(fresh=True)
    report = project.build()
    after = keys_of(project)
    assert [where for where in before if before[where] != after[where]] == [(0, "region=r3")]
    assert report.members["trained"] == 1


def test_how_a_fleet_is_served_changes_no_member_and_no_row(
    shop: Project, shops: Any, keys_of: Keys, members_of: Callable[..., dict[str, Any]]
) -> None:
    before, documents = keys_of(shop), members_of(shop)
    first = shop.home.images.manifest(shop.home.images.resolve(shop.latest))
    serving = {"time": "now", "log": {"sync": 0, "retention": None, "leave_out": ["noise"]}}
    project = shops.write(shop.folder, shops.spec(serving=serving))
    tables = shop.ingest().tables
    assert project.ingest().tables == tables
    report = project.build()
    assert (report.members["trained"], keys_of(project), members_of(project)) == (0, before, documents)
    second = project.home.images.manifest(project.home.images.resolve(project.latest))
    changed = {blob.digest for blob in second.blobs} - {blob.digest for blob in first.blobs}
    assert len(changed) == 3, "the fleet document, the reference less what is not recorded, and the config"


def test_changed_params_of_the_last_stage_leave_the_stages_before_it_cached(
    shop: Project, shops: Any, keys_of: Keys
) -> None:
    before = keys_of(shop)
    spec = shops.spec()
    spec["stages"][1]["params"] = {"l2": 50.0}
    report = shops.write(shop.folder, spec).build()
    after = keys_of(shop)
    moved = {where for where in before if before[where] != after[where]}
    assert moved == {where for where in before if where[0] == 1}
    assert report.members["trained"] == 8


def test_a_changed_root_moves_its_children_through_the_margins_alone(
    shop: Project, shops: Any, keys_of: Keys, members_of: Callable[..., dict[str, Any]]
) -> None:
    before, documents = keys_of(shop), members_of(shop)
    spec = shops.spec()
    spec["stages"][0]["params"] = {**spec["stages"][0]["params"], "num_leaves": 5}
    shops.write(shop.folder, spec).build()
    after, again = keys_of(shop), members_of(shop)
    assert all(before[where] != after[where] for where in before)
    for one, other in zip(documents["stages"][1]["members"], again["stages"][1]["members"], strict=True):
        assert one["lineage"]["rows"] == other["lineage"]["rows"]
        assert one["lineage"]["margins"] != other["lineage"]["margins"]
    assert documents["stages"][1]["recipe"] == again["stages"][1]["recipe"]


def test_a_changed_factory_module_changes_the_keys_also_within_one_process(
    workshop: Any, keys_of: Keys, needs: Any
) -> None:
    needs.package("skops")
    stages = [
        {"level": [], "estimator": "baseline"},
        {"level": ["region"], "estimator": "own:make", "features": ["x"], "min_rows": 50, "keep": "always"},
    ]
    project = workshop.make("shop", workshop.rows(), workshop.spec(stages=stages))
    (project.folder / "own.py").write_text(FACTORY)
    project.ingest()
    project.build()
    before = keys_of(project)
    (project.folder / "own.py").write_text(FACTORY.replace("alpha=alpha", "alpha=100 * alpha"))
    report = open_project(project.folder).build()
    after = keys_of(project)
    assert not report.cached
    assert {w for w in before if before[w] != after[w]} == {w for w in before if w[0] == 1}


def test_names_of_an_image_do_not_change_its_digest(shop: Project) -> None:
    report = shop.build(names=("shop:1", "shop:2"))
    assert {str(shop.home.images.resolve(name)) for name in ("shop:1", "shop:2", "shop:latest")} == {
        str(report.digest)
    }


def test_the_json_of_a_build_has_the_fields_it_promises(built: Project) -> None:
    document = json.loads(json.dumps(open_project(built.folder).build().document()))
    assert {"digest", "name", "members", "size_bytes", "seconds"} <= document.keys()
    counts = {"candidates", "accepted", "rejected", "unknown", "failed", "trained", "cached"}
    assert counts <= document["members"].keys()
    m = document["members"]
    assert m["candidates"] == m["accepted"] + m["rejected"] + m["unknown"] + m["failed"]


def test_the_folder_of_a_project_is_no_part_of_its_digest(shop: Project, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shop.folder.rename(moved)
    project = open_project(moved)
    assert project.build(use_cache=False).digest == project.home.images.resolve(project.latest)
