# ruff: noqa: PLR0917, PLR0124  (nothing is gained by objects here; `v != v` is NaN)
"""The compiled loop: rows of many members in, margins out.

Importing this module imports numba and compiles, or loads from numba's cache, the functions below; only an
`Engine` does so. Packs are read through addresses, where they are mapped. What makes that safe is checked
before: the engine checks shapes, and opening a pack checks every index in it. numba's cache watches this
file alone: change a line here when what it imports changes.

Sums run in the order of the trees, from zero, whatever the batch: a row's score does not depend on its
neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from jomon.engine.flat import LINEAR, TREES
from jomon.engine.layout import (
    ANSWERED,
    BITSETS,
    BLOCK,
    CALL_SLOTS,
    CODES,
    COEFFICIENTS,
    COUNT,
    FAST,
    FAST_CODES,
    FAST_STARTS,
    FAST_VALUES,
    GIVEN,
    GROUPED,
    HAS,
    KIND,
    LEAVES,
    MARGIN,
    MEMBERS,
    NODES,
    REPLACE,
    ROOTS,
    ROW_CODES,
    ROWS,
    SHRINK,
    SIZES,
    SLOW,
    STAGES,
    STARTS,
    TREE_COUNT,
    WIDTH,
)
from jomon.engine.memory import address, f64, i8, i64, prefetch, put_f64, put_i8, put_i64, put_u32, u32
from jomon.engine.trees import CATEGORY, FLAG_BITS, INLINE, NAN_LEFT, ZERO, ZERO_MISSING

_MEMBER_BYTES = 64
_NODE_BYTES = 24
_SHARED = 12  # rows of a member from which they go down its trees together
_FEW = 2  # rows that finish a tree on their own
_LINE_BYTES = 64
_FETCHED = 768  # bytes of a tree that are fetched ahead: 32 nodes
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
def _announce(nodes: Any, roots: Any, tree: Any, count: Any) -> Any:
    """Fetch a tree's nodes into the cache while the one before it is walked: members are rarely there yet."""
    if tree < count:
        root = i64(roots + 8 * tree)
        size = _NODE_BYTES * (i64(roots + 8 * (tree + 1)) - root) if tree + 1 < count else _FETCHED
        if root >= 0:
            for line in range(0, size if 0 < size < _FETCHED else _FETCHED, _LINE_BYTES):
                prefetch(nodes + _NODE_BYTES * root + line)


@_part
def _trees(member: int, x: int) -> Any:
    """The sum of a tree member's leaves for the row at address `x`."""
    nodes, roots, count = i64(member + 8 * NODES), i64(member + 8 * ROOTS), i64(member + 8 * TREE_COUNT)
    leaves, bitsets = i64(member + 8 * LEAVES), i64(member + 8 * BITSETS)
    total = 0.0
    for tree in range(count):
        _announce(nodes, roots, tree + 1, count)
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

    values: address of the rows' columns, `BLOCK` float64 each; lists: address of three lists of `BLOCK`
    uint32, the first 0, 1, 2, ...; stack: (BLOCK + 1) x 4 slots; it holds lists of rows that are not empty
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
                        end = _step(nodes, bitsets, values + row, 8 * BLOCK, end)
                    put_f64(total + row, f64(total + row) + f64(leaves + 8 * ~end))
            else:
                here = nodes + _NODE_BYTES * at
                children, feature = i64(here + 8), i64(here + 16) & 0xFFFFFFFF
                target = lists + 4 * BLOCK * (2 if source == lists + 4 * BLOCK else 1)
                middle = _split(here, values + 8 * BLOCK * feature, source, target, low, high, bitsets)
                source = target
                if middle < high:
                    if middle > low:
                        kept = stack + 32 * depth
                        put_i64(kept, children >> 32)
                        put_i64(kept + 8, middle)
                        put_i64(kept + 16, high)
                        put_i64(kept + 24, source)
                        depth += 1
                    else:
                        at = children >> 32
                        continue
                at, high = (children << 32) >> 32, middle
                continue
            if depth == 0:
                break
            depth -= 1
            kept = stack + 32 * depth
            at, low, high, source = i64(kept), i64(kept + 8), i64(kept + 16), i64(kept + 24)


