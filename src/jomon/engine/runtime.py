"""A fleet image ready to answer: what routes, encodes and scores rows, without a data frame library."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jomon.core.context import Context
from jomon.core.encoding import FeatureEncoder
from jomon.core.errors import CorruptError, PredictError, StoreError
from jomon.core.routing import ANSWERS, Reason, Route, Why, finest_alone
from jomon.core.segments import Segment
from jomon.core.spec import ProjectSpec
from jomon.core.table import Floats, Ints, Table
from jomon.engine.engine import Engine, Scores
from jomon.engine.fasttable import FastState
from jomon.engine.opaque import OpaqueMember
from jomon.engine.pack import Pack
from jomon.engine.stages import StagePacks

FORMAT = 1  # of the fleet document; raise it when an older program would answer differently
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Answers:
    """Answers to n rows.

    `answer` float64[n]: probability, value or expected count; `scores` with margins and, if asked for, each stage's
    share; `takes_part` bool[n, S]: which stages' members took part.
    """

    answer: Floats
    scores: Scores
    takes_part: Flags


class Runtime:
    """Routes, encodes and scores rows for one image; holds its packs open and never changes."""

    def __init__(
        self,
        document: Mapping[str, Any],
        packs: Sequence[Sequence[Pack]],
        fast: Sequence[FastState | None],
        opaque: Sequence[Mapping[int, OpaqueMember]] | None = None,
        members: Callable[[], Mapping[str, Any]] | None = None,
    ) -> None:
        """`document`: the fleet document; `packs`, `fast` and `opaque` by stage; `members` reads the members
        document."""
        if int(document.get("format", 0)) > FORMAT:
            raise StoreError("This image was built by a newer jomon; upgrade to answer with it.")
        try:
            self.spec = ProjectSpec.from_canonical(document["spec"])
            self.encoder = FeatureEncoder.from_canonical(document["encoder"])
            self.end_day = int(document["end_day"])
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptError(
                f"The fleet document of this image cannot be read ({error}); build it again."
            ) from error
        self.document = document
        self.context = Context(self.spec, document.get("calendars"))
        self.fast = tuple(fast)
        self.packs, self._opaque, self._members = packs, opaque or [{}] * len(packs), members
        tables = [None if state is None else state.table for state in fast]
        self.engine = Engine(
            [StagePacks(list(p), t, o) for p, t, o in zip(packs, tables, self._opaque, strict=True)],
            self.spec.relation,
        )
        if self.engine.features not in (None, self.encoder.names):
            raise CorruptError(
                "The packs of this image and its encoder disagree on the features; build it again."
            )

    @property
    def kind(self) -> str:
        """binary, regression or count."""
        return self.spec.data.target.kind

    @cached_property
    def member_codes(self) -> tuple[Ints, ...]:
        """Per stage the codes (int64, ascending) of the segments that have a slow or a fast part."""
        out = []
        for packs, state, opaque in zip(self.packs, self.fast, self._opaque, strict=True):
            parts = [*(p.codes for p in packs), *([state.codes] if state is not None else [])]
            parts.append(np.array(sorted(opaque), np.int64))
            out.append(np.unique(np.concatenate(parts)))
        return tuple(out)

    @cached_property
    def slow_codes(self) -> tuple[Ints, ...]:
        """Per stage the codes (int64, ascending) of the segments that have a slow part."""
        return tuple(
            np.unique(np.concatenate([*(p.codes for p in packs), np.array(sorted(opaque), np.int64)]))
            for packs, opaque in zip(self.packs, self._opaque, strict=True)
        )

    def answer(
        self, table: Table, codes: Ints | None = None, has: Flags | None = None, *, explain: bool = False
    ) -> Answers:
        """Answer n rows; `codes` int64[n, S] and `has` bool[n, S] are computed where they are not given.

        `table` has the features (calendar ones included) and the axis columns. Raises `PredictError` for rows that no
        member answers, and what the encoder refuses.
        """
        if codes is None or has is None:
            codes, has = self.context.codes(table)
        scores = self.engine.score(self.encoder.encode(table), codes, has, explain=explain)
        unanswered = scores.answered < 0
        if unanswered.any():
            row = int(np.argmax(unanswered))
            raise PredictError(
                f"Row {row}: no member of this fleet answers for it; declare a stage with level []."
            )
        return Answers(answers_of(self.kind, scores.margin), scores, self.takes_part(codes, has, scores))

    def takes_part(self, codes: Ints, has: Flags, scores: Scores) -> Flags:
        """Which stages' members took part in each answer: bool[n, S]."""
        if self.spec.relation == "replace":
            stage = np.arange(codes.shape[1])
            return np.asarray(scores.answered[:, None] == stage[None, :])
        return contains(self.member_codes, codes, has)

    def route(self, table: Table) -> tuple[Route, ...]:
        """For each row one step per stage: its segment, whether that member answers, and why not."""
        routes = self.context.explain(table, self.verdict)
        return tuple(finest_alone(r) for r in routes) if self.spec.relation == "replace" else routes

    def verdict(self, stage: int, segment: Segment) -> Reason:
        """Whether there is a member for `segment` at a stage (its position), and why not."""
        if _in(self.slow_codes[stage], segment.code):
            return ANSWERS
        if _in(self.member_codes[stage], segment.code) and self.spec.relation == "correct":
            return Reason(Why.FAST_ONLY)
        return self._reasons(stage).get(segment.code, Reason(Why.NO_ROWS))

    def _reasons(self, stage: int) -> Mapping[int, Reason]:
        if stage not in self._known_reasons:
            self._known_reasons[stage] = reasons_of(self.members["stages"][stage]) if self._members else {}
        return self._known_reasons[stage]

    @cached_property
    def _known_reasons(self) -> dict[int, Mapping[int, Reason]]:
        return {}

    @cached_property
    def members(self) -> Mapping[str, Any]:
        """The members document: lineage and evidence of every candidate."""
        return self._members() if self._members is not None else {"stages": []}


