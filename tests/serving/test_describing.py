"""What a server tells of a fleet is a row that the fleet can answer, and nothing that its log hides."""

from __future__ import annotations

from pathlib import Path

import pytest

from jomon.engine.runtime import Runtime
from jomon.project import open_project
from jomon.project.scaffold import scaffold
from jomon.serving.describing import FleetDescription, describe


def runtime_of(folder: Path, estimator: str, log: str = "") -> Runtime:
    scaffold(folder)
    path = folder / "jomon.yaml"
    text = path.read_text(encoding="utf-8").replace("estimator: linear", f"estimator: {estimator}")
    path.write_text(text + log, encoding="utf-8")
    project = open_project(folder)
    project.ingest()
    project.build(workers=1)
    return project.load().runtime


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    return runtime_of(tmp_path_factory.mktemp("linear") / "sales", "linear")


def described(runtime: Runtime) -> FleetDescription:
    return describe(runtime, "sales:latest", "sha256:" + "0" * 64, ["latest"])


def test_the_example_is_a_row_that_the_fleet_answers(linear: Runtime) -> None:
    fleet = described(linear)
    assert set(fleet.example) == {"day", "price", "shop", "city"}
    assert 1 < fleet.example["price"] < 4  # the mean, by which the linear root is centred
    assert fleet.example["shop"] in fleet.known["shop"]
    assert fleet.example["day"].endswith("T12:00:00")
    assert (fleet.fleet, fleet.kind, fleet.zone, fleet.key) == (
        "sales",
        "count",
        "Europe/Lisbon",
        ("shop", "day"),
    )
    assert fleet.example_key == {"shop": fleet.example["shop"], "day": fleet.example["day"]}
    assert fleet.versions == ("latest",)


def test_the_example_is_in_a_context_that_has_a_member_of_its_own(linear: Runtime) -> None:
    members = [segment for pack in linear.packs[1] for segment in pack.segments]
    assert f"shop={described(linear).example['shop']}" in members


def test_numbers_of_trees_are_of_the_size_at_which_they_part(tmp_path: Path) -> None:
    fleet = described(runtime_of(tmp_path / "sales", "lightgbm"))
    assert 1 < fleet.example["price"] < 4


def test_values_of_hidden_columns_are_not_told(tmp_path: Path) -> None:
    fleet = described(runtime_of(tmp_path / "sales", "linear", "\nserving: {log: {hash: [shop]}}\n"))
    assert "shop" not in fleet.known
    assert fleet.example["shop"] == "text"
    assert fleet.known["city"] == ["north", "south"]