@_part
def _linear(member: Any, x: Any, width: Any) -> Any:
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
def _place(codes: Any, starts: Any, stage: Any, code: Any) -> Any:
    """Where `code` stands among a stage's ascending codes, counted over all stages, or -1."""
    low, end = i64(starts + 8 * stage), i64(starts + 8 * stage + 8)
    high = end
    while low < high:
        middle = (low + high) >> 1
        if i64(codes + 8 * middle) < code:
            low = middle + 1
        else:
            high = middle
    return low if low < end and i64(codes + 8 * low) == code else -1


@_part
def _member_at(tables: Any, call: Any, row: Any, stage: Any) -> Any:
    """The place of a row's slow member at a stage, or -1."""
    cell = row * i64(tables + 8 * STAGES) + stage
    if i8(i64(call + 8 * HAS) + cell) == 0:
        return -1
    code = i64(i64(call + 8 * ROW_CODES) + 8 * cell)
    return _place(i64(tables + 8 * CODES), i64(tables + 8 * STARTS), stage, code)


@_part
def _answering(tables: Any, call: Any, row: Any) -> Any:
    """The last stage with a slow member for a row, or -1."""
    stage = i64(tables + 8 * STAGES) - 1
    while stage >= 0 and _member_at(tables, call, row, stage) < 0:
        stage -= 1
    return stage


@_part
def _alone(tables: Any, call: Any, row: Any, stage: Any, place: Any) -> Any:
    """What a member answers for one row, unshrunk."""
    member = i64(tables + 8 * MEMBERS) + _MEMBER_BYTES * place
    width, kind = i64(call + 8 * WIDTH), i64(member + 8 * KIND)
    x = i64(call + 8 * ROWS) + 8 * width * row
    if kind == TREES:
        return _trees(member, x)
    if kind == LINEAR:
        return _linear(member, x, width)
    return f64(i64(call + 8 * GIVEN) + 8 * (row * i64(tables + 8 * STAGES) + stage))


@_part
def _settle(tables: Any, call: Any, row: Any, stage: Any, place: Any, own: Any) -> Any:
    """Add to a row's margin what a stage brings: a slow member's answer, if `place` names one, a fast row."""
    margin = i64(call + 8 * MARGIN) + 8 * row
    answered = i64(call + 8 * ANSWERED) + row
    cell = row * i64(tables + 8 * STAGES) + stage
    z = f64(margin)
    if place >= 0:
        own *= f64(i64(tables + 8 * SHRINK) + 8 * place)
        z += own
        put_i8(answered, np.int8(stage))
        if i64(call + 8 * SLOW) != 0:
            put_f64(i64(call + 8 * SLOW) + 8 * cell, own)
    quick = np.int64(-1)
    if i8(i64(call + 8 * HAS) + cell) != 0:
        code = i64(i64(call + 8 * ROW_CODES) + 8 * cell)
        quick = _place(i64(tables + 8 * FAST_CODES), i64(tables + 8 * FAST_STARTS), stage, code)
    if quick >= 0:
        values = i64(tables + 8 * FAST_VALUES) + 24 * quick
        step = f64(values) + f64(values + 8) * (z - f64(values + 16))
        z += step
        put_i8(answered, np.int8(stage))
        if i64(call + 8 * FAST) != 0:
            put_f64(i64(call + 8 * FAST) + 8 * cell, step)
    put_f64(margin, z)


@_part
def _one_by_one(tables: Any, call: Any) -> Any:
    """Score rows one after the other."""
    for row in range(i64(call + 8 * COUNT)):
        first, end = np.int64(0), i64(tables + 8 * STAGES)
        if i64(tables + 8 * REPLACE) != 0:
            end = _answering(tables, call, row) + 1
            first = end - 1 if end > 0 else np.int64(0)
        for stage in range(first, end):
            place = _member_at(tables, call, row, stage)
            own = _alone(tables, call, row, stage, place) if place >= 0 else 0.0
            _settle(tables, call, row, stage, place, own)


@_part
def _order_by_member(places: Any, order: Any, starts: Any, count: Any, first: Any, members: Any) -> Any:
    """Fill `order` with the rows of each of `members` members from place `first`, and `starts` with where
    they start.

    Rows without a member (place -1) come first; starts has members + 3 slots, the rows of member k stand
    from slot k + 1 to slot k + 2.
    """
    for k in range(members + 3):
        put_i64(starts + 8 * k, 0)
    for row in range(count):
        place = i64(places + 8 * row)
        slot = starts + 8 * (place - first + 3 if place >= 0 else 2)
        put_i64(slot, i64(slot) + 1)
    for k in range(1, members + 3):
        put_i64(starts + 8 * k, i64(starts + 8 * k) + i64(starts + 8 * k - 8))
    for row in range(count):
        place = i64(places + 8 * row)
        slot = starts + 8 * (place - first + 2 if place >= 0 else 1)
        put_i64(order + 8 * i64(slot), row)
        put_i64(slot, i64(slot) + 1)


