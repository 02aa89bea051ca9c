"""Fast parts: refreshing day by day or at once gives one image, and evaluation tells what daily images would answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from jomon.core.errors import BuildError, DataError, JomonError
from jomon.data.gold import read_gold
from jomon.oci import media
from jomon.project import Project, open_project
from jomon.project.operating import traffic_of
from jomon.stats.links import Link
from jomon.training.operate import operate

START, END = date(2024, 2, 16), date(2024, 2, 29)
EPOCH = date(1970, 1, 1)

OWN = {"level": ["region"], "estimator": "linear", "min_rows": 100, "keep": "always"}
FIRST = {"level": ["channel"], "estimator": "baseline", "min_rows": 50, "keep": "always"}


def days() -> list[date]:
    return [START + timedelta(days=d) for d in range((END - START).days + 1)]


def test_day_by_day_and_at_once_give_the_same_image(shop: Project) -> None:
    shop.build(names=("shop:once", "shop:daily"))
    once = shop.refresh("shop:once", END.isoformat())
    reports = [shop.refresh("shop:daily", day.isoformat()) for day in days()]
    assert reports[-1].digest == once.digest
    assert sum(r.outcomes for r in reports) == once.outcomes > 0
    assert len({r.digest for r in reports}) == len(reports)


def test_a_refresh_shares_every_other_layer(shop: Project) -> None:
    store = shop.home.images
    before = store.manifest(store.resolve(shop.latest))
    report = shop.refresh()
    after = store.manifest(report.digest)
    assert before.layers_of(media.FAST) != after.layers_of(media.FAST)
    others = [[x for x in m.layers if x.media_type != media.FAST] for m in (before, after)]
    assert others[0] == others[1]
    assert report.written_bytes < 20_000
    assert store.resolve(shop.latest) == report.digest


def test_a_refresh_with_nothing_new_gives_the_same_digest(shop: Project) -> None:
    first = shop.refresh()
    second = open_project(shop.folder).refresh()
    assert (second.digest, second.outcomes, second.born) == (first.digest, 0, 0)


def test_a_refresh_into_the_past_changes_nothing(shop: Project) -> None:
    report = shop.refresh(until="2024-01-05")
    assert (report.digest, report.outcomes) == (report.before, 0)


def test_a_refresh_until_no_day_is_refused(shop: Project) -> None:
    with pytest.raises(JomonError, match="--until '29 Feb' is not a day"):
        shop.refresh(until="29 Feb")


def test_an_image_without_fast_parts_cannot_be_refreshed(workshop: Any) -> None:
    stage = {"level": [], "estimator": "baseline", "fast": False}
    project = workshop.make("shop", workshop.rows(), workshop.spec(stages=[stage]))
    project.ingest()
    project.build()
    with pytest.raises(BuildError, match="has no fast parts to refresh"):
        project.refresh()


def test_an_image_refreshed_past_its_hold_out_is_not_evaluated(shop: Project) -> None:
    shop.refresh()
    with pytest.raises(
        DataError, match="have seen held-out outcomes; evaluate the image that the build gave"
    ):
        shop.evaluate()


@pytest.mark.parametrize(
    ("kind", "relation"), [("binary", "correct"), ("count", "correct"), ("regression", "replace")]
)
def test_evaluation_tells_what_images_refreshed_daily_would_have_answered(
    workshop: Any, kind: str, relation: str
) -> None:
    stages = None if relation == "correct" else [FIRST, OWN]
    spec = workshop.spec(kind, **({"stages": stages} if stages else {}), relation=relation)
    # So few rows of r7 come that it has no member, and rows of r6 lack their channel.
    rows = workshop.rows(kind).filter((pl.col("region") != "r7") | (pl.col("id") % 12 == 0))
    rows = rows.with_columns(channel=pl.when(pl.col("region") != "r6").then("channel"))
    project = workshop.make("shop", rows, spec)
    project.ingest()
    project.build()
    fleet = project.load()
    states = [s for s in fleet.fast if s is not None]
    assert states
    gold = read_gold(project.home.tables, project.spec)
    traffic = traffic_of(fleet.runtime, gold)
    first = (START - EPOCH).days
    late = (traffic.serve_day >= first) | (traffic.learn_day > first)
    traffic = traffic.take(late)
    held = traffic.serve_day >= first
    served, _ = operate(Link(kind), relation, traffic, fleet.fast, int(traffic.serve_day.max()))  # type: ignore[arg-type]
    told = served.answer[held]
    rows = rows.filter(pl.col("ordered") >= pl.datetime(2024, 2, 16)).sort("ordered", "id")
    answered = []
    for day in days():
        if day > START:
            project.refresh(until=day.isoformat())
        frame = rows.filter(pl.col("ordered").dt.date() == day)
        answered.append(project.load().answer(frame).scores.margin)
    np.testing.assert_allclose(told, np.concatenate(answered), rtol=1e-12, atol=1e-12)


def test_a_new_segment_of_a_stage_without_models_is_born_and_listed(workshop: Any) -> None:
    rows = workshop.rows()
    fresh = pl.col("ordered") >= pl.datetime(2024, 2, 20)
    channel = pl.when(fresh & (pl.col("region") == "r1")).then(pl.lit("phone")).otherwise("channel")
    project = workshop.make("shop", rows.with_columns(channel=channel), workshop.spec())
    project.ingest()
    before = project.build()
    report = project.refresh()
    assert report.born == 1
    fleet = project.load()
    state = fleet.fast[2]
    assert state is not None
    assert list(state.meta["born"].values()) == ["region=r1 channel=phone"]
    assert fleet.members == before.members["serving"] + 1
    row = rows.tail(1).with_columns(region=pl.lit("r1"), channel=pl.lit("phone"))
    assert fleet.chains(row)[0][-1] == "region=r1 channel=phone"


def test_a_segment_that_the_build_rejected_is_not_revived_by_outcomes(
    workshop: Any, members_of: Callable[..., dict[str, Any]]
) -> None:
    # Up to the hold-out web orders of r1 swing from day to day, so that what the fast part learned is always wrong.
    rows = workshop.rows(seed=3)
    swings = (pl.col("region") == "r1") & (pl.col("channel") == "web")
    odd = pl.col("ordered").dt.ordinal_day() % 8 < 4
    late = pl.when(swings).then(odd.cast(pl.Int64)).otherwise("late")
    stages = [
        {"level": [], "estimator": "baseline", "fast": False},
        {"level": ["region", "channel"], "estimator": "none", "min_rows": 50},
    ]
    spec = workshop.spec(stages=stages, fast={"half_life": "2d"}, build={"blocks": 4, "workers": 1})
    project = workshop.make("shop", rows.with_columns(late=late), spec)
    project.ingest()
    report = project.build()
    stage = members_of(project)["stages"][1]
    verdicts = {" ".join("=".join(i) for i in m["segment"]): m["verdict"] for m in stage["members"]}
    rejected = {text for text, verdict in verdicts.items() if verdict == "rejected"}
    assert report.stages[1]["verdict"] == "accepted", report.stages[1]["reason"]
    assert rejected
    refreshed = project.refresh()
    assert refreshed.born == 0
    fleet = project.load()
    chains = fleet.chains(workshop.rows().tail(200))
    assert not rejected & {member for chain in chains for member in chain}


def test_ten_thousand_segments_are_refreshed(workshop: Any) -> None:
    rng = np.random.default_rng(0)
    n, m = 40_000, 10_000
    rows = workshop.rows(days=50, per_day=n // 50).with_columns(
        place=pl.Series([f"p{p}" for p in np.concatenate([np.arange(m), rng.integers(0, m, n - m)])]),
        late=pl.Series(rng.integers(0, 2, n)),
    )
    stages = [
        {"level": [], "estimator": "baseline", "fast": False},
        {"level": ["place"], "estimator": "none", "min_rows": 1, "keep": "always"},
    ]
    spec = workshop.spec(stages=stages, data_contract={"place": {}}, fast={"half_life": "14d"})
    project = workshop.make("shop", rows, spec)
    project.ingest()
    report = project.build()
    assert report.stages[1]["fast"] is not None
    done = project.refresh()
    assert done.segments >= m
    assert done.outcomes > 5_000


def test_an_outcome_is_learned_from_only_after_it_became_known(shop: Project) -> None:
    fleet = shop.load()
    gold = read_gold(shop.home.tables, shop.spec)
    traffic = traffic_of(fleet.runtime, gold)
    traffic = traffic.take(traffic.learn_day > fleet.runtime.end_day)
    last = int(traffic.serve_day.max())
    served, _ = operate(Link("binary"), "correct", traffic, fleet.fast, last)
    for day in np.unique(traffic.serve_day)[1::4]:
        later = traffic.learn_day > day
        y = np.where(later, 1 - traffic.y, traffic.y)
        from dataclasses import replace

        other, _ = operate(Link("binary"), "correct", replace(traffic, y=y), fleet.fast, last)
        early = traffic.serve_day <= day
        np.testing.assert_array_equal(served.answer[early], other.answer[early])
        if day < last - 1:
            assert not np.array_equal(served.answer[~early], other.answer[~early])


def test_known_after_delays_learning_by_that_long(workshop: Any) -> None:
    spec = workshop.spec()
    spec["data"]["target"]["known_after"] = "3d"
    project = workshop.make("shop", workshop.rows(), spec)
    project.ingest()
    project.build()
    gold = read_gold(project.home.tables, project.spec)
    traffic = traffic_of(project.load().runtime, gold)
    assert (traffic.learn_day - traffic.serve_day == 4).all()
    rows = workshop.rows()
    late_by = pl.col("ordered") >= pl.datetime(2024, 2, 26)
    flipped = rows.with_columns(late=pl.when(late_by).then(1 - pl.col("late")).otherwise("late"))
    once = project.refresh(until="2024-02-29")
    other = workshop.make("other", flipped, spec)
    other.ingest()
    other.build()
    assert other.refresh(until="2024-02-29").digest == once.digest
