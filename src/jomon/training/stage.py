"""A stage while it is built and after its verdict: values, and the port through which a build tells of its progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from jomon.core.segments import Segment
from jomon.core.spec import StageSpec
from jomon.core.table import Floats
from jomon.training.fast import FastParams, FilterState
from jomon.training.judge import MemberEvidence, StageEvidence
from jomon.training.served import Served
from jomon.training.slow import MemberFit, StageFit


class Progress(Protocol):
    """Told what a build does, for whoever shows it."""

    def stage(self, index: int, spec: StageSpec, segments: int) -> None:
        """A stage begins; `segments` of them may get a member."""

    def advance(self, fitted: int, cached: int) -> None:
        """Members were fitted or came from the cache."""

    def judged(self, result: StageResult) -> None:
        """A stage ended."""


class Silent:
    """Progress that shows nothing."""

    def stage(self, index: int, spec: StageSpec, segments: int) -> None:
        """Nothing."""

    def advance(self, fitted: int, cached: int) -> None:
        """Nothing."""

    def judged(self, result: StageResult) -> None:
        """Nothing."""


@dataclass(frozen=True)
class SlowPart:
    """A stage's slow parts at work: `entering` the fast part are the margins with them, from block `first` on.

    `factors` float64[segments] is what each member's output is multiplied by in the end.
    """

    fit: StageFit | None
    entering: Served
    first: int
    factors: Floats
    stage_factor: float


@dataclass(frozen=True)
class FastPart:
    """A stage's fast part at work: settings in the end and by block, the margins `after` it, its state in the end."""

    params: FastParams | None
    path: tuple[FastParams | None, ...]
    after: Served
    state: FilterState | None


@dataclass
class Candidate:
    """One segment that may get a member, and what became of it.

    `fit` is its slow part (None for a fast part alone), `shrink` its factor; `serving` says whether it answers.
    """

    segment: Segment
    s: int
    rows: int
    fit: MemberFit | None
    shrink: float
    evidence: MemberEvidence
    serving: bool

    @property
    def failed(self) -> bool:
        """Whether its slow part could not be fitted."""
        return self.fit is not None and self.fit.fit is None


@dataclass
class StageResult:
    """A stage after its verdict.

    `few` segments had too few rows (given with them); `fast` is None where the stage has no fast part; `fast_path` has
    the settings that each block of time was answered by.
    """

    index: int
    spec: StageSpec
    evidence: StageEvidence
    recipe: Mapping[str, Any] | None
    candidates: list[Candidate]
    few: list[tuple[Segment, int]]
    stage_shrink: float
    fast: FastParams | None
    fast_path: tuple[FastParams | None, ...]
    state: FilterState | None
    answered_share: float
    seconds: dict[str, float] = field(default_factory=dict)
    corrupt: int = 0

    def count(self, verdict: str) -> int:
        """How many candidates got that verdict, those that failed to fit apart."""
        return sum(c.evidence.verdict == verdict and not c.failed for c in self.candidates)

    @property
    def failed(self) -> int:
        """How many candidates could not be fitted."""
        return sum(c.failed for c in self.candidates)

    @property
    def serving(self) -> list[Candidate]:
        """The candidates that answer."""
        return [c for c in self.candidates if c.serving]

    def fits(self, status: str) -> int:
        """How many slow parts were fitted or cached."""
        return sum(c.fit is not None and c.fit.status == status for c in self.candidates)
