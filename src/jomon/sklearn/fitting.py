"""Fit a fleet in this process: the training room over a store and a cache in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import Executor

import numpy as np
import polars as pl

from jomon.core.errors import BuildError
from jomon.core.localtime import LocalTime
from jomon.core.rows import GoldRows
from jomon.core.spec import ProjectSpec, StageSpec
from jomon.core.table import Coded, Floats
from jomon.data.prepare import Preparer
from jomon.oci.digest import Digest
from jomon.sklearn.fitted import FittedFleet
from jomon.sklearn.serial import SerialExecutor
from jomon.store.memory import MemoryCache
from jomon.training.build import BuildRequest, build_fleet, days_of
from jomon.training.chain import LEAST_BLOCKS
from jomon.training.executors import local_processes
from jomon.training.rows import Days, block_edges

LEAST_ROWS_PER_BLOCK = 20  # fewer rows than this a block say nothing of a stage


def fit_fleet(
    spec: ProjectSpec, frame: pl.DataFrame, y: Floats, workers: int
) -> tuple[FittedFleet, str | None]:
    """Fit the fleet of `spec` to n rows, `frame` with the time and y float64[n], all of them.

    Gives the fleet, and why only its root was fitted where the rows or days are too few for blocks of time.
    """
    gold = _gold(spec, frame, y)
    serve, learn = days_of(gold, LocalTime(spec.data.zone))
    end_day = int(learn.max())
    edges: tuple[int, ...] = ()
    reason = None if _is_root_alone(spec) else too_few(spec, serve, end_day)
    if reason is not None:
        spec = _root_alone(spec)
        gold = _gold(spec, frame, y)
    if _is_root_alone(spec):
        edges = (int(serve[0]), end_day)  # one block: fitted once, on everything
    request = BuildRequest(spec, gold, end_day, workers=workers, base_edges=edges)
    built = build_fleet(request, MemoryCache(), executor=_executor(workers))
    return FittedFleet.publish(built, str(_digest(gold))), reason


def too_few(spec: ProjectSpec, serve_day: Days, end_day: int) -> str | None:
    """Why the rows (`serve_day` int32[n], ascending) cannot be cut into blocks of time, or None."""
    slow = sum(stage.estimator != "none" for stage in spec.stages) if spec.relation == "correct" else 1
    blocks = max(spec.build.blocks, slow + LEAST_BLOCKS)
    if len(serve_day) < blocks * LEAST_ROWS_PER_BLOCK:
        return (
            f"{len(serve_day)} rows are fewer than {LEAST_ROWS_PER_BLOCK} for each of {blocks} blocks of time"
        )
    try:
        block_edges(serve_day, end_day, blocks)
    except BuildError:
        days = len(np.unique(serve_day))
        return f"the rows of {days} days cannot be cut into {blocks} blocks of time"
    return None


def _is_root_alone(spec: ProjectSpec) -> bool:
    return len(spec.stages) == 1 and not spec.stages[0].level and not spec.stages[0].fast


def _root_alone(spec: ProjectSpec) -> ProjectSpec:
    root = next((stage for stage in spec.stages if not stage.level), StageSpec(level=()))
    return spec.model_copy(
        update={"stages": (root.model_copy(update={"fast": False}),), "relation": "correct"}
    )


def _gold(spec: ProjectSpec, frame: pl.DataFrame, y: Floats) -> GoldRows:
    """The rows as gold: in order of time, rows of one time in the order given."""
    table, codes, has = Preparer(spec, {}).prepare(frame)
    wait = round(spec.data.target.known_after.total_seconds() * 1e6)
    gold = GoldRows(table, y, table.time + wait, codes, has)
    return gold.take(np.argsort(table.time, kind="stable"))


def _executor(workers: int) -> Callable[[str | None], Executor]:
    return local_processes(workers) if workers > 1 else lambda _: SerialExecutor()


def _digest(gold: GoldRows) -> Digest:
    """The digest of the rows, their times and outcomes."""
    total = hashlib.sha256()
    for array in (gold.time, gold.target):
        total.update(np.ascontiguousarray(array).tobytes())
    for name, column in sorted(gold.table.columns.items()):
        values = column.codes if isinstance(column, Coded) else column
        total.update(repr((name, column.values if isinstance(column, Coded) else ())).encode())
        total.update(np.ascontiguousarray(values).tobytes())
    return Digest(total.hexdigest())
