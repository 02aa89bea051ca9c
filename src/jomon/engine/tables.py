"""The tables that the compiled loop walks: where every member of every stage lies in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from jomon.core.errors import StoreError
from jomon.core.table import Floats, Ints
from jomon.engine.fasttable import FastTable
from jomon.engine.flat import OPAQUE
from jomon.engine.opaque import OpaqueMember
from jomon.engine.pack import Pack
from jomon.engine.stages import StagePacks


@dataclass(frozen=True, eq=False)
class Tables:
    """All K members in stage order, by code within a stage.

    codes, starts: int64[K] and int64[S + 1], the members of stage s stand from `starts[s]` to `starts[s +
    1]`; members: int64[K, 8] and shrink: float64[K], columns as in `kernel`; table: the addresses that
    `kernel` needs; opaque: the members that no pack holds, by place; held: everything the addresses point
    into.
    """

    codes: Ints
    starts: Ints
    members: Ints
    shrink: Floats
    table: Ints
    opaque: Mapping[int, OpaqueMember]
    replace: bool
    held: tuple[object, ...]

    @classmethod
    def of(cls, stages: Sequence[StagePacks], replace: bool) -> Tables:
        """The tables of `stages`; raises `StoreError` where a stage holds a segment twice."""
        parts = [_stage(stage, number) for number, stage in enumerate(stages)]
        codes, members, shrink = (
            np.concatenate([empty, *(part[k] for part in parts)])
            for k, empty in enumerate((np.zeros(0, np.int64), np.zeros((0, 8), np.int64), np.zeros(0)))
        )
        starts = np.cumsum([0, *(len(part[0]) for part in parts)], dtype=np.int64)
        fast = [stage.fast or _NO_FAST for stage in stages]
        for number, one in enumerate(fast):
            if one.problem:
                raise StoreError(
                    f"The fast table of stage {number} is unusable: {one.problem}; refresh the fleet."
                )
        fast_codes = np.concatenate([_NO_FAST.codes, *(one.codes for one in fast)])
        values = np.concatenate(
            [np.zeros((0, 3)), *(np.stack([f.offset, f.slope, f.center], 1) for f in fast)]
        )
        fast_starts = np.cumsum([0, *(len(one) for one in fast)], dtype=np.int64)
        held = (members, shrink, codes, starts, fast_codes, values, fast_starts)
        table = np.array([*map(_address, held), len(stages), replace], np.int64)
        opaque = {
            int(starts[s] + np.searchsorted(parts[s][0], code)): member
            for s, stage in enumerate(stages)
            for code, member in (stage.opaque or {}).items()
        }
        return cls(codes, starts, members, shrink, table, opaque, replace, (*held, tuple(stages)))

    @cached_property
    def largest(self) -> int:
        """How many members the largest stage has."""
        return int(np.diff(self.starts).max(initial=0))

    def places(self, codes: Ints, has: NDArray[np.bool_]) -> Ints:
        """int64[n, S]: the place of the slow member that answers for a row at a stage, -1 where none does."""
        places = np.full(codes.shape, -1, np.int64)
        for stage in range(codes.shape[1]):
            own = self.codes[self.starts[stage] : self.starts[stage + 1]]
            if len(own):
                at = np.minimum(np.searchsorted(own, codes[:, stage]), len(own) - 1)
                hit = has[:, stage] & (own[at] == codes[:, stage])
                places[hit, stage] = at[hit] + self.starts[stage]
        if self.replace:
            later = np.cumsum((places >= 0)[:, ::-1], axis=1)[:, ::-1]
            places[later > 1] = -1
        return places


_NO_FAST = FastTable(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0))


def _stage(stage: StagePacks, number: int) -> tuple[Ints, Ints, Floats]:
    """Codes, members and shrink of one stage, by code."""
    opaque = np.array(sorted(stage.opaque or {}), np.int64)
    outside = np.zeros((len(opaque), 8), np.int64)
    outside[:, 7] = OPAQUE
    codes = np.concatenate([opaque, *(pack.codes for pack in stage.packs)])
    members = np.concatenate([outside, *(_members(pack) for pack in stage.packs)])
    shrink = np.concatenate([np.ones(len(opaque)), *(pack.members.shrink for pack in stage.packs)])
    order = np.argsort(codes, kind="stable")
    codes = codes[order]
    twice = codes[1:][codes[1:] == codes[:-1]]
    if len(twice):
        raise StoreError(
            f"Stage {number} holds the segment {_text(stage, int(twice[0]))} twice; build the fleet again."
        )
    return codes, members[order], shrink[order]


def _members(pack: Pack) -> Ints:
    """int64[M, 8]: the addresses, counts and kinds of a pack's members."""
    flat, start, end = pack.members, pack.members.bounds[:-1], pack.members.bounds[1:]
    table = np.empty((len(flat), 8), np.int64)
    table[:, 0] = _address(flat.nodes) + 24 * start[:, 0]
    table[:, 1] = _address(flat.roots) + 8 * start[:, 1]
    table[:, 2] = end[:, 1] - start[:, 1]
    table[:, 3] = _address(flat.leaves) + 8 * start[:, 2]
    table[:, 4] = _address(flat.bitsets) + 4 * start[:, 3]
    table[:, 5] = _address(flat.coefficients) + 8 * start[:, 4]
    table[:, 6] = _address(flat.sizes) + 8 * start[:, 5]
    table[:, 7] = flat.kinds
    return table


def _address(array: NDArray[np.generic]) -> int:
    return int(array.ctypes.data)


def _text(stage: StagePacks, code: int) -> str:
    for pack in stage.packs:
        at = int(np.searchsorted(pack.codes, code))
        if at < len(pack) and pack.codes[at] == code:
            return repr(pack.segments[at])
    return str(code)
