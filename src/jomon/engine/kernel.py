"""The compiled loop: rows of many members in, margins out.

Importing this module imports numba and compiles, or loads from numba's cache, the functions below; only an
`Engine` does so. Packs are read through addresses, where they are mapped. What makes that safe is checked
before: the engine checks shapes, and opening a pack checks every index in it.

Sums run in the order of the trees, from zero, whatever the batch: a row's score does not depend on its
neighbours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from jomon.engine.flat import LINEAR, TREES
from jomon.engine.layout import (
    ANSWERED,
    BLOCK,
    CALL_SLOTS,
    CODES,
    COUNT,
    FAST,
    FAST_CODES,
    FAST_STARTS,
    FAST_VALUES,
    GIVEN,
    GROUPED,
    HAS,
    KIND,
    MARGIN,
    MEMBERS,
    REPLACE,
    ROW_CODES,
    ROWS,
    SHRINK,
    SLOW,
    STAGES,
    STARTS,
    WIDTH,
)
from jomon.engine.memory import address, f64, i8, i64, put_f64, put_i8, put_i64, put_u32
from jomon.engine.walk import linear, tree_block, trees

_MEMBER_BYTES = 64
_SHARED = 12  # rows of a member from which they go down its trees together
_SOURCES = ("flat", "kernel", "layout", "memory", "trees", "walk")
_SIGNATURE = (
    "(i8[::1], f8[:,::1], i8[:,::1], b1[:,::1], f8[:,::1], f8[::1], i1[::1], f8[:,::1], f8[:,::1], i8[::1])"
)

_part = njit(nogil=True)


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
        return trees(member, x)
    if kind == LINEAR:
        return linear(member, x, width)
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
        tree_block(member, block, lists, stack, n, total)
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


def _sources() -> int:
    """A number that changes when any file that the compiled code is made of does."""
    digest = hashlib.sha256()
    for name in _SOURCES:
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return int.from_bytes(digest.digest()[:7], "little")


def _loop(sources: int) -> Callable[..., None]:
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
        """Fill margin (from 0), answered (from -1) and, unless they are empty, slow and fast (n by S, of 0).

        tables: of one engine (see `layout`); rows: n by F; codes, has: n by S; given: n by S, the margins of
        opaque members (empty where there are none); work: at least `layout.workspace_slots` slots.
        """
        call = address(work)
        work[ROWS] = sources  # its only use: what a function closes over is part of its cache key
        work[ROWS], work[COUNT], work[WIDTH] = address(rows), rows.shape[0], rows.shape[1]
        work[ROW_CODES], work[HAS], work[GIVEN] = address(codes), address(has), address(given)
        work[MARGIN], work[ANSWERED] = address(margin), address(answered)
        work[SLOW], work[FAST] = address(slow) if slow.size else 0, address(fast) if fast.size else 0
        if rows.shape[0] < GROUPED:
            _one_by_one(address(tables), call)
        else:
            _by_member(address(tables), call)

    return score


def _compiled(function: Callable[..., None], *, nogil: bool) -> Callable[..., None]:
    """Compile now, or load from numba's cache."""
    try:
        return njit(_SIGNATURE, cache=True, nogil=nogil)(function)
    except RuntimeError:  # neither this folder nor the user's cache folder can be written
        return njit(_SIGNATURE, nogil=nogil)(function)


score = _compiled(_loop(_sources()), nogil=True)
"""Releases the interpreter's lock, for batches that others should not wait for."""
score_few = _compiled(_loop(-_sources()), nogil=False)
"""Keeps the interpreter's lock: for a few rows, giving it away and getting it back costs more than scoring them."""
