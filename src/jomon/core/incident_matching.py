"""Whether a trouble is one that is known already: the same trouble the next day is the same incident.

Two troubles are one if their causes are of one family, they share a column and their segments overlap. How alike they
are is a number between 0 and 1, by which the best pairs are found first: one trouble is at most one incident, and one
incident at most one trouble of a window.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from jomon.core.findings import CauseKind, Severity
from jomon.core.incidents import Trouble
from jomon.core.segments import Segment
from jomon.core.trouble_documents import trouble_document

SEEN_WITHIN = 7
"""Windows: an incident that was last seen longer ago is another one, even if the trouble is the same. Seven, so that
what happens once a week in windows of a day is still one incident."""

FAMILIES: Mapping[CauseKind, str] = {
    **dict.fromkeys(
        (
            "unit_changed", "shifted", "stuck", "nulls", "renamed_category", "unseen_category", "swapped_columns",
            "time_zone", "changed_distribution", "gradual_drift",
        ),
        "inputs",
    ),
    **dict.fromkeys(("duplicated_rows", "missing_rows"), "rows"),
    "special_event": "event",
    **dict.fromkeys(
        ("labels_flipped", "changed_behaviour", "defective_member", "defective_release"), "answers"
    ),
}  # fmt: skip
"""Causes of one family are one trouble named with more or with fewer rows at hand."""

SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high")
_OTHER_KIND = 0.9  # of two causes of one family the same kind is the better match


@dataclass(frozen=True)
class Known:
    """An incident to which a trouble of a window may belong.

    `seen`: its troubles in windows near by, those of the window itself too if it was checked before; `here`: what the
    window itself said of it at an earlier check.
    """

    key: int
    closed: bool
    seen: tuple[Trouble, ...]
    here: Trouble | None = None


@dataclass(frozen=True)
class Extent:
    """How far an incident has reached so far."""

    parts: tuple[Segment, ...]
    columns: tuple[str, ...]
    severity: Severity


@dataclass(frozen=True)
class Growth:
    """What of a trouble lies outside the extent of its incident; `severity` only if it is higher."""

    parts: tuple[Segment, ...]
    columns: tuple[str, ...]
    severity: Severity | None

    def __bool__(self) -> bool:
        return bool(self.parts or self.columns or self.severity)

    @property
    def sentence(self) -> str:
        """What grew, in words.

        >>> Growth((Segment((("carrier", "UA"),)),), ("distance",), "high").sentence
        'severity high; also segments carrier=UA; also columns distance'
        """
        told = [f"severity {self.severity}"] if self.severity else []
        told += [f"also segments {', '.join(part.text for part in self.parts)}"] if self.parts else []
        told += [f"also columns {', '.join(self.columns)}"] if self.columns else []
        return "; ".join(told)


def likeness(one: Trouble, other: Trouble) -> float:
    """How far two troubles are the same: 0 (not at all) to 1 (family, columns and segments agree)."""
    if _family(one) != _family(other):
        return 0.0
    kind = 1.0 if one.cause.kind == other.cause.kind else _OTHER_KIND
    return kind * _shared(set(one.columns), set(other.columns)) * _parts_alike(one.parts, other.parts)


def assign(troubles: Sequence[Trouble], known: Sequence[Known]) -> list[int | None]:
    """The key of the incident to which each trouble belongs; None for a new one.

    A trouble that the window itself told of before keeps its incident. Then incidents that are not closed get the
    trouble that is most like one of theirs, then closed ones. The order of what is given decides nothing but ties.
    """
    found: dict[int, int] = {}
    taken: set[int] = set()
    here = [one for one in known if one.here is not None]
    told = {one.key: trouble_document(one.here) for one in here if one.here is not None}
    for index, trouble in enumerate(troubles):
        said = trouble_document(trouble)
        same = next((one.key for one in here if one.key not in taken and told[one.key] == said), None)
        if same is not None:
            found[index] = same
            taken.add(same)
    for closed in (False, True):
        pairs = sorted(
            (-alike, _order(troubles[index]), one.key, index)
            for one in known
            if one.closed == closed and one.key not in taken
            for index in range(len(troubles))
            if index not in found
            and (alike := max((likeness(troubles[index], seen) for seen in one.seen), default=0.0)) > 0
        )
        for _, _, key, index in pairs:
            if key not in taken and index not in found:
                found[index] = key
                taken.add(key)
    return [found.get(index) for index in range(len(troubles))]


def growth(trouble: Trouble, extent: Extent) -> Growth:
    """What of a trouble its incident had not reached before."""
    parts = tuple(part for part in trouble.parts if not any(_within(part, known) for known in extent.parts))
    columns = tuple(column for column in trouble.columns if column not in extent.columns)
    higher = SEVERITIES.index(trouble.severity) > SEVERITIES.index(extent.severity)
    return Growth(parts, columns, trouble.severity if higher else None)


def widened(extent: Extent, more: Growth) -> Extent:
    """The extent after it grew: parts that lie within a new one are dropped."""
    kept = tuple(part for part in extent.parts if not any(_within(part, new) for new in more.parts))
    return Extent(kept + more.parts, extent.columns + more.columns, more.severity or extent.severity)


def extent_of(trouble: Trouble) -> Extent:
    """The extent of an incident that has one trouble."""
    return Extent(trouble.parts, trouble.columns, trouble.severity)


def _family(trouble: Trouble) -> str:
    """The family of its cause; a kind that only another version knows is a family of its own."""
    return FAMILIES.get(trouble.cause.kind, trouble.cause.kind)


def _order(trouble: Trouble) -> tuple[str, ...]:
    """Something to sort troubles by that does not depend on the order in which they came."""
    parts = " ".join(sorted(part.text for part in trouble.parts))
    return trouble.cause.kind, " ".join(sorted(trouble.columns)), parts


def _shared(one: set[str], other: set[str]) -> float:
    """Jaccard's index; 1 of two empty sets."""
    return len(one & other) / len(one | other) if one or other else 1.0


def _parts_alike(one: Iterable[Segment], other: Iterable[Segment]) -> float:
    """The mean, over the segments of both sides, of how alike the best segment of the other side is."""
    ones, others = tuple(one), tuple(other)
    if not ones or not others:
        return 0.0
    best = [max(_alike(a, b) for b in others) for a in ones] + [
        max(_alike(a, b) for a in ones) for b in others
    ]
    return sum(best) / len(best)


def _alike(one: Segment, other: Segment) -> float:
    """Two segments: 1 if equal, less the more their axes differ, 0 if no row can lie in both."""
    mine, yours = dict(one.items), dict(other.items)
    if any(yours.get(axis, value) != value for axis, value in mine.items()):
        return 0.0
    shared = len(mine.keys() & yours.keys())
    return (1 + shared) / (1 + len(mine.keys() | yours.keys()))


def _within(part: Segment, whole: Segment) -> bool:
    """Whether all rows of `part` lie in `whole`."""
    return set(whole.items) <= set(part.items)
