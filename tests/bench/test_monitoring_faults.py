"""The faults of the truth bench change what they say, nothing else, and count what they changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from bench.monitoring.cases import is_right
from bench.monitoring.faults import SHARE, VOLUME, Fault, make_fault
from bench.monitoring.outcome_faults import mirror
from bench.monitoring.plan import COUNTED, DEVELOPMENT, KINDS, exchange, judged_windows, usable_segment
from bench.monitoring.score import Quiet, by_day, share
from bench.monitoring.sides import Spoken
from bench.monitoring.worlds import FLIGHTS, World, make

from jomon.core.segments import Segment

PROJECT = """
fleet: toy
question: Will it fail?
data:
  source: rows.parquet
  time: at
  timezone: America/New_York
  key: [unit, at]
  target: {column: failed, kind: binary, known_after: 12h}
  features: {numeric: [heat, load], categorical: [mode], calendar: [hour]}
  contract: {site: {type: string}, unit: {type: string}}
axes:
  season: {hemisphere: north}
  occasion: {country: US}
stages:
  - {level: [], params: {num_leaves: 4, num_iterations: 10}}
  - {level: [site, unit], keep: always, min_rows: 50, params: {num_leaves: 4, num_iterations: 20, learning_rate: 0.3}}
evaluation: {holdout: 2013-02-01}
"""
MEMBER = Segment((("site", "a"), ("unit", "0")))
WINDOW = 20


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("toy")
    draw = np.random.default_rng(0)
    days, units, hours = 110, 4, 24
    day, unit, hour = (a.ravel() for a in np.meshgrid(range(days), range(units), range(hours), indexing="ij"))
    heat = draw.normal(50, 10, len(day))
    start = datetime(2013, 1, 1, 5, tzinfo=UTC)
    at = [start + timedelta(days=int(d), hours=int(h)) for d, h in zip(day, hour, strict=True)]
    rate = 1 / (1 + np.exp(-(heat - 50) / 5 * np.where(unit % 2, -1, 1)))
    rows = pl.DataFrame(
        {
            "at": at,
            "site": ["ab"[u // 2] for u in unit],
            "unit": [str(u) for u in unit],
            "heat": heat,
            "load": draw.normal(40, 10, len(day)),
            "mode": draw.choice(["x", "y", "z"], len(day)),
            "failed": (draw.random(len(day)) < rate).astype(np.int64),
        }
    )
    (folder / "jomon.yaml").write_text(PROJECT)
    rows.write_parquet(folder / "rows.parquet")
    settings = replace(
        FLIGHTS,
        name="toy",
        folder=folder,
        holdout=date(2013, 2, 1),
        units=(("heat", 1.609344),),
        numbers=("heat", "load"),
        swaps=(("heat", "load"),),
        categories=("mode",),
        mirrored=("heat",),
        hours=(5,),
        member=("site", "unit"),
        groups=("site",),
        replaced=(),
    )
    return make(settings, tmp_path_factory.mktemp("worlds"))


def fault_of(world: World, kind: str, size: str = "large", scope: Segment = MEMBER) -> Fault:
    return make_fault(world, kind, size, scope, world.by_window[WINDOW], np.random.default_rng(5))


def test_an_exchange_keeps_rows_hours_weekdays_and_windows(world: World) -> None:
    order = exchange(world, 3)
    moved = world.exchanged(order)
    assert (order != np.arange(len(order))).any()
    assert (world.weekday[order] == world.weekday).all()
    assert (order[world.occasion > 0] == np.flatnonzero(world.occasion > 0)).all()
    at = int(order[WINDOW])
    assert moved.by_window[at].drop("time", "window").equals(world.by_window[WINDOW].drop("time", "window"))
    start, end = moved.span(at)
    times = moved.by_window[at]["time"].dt.epoch("us")
    assert ((times >= start) & (times < end)).all()
    assert (
        moved.by_window[at]["time"].dt.convert_time_zone("America/New_York").dt.hour()
        == moved.by_window[at]["hour"]
    ).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_leaves_everything_outside_its_segment_as_it_was(world: World, kind: str) -> None:
    rows = world.by_window[WINDOW]
    fault = fault_of(world, kind)
    changed, affected = fault.apply(rows, 0, np.random.default_rng(1))
    out = pl.Series(~fault.covers(rows)), pl.Series(~fault.covers(changed))
    key = ["unit", "asked"]
    assert rows.filter(out[0]).sort(key).equals(changed.filter(out[1]).sort(key))
    assert 0 < affected <= fault.covers(rows).sum() == 24


@pytest.mark.parametrize(
    "kind", ["nulls", "unseen_category", "duplicated_rows", "swapped_columns", "labels_flipped"]
)
@pytest.mark.parametrize("size", ["small", "medium", "large"])
def test_a_size_is_a_share_of_the_rows(world: World, kind: str, size: str) -> None:
    rows = world.by_window[WINDOW]
    affected = fault_of(world, kind, size, Segment()).apply(rows, 0, np.random.default_rng(2))[1]
    spread = 4 * np.sqrt(rows.height * SHARE[size] * (1 - SHARE[size]))
    assert abs(affected - SHARE[size] * rows.height) <= spread


def test_affected_rows_are_those_whose_values_differ(world: World) -> None:
    rows = world.by_window[WINDOW]
    changed, affected = fault_of(world, "stuck", scope=Segment()).apply(rows, 0, np.random.default_rng(2))
    fault = fault_of(world, "stuck", scope=Segment())
    (column,) = fault.columns
    assert changed[column].n_unique() == 1
    assert affected == (rows[column] != changed[column]).sum()


def test_the_model_answers_what_was_recorded_wrongly(world: World) -> None:
    rows = world.by_window[WINDOW]
    changed, _ = fault_of(world, "unit_changed").apply(rows, 0, np.random.default_rng(2))
    assert np.allclose(world.answered(changed)["margin"], changed["margin"])
    assert (changed["margin"] != rows["margin"]).any()


def test_missing_rows_are_missing_and_duplicates_have_the_same_key(world: World) -> None:
    rows = world.by_window[WINDOW]
    less, gone = fault_of(world, "missing_rows", "large", Segment()).apply(rows, 0, np.random.default_rng(2))
    assert rows.height - less.height == gone
    assert gone / rows.height == pytest.approx(VOLUME["large"], abs=0.15)
    more, added = fault_of(world, "duplicated_rows", "medium").apply(rows, 0, np.random.default_rng(2))
    assert more.select("unit", "time").is_duplicated().sum() == 2 * added


def test_another_zone_moves_hours_and_rows_out_of_the_window(world: World) -> None:
    rows = world.by_window[WINDOW]
    changed, affected = fault_of(world, "time_zone").apply(rows, 0, np.random.default_rng(2))
    assert affected == 24
    assert rows.height - changed.height == 5
    own = changed.filter((pl.col("site") == "a") & (pl.col("unit") == "0"))
    assert own["hour"].min() == 5


def test_drift_grows_by_the_day_to_one_standard_deviation(world: World) -> None:
    fault = fault_of(world, "gradual_drift")
    (column,) = fault.columns
    rows = world.by_window[WINDOW]
    by = []
    for since in (0, 13, 27, 40):
        changed, _ = fault.apply(rows, since, np.random.default_rng(2))
        by.append(float((changed[column] - rows[column]).max() or 0) / world.spread[column])
    assert by == pytest.approx([1 / 28, 0.5, 1.0, 1.0])


def test_a_release_defect_lets_another_member_answer(world: World) -> None:
    rows = world.by_window[WINDOW]
    changed, affected = fault_of(world, "release_defect").apply(rows, 0, np.random.default_rng(2))
    differ = (changed["answer"] - rows["answer"]).abs()
    assert affected == (differ >= 0.02).sum() > 0
    assert changed.drop("answer", "margin").equals(rows.drop("answer", "margin"))


def test_a_reversed_relation_changes_outcomes_alone(world: World) -> None:
    rows = world.by_window[WINDOW]
    changed, _ = fault_of(world, "relation_reversed", scope=Segment()).apply(
        rows, 0, np.random.default_rng(2)
    )
    assert changed.drop("target").equals(rows.drop("target"))
    unit = pl.col("unit").is_in(["0", "2"])
    assert rows.filter(unit).select(pl.corr("heat", "target")).item() > 0.4
    assert changed.filter(unit).select(pl.corr("heat", "target")).item() < 0


def test_a_mirror_keeps_the_distribution() -> None:
    known = np.sort(np.random.default_rng(0).normal(size=101))
    assert np.allclose(np.sort(mirror(known, known)), known)
    assert mirror(known, known[:1])[0] == known[-1]


def test_a_finding_is_right_where_the_fault_is(world: World) -> None:
    rows = world.by_window[WINDOW]
    fault = fault_of(world, "stuck")
    (column,) = fault.columns
    assert is_right(fault, Spoken(dict(MEMBER.items), column, "drift", 5.0), rows)
    assert is_right(fault, Spoken({"site": "a"}, column, "drift", 5.0), rows)  # half of its rows
    assert not is_right(fault, Spoken({}, column, "drift", 5.0), rows)
    assert not is_right(fault, Spoken({"site": "b", "unit": "2"}, column, "drift", 5.0), rows)
    assert not is_right(fault, Spoken(dict(MEMBER.items), "mode", "drift", 5.0), rows)


def test_halves_share_nothing(world: World) -> None:
    assert not set(DEVELOPMENT.seeds) & set(COUNTED.seeds)
    order = exchange(world, 3)
    ours, theirs = (set(judged_windows(world, order, half)) for half in (DEVELOPMENT, COUNTED))
    assert not ours & theirs
    texts = [f"site=a unit={n}" for n in range(50)]
    assert all(usable_segment(t, DEVELOPMENT) != usable_segment(t, COUNTED) for t in texts)


def test_shares_have_exact_bounds_and_days_count_once() -> None:
    row = share("x", 5, 100)
    assert (row["value"], round(row["low"], 2), round(row["high"], 2)) == (5.0, 1.64, 11.28)
    checks = [Quiet("w", seed, "2013-01-01", seed == 1, 0, None, 0.0, True) for seed in (1, 2)]
    assert (by_day("x", checks)["value"], by_day("x", checks)["n"]) == (50.0, 1)
