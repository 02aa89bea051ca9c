import numpy as np
import pytest

from jomon.stats.auc import roc_auc
from jomon.stats.expected_performance import expected_auc, expected_binary, expected_mean
from jomon.stats.losses import log_loss


def drawn(seed, n=20_000):
    rng = np.random.default_rng(seed)
    bins = rng.integers(0, 9, n)
    margin = np.linspace(-2.5, 1.5, 9)
    rate = 1 / (1 + np.exp(-(0.7 * margin - 0.2)))
    target = (rng.random(n) < rate[bins]).astype(float)
    return bins, margin, rate, target


def test_realised_rates_give_realised_performance():
    bins, margin, _, y = drawn(1)
    rows = np.bincount(bins, minlength=9).astype(float)
    events = np.bincount(bins, y, 9)
    found = expected_binary(rows, events / rows, margin)
    m = margin[bins]
    p = 1 / (1 + np.exp(-m))
    said = m > 0
    assert found["log_loss"].value[0] == pytest.approx(log_loss(y, m).mean())
    assert found["roc_auc"].value[0] == pytest.approx(roc_auc(y, m))
    assert found["brier"].value[0] == pytest.approx(((y - p) ** 2).mean())
    assert found["tp"].value[0] == pytest.approx((said & (y == 1)).mean())
    assert found["fp"].value[0] == pytest.approx((said & (y == 0)).mean())
    assert found["fn"].value[0] == pytest.approx((~said & (y == 1)).mean())
    assert found["tn"].value[0] == pytest.approx((~said & (y == 0)).mean())


@pytest.mark.parametrize("metric", ["log_loss", "roc_auc", "brier", "fn"])
def test_the_variance_of_chance_is_what_outcomes_drawn_again_show(metric):
    rng = np.random.default_rng(2)
    margin = np.linspace(-2.0, 1.0, 8)
    rate = 1 / (1 + np.exp(-margin))
    rows = np.full((4000, 8), 40.0)
    events = rng.binomial(40, rate, (4000, 8))
    expected = expected_binary(rows[:1], rate, margin)[metric]
    values = expected_binary(rows, events / 40, margin)[metric].value
    assert values.mean() == pytest.approx(expected.value[0], abs=0.004)
    assert values.var() == pytest.approx(expected.variance[0], rel=0.15)


def test_an_area_without_one_class_is_not_defined():
    assert np.isnan(expected_auc([[5.0, 5.0]], [[0.0, 0.0]]).value[0])


def test_a_segment_without_rows_has_no_mean():
    found = expected_mean([[0.0, 0.0], [1.0, 3.0]], [2.0, 4.0])
    assert np.isnan(found.value[0])
    assert found.value[1] == 3.5
