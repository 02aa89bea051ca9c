import numpy as np
import pytest

from jomon.core.binning import Binning, ColumnBins
from jomon.core.cubes import Cube
from jomon.core.segments import Segment
from jomon.monitoring.cells import Level
from jomon.monitoring.score_table import score_edges, score_table, score_table_of_cube
from jomon.stats.losses import absolute_error, poisson_deviance


def rows(seed=0, n=4000):
    rng = np.random.default_rng(seed)
    margin = rng.normal(1.0, 0.5, n)
    return margin, rng.poisson(np.exp(margin)).astype(float), rng.integers(0, 6, n), rng.integers(0, 3, n)


def test_sums_are_those_of_the_rows():
    margin, target, window, member = rows()
    target[::7] = np.nan
    codes = np.where(member == 2, -1, member)
    table = score_table("count", margin, target, window, [codes], score_edges(margin, 8))
    assert (table.windows, table.segments) == (6, 3)
    assert table.rows[:, 0].sum() == len(margin)
    mine = (window == 4) & (member == 1)
    known = mine & ~np.isnan(target)
    assert table.rows[4, 2].sum() == mine.sum()
    assert table.labelled[4, 2].sum() == known.sum()
    assert table.outcome[4, 2].sum() == target[known].sum()
    loss = poisson_deviance(target[known], margin[known]).sum()
    assert table.losses["poisson_deviance"][4, 2].sum() == pytest.approx(loss)
    loss = absolute_error(target[known], np.exp(margin[known])).sum()
    assert table.losses["absolute_error"][4, 2].sum() == pytest.approx(loss)


def test_edges_split_the_reference_evenly_and_repeated_margins_stay_together():
    margin = np.repeat([0.0, 1.0, 2.0], [100, 10, 10])
    assert len(score_edges(margin, 32)) <= 3
    assert score_edges([]).tolist() == []


def test_segments_can_be_taken():
    margin, target, window, member = rows()
    table = score_table("count", margin, target, window, [member], score_edges(margin))
    some = table.take([0, 2])
    np.testing.assert_array_equal(some.rows[:, 1], table.rows[:, 2])


def test_profiles_give_the_same_table_as_their_rows():
    margin, target, window, member = rows(1)
    edges = score_edges(margin, 8)
    score = ColumnBins("margin", "score", tuple(edges))
    binning = Binning((ColumnBins("", "rows"), score))
    bins = np.searchsorted(edges, margin, side="right")
    answer, one = np.exp(margin), np.ones(len(margin))
    measured = np.stack([one, one, target, answer, answer, poisson_deviance(target, margin)], axis=1)
    at = np.stack([window, member, np.zeros_like(window), bins + binning.starts[1]], axis=1)
    whole = np.stack([window, member, np.zeros_like(window), np.zeros_like(window)], axis=1)
    segments = tuple(Segment((("state", name),)) for name in "abc")
    cube = Cube(
        ("state",),
        np.arange(6, dtype=np.int64),
        segments,
        binning,
        np.concatenate([whole, at]),
        np.concatenate([measured, measured]),
    )
    found = score_table_of_cube("count", cube, [Level.of(segments, ("state",))])
    wanted = score_table("count", margin, target, window, [member], edges)
    for name in ("rows", "labelled", "outcome"):
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name))
    np.testing.assert_allclose(found.losses["poisson_deviance"], wanted.losses["poisson_deviance"])
    np.testing.assert_allclose(found.margin, wanted.margin, atol=0.1)
