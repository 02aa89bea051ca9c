import numpy as np
import pytest

from jomon.stats.forecast_shares import forecast_shares
from jomon.stats.segment_offsets import segment_offsets


def test_the_better_forecaster_is_believed_the_more_the_longer_it_is():
    few, many = forecast_shares([[1.0], [1.5]], [4.0]), forecast_shares([[1.0], [1.5]], [60.0])
    assert 0.5 < few[0, 0] < many[0, 0]
    assert many.sum() == pytest.approx(1.0)


def test_a_segment_with_few_forecasts_believes_whom_all_believe():
    squares = np.array([[1.0] * 9 + [1.0], [4.0] * 9 + [0.9]])
    share = forecast_shares(squares, np.array([50.0] * 9 + [2.0]))
    assert share[0, -1] > 0.9


def test_without_any_forecast_all_are_believed_alike():
    assert forecast_shares(np.zeros((3, 2)), np.zeros(2)).tolist() == [[1 / 3, 1 / 3]] * 3


def test_offsets_are_nearer_to_the_truth_than_plain_means():
    rng = np.random.default_rng(10)
    true = rng.normal(0.3, 0.1, 40)
    residual = true + rng.normal(0, 0.5, (12, 40))
    found = segment_offsets(residual, np.ones((12, 40)), np.ones(12))
    assert np.abs(found - true).mean() < 0.8 * np.abs(residual.mean(axis=0) - true).mean()


def test_a_segment_without_rows_gets_the_common_offset():
    rng = np.random.default_rng(11)
    scale = np.ones((10, 6))
    scale[:, 0] = 0
    found = segment_offsets(rng.normal(0.5, 0.05, (10, 6)) * scale, scale, np.ones(10))
    assert found[0] == pytest.approx(0.5, abs=0.1)