@_part
def _group(
    tables: Any, call: Any, stage: Any, place: Any, rows: Any, count: Any, own: Any, block: Any
) -> Any:
    """Set `own` of each of `count` rows listed at `rows`, all of one member, to what the member answers."""
    member, width = i64(tables + 8 * MEMBERS) + _MEMBER_BYTES * place, i64(call + 8 * WIDTH)
    if count < _SHARED or i64(member + 8 * KIND) != TREES:
        for k in range(count):
            row = i64(rows + 8 * k)
            put_f64(own + 8 * row, _alone(tables, call, row, stage, place))
        return
    total, lists = block + 8 * BLOCK * width, block + 8 * BLOCK * (width + 1)
    stack = lists + 12 * BLOCK
    for k in range(BLOCK):
        put_u32(lists + 4 * k, np.uint32(k))
    for first in range(0, count, BLOCK):
        here, n = rows + 8 * first, min(count - first, BLOCK)
        for k in range(n):
            x = i64(call + 8 * ROWS) + 8 * width * i64(here + 8 * k)
            put_f64(total + 8 * k, 0.0)
            for j in range(width):
                put_f64(block + 8 * (BLOCK * j + k), f64(x + 8 * j))
        _tree_block(member, block, lists, stack, n, total)
        for k in range(n):
            put_f64(own + 8 * i64(here + 8 * k), f64(total + 8 * k))


@_part
def _by_member(tables: Any, call: Any) -> Any:
    """Score stage by stage, and within a stage member by member."""
    count = i64(call + 8 * COUNT)
    places = call + 8 * CALL_SLOTS
    chosen, order, own = places + 8 * count, places + 16 * count, places + 24 * count
    block = places + 32 * count
    starts = block + 8 * (BLOCK * i64(call + 8 * WIDTH) + BLOCK + 3 * BLOCK // 2 + 4 * (BLOCK + 1))
    replace = i64(tables + 8 * REPLACE) != 0
    if replace:
        for row in range(count):
            put_i64(chosen + 8 * row, _answering(tables, call, row))
    for stage in range(i64(tables + 8 * STAGES)):
        for row in range(count):
            wanted = not replace or i64(chosen + 8 * row) == stage
            put_i64(places + 8 * row, _member_at(tables, call, row, stage) if wanted else -1)
        first = i64(i64(tables + 8 * STARTS) + 8 * stage)
        members = i64(i64(tables + 8 * STARTS) + 8 * stage + 8) - first
        _order_by_member(places, order, starts, count, first, members)
        for k in range(members):
            start, end = i64(starts + 8 * k + 8), i64(starts + 8 * k + 16)
            if end > start:
                _group(tables, call, stage, first + k, order + 8 * start, end - start, own, block)
        for row in range(count):
            place = i64(places + 8 * row)
            if place >= 0 or not replace:
                _settle(tables, call, row, stage, place, f64(own + 8 * row) if place >= 0 else 0.0)


@_compiled(
    "(i8[::1], f8[:,::1], i8[:,::1], b1[:,::1], f8[:,::1], f8[::1], i1[::1], f8[:,::1], f8[:,::1], i8[::1])"
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
    work: Any,
) -> None:
    """Fill margin (from 0) and answered (from -1), and slow and fast (n by S, from 0) unless they are empty.

    tables: of one engine (see `layout`); rows: n by F; codes, has: n by S; given: n by S, the margins of
    opaque members (empty where there are none); work: at least `layout.workspace_slots` slots.
    """
    call = address(work)
    work[ROWS], work[COUNT], work[WIDTH] = address(rows), rows.shape[0], rows.shape[1]
    work[ROW_CODES], work[HAS], work[GIVEN] = address(codes), address(has), address(given)
    work[MARGIN], work[ANSWERED] = address(margin), address(answered)
    work[SLOW], work[FAST] = address(slow) if slow.size else 0, address(fast) if fast.size else 0
    if rows.shape[0] < GROUPED:
        _one_by_one(address(tables), call)
    else:
        _by_member(address(tables), call)
