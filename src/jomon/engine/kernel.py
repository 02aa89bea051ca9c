# ruff: noqa: PLR0917, PLR0124  (nothing is gained by objects here; `v != v` is NaN)
"""The compiled loop: rows of many members in, margins out.

Importing this module imports numba and compiles, or loads from numba's cache, the functions below; only an
`Engine` does so. Packs are read through addresses, where they are mapped. What makes that safe is checked
before: the engine checks shapes, and opening a pack checks every index in it.

Sums run in the order of the trees, from zero, whatever the batch: a row's score does not depend on its
neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from jomon.engine.flat import LINEAR, TREES
from jomon.engine.trees import CATEGORY, FLAG_BITS, INLINE, NAN_LEFT, ZERO, ZERO_MISSING

# Columns of the table of members, and places in the table of tables; int64, addresses for the most part.
NODES, ROOTS, TREE_COUNT, LEAVES, BITSETS, COEFFICIENTS, SIZES, KIND = range(8)
MEMBERS, SHRINK, CODES, STARTS, FAST_CODES, FAST_VALUES, FAST_STARTS, STAGES, REPLACE = range(9)
_MEMBER_BYTES = 64
_NODE_BYTES = 24
_GROUPED = 48  # rows from which it pays to group them by member
_INT32_END = 2147483648.0
_WIDEST = 64  # codes in an inline category set


def _load(kind: Any, item: Any) -> Any:
    """A function that reads one number of a type at an address."""

    @intrinsic
    def load(typing: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.load(builder.inttoptr(arguments[0], item.as_pointer()))

        return kind(types.int64), generate

    return load


_f64 = _load(types.float64, ir.DoubleType())
_i64 = _load(types.int64, ir.IntType(64))
_u32 = _load(types.uint32, ir.IntType(32))


def _compiled(*signatures: str) -> Callable[[Callable[..., Any]], Any]:
    """Compile now, from numba's cache where it can be written, and without the interpreter's lock."""

    def wrap(function: Callable[..., Any]) -> Any:
        try:
            return njit(list(signatures), cache=True, nogil=True)(function)
        except RuntimeError:  # neither this folder nor the user's cache folder can be written
            return njit(list(signatures), nogil=True)(function)

    return wrap


_part = njit(nogil=True)


@_part
def _special(t: float, bits: int, aux: int, v: float, bitsets: int) -> Any:
    """Whether `v` goes left at a node that is not plainly numeric: 1 or 0."""
    if aux & CATEGORY:
        if not (v > -1.0 and v < _INT32_END):
            return 0
        code = np.int64(v)
        if aux & INLINE:
            return (bits >> code) & 1 if code < _WIDEST else 0
        if code >> 5 >= aux >> FLAG_BITS:
            return 0
        return (np.int64(_u32(bitsets + 4 * (bits + (code >> 5)))) >> (code & 31)) & 1
    if v != v or (v >= -ZERO and v <= ZERO):
        return aux & NAN_LEFT
    return 1 if v <= t else 0


@_part
def _step(nodes: int, bitsets: int, x: int, at: int) -> Any:
    """The child of node `at` that the row at address `x` goes to; a leaf stays where it is."""
    here = nodes + _NODE_BYTES * (at if at > 0 else 0)
    t, children, tail = _f64(here), _i64(here + 8), _i64(here + 16)
    aux = tail >> 32
    v = _f64(x + ((tail & 0xFFFFFFFF) << 3))
    left = np.int64(v <= t) | (np.int64(v != v) & aux)
    if aux >= ZERO_MISSING:
        left = _special(t, _i64(here), aux, v, bitsets)
    child = (children << 32) >> 32 if left else children >> 32
    return child if at >= 0 else at


@_part
def _trees(member: int, x: int) -> Any:
    """The sum of a tree member's leaves for the row at address `x`."""
    nodes, roots, count = _i64(member + 8 * NODES), _i64(member + 8 * ROOTS), _i64(member + 8 * TREE_COUNT)
    leaves, bitsets = _i64(member + 8 * LEAVES), _i64(member + 8 * BITSETS)
    total = 0.0
    for tree in range(count):
        at = _i64(roots + 8 * tree)
        while at >= 0:
            at = _step(nodes, bitsets, x, at)
        total += _f64(leaves + 8 * ~at)
    return total


