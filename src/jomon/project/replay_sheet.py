"""What became of every row of a replay, and the figures that are told of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from jomon.core.table import Floats
from jomon.project.replay_plan import Recorded
from jomon.stats.links import Link

REASONS = 20
"""Reasons that are told apart; whatever comes after them is counted together."""
OTHER = "other reasons"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Sheet:
    """What became of n recorded rows: filled in while they are played.

    `answers` float64[n] and `latencies` float64[n] (seconds) are NaN where there is no answer; `told` bool[n]: rows
    whose outcome was taken; `levels` int16[n]: position of the finest stage that answered, -1 where it is not known.
    """

    def __init__(self, recorded: Recorded) -> None:
        n = len(recorded)
        self.recorded = recorded
        self.answers, self.latencies = np.full(n, np.nan), np.full(n, np.nan)
        self.told: NDArray[np.bool_] = np.zeros(n, np.bool_)
        self.levels: NDArray[np.int16] = np.full(n, -1, np.int16)
        self.request_ids: list[str | None] = [None] * n
        self.images: dict[str, int] = {}
        self.image_of: NDArray[np.int16] = np.full(n, -1, np.int16)
        self.refused: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.outcomes_failed: Counter[str] = Counter()
        self.missed: Counter[str] = Counter(dict.fromkeys(recorded.spec.lookups, 0))
        self.asked = self.retried = self.reports = 0
        self.last_us: int | None = None
        self.problem = ""
        """Why the rest was not sent; empty where all was."""

    @property
    def answered(self) -> int:
        """Rows with an answer."""
        return int((self.image_of >= 0).sum())

    def image(self, digest: str) -> int:
        """The number of an image in `image_of`."""
        return self.images.setdefault(digest, len(self.images))

    def reached(self, moment_us: int) -> None:
        """Event time went on to a moment."""
        self.last_us = moment_us if self.last_us is None else max(self.last_us, moment_us)

    def refuse(self, reason: str) -> None:
        """A row was refused."""
        _count(self.refused, reason)

    def fail(self, reason: str) -> None:
        """A row got no answer."""
        _count(self.failed, reason)

    def to_tell(self, first: int, stop: int) -> list[int]:
        """Those of rows `first` to `stop` that were answered and have an outcome to report."""
        known = (self.image_of[first:stop] >= 0) & ~np.isnan(self.recorded.targets[first:stop])
        found: list[int] = (np.flatnonzero(known) + first).tolist()
        return found


def _count(reasons: Counter[str], reason: str) -> None:
    reasons[reason if reason in reasons or len(reasons) < REASONS else OTHER] += 1


@dataclass(frozen=True)
class Loss:
    """The mean loss (`metric`) of the answers whose outcome arrived (`rows`), and `base`: that of answering all with
    `before`, the mean of the outcomes known when the span began; None where there are none."""

    metric: str
    rows: int
    value: float | None
    base: float | None
    before: float | None


@dataclass(frozen=True)
class Replayed:
    """What a replay did.

    `replay` names it: the caller id of its requests begins with `replay:` and this. `refused` and `failed` are rows
    without an answer by reason (the first were turned down, the second met a fault), `unsent` those that were not
    asked about; `outcomes` were taken, `outcomes_failed` were not, `outcomes_unsent` were wanted and not sent,
    `without_outcome` are answered rows whose outcome nobody knows. `levels` says how often which level was the finest
    that answered, `unknown_level` for how many rows that is not known; `missed` for how many rows a lookup had nothing.
    `latency_ms`: p50, p95, p99. `moved` is what came into the tables, None where a mover elsewhere does that;
    `refreshed` is the image that `serving.refresh` then made, or the problem, None where there was nothing to do.
    """

    replay: str
    fleet: str
    reference: str
    url: str | None
    images: Mapping[str, int]
    since: str
    until: str
    rows: int
    answered: int
    refused: Mapping[str, int]
    failed: Mapping[str, int]
    unsent: int
    retried: int
    outcomes: int
    outcomes_failed: Mapping[str, int]
    outcomes_unsent: int
    without_outcome: int
    reports: int
    first_event: str | None
    last_event: str | None
    seconds: float
    latency_ms: Mapping[str, float | None]
    levels: Mapping[str, int]
    unknown_level: int
    missed: Mapping[str, int]
    loss: Loss
    problem: str
    moved: Mapping[str, Any] | None = None
    refreshed: Mapping[str, Any] | None = None

    @property
    def whole(self) -> bool:
        """Whether there were rows, every one was answered, and every outcome was taken."""
        lost = self.outcomes_unsent + sum(self.outcomes_failed.values())
        return self.rows > 0 and self.answered == self.rows and not lost

    @property
    def rows_per_second(self) -> float:
        """Rows that were asked about each second."""
        return (self.rows - self.unsent) / self.seconds if self.seconds > 0 else 0.0

    def document(self) -> dict[str, Any]:
        """The JSON of `jomon replay --json`."""
        out = {name: getattr(self, name) for name in self.__dataclass_fields__}
        counters = ("images", "refused", "failed", "outcomes_failed", "latency_ms", "levels", "missed")
        return {
            **out,
            **{name: dict(out[name]) for name in counters},
            "loss": vars(self.loss),
            "seconds": round(self.seconds, 3),
            "rows_per_second": round(self.rows_per_second, 1),
            "whole": self.whole,
        }


def loss_of(sheet: Sheet) -> Loss:
    """The loss of answers whose outcome arrived (see `jomon.stats.links.Link` for the loss of each kind)."""
    kind = sheet.recorded.spec.data.target.kind
    link = Link(kind)
    y, answers, before = sheet.recorded.targets[sheet.told], sheet.answers[sheet.told], sheet.recorded.before
    known = None if np.isnan(before) else before
    if not len(y):
        return Loss(link.loss_name, 0, None, None, known)
    value = float(link.losses(margins_of(answers, kind), y).mean())
    base = None
    if known is not None:
        base = float(link.losses(margins_of(np.full(len(y), known), kind), y).mean())
    return Loss(link.loss_name, len(y), value, base, known)


def margins_of(answers: Floats, kind: str) -> Floats:
    """The margins that answers come from: log-odds, the value, or the logarithm of the expected count."""
    if kind == "regression":
        return answers
    with np.errstate(divide="ignore"):
        out: Floats = np.log(answers) - np.log1p(-answers) if kind == "binary" else np.log(answers)
    return np.clip(out, -_FAR, _FAR)


_FAR = 700.0  # beyond it an answer is 0 or 1 (or no number) in float64


def latencies_of(sheet: Sheet) -> dict[str, float | None]:
    """Milliseconds within which half, 95% and 99% of the answered rows had their answer."""
    known = sheet.latencies[~np.isnan(sheet.latencies)]
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    if not len(known):
        return dict.fromkeys(shares)
    return {name: round(float(np.quantile(known, share)) * 1000, 3) for name, share in shares.items()}


def levels_of(sheet: Sheet, names: Mapping[str, Sequence[str]]) -> tuple[dict[str, int], int]:
    """How often each level was the finest that answered, and rows of which it is not known; `names` are those of the
    levels of each image that was read."""
    counts: Counter[str] = Counter({name: 0 for levels in names.values() for name in levels})
    for digest, number in sheet.images.items():
        mine = sheet.levels[(sheet.image_of == number) & (sheet.levels >= 0)]
        for stage, count in enumerate(np.bincount(mine, minlength=1).tolist()):
            if count:
                counts[names[digest][stage]] += count
    return dict(counts), sheet.answered - sum(counts.values())


def local_text(moment_us: int, zone: str) -> str:
    """An instant in a zone, with its offset: 2013-10-15T12:00:00-04:00."""
    return (_EPOCH + timedelta(microseconds=moment_us)).astimezone(ZoneInfo(zone)).isoformat()
