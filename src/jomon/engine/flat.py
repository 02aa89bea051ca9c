"""Many members in nine arrays, one member after the other; what files hold and the engine reads in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from jomon.core.table import Floats, Ints
from jomon.engine.linear import NUMERIC, LinearArrays
from jomon.engine.tensors import Array, expect
from jomon.engine.trees import (
    CATEGORY,
    FLAG_BITS,
    FLAGS,
    NODE,
    WORDS_LIMIT,
    TreeArrays,
    Words,
)

TREES, LINEAR, OPAQUE = 0, 1, 2  # kinds; files hold the first two, an opaque member is scored outside
PARTS = ("nodes", "roots", "leaves", "bitsets", "coefficients", "sizes")
_CHUNK = 1 << 16  # nodes checked at a time, so that a check never needs much memory of its own


@dataclass(frozen=True, eq=False)
class FlatMembers:
    """M members of one width. Indices inside a member's nodes and roots count from that member's first item.

    nodes int64[N, 3], roots int64[T], leaves float64[L], bitsets uint32[W] of tree members (see `trees`);
    coefficients float64[C], sizes int64[Z] of linear members (see `linear`);
    bounds int64[M + 1, 6]: where each member starts in each of the six (`PARTS`), and the end;
    kinds int64[M]: `TREES` or `LINEAR`; shrink float64[M].
    """

    nodes: Ints
    roots: Ints
    leaves: Floats
    bitsets: Words
    coefficients: Floats
    sizes: Ints
    bounds: Ints
    kinds: Ints
    shrink: Floats

    def __len__(self) -> int:
        return len(self.kinds)

    @classmethod
    def of(cls, models: Sequence[TreeArrays | LinearArrays], shrink: Sequence[float]) -> FlatMembers:
        """The members one after the other."""
        parts = [_parts(model) for model in models]
        lengths = np.array([[len(part) for part in six] for six in parts], np.int64).reshape(-1, len(PARTS))
        six = zip(PARTS, _EMPTY, *parts, strict=True)
        joined: dict[str, Array] = {name: np.concatenate(arrays) for name, *arrays in six}
        return cls(
            **joined,
            bounds=np.concatenate([np.zeros((1, len(PARTS)), np.int64), np.cumsum(lengths, axis=0)]),
            kinds=np.array([LINEAR if isinstance(m, LinearArrays) else TREES for m in models], np.int64),
            shrink=np.array(shrink, np.float64),
        )

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Array], what: str) -> FlatMembers:
        """The members in the arrays of a file; raises `CorruptError` where one is missing or misshapen."""
        members = len(expect(arrays, "kinds", "I64", (None,), what))
        return cls(
            nodes=expect(arrays, "nodes", "I64", (None, 3), what),
            roots=expect(arrays, "roots", "I64", (None,), what),
            leaves=expect(arrays, "leaves", "F64", (None,), what),
            bitsets=expect(arrays, "bitsets", "U32", (None,), what),
            coefficients=expect(arrays, "coefficients", "F64", (None,), what),
            sizes=expect(arrays, "sizes", "I64", (None,), what),
            bounds=expect(arrays, "bounds", "I64", (members + 1, len(PARTS)), what),
            kinds=arrays["kinds"],
            shrink=expect(arrays, "shrink", "F64", (members,), what),
        )

    @property
    def arrays(self) -> dict[str, Array]:
        """The nine arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def model(self, i: int, width: int) -> TreeArrays | LinearArrays:
        """Member i as views of these arrays."""
        part = {
            name: getattr(self, name)[start:end]
            for name, start, end in zip(PARTS, self.bounds[i], self.bounds[i + 1], strict=True)
        }
        if self.kinds[i] == LINEAR:
            return LinearArrays.of_coefficients(part["coefficients"], part["sizes"])
        return TreeArrays(part["nodes"], part["roots"], part["leaves"], part["bitsets"], width)

    def problem(self, width: int) -> str | None:
        """Why rows of `width` columns cannot be scored safely by these members, or None where they can.

        What holds afterwards: every index stays inside its member, every walk down a tree ends, every
        number is finite. Costs one pass over the arrays.
        """
        ends = [len(getattr(self, name)) for name in PARTS]
        bounds = self.bounds
        if (bounds[0] != 0).any() or (bounds[-1] != ends).any() or (bounds[1:] < bounds[:-1]).any():
            return "its members' bounds do not cover its arrays"
        if not np.isin(self.kinds, (TREES, LINEAR)).all():
            return "it has a member of an unknown kind"
        if not all(np.isfinite(array).all() for array in (self.leaves, self.coefficients, self.shrink)):
            return "it holds a number that is not finite"
        return self._linear_problem(width) or self._root_problem() or self._node_problem(width)

    def _linear_problem(self, width: int) -> str | None:
        lengths = np.diff(self.bounds, axis=0)
        linear = self.kinds == LINEAR
        if lengths[linear, :4].any() or lengths[~linear, 4:].any():
            return "a member has arrays of another kind"
        if (lengths[linear, 5] != width).any():
            return "a linear member has another number of features"
        if len(self.sizes) and not NUMERIC <= self.sizes.min() <= self.sizes.max() < 2**31:
            return "a linear member has a table of an impossible size"
        tables = np.maximum(self.sizes, 0).reshape(-1, width).sum(axis=1) if width else 0
        if (lengths[linear, 4] != 1 + 2 * width + tables).any():
            return "a linear member has too few or too many coefficients"
        return None

    def _root_problem(self) -> str | None:
        lengths = np.diff(self.bounds, axis=0)
        nodes, leaves = (np.repeat(lengths[:, k], lengths[:, 1]) for k in (0, 2))
        if ((self.roots >= nodes) | (self.roots < -leaves)).any():
            return "a tree starts outside its member"
        return None

    def _node_problem(self, width: int) -> str | None:
        if (np.diff(self.bounds[:, [0, 2, 3]], axis=0) >= 2**31).any():
            return "a member is too large"
        return next(filter(None, (self._chunk_problem(*chunk, width) for chunk in self._chunks())), None)

    def _chunks(self) -> Iterator[tuple[slice, NDArray[np.intp]]]:
        """Ranges of nodes, each with the member every node belongs to."""
        starts = self.bounds[:, 0]
        for first in range(0, len(self.nodes), _CHUNK):
            rows = slice(first, min(first + _CHUNK, len(self.nodes)))
            yield rows, np.searchsorted(starts, np.arange(rows.start, rows.stop), side="right") - 1

    def _chunk_problem(self, rows: slice, member: NDArray[np.intp], width: int) -> str | None:
        record = self.nodes[rows].view(NODE)[:, 0]
        lengths = np.diff(self.bounds, axis=0)[member]
        own = np.arange(rows.start, rows.stop) - self.bounds[member, 0]
        for child in (record["left"], record["right"]):
            inner = (child > own) & (child < lengths[:, 0])
            if not (inner | ((child < 0) & (child >= -lengths[:, 2]))).all():
                return "a node leads outside its member or back"
        if not ((record["feature"] >= 0) & (record["feature"] < width)).all():
            return "a node asks for a feature that rows do not have"
        flags, words = record["aux"] & ((1 << FLAG_BITS) - 1), record["aux"] >> FLAG_BITS
        if not np.isin(flags, FLAGS).all():
            return "a node is of an unknown kind"
        in_set = flags == CATEGORY
        if (words < 0).any() or (words[~in_set] != 0).any() or (words[in_set] > WORDS_LIMIT).any():
            return "a node has a category set of an impossible size"
        start = np.ascontiguousarray(record["threshold"]).view(np.int64)
        outside = (start < 0) | (start > lengths[:, 3] - words)
        if (in_set & outside).any():
            return "a node's category set lies outside its member"
        if np.isnan(record["threshold"][(flags & CATEGORY) == 0]).any():
            return "a node has a threshold that is no number"
        return None


_EMPTY: tuple[Array, ...] = (
    np.zeros((0, 3), np.int64),
    np.zeros(0, np.int64),
    np.zeros(0, np.float64),
    np.zeros(0, np.uint32),
    np.zeros(0, np.float64),
    np.zeros(0, np.int64),
)


def _parts(model: TreeArrays | LinearArrays) -> tuple[Array, ...]:
    if isinstance(model, LinearArrays):
        return (*_EMPTY[:4], model.coefficients, model.sizes)
    return (model.nodes, model.roots, model.leaves, model.bitsets, *_EMPTY[4:])
