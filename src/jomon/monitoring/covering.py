"""Covering: the cheapest way to say where something is, in bits.

Naming a segment costs the logarithm of the number of levels and of the segments at its level; each of its finest
segments that does not show the thing is an exception, which costs its own name and a surcharge. Rissanen (1978),
Modeling by shortest data description.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np

from jomon.core.segments import Segment

EXCEPTION = 6.0
"""Bits that an exception costs beside its name: what is said of a segment should hold for all of it."""


@dataclass(frozen=True)
class Covered:
    """Segments that together cover what was to be covered, the `exceptions` among their finest segments, and the bits
    that it takes to say so."""

    parts: tuple[Segment, ...]
    exceptions: tuple[Segment, ...]
    bits: float


def within(inner: Segment, outer: Segment) -> bool:
    """Whether a segment lies in another one.

    >>> within(Segment.parse("carrier=UA origin=EWR"), Segment.parse("origin=EWR"))
    True
    """
    return set(outer.items) <= set(inner.items)


def covering(affected: Set[Segment], cells: Sequence[Segment], levels: Sequence[tuple[str, ...]]) -> Covered:
    """The cheapest parts at `levels` that cover the `affected` ones of the finest segments `cells`.

    Greedy: the segment that says most per bit, until nothing is left; then parts that others made needless go. What is
    affected and lies in no segment of a level is named by itself.
    """
    offered, counts = _offered(cells, levels)
    name = float(np.log2(max(len(cells), 2)))
    left, parts = set(affected), list[Segment]()
    while left:
        best: tuple[float, int, str] | None = None
        chosen: Segment | None = None
        for segment, inside in offered.items():
            new = len(left & inside)
            if not new:
                continue
            bits = _bits(segment, counts) + (name + EXCEPTION) * len(inside - affected)
            rank = (bits / new, len(segment.items), segment.text)
            if best is None or rank < best:
                best, chosen = rank, segment
        single = min(left, key=lambda cell: cell.text)
        if chosen is None or best is None or best[0] > name + 1.0 + np.log2(len(levels) + 1):
            chosen = chosen if chosen is not None and len(offered[chosen] - affected) == 0 else single
        parts.append(chosen)
        left -= offered.get(chosen, {chosen}) | {chosen}
    parts = _needed(parts, offered, affected)
    exceptions = (
        sorted(set().union(*(offered.get(p, {p}) for p in parts)) - affected, key=lambda c: c.text)
        if parts
        else []
    )
    bits = sum(_bits(p, counts) for p in parts) + (name + EXCEPTION) * len(exceptions)
    return Covered(tuple(parts), tuple(exceptions), float(bits))


def _offered(
    cells: Sequence[Segment], levels: Sequence[tuple[str, ...]]
) -> tuple[dict[Segment, set[Segment]], Mapping[tuple[str, ...], int]]:
    """Each segment of the levels with its finest ones, and how many there are at each level."""
    offered: dict[Segment, set[Segment]] = {}
    for cell in cells:
        values = dict(cell.items)
        for level in (*levels, cell.axes):
            if all(axis in values for axis in level):
                offered.setdefault(Segment(tuple((axis, values[axis]) for axis in level)), set()).add(cell)
    counts: dict[tuple[str, ...], int] = {}
    for segment in offered:
        counts[segment.axes] = counts.get(segment.axes, 0) + 1
    return offered, counts


def _bits(segment: Segment, counts: Mapping[tuple[str, ...], int]) -> float:
    return float(np.log2(max(len(counts), 1)) + np.log2(max(counts.get(segment.axes, 1), 1))) + 1.0


def _needed(
    parts: list[Segment], offered: Mapping[Segment, set[Segment]], affected: Set[Segment]
) -> list[Segment]:
    kept = list(parts)
    for part in parts:
        rest = set().union(*(offered.get(p, {p}) for p in kept if p != part)) if len(kept) > 1 else set()
        if affected & offered.get(part, {part}) <= rest:
            kept.remove(part)
    return sorted(kept, key=lambda part: part.text)
