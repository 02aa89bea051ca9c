"""Every built-in estimator and kind of target: right numbers, offsets honoured, packed as fitted, always finite."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jomon.core.errors import BuildError
from jomon.engine.engine import score_member
from jomon.engine.member import MemberArrays
from jomon.stats.links import Link
from jomon.training.estimators import Design, Sample, estimator, packable
from jomon.training.lineage import code_digest

KINDS = ("binary", "regression", "count")
BUILT_IN = ("lightgbm", "linear", "baseline")
DESIGN = Design(("x", "gap", "place", "weekday", "hour"), (2,), (4,))
PARAMS = {"lightgbm": {"num_iterations": 20, "num_leaves": 8}, "linear": {"l2": 2.0}, "baseline": {}}


def draw(kind: str, n: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows as the encoder gives them: numbers, numbers with gaps, a category (with gaps), weekday and hour."""
    rng = np.random.default_rng(seed)
    gap = np.where(rng.random(n) < 0.2, np.nan, rng.normal(3.0, 2.0, n))
    place = np.where(rng.random(n) < 0.1, np.nan, rng.integers(0, 4, n))
    X = np.column_stack(
        [rng.normal(size=n), gap, place, rng.integers(0, 7, n), rng.integers(0, 24, n)]
    ).astype(float)
    z = 0.7 * X[:, 0] - 0.2 * np.nan_to_num(gap) + 0.4 * (place == 2) + 0.05 * X[:, 3]
    y = {
        "binary": (rng.random(n) < 1 / (1 + np.exp(-z))).astype(float),
        "regression": z + rng.normal(0, 0.3, n),
        "count": rng.poisson(np.exp(np.clip(z, -4, 4))).astype(float),
    }[kind]
    return X, y


