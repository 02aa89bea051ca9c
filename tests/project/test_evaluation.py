"""Evaluation of a built image: beside its peers on rows nobody saw, attached to it, the same when asked again."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from jomon.oci import media
from jomon.project import Project, open_project
from jomon.stats.links import Link


@pytest.fixture(scope="module")
def evaluated(shops: Any) -> tuple[Project, dict[str, Any]]:
    project = shops.make("evaluated", shops.rows(), shops.spec())
    project.ingest()
    project.build()
    return project, project.evaluate()


def test_the_json_has_every_player_with_value_interval_and_rows(
    evaluated: tuple[Project, dict[str, Any]],
) -> None:
    result = json.loads(json.dumps(evaluated[1], allow_nan=False))
    for player in ("fleet", "global_kept", "global_retrained", "local"):
        assert {"roc_auc", "log_loss", "brier", "calibration_error"} <= result[player].keys()
        for estimate in result[player].values():
            assert {"value", "low", "high", "rows"} <= estimate.keys()
    for peer in ("global_kept", "global_retrained", "local"):
        assert result["difference"][peer].keys() == result["fleet"].keys()
        assert result["compute"][peer]["fits"] >= 1
    assert result["trained_until"] == "2024-02-16"
    assert result["window"]["rows"] == 14 * 80


def test_a_second_evaluation_is_the_attached_one(evaluated: tuple[Project, dict[str, Any]]) -> None:
    project, first = evaluated
    second = open_project(project.folder).evaluate()
    assert second["cached"] is True
    volatile = ("cached", "seconds")
    plain = json.loads(json.dumps({k: v for k, v in first.items() if k not in volatile}))
    assert {k: v for k, v in second.items() if k not in volatile} == plain
    store = project.home.images
    assert len(store.referrers(store.resolve(project.latest), media.EVALUATION)) == 1


def test_evaluating_again_gives_the_same_numbers(evaluated: tuple[Project, dict[str, Any]]) -> None:
    project, first = evaluated
    again = open_project(project.folder).evaluate(again=True)
    for player in ("fleet", "global_kept", "global_retrained", "local", "difference"):
        assert again[player] == first[player]


def test_the_loss_of_the_fleet_is_that_of_its_answers_on_the_first_day(
    evaluated: tuple[Project, dict[str, Any]], shops: Any
) -> None:
    project, result = evaluated
    rows = shops.rows().filter(pl.col("ordered").dt.date() == pl.date(2024, 2, 16))
    margin = project.load().answer(rows).scores.margin
    loss = Link("binary").losses(margin, rows["late"].to_numpy().astype(float)).mean()
    assert abs(loss - result["weekly"][0]["loss"]["fleet"]) < 0.3


def test_peers_are_given_every_column_that_members_are_chosen_by(workshop: Any) -> None:
    rng = np.random.default_rng(0)
    rows = workshop.rows()
    area = rng.integers(0, 6, rows.height)
    late = (rng.random(rows.height) < np.array([0.05, 0.95, 0.1, 0.9, 0.2, 0.8])[area]).astype(np.int64)
    rows = rows.with_columns(area=pl.Series([f"a{a}" for a in area]), late=pl.Series(late))
    stages = [
        {
            "level": [],
            "estimator": "lightgbm",
            "params": {"num_iterations": 30, "min_data_in_leaf": 20},
            "fast": False,
        },
        {"level": ["area"], "estimator": "none", "min_rows": 50},
    ]
    project = workshop.make("shop", rows, workshop.spec(stages=stages, data_contract={"area": {}}))
    project.ingest()
    project.build()
    result = project.evaluate()
    for peer in ("global_kept", "global_retrained"):
        assert result[peer]["roc_auc"]["value"] > 0.85, "the global model does not know the area"


@pytest.mark.parametrize("kind", ["regression", "count"])
def test_other_kinds_of_target_are_measured_by_their_own_metrics(workshop: Any, kind: str) -> None:
    project = workshop.make("shop", workshop.rows(kind), workshop.spec(kind))
    project.ingest()
    project.build()
    result = project.evaluate()
    metric = {"regression": "rmse", "count": "poisson_deviance"}[kind]
    assert {"rmse", "mae", metric} & set(result["fleet"])
    assert result["fleet"][metric]["value"] > 0
    assert "calibration" not in result


def test_outcomes_of_the_hold_out_do_not_choose_what_peers_are(workshop: Any) -> None:
    rows = workshop.rows()
    held = pl.col("ordered") >= pl.datetime(2024, 2, 16)
    flipped = rows.with_columns(late=pl.when(held).then(1 - pl.col("late")).otherwise("late"))
    chosen, losses = [], []
    for name, table in (("one", rows), ("other", flipped)):
        spec = workshop.spec()
        spec["evaluation"]["trials"] = 3
        project = workshop.make(name, table, spec)
        project.ingest()
        project.build()
        result = project.evaluate()
        chosen.append(result["chosen"])
        losses.append(result["global_kept"]["log_loss"]["value"])
    assert chosen[0] == chosen[1]
    assert losses[0] != losses[1]
