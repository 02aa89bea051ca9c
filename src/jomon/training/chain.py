"""Build the chain stage after stage: slow parts, their shrinkage, fast parts, and the verdict on each.

Every row's margin comes from what was known on its day. What looks at all blocks of time are decisions alone: which
stages and members are kept, whether a slow part keeps any weight, and whether a stage ends with a fast part.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jomon.core.errors import BuildError
from jomon.core.segments import Segment
from jomon.core.spec import ProjectSpec, StageSpec
from jomon.core.table import Codes, Floats
from jomon.oci.ports import BuildCachePort
from jomon.stats.estimate import Estimate
from jomon.stats.links import Link
from jomon.training.executors import Pool
from jomon.training.fast import Chooser, FastParams, Stretch
from jomon.training.judge import MemberEvidence, StageEvidence, judge
from jomon.training.pins import NOTHING, PinnedStage
from jomon.training.scratch import Scratch
from jomon.training.served import Served
from jomon.training.shrink import shrink_factors
from jomon.training.slow import SlowStage, StageFit, fit_stage, require_root
from jomon.training.stage import Candidate, FastPart, Progress, SlowPart, StageResult

Mask = NDArray[np.bool_]
NO_MEMBER = "as a whole it may pass, but none of its members can be shown to be no worse"
LEAST_BLOCKS = 2  # after the last slow stage: one to choose settings on, one to judge by


def _recipe_of(fit: StageFit | None, pin: PinnedStage) -> Mapping[str, Any] | None:
    """The recipe of a stage as its image tells it: the pinned one where nothing was fitted again."""
    if fit is None:
        return None
    pinned = [member.recipe for member in pin.members.values()]
    return pinned[0] if pin.whole and pinned else fit.recipe.document()


def _not_judged() -> MemberEvidence:
    return MemberEvidence("unknown", Estimate.unknown(0, "its stage was judged before it came"))


class Chain:
    """The stages built so far, and the margins they give on rows that none of them saw."""

    def __init__(
        self,
        spec: ProjectSpec,
        scratch: Scratch,
        cache: BuildCachePort,
        pool: Pool,
        progress: Progress,
        pins: Mapping[int, PinnedStage],
    ) -> None:
        self.spec, self.scratch, self.rows = spec, scratch, scratch.rows
        self.link: Link = scratch.link
        self._cache, self._pool, self._progress, self._pins = cache, pool, progress, pins
        self._served: Served | None = None
        self._first = 0
        self._block = self.rows.block
        self._moved = False
        self.results: list[StageResult] = []

    def add(self, index: int) -> StageResult:
        """Fit, tune and judge the next stage."""
        stage = self.spec.stages[index]
        level = self.rows.stages[index]
        self._progress.stage(index, stage, len(level))
        clock = [time.perf_counter()]
        pin = self._pins.get(index, NOTHING)
        before = self._served
        self._moved = self._moved or not pin.whole
        slow = self._slow(index, stage, pin, before)
        clock.append(time.perf_counter())
        ready = self._ready(index, stage, slow.fit)
        fast = self._fast(index, slow, ready, pin)
        clock.append(time.perf_counter())
        evidence = self._judge(stage, before, slow, fast.after, level.segment, ready, pin)
        result = self._result(index, slow, fast, evidence, ready, before is None)
        self._serve(result, slow, before, fast.after)
        clock.append(time.perf_counter())
        result.seconds = dict(zip(("fit", "tune", "judge"), np.diff(clock).tolist(), strict=True))
        result.seconds["compute"] = slow.fit.seconds if slow.fit else 0.0
        self.results.append(result)
        self._progress.judged(result)
        return result

    def _serve(self, result: StageResult, slow: SlowPart, before: Served | None, after: Served) -> None:
        """Let the members that were kept take part in the chain from here on."""
        segment = self.rows.stages[result.index].segment
        keep = np.zeros(len(self.rows.stages[result.index]) + 1, np.bool_)
        keep[[c.s for c in result.serving]] = True
        result.answered_share = float(np.mean(keep[segment])) if len(self.rows) else 0.0
        nothing = np.full(len(self.rows), np.nan)
        without = before if before is not None else Served(nothing, nothing)
        served = after.where(keep[segment] & after.present, without)
        slow_serves = any(c.fit is not None and c.shrink > 0.0 for c in result.serving)
        if slow_serves and self.spec.relation == "correct":
            hidden = self._block < slow.first
            served.answer[hidden] = np.nan
            served.learn[hidden] = np.nan
            self._first = max(self._first, slow.first)
        elif before is None:
            self._first = slow.first
        self._served = served

    def _slow(self, index: int, stage: StageSpec, pin: PinnedStage, before: Served | None) -> SlowPart:
        """Fit the slow parts, and shrink them block by block on what came before the block."""
        level = self.rows.stages[index]
        if stage.estimator == "none":
            if before is None:
                raise BuildError(
                    "The first stage needs an estimator: a fast part alone has nothing to correct."
                )
            return SlowPart(None, before, self._first, np.ones(len(level)), 1.0)
        alone = self.spec.relation == "replace" or before is None
        offset = None if alone or before is None else before.answer
        slow_stage = SlowStage(index, stage, offset, 0 if alone else self._first, pin)
        fit = fit_stage(self.scratch, slow_stage, self._cache, self._pool, self._progress.advance)
        if before is None:
            require_root(fit)
        has_fit = np.zeros(len(level) + 1, np.bool_)
        has_fit[[m.s for m in fit.members if m.fit is not None]] = True
        unseen = (self._block >= fit.first) & has_fit[level.segment]
        if alone:
            own = np.where(unseen, fit.slow, np.nan)
            return SlowPart(fit, Served(own, own.copy()), fit.first, np.ones(len(level)), 1.0)
        assert before is not None
        moved = np.zeros(len(self.rows))
        known = self.rows.known_block
        for block in range(fit.first + 1, self.rows.blocks):
            at = unseen & (self._block == block)
            _, factors = self._factors(before, fit, unseen & (known <= block), index)
            moved[at] = (np.append(factors, 0.0)[level.segment] * fit.slow)[at]
        stage_factor, factors = self._factors(before, fit, unseen, index)
        for s, segment in enumerate(level.segments):
            factors[s] = pin.shrink.get(segment.code, factors[s])
        if not factors.any():
            return SlowPart(fit, before, self._first, factors, stage_factor)
        return SlowPart(fit, before.plus(moved), fit.first, factors, stage_factor)

    def _factors(self, before: Served, fit: StageFit, at: Mask, index: int) -> tuple[float, Floats]:
        level = self.rows.stages[index]
        return shrink_factors(
            self.link, before.answer[at], fit.slow[at], self.rows.y[at], level.segment[at], len(level)
        )

    def _ready(self, index: int, stage: StageSpec, fit: StageFit | None) -> Mask:
        """Which segments may get a member (and False at the end, for rows without a segment)."""
        level = self.rows.stages[index]
        ready = np.zeros(len(level) + 1, np.bool_)
        if fit is not None:
            ready[[m.s for m in fit.members if m.fit is not None]] = True
        else:
            ready[:-1] = np.diff(level.starts) >= max(stage.min_rows, 1)
        return ready

    def _fast(self, index: int, slow: SlowPart, ready: Mask, pin: PinnedStage) -> FastPart:
        """The fast part, each block of time answered by settings chosen from before it."""
        stage, level = self.spec.stages[index], self.rows.stages[index]
        counted = slow.entering.present & (self._block >= slow.first) & ready[level.segment]
        if not stage.fast or not counted.any() or (pin.whole and pin.known and pin.fast is None):
            return FastPart(None, (), slow.entering, None)
        stretch = self._stretch(index, slow)
        if pin.fast is not None:
            path = (*pin.fast_path, *(pin.fast,) * (self.rows.blocks - len(pin.fast_path)))
            return self._along(stretch, slow.entering, pin.fast, path)
        declared = self.spec.fast.half_life
        half_life = None if isinstance(declared, str) else declared.total_seconds() / 86_400.0
        chooser = Chooser(stretch, self.rows.known_block, counted, half_life, self.spec.fast.scale)
        path = tuple(
            chooser.choose(block) if block > slow.first else None for block in range(self.rows.blocks)
        )
        params = chooser.choose(self.rows.blocks)
        if params is None:
            return FastPart(None, (), slow.entering, None)
        return self._along(stretch, slow.entering, params, path)

    def _along(
        self, stretch: Stretch, entering: Served, params: FastParams, path: tuple[FastParams | None, ...]
    ) -> FastPart:
        """Answer each block by its own settings; the state is that of `params`."""
        after = entering
        for settings in dict.fromkeys(p for p in path if p is not None):
            blocks = [block for block, used in enumerate(path) if used == settings]
            after = stretch.run(settings)[0].where(np.isin(self._block, blocks), after)
        return FastPart(params, path, after, stretch.run(params)[1])

    def _stretch(self, index: int, slow: SlowPart) -> Stretch:
        """The rows that the fast part of a stage runs over; models below change where a block begins."""
        edges, level = self.rows.edges, self.rows.stages[index]
        changes = [int(day) for day in edges[slow.first + 1 : -1]]
        if self._moved or int(edges[-1]) == self._pins.get(index, NOTHING).end_day:
            changes.append(int(edges[-1]))
        return Stretch(
            self.link,
            level.segment,
            len(level),
            self.rows.y,
            self.rows.serve_day,
            self.rows.learn_day,
            slow.entering,
            int(edges[slow.first]),
            int(edges[-1]),
            tuple(changes),
        )

    def _judge(
        self,
        stage: StageSpec,
        before: Served | None,
        slow: SlowPart,
        after: Served,
        segment: Codes,
        ready: Mask,
        pin: PinnedStage,
    ) -> StageEvidence:
        if pin.evidence is not None:
            return pin.evidence
        without = slow.entering if before is None else before
        at = (self._block > slow.first) & ready[segment] & after.present & without.present
        y = self.rows.y[at]
        keep = "always" if before is None else stage.keep
        return judge(
            keep,
            self.link.losses(without.answer[at], y),
            self.link.losses(after.answer[at], y),
            self.rows.serve_day[at],
            segment[at],
            len(ready) - 1,
            self.scratch.seed,
        )

    def _result(
        self,
        index: int,
        slow: SlowPart,
        fast: FastPart,
        evidence: StageEvidence,
        ready: Mask,
        root: bool,
    ) -> StageResult:
        stage, level = self.spec.stages[index], self.rows.stages[index]
        fit, factors = slow.fit, slow.factors
        fits = {m.s: m for m in fit.members} if fit else {}
        pin = self._pins.get(index, NOTHING)
        stage_serves = root or evidence.verdict == "accepted"
        candidates: list[Candidate] = []
        few: list[tuple[Segment, int]] = []
        for s, segment in enumerate(level.segments):
            mine = fits.get(s)
            if not ready[s] and not (mine is not None and mine.status == "failed"):
                few.append((segment, mine.rows if mine else int(level.starts[s + 1] - level.starts[s])))
                continue
            own = pin.verdicts.get(segment.code)
            if own is None:
                own = evidence.members[s] if s < len(evidence.members) else _not_judged()
            if root:
                own = MemberEvidence("accepted", own.difference)
            if mine is not None and mine.fit is None:
                own = MemberEvidence("unknown", Estimate.unknown(0, "it could not be fitted"))
            if evidence.verdict == "rejected" and own.verdict == "accepted":
                own = MemberEvidence("rejected", own.difference)
            empty = fast.params is None and (mine is None or factors[s] == 0.0)
            serving = bool(stage_serves and ready[s] and own.verdict != "rejected" and not empty)
            if empty and own.verdict == "accepted" and not root:
                own = MemberEvidence("rejected", own.difference)
            rows = mine.rows if mine is not None else int(level.starts[s + 1] - level.starts[s])
            candidates.append(Candidate(segment, s, rows, mine, float(factors[s]), own, serving))
        if stage_serves and not root and not any(c.serving for c in candidates):
            evidence = replace(evidence, verdict="rejected", reason=NO_MEMBER)
        return StageResult(
            index=index,
            spec=stage,
            evidence=evidence,
            recipe=_recipe_of(fit, pin),
            candidates=candidates,
            few=few,
            stage_shrink=slow.stage_factor,
            fast=fast.params,
            fast_path=fast.path,
            state=fast.state,
            answered_share=0.0,
            corrupt=fit.corrupt if fit else 0,
        )
