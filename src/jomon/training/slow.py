"""Fit the slow parts of one stage: what is in the cache is not fitted, the rest runs in processes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jomon.core.errors import BuildError, CorruptError
from jomon.core.segments import Segment
from jomon.core.spec import StageSpec
from jomon.core.table import Floats, Ints
from jomon.oci.digest import Digest
from jomon.oci.ports import BuildCachePort, CacheItem
from jomon.training.estimators import Design, estimator, packable
from jomon.training.executors import Pool
from jomon.training.lineage import Lineage, Recipe, code_digest, environment, margins_digest, rows_digest
from jomon.training.pins import NOTHING, PinnedMember, PinnedStage
from jomon.training.rows import Positions, TrainingRows
from jomon.training.scratch import Scratch
from jomon.training.worker import ALL, Job, Outcome, SlowFit, Task

CACHE_BATCH = 256  # fitted members written to the cache at once
UNSAVED_SECONDS = 1.0  # seconds of fitting after which members are written even so: what a power cut may cost

Status = Literal["fitted", "cached", "failed", "few"]
Advance = Callable[[int, int], None]
"""Told how many members were fitted and how many came from the cache."""


@dataclass
class MemberFit:
    """What became of one segment's slow part; `rows` usable ones, `error` for people where it failed."""

    s: int
    rows: int
    status: Status
    lineage: Lineage | None = None
    key: Digest | None = None
    fit: SlowFit | None = None
    error: str = ""
    seconds: float = 0.0
    pinned: PinnedMember | None = None


@dataclass
class StageFit:
    """The slow parts of a stage: one `MemberFit` a segment, and the margins they add to rows they did not see.

    `slow` float64[n]: 0 where no member had been fitted yet; `first` is the first block with such margins.
    """

    recipe: Recipe
    members: list[MemberFit]
    slow: Floats
    first: int
    seconds: float = 0.0
    corrupt: int = 0

    def count(self, status: Status) -> int:
        """How many segments have that status."""
        return sum(m.status == status for m in self.members)


@dataclass(frozen=True)
class SlowStage:
    """A stage to be fitted: where it stands, what is declared, the margins it starts from and the first block
    that has them.

    `offset` float64[n] is None for members that start from nothing; `pin` is what stays of an earlier image.
    `params` replace the declared ones; without `keep_member` only margins on unseen rows are made;
    `history_days` as in `Job`.
    """

    index: int
    spec: StageSpec
    offset: Floats | None
    first: int
    pin: PinnedStage = NOTHING
    params: Mapping[str, Any] | None = None
    keep_member: bool = True
    history_days: int = 0


def fit_stage(
    scratch: Scratch, stage: SlowStage, cache: BuildCachePort, pool: Pool, advance: Advance
) -> StageFit:
    """Fit every segment with enough rows; a member that fails is reported in its `MemberFit`."""
    rows, spec = scratch.rows, stage.spec
    level = rows.stages[stage.index]
    order, starts = _usable(rows, stage)
    columns = _columns(spec, scratch.design)
    recipe = _recipe(scratch, stage, columns)
    members = []
    for s, segment in enumerate(level.segments):
        at = order[starts[s] : starts[s + 1]]
        kept = _pinned(rows, stage, level.rows_of(s), segment, recipe, columns)
        may = stage.pin.only is None or segment.code in stage.pin.only
        if kept is not None:
            members.append(MemberFit(s, len(at), "cached", kept.lineage, kept.key, kept.fit, pinned=kept))
            advance(0, 1)
        elif not may and (gone := stage.pin.failures.get(segment.code)) is not None:
            members.append(MemberFit(s, len(at), "failed", gone.lineage, gone.key, error=gone.error))
        elif len(at) < max(spec.min_rows, 1) or not may:
            reason = f"{len(at)} rows of {spec.min_rows}" if may else "not part of this refresh"
            members.append(MemberFit(s, len(at), "few", error=reason))
        else:
            margins = None if stage.offset is None else margins_digest(stage.offset, at)
            lineage = Lineage(rows_digest(rows, at, columns), margins)
            members.append(MemberFit(s, len(at), "failed", lineage, lineage.key(recipe)))
    corrupt = _take_cached(members, cache, advance)
    wanted = [m for m in members if m.status == "failed" and not m.error]
    if wanted:
        job = _job(scratch, stage, recipe, columns, order)
        cuts = (*range(stage.first + 1, rows.blocks), *((ALL,) if stage.keep_member else ()))
        tasks = [Task(m.s, int(starts[m.s]), int(starts[m.s + 1]), cuts) for m in wanted]
        _fit(job, tasks, members, cache, pool, advance)
        shutil.rmtree(job.folder, ignore_errors=True)
    slow = np.zeros(len(rows))
    block = rows.block
    for m in members:
        if m.fit is None:
            continue
        at = order[starts[m.s] : starts[m.s + 1]]
        if m.pinned is not None:
            at = _later_rows(rows, level.rows_of(m.s), m.pinned, slow)
        for cut, unseen in m.fit.unseen.items():
            slow[at[block[at] == cut]] = unseen
    first = stage.first + 1
    return StageFit(recipe, members, slow, first, sum(m.seconds for m in members), corrupt)


