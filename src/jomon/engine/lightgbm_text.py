"""Reads the text of a LightGBM model (`Booster.model_to_string()`, format v3 or v4) into `TreeArrays`.

The decision rules are those of LightGBM's prediction,
https://github.com/microsoft/LightGBM/blob/master/include/LightGBM/tree.h: a value within 1e-35 of zero
counts as zero; NaN counts as zero unless the split treats NaN as missing; missing values go to the split's
default side; categories that are NaN, negative or not in the split's set go right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from jomon.core.errors import BuildError
from jomon.core.table import Floats, Ints
from jomon.engine.trees import (
    CATEGORY,
    FLAG_BITS,
    INLINE,
    NAN_LEFT,
    NODE,
    WORDS_LIMIT,
    ZERO,
    ZERO_MISSING,
    TreeArrays,
    Words,
)

_VERSIONS = ("v3", "v4")
_IS_CATEGORY, _DEFAULT_LEFT = 1, 2
_MISSING_SHIFT, _MISSING_ZERO, _MISSING_NAN = 2, 1, 2


def parse(model_text: str) -> TreeArrays:
    """The trees of a model with one output; raises `BuildError` for models that packs cannot hold.

    Those are models of several classes, random forests (their output is an average) and linear trees.
    """
    head, *sections = model_text.partition("\nend of trees")[0].split("\nTree=")
    width = _width(_fields(head))
    trees = [_tree(_fields(section)) for section in sections]
    if any(len(tree.feature) and not 0 <= tree.feature.min() <= tree.feature.max() < width for tree in trees):
        raise _refusal("it asks for a feature beyond those it names")
    nodes, leaves, words = (
        np.cumsum([0, *(len(getattr(tree, name)) for tree in trees)])
        for name in ("feature", "leaves", "bitsets")
    )
    if max(nodes[-1], leaves[-1], words[-1]) >= 2**31:
        raise _refusal("it is too large")
    return TreeArrays(
        nodes=np.concatenate(
            [
                np.zeros((0, 3), np.int64),
                *(t.nodes(*at) for t, *at in zip(trees, nodes, leaves, words, strict=False)),
            ]
        ),
        roots=np.array(
            [node if len(t.feature) else ~leaf for t, node, leaf in zip(trees, nodes, leaves, strict=False)],
            np.int64,
        ),
        leaves=np.concatenate([np.zeros(0), *(tree.leaves for tree in trees)]),
        bitsets=np.concatenate([np.zeros(0, np.uint32), *(tree.bitsets for tree in trees)]),
        width=width,
    )


@dataclass(frozen=True, eq=False)
class _Tree:
    """One tree as the text gives it."""

    feature: Ints
    threshold: Floats
    decision: Ints
    left: Ints
    right: Ints
    leaves: Floats
    boundaries: Ints
    bitsets: Words

    def nodes(self, first_node: int, first_leaf: int, first_word: int) -> Ints:
        """The nodes as records, with indices that count from the member's first tree."""
        record = np.zeros(len(self.feature), NODE)
        record["feature"] = self.feature
        for side, child in (("left", self.left), ("right", self.right)):
            record[side] = np.where(child >= 0, child + first_node, child - first_leaf)
        numeric = (self.decision & _IS_CATEGORY) == 0
        record["threshold"], record["aux"] = _numeric(self.threshold, self.decision)
        if not numeric.all():
            bits, aux = self._sets(np.where(numeric, 0, self.threshold).astype(np.int64), first_word)
            record["threshold"][~numeric] = bits.view(np.float64)[~numeric]
            record["aux"][~numeric] = aux[~numeric]
        return record.view(np.int64).reshape(-1, 3)

    def _sets(self, index: Ints, first_word: int) -> tuple[Ints, Ints]:
        """Eight bytes and aux per node for the category set at `index`: the set itself where it fits."""
        start, end = self.boundaries[index], self.boundaries[index + 1]
        words = np.append(self.bitsets, np.zeros(2, np.uint32)).astype(np.uint64)
        low = np.where(end > start, words[start], 0).astype(np.uint64)
        high = np.where(end > start + 1, words[start + 1], 0).astype(np.uint64)
        inline = end - start <= 2
        bits = np.where(inline, (low | high << np.uint64(32)).view(np.int64), start + first_word)
        return bits, np.where(inline, CATEGORY | INLINE, CATEGORY | (end - start) << FLAG_BITS)


