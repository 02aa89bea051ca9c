"""scikit-learn's own checks of what an estimator has to do."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import check_estimator

from jomon import FleetClassifier, FleetRegressor

EXEMPT: dict[str, str] = {}
"""Checks that do not apply, each with the reason. None is needed: `fit` takes no sample weights, so scikit-learn does
not ask for their equivalence."""

ONLY_WHERE_ASKED = {"check_array_api_input"}  # runs where SCIPY_ARRAY_API is set


@pytest.mark.parametrize(
    "estimator", [FleetClassifier(), FleetRegressor(), FleetRegressor(kind="count")], ids=repr
)
def test_every_check_of_scikit_learn_holds_but_those_that_are_exempt_for_a_reason(estimator):
    results = check_estimator(estimator, on_skip=None, on_fail=None)
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    assert failed.keys() == EXEMPT.keys(), failed
    assert {r["check_name"] for r in results if r["status"] == "skipped"} <= ONLY_WHERE_ASKED
    assert sum(r["status"] == "passed" for r in results) >= 45