def _usable(rows: TrainingRows, stage: SlowStage) -> tuple[Positions, Ints]:
    """The rows that have margins to start from, by (segment, time), and where each segment begins."""
    level = rows.stages[stage.index]
    keep = rows.block[level.order] >= stage.first
    order = level.order[keep]
    counts = (
        np.bincount(level.segment[order], minlength=len(level)) if len(order) else np.zeros(len(level), int)
    )
    return order, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _pinned(
    rows: TrainingRows,
    stage: SlowStage,
    at: Positions,
    segment: Segment,
    recipe: Recipe,
    columns: tuple[int, ...],
) -> PinnedMember | None:
    """The pinned member of a segment if its rows (and, where asked for, its recipe) are what they were."""
    pin = stage.pin
    kept = pin.members.get(segment.code)
    if kept is None:
        return None
    before = _before(rows, at, kept.end_day)
    old = at[before & (rows.block[at] >= kept.first)]
    same_rows = rows_digest(rows, old, columns) == kept.lineage.rows
    if pin.refit_changed:
        return kept if same_rows and _same_recipe(kept.recipe, recipe.document()) else None
    if not same_rows:
        raise BuildError(
            f"The rows that the member {segment} was fitted on have changed since; "
            "build with --refresh stale or --refresh all."
        )
    return kept