@_part
def _tree_group(member: int, x: int, row_bytes: int, rows: Any, total: Any) -> None:
    """Add a tree member's leaves to `total[row]` for each of `rows`: tree by tree, four rows at a time."""
    nodes, roots, count = _i64(member + 8 * NODES), _i64(member + 8 * ROOTS), _i64(member + 8 * TREE_COUNT)
    leaves, bitsets = _i64(member + 8 * LEAVES), _i64(member + 8 * BITSETS)
    whole = len(rows) - len(rows) % 4
    for tree in range(count):
        root = _i64(roots + 8 * tree)
        for first in range(0, whole, 4):
            i, j, k, m = rows[first], rows[first + 1], rows[first + 2], rows[first + 3]
            a = b = c = d = root
            while (a & b & c & d) >= 0 or a >= 0 or b >= 0 or c >= 0 or d >= 0:
                a = _step(nodes, bitsets, x + i * row_bytes, a)
                b = _step(nodes, bitsets, x + j * row_bytes, b)
                c = _step(nodes, bitsets, x + k * row_bytes, c)
                d = _step(nodes, bitsets, x + m * row_bytes, d)
            total[i] += _f64(leaves + 8 * ~a)
            total[j] += _f64(leaves + 8 * ~b)
            total[k] += _f64(leaves + 8 * ~c)
            total[m] += _f64(leaves + 8 * ~d)
        for row in rows[whole:]:
            at = root
            while at >= 0:
                at = _step(nodes, bitsets, x + row * row_bytes, at)
            total[row] += _f64(leaves + 8 * ~at)


@_part
def _linear(member: int, x: int, width: int) -> Any:
    """The margin of a linear member for the row at address `x`."""
    coefficients, sizes = _i64(member + 8 * COEFFICIENTS), _i64(member + 8 * SIZES)
    table = coefficients + 8 * (1 + 2 * width)
    total = _f64(coefficients)
    for j in range(width):
        v, size = _f64(x + 8 * j), _i64(sizes + 8 * j)
        missing = _f64(coefficients + 8 * (1 + width + j))
        if size < 0:
            total += missing if v != v else _f64(coefficients + 8 * (1 + j)) * v
        else:
            total += _f64(table + 8 * np.int64(v)) if v >= 0.0 and v < size else missing
            table += 8 * size
    return total


@_part
def _place(codes: int, start: int, end: int, code: int) -> Any:
    """Where `code` stands among the ascending codes from `start` to `end`, or -1."""
    low, high = start, end
    while low < high:
        middle = (low + high) >> 1
        if _i64(codes + 8 * middle) < code:
            low = middle + 1
        else:
            high = middle
    return low if low < end and _i64(codes + 8 * low) == code else -1


@_part
def _member_of(tables: Any, code: int, stage: int) -> Any:
    starts = tables[STARTS]
    return _place(tables[CODES], _i64(starts + 8 * stage), _i64(starts + 8 * stage + 8), code)


@_part
def _fast_of(tables: Any, code: int, stage: int) -> Any:
    starts = tables[FAST_STARTS]
    return _place(tables[FAST_CODES], _i64(starts + 8 * stage), _i64(starts + 8 * stage + 8), code)


@_part
def _answering(tables: Any, codes: Any, has: Any, row: int) -> Any:
    """The last stage with a slow member for a row, or -1."""
    for stage in range(tables[STAGES] - 1, -1, -1):
        if has[row, stage] and _member_of(tables, codes[row, stage], stage) >= 0:
            return stage
    return -1


@_part
def _fast_step(tables: Any, place: int, z: float) -> Any:
    """What the fast row at `place` adds to a margin `z`."""
    row = tables[FAST_VALUES] + 24 * place
    return _f64(row) + _f64(row + 8) * (z - _f64(row + 16))


@_part
def _one_by_one(tables: Any, rows: Any, codes: Any, has: Any, given: Any, out: Any) -> None:
    margin, answered, slow, fast = out
    width = rows.shape[1]
    for row in range(rows.shape[0]):
        x = rows.ctypes.data + 8 * width * row
        first, last = 0, tables[STAGES]
        if tables[REPLACE]:
            first = _answering(tables, codes, has, row)
            last = first + 1 if first >= 0 else 0
            first = max(first, 0)
        z = 0.0
        for stage in range(first, last):
            if not has[row, stage]:
                continue
            place = _member_of(tables, codes[row, stage], stage)
            if place >= 0:
                member = tables[MEMBERS] + _MEMBER_BYTES * place
                kind = _i64(member + 8 * KIND)
                if kind == TREES:
                    own = _trees(member, x)
                elif kind == LINEAR:
                    own = _linear(member, x, width)
                else:
                    own = given[row, stage]
                own *= _f64(tables[SHRINK] + 8 * place)
                z += own
                answered[row] = stage
                if len(slow):
                    slow[row, stage] = own
            place = _fast_of(tables, codes[row, stage], stage)
            if place >= 0:
                step = _fast_step(tables, place, z)
                z += step
                answered[row] = stage
                if len(fast):
                    fast[row, stage] = step
        margin[row] = z


