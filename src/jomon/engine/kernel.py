# ruff: noqa: PLR0917, PLR0124  (nothing is gained by objects here; `v != v` is NaN)
"""The compiled loop: rows of many members in, margins out.

Importing this module imports numba and compiles, or loads from numba's cache, the functions below; only an
`Engine` does so. Packs are read through addresses, where they are mapped. What makes that safe is checked
before: the engine checks shapes, and opening a pack checks every index in it.

numba's cache watches this file alone: change a line here when what it imports changes.

Sums run in the order of the trees, from zero, whatever the batch: a row's score does not depend on its
neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from jomon.engine.flat import LINEAR, TREES
from jomon.engine.memory import f64, i64, put_f64, put_u32, u32
from jomon.engine.trees import CATEGORY, FLAG_BITS, INLINE, NAN_LEFT, ZERO, ZERO_MISSING

# Columns of the table of members, and places in the table of tables; int64, addresses for the most part.
NODES, ROOTS, TREE_COUNT, LEAVES, BITSETS, COEFFICIENTS, SIZES, KIND = range(8)
MEMBERS, SHRINK, CODES, STARTS, FAST_CODES, FAST_VALUES, FAST_STARTS, STAGES, REPLACE = range(9)
_MEMBER_BYTES = 64
_NODE_BYTES = 24
_GROUPED = 48  # rows from which it pays to group them by member
_SHARED = 12  # rows of a member from which they go down its trees together
_FEW = 2  # rows that finish a tree on their own
_BLOCK = 512  # rows that go down together; their values should stay in the processor's first caches
_INT32_END = 2147483648.0
_WIDEST = 64  # codes in an inline category set


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
        return (np.int64(u32(bitsets + 4 * (bits + (code >> 5)))) >> (code & 31)) & 1
    if v != v or (v >= -ZERO and v <= ZERO):
        return aux & NAN_LEFT
    return 1 if v <= t else 0


@_part
def _step(nodes: int, bitsets: int, x: int, stride: int, at: int) -> Any:
    """The child of node `at` that a row goes to; its values start at `x` and are `stride` bytes apart."""
    here = nodes + _NODE_BYTES * at
    t, children, tail = f64(here), i64(here + 8), i64(here + 16)
    aux = tail >> 32
    v = f64(x + (tail & 0xFFFFFFFF) * stride)
    left = np.int64(v <= t) | (np.int64(v != v) & aux)
    if aux >= ZERO_MISSING:
        left = _special(t, i64(here), aux, v, bitsets)
    return (children << 32) >> 32 if left else children >> 32


@_part
def _trees(member: int, x: int) -> Any:
    """The sum of a tree member's leaves for the row at address `x`."""
    nodes, roots, count = i64(member + 8 * NODES), i64(member + 8 * ROOTS), i64(member + 8 * TREE_COUNT)
    leaves, bitsets = i64(member + 8 * LEAVES), i64(member + 8 * BITSETS)
    total = 0.0
    for tree in range(count):
        at = i64(roots + 8 * tree)
        while at >= 0:
            at = _step(nodes, bitsets, x, 8, at)
        total += f64(leaves + 8 * ~at)
    return total


@_part
def _split(here: Any, column: Any, source: Any, target: Any, low: Any, high: Any, bitsets: Any) -> Any:
    """Split the rows listed in source[low:high] at a node: into target, left ones from low, right ones from
    high.

    Addresses of lists of uint32, and of the node's column of values. Returns where the right ones begin.
    There is no branch to mispredict: every row is written to both ends, and one end moves.
    """
    t, bits, aux = f64(here), i64(here), i64(here + 16) >> 32
    left, right = target + 4 * low, target + 4 * (high - 1)
    for k in range(source + 4 * low, source + 4 * high, 4):
        row = u32(k)
        v = f64(column + (np.int64(row) << 3))
        if aux == 0:
            go = np.int64(v <= t)
        elif aux == NAN_LEFT:
            go = np.int64(not v > t)
        elif aux == CATEGORY | INLINE:
            inside = v > -1.0 and v < _WIDEST
            go = (bits >> np.int64(v)) & 1 if inside else np.int64(0)
        else:
            go = np.int64(_special(t, bits, aux, v, bitsets))
        put_u32(left, row)
        put_u32(right, row)
        left += 4 * go
        right -= 4 - 4 * go
    return (left - target) >> 2


