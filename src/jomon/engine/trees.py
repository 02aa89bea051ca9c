"""Trees as flat arrays: one 24-byte record per node, so that a step down a tree reads one place in memory.

A node's record is threshold (float64), left, right (int32), feature (int32) and aux (int32); an array of
nodes is int64[N, 3], which is what files hold, or the same bytes seen as `NODE`. A child that is 0 or more
is a node of the same member, a negative one is the leaf `~child`. Children come after their parent, so
every walk ends.

aux holds flags in its low 8 bits and the number of words of a category set above them:
- no flag: left if value <= threshold, NaN goes right;
- NAN_LEFT: NaN goes left;
- ZERO_MISSING: a value within ZERO of zero goes where NaN goes;
- CATEGORY: left if the value, cut to a whole number, is in a set of codes whose words (uint32) start at the
  threshold's eight bytes read as an integer;
- CATEGORY | INLINE: the same, but those eight bytes are the set itself (codes 0 to 63).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jomon.core.table import Floats, Ints

NODE = np.dtype([("threshold", "<f8"), ("left", "<i4"), ("right", "<i4"), ("feature", "<i4"), ("aux", "<i4")])
NAN_LEFT, ZERO_MISSING, CATEGORY, INLINE = 1, 2, 4, 8
FLAG_BITS = 8
FLAGS = (0, NAN_LEFT, ZERO_MISSING, ZERO_MISSING | NAN_LEFT, CATEGORY, CATEGORY | INLINE)
WORDS_LIMIT = 1 << 22  # words of one category set: codes up to 134 million
ZERO = float(np.float32(1e-35))  # LightGBM's idea of zero

Words = NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class TreeArrays:
    """The trees of one member; its margin is the sum over trees, in order, of the leaf a row falls into.

    nodes: int64[N, 3] (see the module); roots: int64[T], a node or `~leaf` for a tree that is one leaf;
    leaves: float64[L]; bitsets: uint32[W], the words of category sets; width: how many feature columns rows
    have.
    """

    nodes: Ints
    roots: Ints
    leaves: Floats
    bitsets: Words
    width: int

    @property
    def records(self) -> np.ndarray[tuple[int], np.dtype[np.void]]:
        """The nodes seen as records of `NODE`, N of them; a view."""
        return self.nodes.view(NODE)[:, 0]

    def with_columns(self, columns: Sequence[int], width: int) -> TreeArrays:
        """The same trees for rows of `width` columns; column j of the old rows stands at `columns[j]`."""
        place = np.asarray(columns, np.int32)
        if len(place) != self.width or (len(place) and not 0 <= place.min() <= place.max() < width):
            raise ValueError(f"{len(columns)} places among {width} columns cannot hold {self.width} columns")
        nodes = self.nodes.copy()
        records = nodes.view(NODE)[:, 0]
        records["feature"] = place[records["feature"]]
        return replace(self, nodes=nodes, width=width)


def constant_trees(value: float, width: int) -> TreeArrays:
    """One tree of one leaf: every row of `width` columns gets `value`."""
    return TreeArrays(
        nodes=np.zeros((0, 3), np.int64),
        roots=np.array([-1], np.int64),
        leaves=np.array([value], np.float64),
        bitsets=np.zeros(0, np.uint32),
        width=width,
    )
