"""Why a member answers for a row or does not: the words that `route` prints and builds record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from jomon.core.grouping import Bools, Segmented
from jomon.core.segments import Segment
from jomon.core.table import Coded


class Why(StrEnum):
    """Kinds of reasons; the values are stable names for JSON, `Reason.text` is the sentence."""

    ANSWERS = "answers"
    FAST_ONLY = "fast_only"
    NO_VALUE = "no_value"
    NOT_VALID = "not_valid"
    NO_ROWS = "no_rows"
    TOO_FEW_ROWS = "too_few_rows"
    NOT_KEPT = "not_kept"
    STAGE_NOT_KEPT = "stage_not_kept"
    FAILED = "failed"
    FINER_ANSWERS = "finer_answers"


_TEXT: Mapping[Why, str] = {
    Why.ANSWERS: "answers",
    Why.FAST_ONLY: "answers with its fast part alone",
    Why.NO_VALUE: "no value for {axes}",
    Why.NOT_VALID: "its validity periods do not include this time",
    Why.NO_ROWS: "no member: no rows of this segment in training",
    Why.TOO_FEW_ROWS: "no member: too few rows ({rows} of {needed})",
    Why.NOT_KEPT: "no member: not shown to be as good as the chain without it ({evidence})",
    Why.STAGE_NOT_KEPT: "no member: its stage was not kept ({evidence})",
    Why.FAILED: "no member: fitting failed ({error})",
    Why.FINER_ANSWERS: "{segment} answers in its place",
}
"""One sentence per kind; the names in braces are the details it needs."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a member answers or does not, with the details of its sentence.

    >>> Reason.of(Why.TOO_FEW_ROWS, rows=57, needed=200).text
    'no member: too few rows (57 of 200)'
    """

    why: Why
    details: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, why: Why, **details: object) -> Reason:
        """A reason with its details; raises `ValueError` unless they are the ones its sentence names."""
        reason = cls(why, tuple((name, str(value)) for name, value in details.items()))
        try:
            written = _TEXT[why].format(**dict(reason.details))
        except KeyError as missing:
            raise ValueError(f"{why.value} needs the detail {missing}") from None
        if any(f"{{{name}}}" not in _TEXT[why] for name in details):
            raise ValueError(f"{why.value} ({written}) has no place for one of {sorted(details)}")
        return reason

    @property
    def answers(self) -> bool:
        """Whether the member takes part in the row's answer."""
        return self.why in (Why.ANSWERS, Why.FAST_ONLY)

    @property
    def text(self) -> str:
        """The sentence for people."""
        return _TEXT[self.why].format(**dict(self.details))


ANSWERS = Reason(Why.ANSWERS)
NOT_VALID = Reason(Why.NOT_VALID)


@dataclass(frozen=True, slots=True)
class RouteStep:
    """One row at one level: its segment (None where a value is missing), and whether that member answers."""

    level: tuple[str, ...]
    segment: str | None
    active: bool
    reason: str


Route = tuple[RouteStep, ...]


def steps_of(
    axes: Sequence[tuple[str, Coded]],
    segmented: Segmented,
    valid: Bools,
    verdict: Callable[[Segment], Reason],
) -> list[RouteStep]:
    """The step of every row (n) at one stage.

    `axes` are the axes of its level with their values, `segmented` the segments of the rows, `valid` says
    which rows are inside the validity of their segment; `verdict` tells of a segment whether it has a member.
    """
    level = tuple(axis for axis, _ in axes)
    reasons = [verdict(segment) for segment in segmented.segments]
    steps = [
        RouteStep(level, segment.text, reason.answers, reason.text)
        for segment, reason in zip(segmented.segments, reasons, strict=True)
    ]
    outside = [replace(s, active=False, reason=NOT_VALID.text) if s.active else s for s in steps]
    missing = np.zeros(len(segmented), dtype=np.int64)
    for bit, (_, column) in enumerate(axes):
        missing |= (column.codes < 0).astype(np.int64) << bit
    absent = {bits: _absent(level, bits) for bits in np.unique(missing[missing > 0]).tolist()}
    return [
        absent[bits] if bits else (steps if inside else outside)[code]
        for code, inside, bits in zip(segmented.codes.tolist(), valid.tolist(), missing.tolist(), strict=True)
    ]


def _absent(level: tuple[str, ...], bits: int) -> RouteStep:
    """The step of rows in which the axes with a bit in `bits` have no value."""
    axes = ", ".join(axis for bit, axis in enumerate(level) if bits >> bit & 1)
    return RouteStep(level, None, False, Reason.of(Why.NO_VALUE, axes=axes).text)


def finest_alone(route: Route) -> Route:
    """The same route where only the last member that could answer does."""
    last = max((at for at, step in enumerate(route) if step.active), default=-1)
    if last < 0:
        return route
    reason = Reason.of(Why.FINER_ANSWERS, segment=route[last].segment).text
    return tuple(
        replace(step, active=False, reason=reason) if step.active and at < last else step
        for at, step in enumerate(route)
    )