def fit(
    name: str, kind: Any, X: Any, y: Any, offset: Any = None, design: Design = DESIGN, **params: Any
) -> Any:
    how = estimator(name)
    resolved = how.resolve({**PARAMS[name], **params}, root=offset is None)
    return how.fit(Sample(np.ascontiguousarray(X), y, offset), design, Link(kind), resolved, 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("offset", [False, True])
def test_packed_margins_are_the_fitted_ones_to_1e_12(name: str, kind: str, offset: bool) -> None:
    X, y = draw(kind)
    start = np.random.default_rng(5).normal(0, 0.3, len(y)) if offset else None
    fitted = fit(name, kind, X, y, start)
    fresh = draw(kind, seed=1)[0]
    fresh[:9, 2] = [0, 1, 2, 3, 7, np.nan, -1, 99, 3]  # codes beyond those of the sample, too
    fresh[:9, 3:] = np.nan
    fresh[9:12, 4] = [-5.0, 3.5, 400.0]
    packed = score_member(MemberArrays(fitted.packed), fresh)
    np.testing.assert_allclose(packed, fitted.margin(fresh), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", BUILT_IN)
def test_equal_samples_give_equal_bytes(name: str, kind: str) -> None:
    X, y = draw(kind)
    one, other = (MemberArrays(fit(name, kind, X, y).packed) for _ in range(2))
    assert one.same(other)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", BUILT_IN)
def test_a_model_lowers_the_loss_it_starts_from(name: str, kind: Any) -> None:
    X, y = draw(kind, n=2000)
    link = Link(kind)
    start = np.full(len(y), link.base(y))
    for offset in (None, start):
        margin = fit(name, kind, X, y, offset).margin(X) + (0 if offset is None else offset)
        assert link.losses(margin, y).mean() < link.losses(start, y).mean()


def standardised(X: np.ndarray) -> np.ndarray:
    return np.column_stack(
        [(X[:, 0] - X[:, 0].mean()) / X[:, 0].std(), *(X[:, 1] == c for c in range(3))]
    ).astype(float)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("l2", [0.5, 20.0])
def test_linear_is_scikit_learns_model_of_the_same_penalty(kind: str, l2: float) -> None:
    from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge

    rng = np.random.default_rng(3)
    X = np.column_stack([rng.normal(5, 3, 500), rng.integers(0, 3, 500)])
    z = 0.2 * X[:, 0] + 0.5 * (X[:, 1] == 1) - 1
    y = {
        "binary": rng.random(500) < 1 / (1 + np.exp(-z)),
        "regression": z + rng.normal(size=500),
        "count": rng.poisson(np.exp(z)),
    }
    target = np.asarray(y[kind], float)
    ours = fit("linear", kind, X, target, design=Design(("x", "c"), (1,), (3,)), l2=l2).margin(X)
    Z = standardised(X)
    if kind == "binary":
        theirs = LogisticRegression(C=1 / l2, tol=1e-10, max_iter=10_000).fit(Z, target).decision_function(Z)
    elif kind == "regression":
        theirs = Ridge(alpha=l2).fit(Z, target).predict(Z)
    else:
        theirs = np.log(
            PoissonRegressor(alpha=l2 / 500, tol=1e-10, max_iter=10_000).fit(Z, target).predict(Z)
        )
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_linear_with_an_offset_stands_at_the_minimum_of_its_penalised_loss(kind: Any) -> None:
    from scipy.optimize import minimize

    rng = np.random.default_rng(4)
    X = rng.normal(size=(300, 2))
    offset = rng.normal(0, 0.5, 300)
    z = offset + 0.5 * X[:, 0]
    y = {
        "binary": rng.random(300) < 1 / (1 + np.exp(-z)),
        "regression": z + rng.normal(size=300),
        "count": rng.poisson(np.exp(z)),
    }
    target, link = np.asarray(y[kind], float), Link(kind)
    ours = fit("linear", kind, X, target, offset, design=Design(("a", "b"), (), ()), l2=3.0).margin(X)
    Z = np.column_stack([np.ones(300), (X - X.mean(0)) / X.std(0)])

    def objective(beta: np.ndarray) -> tuple[float, np.ndarray]:
        margin = offset + Z @ beta
        slope, _ = link.derivatives(margin, target)
        loss = {
            "binary": link.losses(margin, target).sum(),
            "regression": link.losses(margin, target).sum() / 2,
        }
        half = loss.get(kind, link.losses(margin, target).sum() / 2)
        return half + 1.5 * np.sum(beta[1:] ** 2), Z.T @ slope + 3.0 * np.r_[0.0, beta[1:]]

    best = minimize(objective, np.zeros(3), jac=True, options={"gtol": 1e-10})
    np.testing.assert_allclose(ours, Z @ best.x, atol=1e-6)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_regression_with_an_offset_is_the_regression_of_what_the_offset_leaves(name: str) -> None:
    X, y = draw("regression")
    offset = np.random.default_rng(2).normal(size=len(y))
    with_offset = fit(name, "regression", X, y, offset).margin(X)
    shifted = fit(name, "regression", X, y - offset, np.zeros(len(y))).margin(X)
    np.testing.assert_allclose(
        with_offset, shifted, atol=2e-6
    )  # LightGBM keeps scores and targets as float32


@pytest.mark.parametrize("kind", ["binary", "count"])
@pytest.mark.parametrize("name", ["linear", "baseline"])
def test_a_constant_offset_is_taken_up_by_the_level(name: str, kind: str) -> None:
    X, y = draw(kind)
    plain = fit(name, kind, X, y, np.zeros(len(y))).margin(X)
    moved = fit(name, kind, X, y, np.full(len(y), 0.7)).margin(X)
    np.testing.assert_allclose(plain, moved + 0.7, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_baseline_answers_each_cell_with_a_shrunken_mean(kind: Any) -> None:
    X, y = draw(kind, n=4000)
    weekday, hour = X[:, 3].astype(int), X[:, 4].astype(int)
    margin = fit("baseline", kind, X, y).margin(X)
    cells = {(w, h): margin[(weekday == w) & (hour == h)] for w in range(7) for h in range(24)}
    assert all(np.ptp(values) == 0 for values in cells.values() if len(values))
    answer, level = Link(kind).answer(margin), Link(kind).answer(np.array([Link(kind).base(y)]))[0]
    for (w, h), values in cells.items():
        if len(values) >= 10:
            raw = y[(weekday == w) & (hour == h)].mean()
            shrunk = answer[(weekday == w) & (hour == h)][0]
            assert min(raw, level) - 0.12 <= shrunk <= max(raw, level) + 0.12
    strong = fit("baseline", kind, X, y, prior_rows=1e9).margin(X)
    np.testing.assert_allclose(strong, Link(kind).base(y), atol=1e-4)


def test_a_baseline_of_a_regression_is_the_posterior_mean_in_closed_form() -> None:
    rng = np.random.default_rng(0)
    X = np.zeros((90, 5))
    X[:, 3] = np.repeat([0, 3, 6], 30)
    y = rng.normal(X[:, 3], 1.0)
    margin = fit("baseline", "regression", X, y, by=["weekday"], prior_rows=10.0).margin(X)
    for day in (0, 3, 6):
        own = y[X[:, 3] == day].mean()
        assert margin[X[:, 3] == day][0] == pytest.approx(y.mean() + 30 / 40 * (own - y.mean()), abs=1e-8)


CORNERS: dict[str, Any] = {
    "one row": lambda X, y: (X[:1], y[:1]),
    "two rows of both classes": lambda X, y: (X[:2], np.array([0.0, 1.0])),
    "constant columns": lambda X, y: (np.full_like(X, 2.0), y),
    "columns all missing": lambda X, y: (np.full_like(X, np.nan), y),
    "an outcome that never happens": lambda X, y: (X, np.zeros(len(y))),
    "an outcome that always happens": lambda X, y: (X, np.ones(len(y))),
    "separable": lambda X, y: (X, (X[:, 0] > 0).astype(float)),
    "huge numbers": lambda X, y: (X * [1e12, 1e-12, 1, 1, 1], y),
}


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("offset", [False, True])
def test_margins_stay_finite_in_every_corner(corner: str, kind: str, name: str, offset: bool) -> None:
    X, y = CORNERS[corner](*draw(kind, n=200))
    fitted = fit(name, kind, X, y, np.full(len(y), -0.3) if offset else None)
    margin = score_member(MemberArrays(fitted.packed), draw(kind, seed=9)[0])
    assert np.isfinite(margin).all()
    assert np.abs(margin).max() < (1e3 if corner != "huge numbers" else np.inf) or kind == "regression"


@settings(max_examples=25)
@given(st.sampled_from(BUILT_IN), st.sampled_from(KINDS), st.integers(0, 2**16), st.integers(1, 60))
def test_small_samples_of_any_kind_are_packed_as_fitted(name: str, kind: str, seed: int, n: int) -> None:
    X, y = draw(kind, n=n, seed=seed)
    fitted = fit(name, kind, X, y)
    fresh = draw(kind, n=40, seed=seed + 1)[0]
    packed = score_member(MemberArrays(fitted.packed), fresh)
    np.testing.assert_allclose(packed, fitted.margin(fresh), rtol=1e-12, atol=1e-12)


def test_a_subset_of_columns_is_described_in_their_own_order() -> None:
    assert DESIGN.subset((4, 2)) == Design(("hour", "place"), (1,), (4,))


def test_aliases_of_lightgbm_mean_the_same_parameter() -> None:
    how = estimator("lightgbm")
    assert how.resolve({"n_estimators": 7, "eta": 0.2, "max_leaf_nodes": 5}, root=True) == how.resolve(
        {"num_iterations": 7, "learning_rate": 0.2, "num_leaves": 5}, root=True
    )


@pytest.mark.parametrize(
    "name", ["objective", "num_threads", "deterministic", "linear_tree", "boosting", "metric"]
)
def test_what_jomon_sets_cannot_be_given_to_lightgbm(name: str) -> None:
    with pytest.raises(BuildError, match=f"params.{name} is set by jomon"):
        estimator("lightgbm").resolve({name: 1}, root=True)


@pytest.mark.parametrize(("name", "param"), [("linear", "alpha"), ("baseline", "hours")])
def test_an_unknown_parameter_is_refused_by_name(name: str, param: str) -> None:
    with pytest.raises(BuildError, match=rf"params\.{param} is not known"):
        estimator(name).resolve({param: 1}, root=True)


def test_a_baseline_over_an_unknown_column_is_refused() -> None:
    with pytest.raises(BuildError, match="'minute' is not one of weekday, hour, month"):
        estimator("baseline").resolve({"by": ["minute"]}, root=True)


def test_an_unknown_estimator_is_refused_with_those_there_are() -> None:
    with pytest.raises(BuildError, match="lightgbm, linear, baseline, none or module:factory"):
        estimator("catboost")


def test_lightgbm_refusing_a_sample_is_one_sentence() -> None:
    X, y = draw("count")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(BuildError, match="LightGBM refused the sample"):
            fit("lightgbm", "count", X, -y - 1)


def test_only_a_factory_is_not_packed() -> None:
    assert [packable(name) for name in ("lightgbm", "linear", "baseline", "own:make")] == [
        True,
        True,
        True,
        False,
    ]


def test_each_estimator_has_a_code_digest_of_its_own() -> None:
    digests = [code_digest(name, None) for name in ("lightgbm", "linear", "baseline", "own:make")]
    assert len(set(digests)) == 4


def test_a_linear_member_of_thousands_of_categories_is_refused_with_what_to_do() -> None:
    n = 5_000
    X = np.arange(n, dtype=np.float64)[:, None]
    sample = Sample(X, (np.arange(n) % 2).astype(np.float64), None)
    with pytest.raises(BuildError, match=r"5,001 coefficients, more than 2,000; leave categorical"):
        estimator("linear").fit(sample, Design(("shop",), (0,), (n,)), Link("binary"), {"l2": 1.0}, 0)