def _same_recipe(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether two recipes differ in nothing but the time they look at."""
    blind = ("blocks",)
    plain = json.loads(json.dumps(new))
    return {k: v for k, v in old.items() if k not in blind} == {
        k: v for k, v in plain.items() if k not in blind
    }


def _before(rows: TrainingRows, at: Positions, end_day: int) -> NDArray[np.bool_]:
    return (rows.learn_day[at] <= end_day) & (rows.serve_day[at] < end_day)


def _later_rows(rows: TrainingRows, at: Positions, kept: PinnedMember, slow: Floats) -> Positions:
    """Fill `slow` on rows that came after a pinned member was fitted, by its own answers; gives the rows before."""
    before = _before(rows, at, kept.end_day)
    later = at[~before]
    if len(later):
        slow[later] = (kept.margin or kept.fit.margin)(rows.X[later])
    return at[before & (rows.block[at] >= kept.first)]


def _columns(spec: StageSpec, design: Design) -> tuple[int, ...]:
    if spec.features is None:
        return tuple(range(len(design.names)))
    wanted = {*spec.features}
    if "year_phase" in wanted:
        wanted |= {"year_phase_sin", "year_phase_cos"}
    return tuple(i for i, name in enumerate(design.names) if name in wanted)


def _recipe(scratch: Scratch, stage: SlowStage, columns: tuple[int, ...]) -> Recipe:
    spec, rows = stage.spec, scratch.rows
    how = estimator(spec.estimator, scratch.project_dir)
    declared = spec.params if stage.params is None else stage.params
    params = {**how.resolve(declared, root=stage.offset is None), "objective": scratch.link.objective}
    if spec.estimator == "linear":
        params["categories"] = list(scratch.design.sizes)
    return Recipe(
        code=code_digest(spec.estimator, scratch.project_dir),
        params=params,
        environment=environment(how.libraries()),
        seed=scratch.seed,
        features=tuple(scratch.design.names[c] for c in columns),
        blocks=(stage.first, int(stage.keep_member), stage.history_days, *(int(day) for day in rows.edges)),
        min_rows=spec.min_rows,
    )


def _job(
    scratch: Scratch, stage: SlowStage, recipe: Recipe, columns: tuple[int, ...], order: Positions
) -> Job:
    name = f"stage-{stage.index}"
    params = {k: v for k, v in recipe.params.items() if k not in ("objective", "categories")}
    return Job(
        folder=str(scratch.stage(name, stage.offset, order)),
        estimator=stage.spec.estimator,
        project_dir=scratch.project_dir,
        kind=scratch.link.kind,
        params=params,
        seed=scratch.seed,
        design=scratch.design,
        columns=columns,
        edges=tuple(int(day) for day in scratch.rows.edges),
        has_offset=stage.offset is not None,
        min_rows=stage.spec.min_rows,
        opaque=not packable(stage.spec.estimator),
        history_days=stage.history_days,
    )


def _take_cached(members: list[MemberFit], cache: BuildCachePort, advance: Advance) -> int:
    """Fill in what the cache has; payloads that cannot be read count as missing, and are counted."""
    asked = {m.key: m for m in members if m.key is not None and m.fit is None and not m.error}
    read = cache.get_many(list(asked))
    corrupt = len(read.corrupt)
    found = 0
    for key, cached in read.found.items():
        try:
            asked[key].fit = SlowFit.from_bytes(cached.payload)
        except CorruptError:
            corrupt += 1
            continue
        asked[key].status = "cached"
        found += 1
    if found:
        advance(0, found)
    return corrupt


def _fit(
    job: Job, tasks: list[Task], members: list[MemberFit], cache: BuildCachePort, pool: Pool, advance: Advance
) -> None:
    """Run the tasks; finished members go to the cache as they come, also when the build is interrupted."""
    parts: dict[int, dict[int, Outcome]] = {}
    pending: list[CacheItem] = []
    unsaved = 0.0
    total = len(tasks[0].cuts)
    try:
        for outcomes in pool.run(job, tasks):
            done = 0
            for outcome in outcomes:
                cuts = parts.setdefault(outcome.s, {})
                cuts[outcome.cut] = outcome
                if len(cuts) == total:
                    done += 1
                    item = _finish(members[outcome.s], cuts)
                    del parts[outcome.s]
                    pending += [item] if item else []
                    unsaved += members[outcome.s].seconds
            if done:
                advance(done, 0)
            if len(pending) >= CACHE_BATCH or unsaved >= UNSAVED_SECONDS:
                cache.put_many(pending)
                pending, unsaved = [], 0.0
    finally:
        if pending:
            cache.put_many(pending)


def _finish(member: MemberFit, cuts: Mapping[int, Outcome]) -> CacheItem | None:
    """Put the cuts of a member together; None where it failed."""
    member.seconds = sum(c.seconds for c in cuts.values())
    errors = sorted({c.error for c in cuts.values() if c.error})
    if errors:
        member.error = errors[0]
        return None
    kept = cuts[ALL].member if ALL in cuts else b""
    assert kept is not None and member.key is not None
    unseen = {cut: c.margins for cut, c in sorted(cuts.items()) if cut != ALL and c.margins is not None}
    member.fit, member.status = SlowFit(kept, unseen), "fitted"
    note: dict[str, Any] = {"seconds": round(member.seconds, 4), "rows": member.rows}
    return CacheItem(member.key, member.fit.to_bytes(), note)


def require_root(fit: StageFit) -> None:
    """Raise `BuildError` where the first stage has no member at all: nothing could answer."""
    if any(m.fit is not None for m in fit.members):
        return
    reason = fit.members[0].error if fit.members else "there are no rows"
    raise BuildError(f"The first stage has no member that answers ({reason}); nothing was built.")