def contains(known: Sequence[Ints], codes: Ints, has: Flags) -> Flags:
    """Which of `codes` int64[n, S] are among the ascending codes of their stage: bool[n, S], False where not `has`."""
    out = np.zeros(codes.shape, np.bool_)
    for stage, mine in enumerate(known):
        if len(mine):
            place = np.minimum(np.searchsorted(mine, codes[:, stage]), len(mine) - 1)
            out[:, stage] = has[:, stage] & (mine[place] == codes[:, stage])
    return out


def answers_of(kind: str, margin: Floats) -> Floats:
    """Margins as probabilities, values or expected counts: float64[n]."""
    if kind == "binary":
        bounded = np.minimum(
            np.maximum(margin, -700.0), 700.0
        )  # np.clip takes ten times as long for few rows
        return np.asarray(1.0 / (1.0 + np.exp(-bounded)), np.float64)
    return np.exp(np.minimum(margin, 700.0)) if kind == "count" else margin


def reasons_of(stage: Mapping[str, Any]) -> dict[int, Reason]:
    """Why candidates of a stage have no member, by segment code, from the members document."""
    evidence = stage["evidence"]
    stage_kept = evidence["verdict"] == "accepted"
    few = {
        Segment(tuple((a, v) for a, v in item["segment"])).code: item
        for item in stage.get("few_segments", ())
    }
    reasons = {
        code: Reason.of(Why.TOO_FEW_ROWS, rows=item["rows"], needed=stage["min_rows"])
        for code, item in few.items()
    }
    for member in stage["members"]:
        code = Segment(tuple((axis, value) for axis, value in member["segment"])).code
        if member["serving"]:
            continue
        if member["verdict"] == "failed":
            reasons[code] = Reason.of(Why.FAILED, error=member.get("error", "unknown"))
        elif not stage_kept:
            reasons[code] = Reason.of(Why.STAGE_NOT_KEPT, evidence=evidence["reason"])
        else:
            reasons[code] = Reason.of(Why.NOT_KEPT, evidence=_difference(member["difference"]))
    return reasons


def _difference(estimate: Mapping[str, Any]) -> str:
    if estimate["value"] is None:
        return str(estimate.get("reason", "unknown"))
    low, high = estimate["low"], estimate["high"]
    return f"{estimate['value']:+.4f} [{low:+.4f}, {high:+.4f}] on {estimate['rows']} rows"


def _in(codes: Ints, code: int) -> bool:
    place = int(np.searchsorted(codes, code))
    return place < len(codes) and int(codes[place]) == code
