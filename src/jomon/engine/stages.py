"""What an engine is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jomon.engine.fasttable import FastTable
from jomon.engine.opaque import OpaqueMember
from jomon.engine.pack import Pack


@dataclass(frozen=True, eq=False)
class StagePacks:
    """A stage: packs of its slow members, its fast table, and by segment code members that no pack holds."""

    packs: Sequence[Pack] = ()
    fast: FastTable | None = None
    opaque: Mapping[int, OpaqueMember] | None = None
