"""Members read from LightGBM's text answer exactly as LightGBM does."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jomon.core.errors import BuildError
from jomon.engine.engine import score_member
from jomon.engine.lightgbm_text import parse
from jomon.engine.member import MemberArrays

QUIET = {"verbose": -1, "num_threads": 1, "seed": 1, "min_data_in_leaf": 3, "num_leaves": 15}
CATEGORICAL = [4, 5]


def _data(seed=0, n=600):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 8))
    X[:, 2] = rng.choice([0.0, 0.0, 1.0, -1.0, 1e-36], n)
    X[:, 3] = np.nan
    X[:, 4] = rng.integers(0, 9, n)
    X[:, 5] = rng.integers(0, 150, n)
    X[:, 6] = np.where(rng.random(n) < 0.5, np.nan, 1.0)
    X[:, 7] = rng.integers(0, 3, n) * 1e290
    X[rng.random(X.shape) < 0.05] = np.nan
    signal = (
        np.nan_to_num(X[:, 0])
        + np.isnan(X[:, 6])
        + np.nan_to_num(X[:, 4]) % 3
        + np.nan_to_num(X[:, 5]) % 7 / 3
    )
    return X, signal + rng.normal(size=n), rng


def _edges(X, rng):
    """Rows that training did not see: every odd value in every column."""
    odd = [
        np.nan,
        0.0,
        1e-36,
        -1e-36,
        1e-35,
        -1e-35,
        -1.0,
        -0.5,
        8.5,
        9.0,
        31.0,
        32.0,
        64.0,
        149.0,
        151.0,
        5e3,
    ]
    odd += [2.0**31, -(2.0**31), 1e300, -1e300, np.inf, -np.inf]
    more = X[rng.integers(0, len(X), 400)]
    return np.vstack([X, np.where(rng.random(more.shape) < 0.4, rng.choice(odd, more.shape), more)])


def _assert_equal(booster, X):
    ours = score_member(MemberArrays(parse(booster.model_to_string())), X)
    np.testing.assert_allclose(ours, booster.predict(X, raw_score=True), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "params",
    [
        {"objective": "binary"},
        {"objective": "binary", "use_missing": False},
        {"objective": "binary", "zero_as_missing": True},
        {"objective": "regression", "min_data_in_leaf": 1, "num_leaves": 60},
        {"objective": "regression", "boost_from_average": False},
        {"objective": "poisson"},
        {"objective": "binary", "max_cat_to_onehot": 200},
        {
            "objective": "binary",
            "cat_smooth": 0,
            "cat_l2": 0,
            "min_data_per_group": 1,
            "max_cat_threshold": 200,
        },
        {"objective": "regression", "boosting": "dart", "drop_rate": 0.5},
        {"objective": "regression", "extra_trees": True, "bagging_fraction": 0.5, "bagging_freq": 1},
        {"objective": "regression", "max_bin": 3, "min_data_in_bin": 1},
    ],
)
def test_margin_equals_lightgbm(params):
    X, y, rng = _data()
    label = {"binary": y > 2, "poisson": np.round(np.abs(y))}.get(params["objective"], y)
    data = lgb.Dataset(X, label, categorical_feature=CATEGORICAL, params={"verbose": -1})
    _assert_equal(lgb.train({**QUIET, **params}, data, 20), _edges(X, rng))


def test_margin_equals_lightgbm_after_training_from_an_initial_score():
    X, y, rng = _data()
    data = lgb.Dataset(X, y > 2, init_score=np.nan_to_num(X[:, 0]), categorical_feature=CATEGORICAL)
    _assert_equal(lgb.train({**QUIET, "objective": "binary"}, data, 10), _edges(X, rng))


def test_margin_equals_lightgbm_after_early_stopping_and_refitting():
    X, y, rng = _data()
    data = lgb.Dataset(X[:400], y[:400], categorical_feature=CATEGORICAL, free_raw_data=False)
    late = data.create_valid(X[400:], y[400:])
    stop = lgb.early_stopping(2, verbose=False)
    booster = lgb.train({**QUIET, "objective": "regression"}, data, 50, valid_sets=[late], callbacks=[stop])
    _assert_equal(booster, _edges(X, rng))
    _assert_equal(booster.refit(X, y), _edges(X, rng))


def test_a_model_that_never_splits_answers_its_constant():
    X = np.zeros((40, 2))
    booster = lgb.train({**QUIET, "objective": "regression"}, lgb.Dataset(X, np.full(40, 3.5)), 3)
    _assert_equal(booster, X)
    assert score_member(MemberArrays(parse(booster.model_to_string())), X)[0] == pytest.approx(3.5)


def test_reading_a_saved_model_again_gives_the_same_arrays():
    X, y, _ = _data()
    text = lgb.train({**QUIET, "objective": "regression"}, lgb.Dataset(X, y), 5).model_to_string()
    windows = text.replace("\n", "\r\n")
    assert MemberArrays(parse(text)).same(MemberArrays(parse(lgb.Booster(model_str=text).model_to_string())))
    assert MemberArrays(parse(text)).same(MemberArrays(parse(windows)))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(20, 200),
    values=st.sampled_from(["normal", "whole", "tiny", "huge"]),
    missing=st.sampled_from([0.0, 0.1, 0.9]),
    params=st.fixed_dictionaries(
        {
            "objective": st.sampled_from(["regression", "binary", "poisson"]),
            "num_leaves": st.integers(2, 40),
            "min_data_in_leaf": st.integers(1, 10),
            "use_missing": st.booleans(),
            "zero_as_missing": st.booleans(),
            "max_cat_to_onehot": st.sampled_from([1, 4, 100]),
            "min_data_per_group": st.sampled_from([1, 10]),
            "cat_smooth": st.sampled_from([0.0, 10.0]),
        }
    ),
)
def test_margin_equals_lightgbm_on_random_data(seed, n, values, missing, params):
    rng = np.random.default_rng(seed)
    scale = {"normal": 1.0, "whole": 1.0, "tiny": 1e-35, "huge": 1e300}[values]
    X = rng.normal(size=(n, 4)) * scale
    X = np.round(X) if values == "whole" else X
    X[:, 3] = rng.integers(0, rng.choice([3, 70, 400]), n)
    X[rng.random(X.shape) < missing] = np.nan
    y = rng.normal(size=n) + np.nan_to_num(np.sign(X[:, 0]))
    label = {"binary": y > 0, "poisson": np.abs(y)}.get(params["objective"], y)
    if params["objective"] == "binary" and len(set(label)) < 2:
        return
    data = lgb.Dataset(X, label, categorical_feature=[3], params={"verbose": -1, "min_data_in_bin": 1})
    booster = lgb.train({**QUIET, **params}, data, 8)
    _assert_equal(booster, _edges(X, rng))


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"objective": "multiclass", "num_class": 3}, "one output per class"),
        (
            {"objective": "regression", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
            "averages",
        ),
        ({"objective": "regression", "linear_tree": True}, "linear trees"),
    ],
)
def test_a_model_that_packs_cannot_hold_is_refused_in_a_sentence(params, reason):
    X, y, _ = _data(n=200)
    label = np.arange(200) % 3 if "num_class" in params else y
    booster = lgb.train({**QUIET, **params}, lgb.Dataset(X[:, :3], label), 3)
    with pytest.raises(BuildError, match=reason):
        parse(booster.model_to_string())


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_text_is_refused_or_still_safe(model_text, data):
    """Whatever happens to the text, the answer is a sentence or a member that can be scored."""
    start = data.draw(st.integers(0, len(model_text) - 1))
    length = data.draw(st.integers(0, 40))
    middle = data.draw(st.text("0123456789 .-=einf\nTr", max_size=8))
    try:
        member = MemberArrays(parse(model_text[:start] + middle + model_text[start + length :]))
    except BuildError:
        return
    if member.width < 1000:
        score_member(member, np.zeros((3, member.width)))


@pytest.fixture(scope="module")
def model_text():
    X, y, _ = _data(n=150)
    data = lgb.Dataset(X, y, categorical_feature=CATEGORICAL)
    return (
        lgb.train({**QUIET, "objective": "regression"}, data, 2).model_to_string().partition("feature_imp")[0]
    )
