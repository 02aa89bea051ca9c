"""From gold rows to everything a fleet image holds, as values: nothing is written here but scratch and cache."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from jomon.core.context import Context
from jomon.core.encoding import FeatureEncoder
from jomon.core.errors import BuildError
from jomon.core.localtime import LocalTime
from jomon.core.rows import GoldRows
from jomon.core.spec import ProjectSpec
from jomon.core.table import Ints
from jomon.oci.digest import Digest
from jomon.oci.ports import BuildCachePort
from jomon.stats.links import Link
from jomon.training.chain import LEAST_BLOCKS, Chain
from jomon.training.estimators import Design
from jomon.training.executors import MakeExecutor, Pool, local_processes
from jomon.training.filter import load_filter
from jomon.training.lineage import rows_digest
from jomon.training.pins import PinnedStage
from jomon.training.rows import Days, StageRows, TrainingRows, block_edges
from jomon.training.scratch import Scratch
from jomon.training.stage import Progress, Silent, StageResult

CALENDAR_YEARS = 10  # years after the hold-out begins for which an image carries its occasions


@dataclass(frozen=True)
class BuildRequest:
    """What a build starts from.

    `gold`: all rows; those on or after the local day `end_day` are not touched. `base_encoder`, `base_edges` and `pins`
    come from the image that a partial build keeps parts of.
    """

    spec: ProjectSpec
    gold: GoldRows
    end_day: int
    project_dir: str | None = None
    workers: int | None = None
    base_encoder: FeatureEncoder | None = None
    base_edges: tuple[int, ...] = ()
    pins: Mapping[int, PinnedStage] = field(default_factory=dict)


@dataclass
class Built:
    """A fleet before it is written: stages with their members, and what encodes and routes rows.

    `learned` is the digest of the `rows` it was built from: the hold-out is no part of it.
    """

    spec: ProjectSpec
    encoder: FeatureEncoder
    context: Context
    edges: tuple[int, ...]
    end_day: int
    rows: int
    learned: Digest
    stages: list[StageResult]
    seconds: dict[str, float]
    first_year: int
    last_year: int


def build_fleet(
    request: BuildRequest,
    cache: BuildCachePort,
    progress: Progress | None = None,
    executor: MakeExecutor | None = None,
) -> Built:
    """Fit, tune and judge every stage in order; deterministic for equal requests, wherever it runs.

    Raises `BuildError` where there is nothing to build from or no root that answers.
    """
    started = time.perf_counter()
    spec = request.spec
    context = Context(spec)
    encoder, rows = training_rows(request, context)
    prepared = time.perf_counter()
    design = Design(encoder.names, encoder.categorical, encoder.sizes)
    link = Link(spec.data.target.kind)
    check_target(link, rows)
    make = executor or local_processes(request.workers or spec.build.workers)
    with (
        Scratch.open(rows, design, link, request.project_dir, spec.build.seed) as scratch,
        Pool(make) as pool,
    ):
        # The compiled filter is loaded while processes fit the first stage.
        threading.Thread(target=load_filter, daemon=True).start()
        chain = Chain(spec, scratch, cache, pool, progress or Silent(), request.pins)
        for index in range(len(spec.stages)):
            chain.add(index)
    years = (
        np.array([rows.serve_day[0], request.end_day])
        .astype("datetime64[D]")
        .astype("datetime64[Y]")
        .astype(int)
        + 1970
    )
    seconds = {
        "prepare": prepared - started,
        **{
            name: sum(stage.seconds.get(name, 0.0) for stage in chain.results)
            for name in ("fit", "tune", "judge", "compute")
        },
    }
    return Built(
        spec,
        encoder,
        context,
        tuple(int(day) for day in rows.edges),
        request.end_day,
        len(rows),
        rows_digest(rows, np.arange(len(rows)), range(rows.X.shape[1])),
        chain.results,
        seconds,
        int(years[0]),
        int(years[1]) + CALENDAR_YEARS,
    )


def training_rows(request: BuildRequest, context: Context) -> tuple[FeatureEncoder, TrainingRows]:
    """The rows that could be learned from before the hold-out, encoded and cut into blocks."""
    spec, gold = request.spec, request.gold
    serve_day, learn_day = days_of(gold, context.local)
    use = gold.known & (learn_day <= request.end_day) & (serve_day < request.end_day)
    if not use.any():
        raise BuildError(
            "There are no rows with a known outcome before the hold-out; ingest more or shorten evaluation.holdout."
        )
    gold = gold.take(use)
    serve_day, learn_day = serve_day[use], learn_day[use]
    encoder = FeatureEncoder.fit(gold.table, spec.data.features, request.base_encoder)
    slow_stages = sum(stage.estimator != "none" for stage in spec.stages) if spec.relation == "correct" else 1
    if request.base_edges:
        edges = np.array(request.base_edges, np.int32)
        if request.end_day > edges[-1]:
            edges = np.append(edges, np.int32(request.end_day))
    else:
        blocks = max(spec.build.blocks, slow_stages + LEAST_BLOCKS)
        edges = block_edges(serve_day, request.end_day, blocks)
    stages = []
    for at, segmented in enumerate(context.segments_at(gold.table, [s.level for s in spec.stages])):
        codes = np.where(gold.has[:, at], segmented.codes, np.int32(-1)).astype(np.int32)
        stages.append(StageRows.of(codes, segmented.segments))
    return encoder, TrainingRows(
        encoder.encode(gold.table), gold.target.copy(), serve_day, learn_day, edges, tuple(stages)
    )


def days_of(gold: GoldRows, local: LocalTime) -> tuple[Days, Days]:
    """The local day each row is answered on, and the first on which its outcome may be used: int32[n] both."""
    known: Ints = np.maximum(gold.known_at, gold.time)
    return local.days(gold.time), (local.days(known) + 1).astype(np.int32)


def check_target(link: Link, rows: TrainingRows) -> None:
    """Raise `BuildError` where the outcomes cannot teach anything."""
    values = np.unique(rows.y[:1000]) if len(rows) else np.zeros(0)
    if len(values) < 2 and np.ptp(rows.y) == 0:
        raise BuildError(
            f"Every outcome before the hold-out is {rows.y[0]:g}; there is nothing to learn: check data.target.column."
        )
    if link.kind == "binary" and not np.isin(rows.y, (0.0, 1.0)).all():
        raise BuildError(
            "The target is declared binary and has other values than 0 and 1; mend data.target.kind."
        )
    if link.kind == "count" and rows.y.min() < 0:
        raise BuildError("The target is declared a count and has negative values; mend data.target.kind.")
