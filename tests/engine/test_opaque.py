"""Estimators that cannot be packed are kept without code, loaded only if trusted, and asked for margins."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from jomon.core.errors import CorruptError, StoreError
from jomon.engine.opaque import SklearnMember, dump, load, untrusted_types

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
Y = X[:, 0] + RNG.normal(size=120)


@pytest.mark.parametrize(
    "estimator", [make_pipeline(StandardScaler(), Ridge()), RandomForestRegressor(3, random_state=0)]
)
def test_an_estimator_fitted_twice_has_the_same_bytes_and_loaded_predicts_the_same(estimator):
    data = dump(clone(estimator).fit(X, Y))
    assert dump(clone(estimator).fit(X, Y)) == data
    again = load(data, trusted=untrusted_types(data))
    np.testing.assert_array_equal(again.predict(X), estimator.fit(X, Y).predict(X))


def test_a_type_that_is_not_trusted_is_named_with_what_to_do():
    data = dump(make_pipeline(FunctionTransformer(np.arctan), RandomForestRegressor(1)).fit(X, Y))
    assert untrusted_types(data)
    with pytest.raises(StoreError, match=r"sklearn\.tree\._tree\.Tree.*jomon trust add"):
        load(data, what="Member a=1")
    assert load(data, trusted=untrusted_types(data)) is not None


def test_bytes_that_hold_no_estimator_are_refused():
    data = dump(Ridge().fit(X, Y))
    for damaged in (b"", b"nothing", data[: len(data) // 2]):
        with pytest.raises(CorruptError, match="Member a=1"):
            load(damaged, what="Member a=1")


def test_each_output_gives_the_margin_of_its_kind():
    ridge, logistic = Ridge().fit(X, Y), LogisticRegression().fit(X, Y > 0)
    rate = PoissonRegressor().fit(X, np.abs(Y))
    linear = logistic.decision_function(X)
    np.testing.assert_allclose(SklearnMember(ridge, shrink=0.5).margin(X), 0.5 * ridge.predict(X))
    np.testing.assert_allclose(SklearnMember(logistic, "decision").margin(X), linear)
    np.testing.assert_allclose(SklearnMember(logistic, "probability").margin(X), linear, atol=1e-9)
    np.testing.assert_allclose(SklearnMember(rate, "rate").margin(X), np.log(rate.predict(X)))
