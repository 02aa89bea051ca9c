"""The engine answers what a slow and plain scorer answers, however rows are mixed, ordered and split."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jomon.core.errors import PredictError, StoreError
from jomon.engine.engine import Engine, score_member
from jomon.engine.fasttable import FastTable
from jomon.engine.linear import NUMERIC, LinearArrays
from jomon.engine.member import MemberArrays
from jomon.engine.opaque import OpaqueMember
from jomon.engine.pack import Pack, PackEntry, write_pack
from jomon.engine.stages import StagePacks
from jomon.engine.trees import constant_trees

SEEDS = st.integers(0, 2**32 - 1)
RELATIONS = st.sampled_from(["correct", "replace"])
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _stage(make, rng, width):
    members = {int(c): make.member(rng, width) for c in rng.choice(8, int(rng.integers(0, 7)), replace=False)}
    codes = np.sort(rng.choice(8, int(rng.integers(0, 7)), replace=False))
    return members, {int(c): tuple(rng.normal(size=3)) for c in codes}


def _packed(stage, width, rng):
    members, quick = stage
    features = tuple(f"x{j}" for j in range(width))
    buckets = [[], []]
    for code, member in members.items():
        buckets[int(rng.integers(0, 2))].append(PackEntry(f"a={code}", code, "", member))
    packs = [Pack.open(write_pack(entries, features)) for entries in buckets]
    values = np.array([quick[c] for c in sorted(quick)]).reshape(-1, 3)
    return StagePacks(
        packs, FastTable(np.array(sorted(quick), np.int64), *values.T.copy()) if quick else None
    )


def _batch(make, rng, n, width, count):
    return make.rows(rng, n, width), rng.integers(0, 9, (n, count)), rng.random((n, count)) < 0.8


@QUICK
@given(seed=SEEDS, relation=RELATIONS, n=st.sampled_from([0, 1, 7, 49, 130]), count=st.integers(0, 4))
def test_scores_equal_those_of_a_plain_scorer(make, seed, relation, n, count):
    rng = np.random.default_rng(seed)
    width = int(rng.integers(1, 5))
    stages = [_stage(make, rng, width) for _ in range(count)]
    X, codes, has = _batch(make, rng, n, width, count)
    engine = Engine([_packed(stage, width, rng) for stage in stages], relation)
    scores, want = engine.score(X, codes, has, explain=True), make.scores(stages, relation, X, codes, has)
    np.testing.assert_array_equal(scores.answered, want.answered)
    for name in ("margin", "slow", "fast"):
        np.testing.assert_allclose(getattr(scores, name), getattr(want, name), rtol=1e-12, atol=1e-12)
    plain = engine.score(X, codes, has)
    np.testing.assert_array_equal(plain.margin, scores.margin)
    np.testing.assert_array_equal(plain.answered, scores.answered)
    assert plain.slow is None and plain.fast is None


@QUICK
@given(seed=SEEDS, relation=RELATIONS, cut=st.integers(0, 1500))
def test_splitting_and_reordering_a_batch_changes_no_bit_of_a_score(make, seed, relation, cut):
    rng = np.random.default_rng(seed)
    stages = [_stage(make, rng, 3) for _ in range(2)]
    engine = Engine([_packed(stage, 3, rng) for stage in stages], relation)
    X, codes, has = _batch(make, rng, 1500, 3, 2)
    whole = engine.score(X, codes, has)
    order = rng.permutation(1500)
    for part in (order[:cut], order[cut:], order[:40]):
        scores = engine.score(X[part], codes[part], has[part])
        np.testing.assert_array_equal(scores.margin, whole.margin[part])
        np.testing.assert_array_equal(scores.answered, whole.answered[part])


def test_a_row_without_any_member_has_margin_zero_and_answered_minus_one(make):
    rng = np.random.default_rng(0)
    engine = Engine([_packed(({3: make.member(rng, 2)}, {4: (1.0, 0.0, 0.0)}), 2, rng)])
    for n in (1, 100):
        has = np.ones((n, 1), bool)
        unknown = engine.score(make.rows(rng, n, 2), np.full((n, 1), 5), has)
        silent = engine.score(make.rows(rng, n, 2), np.full((n, 1), 3), ~has)
        for scores in (unknown, silent):
            assert not scores.margin.any() and (scores.answered == -1).all()


def test_a_fast_row_alone_answers_under_correct_and_not_under_replace():
    fast = FastTable(np.array([4]), np.array([1.5]), np.array([0.5]), np.array([2.0]))
    for n in (1, 100):
        X, codes, has = np.zeros((n, 0)), np.full((n, 1), 4), np.ones((n, 1), bool)
        scores = Engine([StagePacks(fast=fast)]).score(X, codes, has)
        assert (scores.margin == 0.5).all() and (scores.answered == 0).all()
        scores = Engine([StagePacks(fast=fast)], "replace").score(X, codes, has)
        assert (scores.margin == 0).all() and (scores.answered == -1).all()


def test_codes_at_the_ends_of_the_integers_are_found():
    codes = [-(2**63), -1, 0, 2**63 - 1]
    entries = [
        PackEntry(f"a={c}", c, "", MemberArrays(constant_trees(i + 1.0, 1))) for i, c in enumerate(codes)
    ]
    engine = Engine([StagePacks([Pack.open(write_pack(entries, ("x",)))])])
    ask = np.array([[c] for c in codes] * 20)
    scores = engine.score(np.zeros((80, 1)), ask, np.ones((80, 1), bool))
    assert scores.margin.tolist() == [1.0, 2.0, 3.0, 4.0] * 20


def test_a_large_group_of_rows_scores_as_its_rows_do_alone(make):
    """Groups beyond one block of rows, and trees with long one-sided paths."""
    rng = np.random.default_rng(2)
    depth = 400
    nodes = np.zeros(depth, make.trees(rng, 1).records.dtype)
    nodes["threshold"] = np.linspace(-2, 2, depth)
    nodes["left"], nodes["right"] = ~np.arange(depth), np.arange(1, depth + 1)
    nodes["right"][-1] = ~depth
    long = constant_trees(0.0, 1)
    leaves = rng.normal(size=depth + 1)
    chain = type(long)(nodes.view(np.int64).reshape(-1, 3), np.array([0, -1]), leaves, long.bitsets, 1)
    X = rng.normal(size=(3000, 1))
    got = score_member(MemberArrays(chain), X)
    place = np.searchsorted(nodes["threshold"], X[:, 0])
    np.testing.assert_array_equal(got, leaves[place] + leaves[0])
    np.testing.assert_array_equal([score_member(MemberArrays(chain), x[None])[0] for x in X[:50]], got[:50])


def test_a_linear_member_adds_weights_tables_and_terms_for_missing_values():
    model = LinearArrays(
        intercept=1.0,
        weights=np.array([2.0, 0.0]),
        missing=np.array([10.0, 20.0]),
        sizes=np.array([NUMERIC, 2]),
        tables=np.array([100.0, 200.0]),
    )
    X = np.array([[3.0, 0.0], [3.0, 1.0], [np.nan, np.nan], [0.0, 2.0], [0.0, -1.0]])
    assert score_member(MemberArrays(model, 0.5), X).tolist() == [53.5, 103.5, 15.5, 10.5, 10.5]


@given(seed=SEEDS)
def test_moving_a_model_to_other_columns_moves_its_answers_with_them(make, seed):
    rng = np.random.default_rng(seed)
    member = make.member(rng, 3)
    columns = rng.choice(6, 3, replace=False).tolist()
    X = make.rows(rng, 5, 6)
    moved = MemberArrays(member.model.with_columns(columns, 6), member.shrink)
    narrow = np.ascontiguousarray(X[:, columns])
    np.testing.assert_allclose(score_member(moved, X), score_member(member, narrow), rtol=1e-12, atol=1e-12)


class Doubling:
    """Answers twice the first column."""

    def margin(self, X):
        assert len(X)
        return 2.0 * X[:, 0]


@pytest.mark.parametrize("n", [3, 200])
def test_opaque_members_take_their_place_among_packed_ones(make, n):
    rng = np.random.default_rng(n)
    member = make.member(rng, 1)
    pack = _packed(({1: member}, {2: (0.25, 0.0, 0.0)}), 1, rng)
    assert isinstance(Doubling(), OpaqueMember)
    stages = [StagePacks(pack.packs, pack.fast, {2: Doubling()}), StagePacks(opaque={7: Doubling()})]
    X = rng.normal(size=(n, 1))
    codes = np.stack([rng.integers(1, 4, n), rng.choice([7, 8], n)], axis=1)
    has = np.ones((n, 2), bool)
    first = np.select([codes[:, 0] == 1, codes[:, 0] == 2], [score_member(member, X), 2 * X[:, 0]], 0.0)
    second = np.where(codes[:, 1] == 7, 2 * X[:, 0], 0.0)
    fast = np.where(codes[:, 0] == 2, 0.25, 0.0)
    scores = Engine(stages).score(X, codes, has, explain=True)
    np.testing.assert_allclose(scores.margin, first + fast + second)
    np.testing.assert_allclose(scores.slow, np.stack([first, second], axis=1))
    replaced = Engine(stages, "replace").score(X, codes, has)
    np.testing.assert_allclose(replaced.margin, np.where(codes[:, 1] == 7, second, first + fast))


class Failing:
    def margin(self, X):
        raise ValueError("Input X contains NaN")


class Endless:
    def margin(self, X):
        return np.full(len(X), np.nan)


@pytest.mark.parametrize(("member", "reason"), [(Failing(), "contains NaN"), (Endless(), "finite")])
def test_an_opaque_member_that_gives_no_usable_answer_is_an_error_in_a_sentence(member, reason):
    engine = Engine([StagePacks(opaque={1: member})])
    with pytest.raises(PredictError, match=reason):
        engine.score(np.zeros((2, 1)), np.ones((2, 1), int), np.ones((2, 1), bool))


def test_input_is_taken_in_any_layout_and_never_changed(make):
    rng = np.random.default_rng(1)
    engine = Engine([_packed(({1: make.member(rng, 3)}, {}), 3, rng)])
    X, codes, has = make.rows(rng, 100, 3), np.ones((100, 1), np.int64), np.ones((100, 1), bool)
    want = engine.score(X, codes, has).margin
    frozen = X.copy()
    frozen.flags.writeable = False
    for same in (np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2], frozen):
        np.testing.assert_array_equal(engine.score(same, codes.astype(np.int32), has).margin, want)
    np.testing.assert_array_equal(frozen, X)


def test_threads_may_share_an_engine(make):
    rng = np.random.default_rng(4)
    engine = Engine([_packed(_stage(make, rng, 3), 3, rng) for _ in range(3)])
    batches = [_batch(make, rng, 300, 3, 3) for _ in range(8)]
    want = [engine.score(*batch).margin for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        for margin, scores in zip(want, pool.map(lambda b: engine.score(*b), batches), strict=True):
            np.testing.assert_array_equal(scores.margin, margin)


def test_packs_of_different_features_or_with_one_segment_twice_are_refused():
    member = MemberArrays(constant_trees(0.0, 1))
    one, same = (Pack.open(write_pack([PackEntry("a=1", 1, "", member)], ("x",))) for _ in range(2))
    other = Pack.open(write_pack([PackEntry("a=2", 2, "", member)], ("y",)))
    with pytest.raises(StoreError, match="features"):
        Engine([StagePacks([one, other])])
    with pytest.raises(StoreError, match="'a=1' twice"):
        Engine([StagePacks([one, same])])
    with pytest.raises(StoreError, match="'a=1' twice"):
        Engine([StagePacks([one], opaque={1: Doubling()})])


def test_shapes_that_do_not_fit_are_a_mistake_of_the_caller():
    member = MemberArrays(constant_trees(0.0, 1))
    engine = Engine([StagePacks([Pack.open(write_pack([PackEntry("a=1", 1, "", member)], ("x",)))])])
    ones = np.ones((2, 1), int)
    with pytest.raises(ValueError, match="columns"):
        engine.score(np.zeros((2, 2)), ones, ones == 1)
    with pytest.raises(ValueError, match="fit"):
        engine.score(np.zeros((3, 1)), ones, ones == 1)
