from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss as their_log_loss
from sklearn.metrics import mean_poisson_deviance

from jomon.stats.losses import absolute_error, log_loss, poisson_deviance, squared_error


def test_the_mean_log_loss_is_the_one_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    y, m = rng.integers(0, 2, 500), rng.normal(0, 3, 500)
    assert log_loss(y, m).mean() == pytest.approx(their_log_loss(y, 1 / (1 + np.exp(-m))), rel=1e-12)


@given(st.floats(-700, 700), st.sampled_from([0.0, 1.0]))
def test_log_loss_is_exact_at_any_margin(margin: float, target: float) -> None:
    # The event costs -log(sigmoid(m)), the other case -log(sigmoid(-m)): both are softplus, here with log1p.
    toward = margin if target else -margin
    expected = math.log1p(math.exp(-toward)) if toward > -700 else -toward
    assert float(log_loss([target], [margin])[0]) == pytest.approx(expected, rel=1e-12, abs=0)


def test_log_loss_of_a_certain_answer_is_zero_or_the_margin() -> None:
    assert log_loss([1, 0, 1], [800.0, 800.0, -800.0]).tolist() == [0.0, 800.0, 800.0]


def test_the_mean_poisson_deviance_is_the_one_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    y, m = rng.poisson(2.0, 300), rng.normal(0, 1, 300)
    assert poisson_deviance(y, m).mean() == pytest.approx(mean_poisson_deviance(y, np.exp(m)), rel=1e-12)


def test_poisson_deviance_is_zero_only_for_the_right_mean_and_never_below() -> None:
    y = np.array([1.0, 2.0, 7.0])
    assert poisson_deviance(y, np.log(y)) == pytest.approx(0.0, abs=1e-12)
    assert (poisson_deviance(y, np.log(y) + 1e-9) >= 0).all()


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be negative"):
        poisson_deviance([-1.0], [0.0])


def test_squared_and_absolute_errors_are_what_they_say() -> None:
    assert squared_error([1.0, -1.0], [3.0, -1.0]).tolist() == [4.0, 0.0]
    assert absolute_error([1.0, -1.0], [3.0, -1.0]).tolist() == [2.0, 0.0]
