# ruff: noqa: PLR0124  (`v != v` is NaN)
"""Rows down trees and through linear models: the compiled parts that look inside a member.

All arguments are addresses and counts, see `layout`; what `flat` checks of a pack keeps every step inside it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from jomon.engine.layout import BITSETS, BLOCK, COEFFICIENTS, LEAVES, NODES, ROOTS, SIZES, TREE_COUNT
from jomon.engine.memory import f64, i64, prefetch, put_f64, put_i64, put_u32, u32
from jomon.engine.trees import CATEGORY, FLAG_BITS, INLINE, NAN_LEFT, ZERO, ZERO_MISSING

_NODE_BYTES = 24
_FEW = 2  # rows that finish a tree on their own
_LINE_BYTES = 64
_FETCHED = 768  # bytes of a tree that are fetched ahead: 32 nodes
_INT32_END = 2147483648.0
_WIDEST = 64  # codes in an inline category set

_part = njit(nogil=True)


@_part
def _special(t: Any, bits: Any, aux: Any, v: Any, bitsets: Any) -> Any:
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
def _step(nodes: Any, bitsets: Any, x: Any, stride: Any, at: Any) -> Any:
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
def trees(member: Any, x: Any) -> Any:
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
def tree_block(member: Any, values: Any, lists: Any, stack: Any, n: Any, total: Any) -> None:
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
def linear(member: Any, x: Any, width: Any) -> Any:
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