def _numeric(threshold: Floats, decision: Ints) -> tuple[Floats, Ints]:
    """Thresholds and flags with LightGBM's rules about zero and missing values worked out ahead.

    Values within ZERO of zero compare as zero, so a threshold in that range moves to the edge that decides
    the same.
    """
    near = np.abs(threshold) <= ZERO
    zero_left = threshold >= 0
    threshold = np.where(near, np.where(zero_left, ZERO, np.nextafter(-ZERO, -np.inf)), threshold)
    missing = decision >> _MISSING_SHIFT & 3
    default_left = (decision & _DEFAULT_LEFT) != 0
    nan_left = np.where((missing == _MISSING_ZERO) | (missing == _MISSING_NAN), default_left, zero_left)
    special = (missing == _MISSING_ZERO) & (default_left != zero_left)
    flags = NAN_LEFT * nan_left.astype(np.int64) + ZERO_MISSING * special.astype(np.int64)
    return threshold, flags


def _width(head: Mapping[str, str]) -> int:
    if head.get("version") not in _VERSIONS:
        raise _refusal(f"its format {head.get('version', '(none)')!r} is not one of {', '.join(_VERSIONS)}")
    if head.get("num_tree_per_iteration") != "1":
        raise _refusal("it has one output per class; declare a binary or numeric target")
    if "average_output" in head:
        raise _refusal("it averages its trees; use another boosting than 'rf'")
    try:
        return int(head["max_feature_idx"]) + 1
    except (KeyError, ValueError):
        raise _refusal("it does not say how many features it has") from None


def _tree(text: Mapping[str, str]) -> _Tree:
    if text.get("is_linear", "0") != "0":
        raise _refusal("it has linear trees; set 'linear_tree' to false")
    try:
        leaves = np.array(text["leaf_value"].split(), np.float64)
        split = int(text["num_leaves"]) - 1 if "num_leaves" in text else -1
        sets = int(text["num_cat"]) if split > 0 else 0
        tree = _Tree(
            feature=_whole(text, "split_feature", split),
            threshold=np.array(text["threshold"].split() if split > 0 else [], np.float64),
            decision=_whole(text, "decision_type", split),
            left=_whole(text, "left_child", split),
            right=_whole(text, "right_child", split),
            leaves=leaves,
            boundaries=_whole(text, "cat_boundaries", sets + 1 if sets else 0),
            bitsets=np.array(text["cat_threshold"].split() if sets else [], np.int64).astype(np.uint32),
        )
    except (KeyError, ValueError, OverflowError):
        raise _refusal("its text is damaged") from None
    if not _consistent(tree, split, sets):
        raise _refusal("its text is damaged")
    return tree


def _consistent(tree: _Tree, split: int, sets: int) -> bool:
    """Whether lengths and category sets agree; what records check about themselves is left to them."""
    if split < 0 or len(tree.leaves) != split + 1 or len(tree.threshold) != split:
        return False
    for child in (tree.left, tree.right):
        if len(child) and not -len(tree.leaves) <= child.min() <= child.max() < split:
            return False
    if not sets:
        return not (tree.decision & _IS_CATEGORY).any()
    steps, index = np.diff(tree.boundaries), tree.threshold[(tree.decision & _IS_CATEGORY) != 0]
    return bool(
        tree.boundaries[0] == 0
        and tree.boundaries[-1] == len(tree.bitsets)
        and 0 <= steps.min() <= steps.max() <= WORDS_LIMIT
        and ((index >= 0) & (index < sets)).all()
    )


def _whole(text: Mapping[str, str], name: str, count: int) -> Ints:
    numbers = np.array(text[name].split() if count > 0 else [], np.int64)
    if len(numbers) != max(count, 0):
        raise ValueError(name)
    return numbers


def _fields(section: str) -> dict[str, str]:
    """The `name=value` lines of a section; a bare word has an empty value."""
    return {name: value for name, _, value in (line.partition("=") for line in section.splitlines()) if name}


def _refusal(why: str) -> BuildError:
    return BuildError(f"This LightGBM model cannot be packed: {why}.")
