"""Training rows: gold as the arrays that fitting needs, cut into blocks of time.

Rows are in order of (time, key). A row may be *answered* from its own local day on and *learned from* from the first
local day after its outcome became known; no step of a build uses a row before that day.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jomon.core.errors import BuildError
from jomon.core.segments import Segment
from jomon.core.table import Codes, Floats, Ints

Days = NDArray[np.int32]
Positions = NDArray[np.intp]

FIRST_BLOCK = (
    0.4  # share of the rows that the first block holds: enough to fit a root that is worth correcting
)


@dataclass(frozen=True)
class StageRows:
    """Which segment of one level each row belongs to.

    `segment` int32[n], -1 where the row has none; `segments` in order of their codes; `order` holds the rows that have
    a segment, sorted by (segment, time), and `starts` int64[m + 1] where each segment begins in it.
    """

    segment: Codes
    segments: tuple[Segment, ...]
    order: Positions
    starts: Ints

    @classmethod
    def of(cls, segment: Codes, segments: tuple[Segment, ...]) -> StageRows:
        """Sort the segments by code, drop those without rows, and index the rows."""
        counts = np.bincount(segment[segment >= 0], minlength=len(segments))
        present = [i for i in np.argsort([s.code for s in segments], kind="stable") if counts[i]]
        place = np.full(len(segments) + 1, -1, np.int32)
        place[present] = np.arange(len(present), dtype=np.int32)
        dense = place[segment]
        order = np.argsort(dense, kind="stable")
        order = order[np.count_nonzero(dense < 0) :]
        starts = np.concatenate([[0], np.cumsum(np.bincount(dense[dense >= 0], minlength=len(present)))])
        kept = tuple(segments[i] for i in present)
        if len({s.code for s in kept}) != len(kept):
            raise BuildError("Two segments of one level share a code; rename one of their values.")
        return cls(dense, kept, order, starts.astype(np.int64))

    def __len__(self) -> int:
        return len(self.segments)

    def rows_of(self, s: int) -> Positions:
        """Positions of the rows of segment `s`, in time order."""
        return self.order[self.starts[s] : self.starts[s + 1]]


@dataclass(frozen=True)
class TrainingRows:
    """n rows with a known outcome: `X` float64[n, F], `y` float64[n], `serve_day` and `learn_day` int32[n].

    `edges` int32[B + 1]: local days on which blocks begin, the last being the first held-out day; `stages` one a stage.
    """

    X: Floats
    y: Floats
    serve_day: Days
    learn_day: Days
    edges: Days
    stages: tuple[StageRows, ...]

    def __len__(self) -> int:
        return len(self.y)

    @property
    def blocks(self) -> int:
        """How many blocks of time there are."""
        return len(self.edges) - 1

    @property
    def block(self) -> NDArray[np.int16]:
        """The block each row is answered in, int16[n]."""
        return (np.searchsorted(self.edges, self.serve_day, side="right") - 1).astype(np.int16)

    @property
    def known_block(self) -> NDArray[np.int16]:
        """The first block whose settings may be chosen with a row's outcome, int16[n]: it was known when that began."""
        return np.searchsorted(self.edges, self.learn_day, side="left").astype(np.int16)


def block_edges(serve_day: Days, end_day: int, blocks: int) -> Days:
    """Days on which `blocks` blocks begin, and `end_day`: the first holds 40% of the rows, the others equal shares.

    `serve_day` int32[n] ascending. Raises `BuildError` where there are too few days.
    """
    if not len(serve_day):
        raise BuildError(
            "There are no rows with a known outcome before the hold-out; ingest more or shorten it."
        )
    shares = FIRST_BLOCK + (1.0 - FIRST_BLOCK) * np.arange(blocks) / (blocks - 1)
    at = np.minimum((shares[:-1] * len(serve_day)).astype(np.intp), len(serve_day) - 1)
    inner = serve_day[at]
    edges = np.concatenate([[serve_day[0]], inner, [end_day]]).astype(np.int32)
    if np.any(np.diff(edges) <= 0):
        days = int(serve_day[-1] - serve_day[0]) + 1
        raise BuildError(
            f"The rows before the hold-out span {days} days, too few for {blocks} blocks of time; "
            "lower build.blocks or evaluation.holdout."
        )
    return edges
