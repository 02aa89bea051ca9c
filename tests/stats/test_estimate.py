from __future__ import annotations

import json

import pytest

from jomon.stats.estimate import Estimate


def test_an_estimate_survives_json() -> None:
    estimate = Estimate(0.5, 0.4, 0.6, 10, 5, "block bootstrap of days")
    assert Estimate.from_json(json.loads(json.dumps(estimate.to_json()))) == estimate


def test_an_unknown_estimate_survives_json_with_its_reason() -> None:
    unknown = Estimate.unknown(3, "too few days")
    assert Estimate.from_json(unknown.to_json()) == unknown
    assert not unknown.known
    assert not unknown.bounded
    assert not unknown.excludes_zero


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_never_enters(bad: float) -> None:
    with pytest.raises(ValueError, match="finite or None"):
        Estimate(0.0, bad, 1.0, 10)


def test_numpy_numbers_become_plain_ones() -> None:
    import numpy as np

    estimate = Estimate(np.float64(1.0), np.float64(0.5), np.float64(1.5), np.int64(4))
    assert type(estimate.value) is float
    assert type(estimate.rows) is int


def test_an_interval_excludes_zero_only_on_one_side_of_it() -> None:
    assert Estimate(1.0, 0.1, 2.0, 5).excludes_zero
    assert Estimate(-1.0, -2.0, -0.1, 5).excludes_zero
    assert not Estimate(1.0, 0.0, 2.0, 5).excludes_zero
    assert not Estimate(1.0, None, None, 5).excludes_zero


def test_bounds_are_cut_to_what_the_number_can_be() -> None:
    assert Estimate(0.9, 0.7, 1.1, 5).within(0.0, 1.0).high == 1.0
    assert Estimate.unknown(0, "no rows").within(0.0, 1.0) == Estimate.unknown(0, "no rows")