@_part
def _tree_block(member: Any, values: Any, lists: Any, stack: Any, n: Any, total: Any) -> None:
    """Add a tree member's leaves to `total` for n rows: all rows go down a tree together, split at each node.

    values: address of the rows' columns, `_BLOCK` float64 each; lists: address of three lists of `_BLOCK`
    uint32, the first 0, 1, 2, ...; stack: int64[_BLOCK + 1, 4]; it holds lists of rows that are not empty
    and share no row.
    """
    nodes, roots, count = i64(member + 8 * NODES), i64(member + 8 * ROOTS), i64(member + 8 * TREE_COUNT)
    leaves, bitsets = i64(member + 8 * LEAVES), i64(member + 8 * BITSETS)
    for tree in range(count):
        at, low, high, source = i64(roots + 8 * tree), 0, n, lists
        depth = 0
        while True:
            if at < 0:
                leaf = f64(leaves + 8 * ~at)
                for k in range(source + 4 * low, source + 4 * high, 4):
                    place = total + (np.int64(u32(k)) << 3)
                    put_f64(place, f64(place) + leaf)
            elif high - low <= _FEW:
                for k in range(source + 4 * low, source + 4 * high, 4):
                    row = np.int64(u32(k)) << 3
                    end = at
                    while end >= 0:
                        end = _step(nodes, bitsets, values + row, 8 * _BLOCK, end)
                    put_f64(total + row, f64(total + row) + f64(leaves + 8 * ~end))
            else:
                here = nodes + _NODE_BYTES * at
                children, feature = i64(here + 8), i64(here + 16) & 0xFFFFFFFF
                target = lists + 4 * _BLOCK * (2 if source == lists + 4 * _BLOCK else 1)
                middle = _split(here, values + 8 * _BLOCK * feature, source, target, low, high, bitsets)
                source = target
                if middle < high:
                    if middle > low:
                        stack[depth, 0], stack[depth, 1] = children >> 32, middle
                        stack[depth, 2], stack[depth, 3] = high, source
                        depth += 1
                    else:
                        at = children >> 32
                        continue
                at, high = (children << 32) >> 32, middle
                continue
            if depth == 0:
                break
            depth -= 1
            at, low, high, source = stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3]


@_part
def _tree_group(member: Any, rows: Any, group: Any, own: Any) -> None:
    """Set `own[row]` to a tree member's margin for each row of a group."""
    width = rows.shape[1]
    if len(group) < _SHARED:
        for row in group:
            own[row] = _trees(member, rows.ctypes.data + 8 * width * row)
        return
    values, total = np.empty((width, _BLOCK)), np.empty(_BLOCK)
    lists, stack = np.empty((3, _BLOCK), np.uint32), np.empty((_BLOCK + 1, 4), np.int64)
    lists[0] = np.arange(_BLOCK)
    for first in range(0, len(group), _BLOCK):
        block = group[first : first + _BLOCK]
        for k in range(len(block)):
            total[k] = 0.0
            for j in range(width):
                values[j, k] = rows[block[k], j]
        _tree_block(member, values.ctypes.data, lists.ctypes.data, stack, len(block), total.ctypes.data)
        for k in range(len(block)):
            own[block[k]] = total[k]


@_part
def _linear(member: int, x: int, width: int) -> Any:
    """The margin of a linear member for the row at address `x`."""
    coefficients, sizes = i64(member + 8 * COEFFICIENTS), i64(member + 8 * SIZES)
    table = coefficients + 8 * (1 + 2 * width)
    total = f64(coefficients)
    for j in range(width):
        v, size = f64(x + 8 * j), i64(sizes + 8 * j)
        missing = f64(coefficients + 8 * (1 + width + j))
        if size < 0:
            total += missing if v != v else f64(coefficients + 8 * (1 + j)) * v
        else:
            total += f64(table + 8 * np.int64(v)) if v >= 0.0 and v < size else missing
            table += 8 * size
    return total


@_part
def _place(codes: int, start: int, end: int, code: int) -> Any:
    """Where `code` stands among the ascending codes from `start` to `end`, or -1."""
    low, high = start, end
    while low < high:
        middle = (low + high) >> 1
        if i64(codes + 8 * middle) < code:
            low = middle + 1
        else:
            high = middle
    return low if low < end and i64(codes + 8 * low) == code else -1


@_part
def _member_of(tables: Any, code: int, stage: int) -> Any:
    starts = tables[STARTS]
    return _place(tables[CODES], i64(starts + 8 * stage), i64(starts + 8 * stage + 8), code)


@_part
def _fast_of(tables: Any, code: int, stage: int) -> Any:
    starts = tables[FAST_STARTS]
    return _place(tables[FAST_CODES], i64(starts + 8 * stage), i64(starts + 8 * stage + 8), code)


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
    return f64(row) + f64(row + 8) * (z - f64(row + 16))


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
                kind = i64(member + 8 * KIND)
                if kind == TREES:
                    own = _trees(member, x)
                elif kind == LINEAR:
                    own = _linear(member, x, width)
                else:
                    own = given[row, stage]
                own *= f64(tables[SHRINK] + 8 * place)
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
        first, end = i64(tables[STARTS] + 8 * stage), i64(tables[STARTS] + 8 * stage + 8)
        order, starts = _grouped_rows(place, first, end - first)
        own = np.zeros(n)
        for k in range(end - first):
            group = order[starts[k] : starts[k + 1]]
            if len(group):
                member = tables[MEMBERS] + _MEMBER_BYTES * (first + k)
                kind = i64(member + 8 * KIND)
                if kind == TREES:
                    _tree_group(member, rows, group, own)
                elif kind == LINEAR:
                    for row in group:
                        own[row] = _linear(member, rows.ctypes.data + 8 * width * row, width)
                else:
                    for row in group:
                        own[row] = given[row, stage]
        for row in range(n):
            z, at = margin[row], place[row]
            if at >= 0:
                own[row] *= f64(tables[SHRINK] + 8 * at)
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