@_part
def _stage_members(tables: Any, codes: Any, has: Any, stage: int, chosen: Any, place: Any) -> None:
    """The place of each row's slow member at a stage, or -1; under `replace` only at the chosen stage."""
    for row in range(len(place)):
        wanted = has[row, stage] and (not tables[REPLACE] or chosen[row] == stage)
        place[row] = _member_of(tables, codes[row, stage], stage) if wanted else -1


@_part
def _grouped_rows(place: Any, first: int, count: int) -> Any:
    """Rows ordered by member (`count` of them from place `first`), and where each member's rows start."""
    starts = np.zeros(count + 2, np.int64)
    for at in place:
        starts[at - first + 2 if at >= 0 else 1] += 1
    for k in range(1, count + 2):
        starts[k] += starts[k - 1]
    order = np.empty(len(place), np.int64)
    fill = starts.copy()
    for row in range(len(place)):
        group = place[row] - first + 1 if place[row] >= 0 else 0
        order[fill[group]] = row
        fill[group] += 1
    return order, starts[1:]


@_part
def _by_member(tables: Any, rows: Any, codes: Any, has: Any, given: Any, out: Any) -> None:
    margin, answered, slow, fast = out
    n, width = rows.shape
    place, chosen = np.empty(n, np.int64), np.empty(0, np.int64)
    if tables[REPLACE]:
        chosen = np.empty(n, np.int64)
        for row in range(n):
            chosen[row] = _answering(tables, codes, has, row)
    for stage in range(tables[STAGES]):
        _stage_members(tables, codes, has, stage, chosen, place)
        first, end = _i64(tables[STARTS] + 8 * stage), _i64(tables[STARTS] + 8 * stage + 8)
        order, starts = _grouped_rows(place, first, end - first)
        own = np.zeros(n)
        for k in range(end - first):
            group = order[starts[k] : starts[k + 1]]
            if len(group):
                member = tables[MEMBERS] + _MEMBER_BYTES * (first + k)
                kind = _i64(member + 8 * KIND)
                if kind == TREES:
                    _tree_group(member, rows.ctypes.data, 8 * width, group, own)
                elif kind == LINEAR:
                    for row in group:
                        own[row] = _linear(member, rows.ctypes.data + 8 * width * row, width)
                else:
                    for row in group:
                        own[row] = given[row, stage]
        for row in range(n):
            z, at = margin[row], place[row]
            if at >= 0:
                own[row] *= _f64(tables[SHRINK] + 8 * at)
                z += own[row]
                answered[row] = stage
                if len(slow):
                    slow[row, stage] = own[row]
            quick = -1
            if has[row, stage] and (at >= 0 or not tables[REPLACE]):
                quick = _fast_of(tables, codes[row, stage], stage)
            if quick >= 0:
                step = _fast_step(tables, quick, z)
                z += step
                answered[row] = stage
                if len(fast):
                    fast[row, stage] = step
            margin[row] = z


@_compiled(
    "void(i8[::1], f8[:,::1], i8[:,::1], b1[:,::1], f8[:,::1], f8[::1], i1[::1], f8[:,::1], f8[:,::1])"
)
def score(
    tables: Any,
    rows: Any,
    codes: Any,
    has: Any,
    given: Any,
    margin: Any,
    answered: Any,
    slow: Any,
    fast: Any,
) -> None:
    """Fill margin (from 0) and answered (from -1), and slow and fast (n by S) unless they are empty.

    tables: see the constants above; rows: n by F; codes, has: n by S; given: n by S, the margins of opaque
    members (empty where there are none).
    """
    out = (margin, answered, slow, fast)
    if rows.shape[0] < _GROUPED:
        _one_by_one(tables, rows, codes, has, given, out)
    else:
        _by_member(tables, rows, codes, has, given, out)
