from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from jomon.stats.measure import METRICS, loss_per_row, mean_response, measure


@pytest.mark.parametrize("kind", ["binary", "regression", "count"])
def test_every_metric_predicts_its_own_change_under_new_weights(kind: str) -> None:
    """Repeating one tenth of the rows moves each metric by the mean influence of the repeated rows."""
    rng = np.random.default_rng(0)
    margin = rng.normal(0.3, 0.7, 4000)
    mean = mean_response(margin, kind)  # type: ignore[arg-type]
    y = {
        "binary": (rng.random(4000) < mean * 0.8).astype(float),
        "regression": mean + rng.standard_normal(4000),
        "count": rng.poisson(np.abs(mean)).astype(float),
    }[kind]
    again = np.r_[np.arange(4000), rng.integers(0, 4000, 400)]
    for metric in METRICS[kind]:
        base = measure(metric, y, margin, kind)  # type: ignore[arg-type]
        moved = measure(metric, y[again], margin[again], kind)  # type: ignore[arg-type]
        expected = base.influence[again].mean()
        assert base.influence.mean() == pytest.approx(0.0, abs=1e-9)
        assert moved.value - base.value == pytest.approx(expected, abs=0.15 * np.std(base.influence) / 20)


def test_brier_is_the_one_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    y, margin = rng.integers(0, 2, 100), rng.normal(0, 2, 100)
    ours = measure("brier", y, margin, "binary").value
    assert ours == pytest.approx(brier_score_loss(y, 1 / (1 + np.exp(-margin))))


def test_the_difference_of_two_models_has_the_difference_of_their_influences() -> None:
    y, a, b = np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 1.0]), np.array([1.0, 1.0, 2.0])
    out = measure("mae", y, a, "regression") - measure("mae", y, b, "regression")
    assert out.value == pytest.approx(0.0)
    assert out.influence.tolist() == [-1.0, 0.0, 1.0]


def test_a_metric_of_another_kind_of_target_is_refused() -> None:
    with pytest.raises(ValueError, match="not a metric of a regression target"):
        measure("roc_auc", [0.0], [0.0], "regression")


def test_without_rows_a_metric_has_no_value() -> None:
    assert np.isnan(measure("brier", [], [], "binary").value)


def test_perfect_predictions_have_no_error_and_no_influence() -> None:
    out = measure("rmse", [1.0, 2.0], [1.0, 2.0], "regression")
    assert out.value == 0.0
    assert out.influence.tolist() == [0.0, 0.0]


def test_the_loss_per_row_is_the_one_that_decides() -> None:
    assert loss_per_row([1.0], [0.0], "binary")[0] == pytest.approx(np.log(2))
    assert loss_per_row([3.0], [1.0], "regression")[0] == 4.0
    assert loss_per_row([1.0], [0.0], "count")[0] == 0.0
