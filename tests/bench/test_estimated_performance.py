from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bench.estimated_performance import leaving, ratio_between
from bench.estimated_rows import Scored, Study, codes_of, members_of, outside, realised

from jomon.core.table import Coded

STUDY = Study("a fleet", Path(), "1w", 1, 12, 16, (("place",),), 30, leaves="temp")


@pytest.fixture
def data() -> Scored:
    """Twenty windows of a fleet at two places, one of them small."""
    rng = np.random.default_rng(0)
    window = np.repeat(np.arange(20), 130)
    place = (rng.random(len(window)) < 0.1).astype(np.int32)
    margin = rng.normal(-1, 0.7, len(window))
    target = (rng.random(len(window)) < 1 / (1 + np.exp(-margin))).astype(float)
    columns = {"place": Coded(place, ("x", "y")), "temp": rng.uniform(0, 20, len(window))}
    codes = {("place",): codes_of([columns["place"]])}
    return Scored("binary", margin, target, window, np.arange(20) + 1, columns, codes)


def test_segments_with_too_few_rows_in_a_usual_window_are_no_members(data: Scored) -> None:
    assert members_of(STUDY, data, STUDY.levels, 30) == [(-1, 0), (0, 0)]
    assert members_of(STUDY, data, STUDY.levels, 2) == [(-1, 0), (0, 0), (0, 1)]


def test_combinations_of_categories_have_codes_unless_one_is_missing() -> None:
    one = Coded(np.array([0, 1, -1, 0], np.int32), ("a", "b"))
    other = Coded(np.array([1, 0, 0, 1], np.int32), ("c", "d"))
    found = codes_of([one, other])
    assert found[0] == found[3] != found[1]
    assert found[2] == -1


def test_a_column_that_leaves_the_reference_is_refused_and_others_are_not(data: Scored) -> None:
    assert outside(data, STUDY.reference).mean() < 0.01
    row = leaving(STUDY, data, [(-1, 0), (0, 0)])
    assert (row["value"], row["n"]) == (100.0, 8)


def test_realised_performance_is_that_of_the_rows_of_a_window_and_member(data: Scored) -> None:
    found = realised(data, [(-1, 0), (0, 1)], STUDY, 16)["brier"]
    rows = (data.window == 17) & (data.codes["place",] == 1)
    wanted = np.mean((data.target[rows] - 1 / (1 + np.exp(-data.margin[rows]))) ** 2)
    assert found[17, 1] == pytest.approx(wanted)
    assert np.isnan(found[:16]).all()


def test_the_interval_of_a_ratio_of_errors_holds_the_ratio() -> None:
    rng = np.random.default_rng(1)
    mine, theirs = rng.exponential(1.0, (60, 3)), rng.exponential(2.0, (60, 3))
    low, high = ratio_between(mine, theirs, np.ones((60, 3), bool))
    assert low < mine.mean() / theirs.mean() < high < 0.8
