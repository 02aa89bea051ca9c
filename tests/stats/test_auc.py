from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from jomon.stats.auc import RankedScores, roc_auc


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_the_weighted_area_is_the_one_of_scikit_learn_with_ties(seed: int, distinct: int) -> None:
    rng = np.random.default_rng(seed)
    y = np.r_[0, 1, rng.integers(0, 2, 40)]
    score = rng.integers(0, distinct, 42).astype(float)
    weight = rng.integers(1, 4, 42).astype(float)
    assert roc_auc(y, score) == pytest.approx(roc_auc_score(y, score))
    assert roc_auc(y, score, weight) == pytest.approx(roc_auc_score(y, score, sample_weight=weight))


def test_a_weight_of_zero_is_the_same_as_leaving_the_row_out() -> None:
    rng = np.random.default_rng(1)
    y, score, weight = rng.integers(0, 2, 100), rng.random(100), rng.integers(0, 2, 100).astype(float)
    assert roc_auc(y, score, weight) == pytest.approx(roc_auc(y[weight > 0], score[weight > 0]))


def test_one_class_or_no_rows_give_no_area() -> None:
    assert np.isnan(roc_auc([1, 1], [0.1, 0.2]))
    assert np.isnan(roc_auc([], []))
    assert np.isnan(RankedScores.of([1, 1], [0.1, 0.2]).influence()).all()
    assert len(RankedScores.of([], []).influence()) == 0


def test_a_score_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not a number"):
        roc_auc([0, 1], [0.0, float("nan")])


def test_the_influence_has_mean_zero_and_predicts_what_reweighting_does() -> None:
    rng = np.random.default_rng(2)
    y, score = rng.integers(0, 2, 2000), np.round(rng.random(2000), 1)
    ranked = RankedScores.of(y, score + 0.2 * y)
    influence = ranked.influence()
    assert influence.mean() == pytest.approx(0.0, abs=1e-12)
    weight = 1.0 + 0.01 * rng.standard_normal(2000)
    change = ranked.auc(weight) - ranked.auc()
    assert change == pytest.approx(np.mean((weight - weight.mean()) * influence), abs=2e-6)
