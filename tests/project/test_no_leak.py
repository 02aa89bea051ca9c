"""No look at the future: neither the hold-out nor an outcome that was not known yet can move what is built."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from jomon.core.rows import GoldRows
from jomon.data.gold import read_gold
from jomon.project import Project
from jomon.store.memory import MemoryCache
from jomon.training.build import BuildRequest, Built, build_fleet, days_of
from jomon.training.chain import Chain

END = 19769  # 2024-02-16: the hold-out begins


def test_outcomes_of_the_hold_out_do_not_move_the_image(workshop: Any, built: Project) -> None:
    rows = workshop.rows()
    held = pl.col("ordered") >= pl.datetime(2024, 2, 16)
    flipped = rows.with_columns(late=pl.when(held).then(1 - pl.col("late")).otherwise("late"))
    project = workshop.make("shop", flipped, workshop.spec())
    project.ingest()
    assert project.build().digest == built.home.images.resolve(built.latest)


def test_features_of_the_hold_out_do_not_move_the_image(workshop: Any, built: Project) -> None:
    rows = workshop.rows()
    held = pl.col("ordered") >= pl.datetime(2024, 2, 16)
    other = rows.with_columns(x=pl.when(held).then(pl.col("x") * -3).otherwise("x"))
    project = workshop.make("shop", other, workshop.spec())
    project.ingest()
    assert project.build().digest == built.home.images.resolve(built.latest)


def test_an_outcome_known_only_after_the_hold_out_begins_does_not_move_the_image(
    workshop: Any, built: Project
) -> None:
    rows = workshop.rows()
    last = (pl.col("ordered") >= pl.datetime(2024, 2, 15, 12)) & (
        pl.col("ordered") < pl.datetime(2024, 2, 16)
    )
    assert rows.filter(last).height > 10
    flipped = rows.with_columns(late=pl.when(last).then(1 - pl.col("late")).otherwise("late"))
    project = workshop.make("shop", flipped, workshop.spec())
    project.ingest()
    assert project.build().digest == built.home.images.resolve(built.latest)


def test_an_outcome_known_before_the_hold_out_does_move_the_image(workshop: Any, built: Project) -> None:
    rows = workshop.rows()
    last = (pl.col("ordered") >= pl.datetime(2024, 2, 15, 6)) & (
        pl.col("ordered") < pl.datetime(2024, 2, 15, 11)
    )
    flipped = rows.with_columns(late=pl.when(last).then(1 - pl.col("late")).otherwise("late"))
    project = workshop.make("shop", flipped, workshop.spec())
    project.ingest()
    assert project.build().digest != built.home.images.resolve(built.latest)


@pytest.fixture(scope="module")
def gold(built: Project) -> GoldRows:
    return read_gold(built.home.tables, built.spec)


def _margins(
    project: Project, gold: GoldRows, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[tuple[np.ndarray, np.ndarray]], Built]:
    """What entered each later stage: answers as they would have been given on the day, and rows used."""
    seen: list[tuple[np.ndarray, np.ndarray]] = []
    add = Chain.add

    def watched(self: Chain, index: int) -> object:
        result = add(self, index)
        assert self._served is not None
        seen.append((self._served.answer.copy(), self.rows.serve_day.copy()))
        return result

    with monkeypatch.context() as patch:
        patch.setattr(Chain, "add", watched)
        built = build_fleet(BuildRequest(project.spec, gold, END, str(project.folder), 1), MemoryCache())
    return seen, built


@pytest.mark.parametrize("edge", [1, 2, 3])
def test_outcomes_known_after_a_block_begins_do_not_move_answers_before_it(
    built: Project, gold: GoldRows, monkeypatch: pytest.MonkeyPatch, edge: int
) -> None:
    from jomon.core.localtime import LocalTime

    first, whole = _margins(built, gold, monkeypatch)
    day = whole.edges[edge]
    _, learn_day = days_of(gold, LocalTime("UTC"))
    later = learn_day > day
    flipped = GoldRows(
        gold.table, np.where(later, 1 - gold.target, gold.target), gold.known_at, gold.codes, gold.has
    )
    second, _ = _margins(built, flipped, monkeypatch)
    moved = 0
    for number, ((one, serve_day), (other, _)) in enumerate(zip(first, second, strict=True)):
        before = serve_day <= day
        # Settings of the fast part are chosen by what came before a block, so these answers stay to the last bit.
        assert np.array_equal(one[before], other[before], equal_nan=True), f"stage {number}"
        moved += int((~np.isnan(one[~before])).sum())
    assert moved
