"""Random members, and a slow, plain scorer that says what the engine has to answer."""

from __future__ import annotations

import math
import struct
from types import SimpleNamespace

import numpy as np
import pytest

from jomon.engine.linear import NUMERIC, LinearArrays
from jomon.engine.member import MemberArrays
from jomon.engine.trees import (
    CATEGORY,
    FLAG_BITS,
    FLAGS,
    INLINE,
    NAN_LEFT,
    NODE,
    ZERO,
    ZERO_MISSING,
    TreeArrays,
)

VALUES = (
    math.nan,
    0.0,
    -0.0,
    1e-36,
    -1e-36,
    1e-30,
    -1.0,
    -0.5,
    0.5,
    1.0,
    2.0,
    3.0,
    31.0,
    63.0,
    64.0,
    95.0,
    200.0,
    1e12,
)


def random_rows(rng, n, width):
    """Rows of values that sit on and around every rule of a split."""
    return np.where(rng.random((n, width)) < 0.7, rng.choice(VALUES, (n, width)), rng.normal(size=(n, width)))


def random_trees(rng, width):
    nodes, roots, leaves, words = [], [], [], []
    for _ in range(rng.integers(0, 5)):
        roots.append(_grow(rng, width, (nodes, leaves, words), int(rng.integers(0, 5))))
    table = np.array([tuple(node) for node in nodes], NODE) if nodes else np.zeros(0, NODE)
    return TreeArrays(
        nodes=table.view(np.int64).reshape(-1, 3),
        roots=np.array(roots, np.int64),
        leaves=np.array(leaves, np.float64),
        bitsets=np.array(words, np.uint32),
        width=width,
    )


def _grow(rng, width, parts, depth):
    nodes, leaves, words = parts
    if depth == 0 or rng.random() < 0.2 or width == 0:
        leaves.append(float(rng.normal()))
        return -len(leaves)
    flags = int(rng.choice(FLAGS))
    threshold, count = float(rng.choice([0.0, 0.5, 1.0, 2.0, ZERO, math.inf])), 0
    if flags == CATEGORY:
        start, count = len(words), int(rng.integers(0, 4))
        words += [int(word) for word in rng.integers(0, 2**32, count)]
        threshold = struct.unpack("<d", struct.pack("<q", start))[0]
    elif flags & INLINE:
        threshold = struct.unpack("<d", struct.pack("<Q", int(rng.integers(0, 2**64, dtype=np.uint64))))[0]
    node = [threshold, 0, 0, int(rng.integers(0, width)), count << FLAG_BITS | flags]
    nodes.append(node)
    at = len(nodes) - 1
    node[1] = _grow(rng, width, parts, depth - 1)
    node[2] = _grow(rng, width, parts, depth - 1)
    return at


def random_linear(rng, width):
    sizes = rng.choice([NUMERIC, 0, 1, 4], width).astype(np.int64)
    return LinearArrays(
        intercept=float(rng.normal()),
        weights=np.where(sizes < 0, rng.normal(size=width), 0.0),
        missing=rng.normal(size=width),
        sizes=sizes,
        tables=rng.normal(size=int(np.maximum(sizes, 0).sum())),
    )


def random_member(rng, width):
    model = random_linear(rng, width) if rng.random() < 0.3 else random_trees(rng, width)
    return MemberArrays(model, float(rng.choice([1.0, 0.5, 0.0])))


def slow_margin(member, x):
    """What a member answers for one row, unshrunk, by the rules as the modules state them."""
    if isinstance(member.model, LinearArrays):
        return _slow_linear(member.model, x)
    total = 0.0
    for root in member.model.roots.tolist():
        at = root
        while at >= 0:
            at = _slow_step(member.model, at, x)
        total += member.model.leaves[~at]
    return total


def _slow_step(model, at, x):
    threshold, left, right, feature, aux = model.records[at].tolist()
    v, flags, words = x[feature], aux & 255, aux >> FLAG_BITS
    if flags & CATEGORY:
        bits = int(model.nodes[at, 0]) % 2**64
        if not flags & INLINE:
            own = model.bitsets[bits : bits + words].tolist()
            bits = sum(word << 32 * k for k, word in enumerate(own))
        inside = not math.isnan(v) and int(v) >= 0 and int(v) < 2**31 and bits >> int(v) & 1
        return left if inside else right
    if math.isnan(v) or (flags & ZERO_MISSING and abs(v) <= ZERO):
        return left if flags & NAN_LEFT else right
    return left if v <= threshold else right


def _slow_linear(model, x):
    total, tables = model.intercept, model.tables.tolist()
    for v, weight, missing, size in zip(x, model.weights, model.missing, model.sizes, strict=True):
        if size == NUMERIC:
            total += missing if math.isnan(v) else weight * v
            continue
        own, tables = tables[:size], tables[size:]
        total += own[int(v)] if 0 <= v < size else missing
    return total


def slow_scores(stages, relation, X, codes, has):
    """Scores for stages given as pairs of dicts by code: members, and (offset, slope, center)."""
    n, count = codes.shape
    margin, answered = np.zeros(n), np.full(n, -1)
    slow, fast = np.zeros((n, count)), np.zeros((n, count))
    for i in range(n):
        order = [s for s in range(count) if has[i, s]]
        if relation == "replace":
            order = [s for s in order if codes[i, s] in stages[s][0]][-1:]
        for s in order:
            members, quick = stages[s]
            if codes[i, s] in members:
                member = members[codes[i, s]]
                slow[i, s] = member.shrink * slow_margin(member, X[i])
                margin[i] += slow[i, s]
                answered[i] = s
            if codes[i, s] in quick:
                offset, slope, center = quick[codes[i, s]]
                fast[i, s] = offset + slope * (margin[i] - center)
                margin[i] += fast[i, s]
                answered[i] = s
    return SimpleNamespace(margin=margin, answered=answered, slow=slow, fast=fast)


@pytest.fixture(scope="session")
def make():
    return SimpleNamespace(
        rows=random_rows,
        trees=random_trees,
        linear=random_linear,
        member=random_member,
        margin=slow_margin,
        scores=slow_scores,
    )
