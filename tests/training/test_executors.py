"""Work is cut into parts that hold every cut once, and an executor of any make gives the same outcomes."""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jomon.core.errors import BuildError
from jomon.core.segments import Segment
from jomon.core.spec import StageSpec
from jomon.stats.links import Link
from jomon.store.memory import MemoryCache
from jomon.training.estimators import Design
from jomon.training.executors import (
    MOST_PER_CHUNK,
    ROWS_PER_CHUNK,
    MakeExecutor,
    Pool,
    chunks,
    local_processes,
)
from jomon.training.rows import StageRows, TrainingRows, block_edges
from jomon.training.scratch import Scratch
from jomon.training.slow import SlowStage, StageFit, fit_stage, require_root
from jomon.training.worker import ALL, SlowFit, Task


@given(st.lists(st.integers(1, 40_000), max_size=200), st.integers(1, 4))
def test_chunks_hold_every_cut_of_every_task_once(sizes: list[int], blocks: int) -> None:
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
    cuts = (*range(1, blocks), ALL)
    tasks = [Task(s, int(starts[s]), int(starts[s + 1]), cuts) for s in range(len(sizes))]
    parts = chunks(tasks)
    seen = sorted((task.s, cut) for part in parts for task in part for cut in task.cuts)
    assert seen == sorted((s, cut) for s in range(len(sizes)) for cut in cuts)
    for part in parts:
        work = sum((t.stop - t.start) * len(t.cuts) for t in part)
        assert len(part) == 1 or (work <= ROWS_PER_CHUNK and len(part) <= MOST_PER_CHUNK)


@given(st.lists(st.integers(0, 400), min_size=1, max_size=300), st.integers(2, 8))
def test_blocks_cover_the_days_in_order_or_are_refused(days: list[int], blocks: int) -> None:
    serve_day = np.sort(np.array(days, np.int32))
    end = int(serve_day[-1]) + 1
    try:
        edges = block_edges(serve_day, end, blocks)
    except BuildError as error:
        assert "too few" in str(error)
        return
    assert len(edges) == blocks + 1
    assert (edges[0], edges[-1]) == (serve_day[0], end)
    assert (np.diff(edges) > 0).all()
    assert np.count_nonzero(serve_day < edges[1]) <= max(0.4 * len(days), 1) + len(days) / 2


def sample(n: int = 900, m: int = 5) -> TrainingRows:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 2))
    segment = rng.integers(-1, m, n).astype(np.int32)
    days = np.sort(rng.integers(0, 60, n)).astype(np.int32)
    y = (rng.random(n) < 1 / (1 + np.exp(-X[:, 0]))).astype(float)
    segments = tuple(Segment((("place", f"p{s}"),)) for s in range(m))
    return TrainingRows(X, y, days, days + 1, block_edges(days, 60, 4), (StageRows.of(segment, segments),))


def fitted(make: MakeExecutor, rows: TrainingRows, tmp: Path, cache: MemoryCache | None = None) -> StageFit:
    spec = StageSpec.model_validate({"level": ("place",), "estimator": "linear", "min_rows": 20})
    with (
        Scratch.open(rows, Design(("a", "b"), (), ()), Link("binary"), str(tmp), 0) as scratch,
        Pool(make) as pool,
    ):
        stage = SlowStage(0, spec, None, 0)
        kept = MemoryCache() if cache is None else cache
        return fit_stage(scratch, stage, kept, pool, lambda fitted, cached: None)


def threads(preload: str | None) -> Executor:
    return ThreadPoolExecutor(3)


def test_any_executor_gives_the_same_members(tmp_path: Path) -> None:
    rows = sample()
    one, other = fitted(threads, rows, tmp_path), fitted(local_processes(2), rows, tmp_path)
    assert [m.status for m in one.members] == ["fitted"] * 5
    for a, b in zip(one.members, other.members, strict=True):
        assert a.fit is not None
        assert b.fit is not None
        assert (a.key, a.fit.to_bytes()) == (b.key, b.fit.to_bytes())
    np.testing.assert_array_equal(one.slow, other.slow)


def test_what_the_cache_has_is_not_fitted_again_and_gives_the_same_margins(tmp_path: Path) -> None:
    rows, cache = sample(), MemoryCache()
    first = fitted(threads, rows, tmp_path, cache)

    def never(preload: str | None) -> Executor:
        pytest.fail("an executor was made though nothing is to be fitted")

    second = fitted(never, rows, tmp_path, cache)
    assert [m.status for m in second.members] == ["cached"] * 5
    np.testing.assert_array_equal(first.slow, second.slow)


def test_margins_of_a_block_come_from_a_model_that_saw_none_of_its_outcomes(tmp_path: Path) -> None:
    rows = sample()
    first = fitted(threads, rows, tmp_path)
    for block in range(1, rows.blocks):
        known = rows.learn_day <= rows.edges[block]
        y = np.where(known, rows.y, 1.0 - rows.y)
        other = fitted(
            threads,
            TrainingRows(rows.X, y, rows.serve_day, rows.learn_day, rows.edges, rows.stages),
            tmp_path,
        )
        early = rows.block <= block
        np.testing.assert_array_equal(first.slow[early], other.slow[early])
        assert block == rows.blocks - 1 or not np.array_equal(first.slow[~early], other.slow[~early])


def test_no_scratch_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    fitted(threads, sample(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_build_left_is_swept_after_a_day_and_what_is_in_use_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl
    import os

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name, old in (("left", True), ("used", True), ("fresh", False)):
        lock = tmp_path / f"jomon-build-{name}" / "lock"
        lock.parent.mkdir()
        lock.write_bytes(b"")
        if old:
            os.utime(lock, (0, 0))
    with (tmp_path / "jomon-build-used" / "lock").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        fitted(threads, sample(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["jomon-build-fresh", "jomon-build-used"]


@given(
    st.binary(max_size=200),
    st.dictionaries(st.integers(0, 9), st.lists(st.floats(allow_nan=False), max_size=9)),
)
def test_a_fit_reads_back_as_it_was_written(member: bytes, unseen: dict[int, list[float]]) -> None:
    fit = SlowFit(member, {block: np.array(values, np.float64) for block, values in unseen.items()})
    again = SlowFit.from_bytes(fit.to_bytes())
    assert again.member == member
    assert {block: list(values) for block, values in again.unseen.items()} == unseen
    assert again.to_bytes() == fit.to_bytes()


def test_a_stage_without_any_member_is_no_root(tmp_path: Path) -> None:
    rows = sample(n=60)
    spec = StageSpec.model_validate({"level": ("place",), "estimator": "linear", "min_rows": 5000})
    with (
        Scratch.open(rows, Design(("a", "b"), (), ()), Link("binary"), None, 0) as scratch,
        Pool(threads) as pool,
    ):
        fit = fit_stage(
            scratch, SlowStage(0, spec, None, 0), MemoryCache(), pool, lambda fitted, cached: None
        )
    assert {m.status for m in fit.members} == {"few"}
    with pytest.raises(BuildError, match=r"no member that answers \(\d+ rows of 5000\)"):
        require_root(fit)
