import numpy as np
import pytest

from jomon.stats.recalibration import (
    isotonic_rates,
    log_odds,
    logistic_rates,
    probability,
    rate_offsets,
    ratio_offsets,
)


def test_isotonic_rates_never_fall_and_keep_the_mean():
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 200, 30).astype(float)
    events = rng.binomial(rows.astype(int), np.linspace(0.05, 0.6, 30)).astype(float)
    rates = isotonic_rates(events, rows, 0)
    assert np.all(np.diff(rates) >= 0)
    assert rates @ rows == pytest.approx(events.sum())


def test_isotonic_rates_of_nothing_are_even():
    assert isotonic_rates([0, 0], [0, 0]).tolist() == [0.5, 0.5]


def test_a_logistic_curve_is_found_again():
    margin = np.linspace(-3, 2, 20)
    true = probability(0.6 * margin + 0.4)
    found = logistic_rates(true * 5000, np.full(20, 5000.0), margin)
    np.testing.assert_allclose(found, true, atol=0.002)


def test_without_rows_the_answers_are_believed():
    np.testing.assert_allclose(logistic_rates([0, 0], [0, 0], [-1.0, 1.0]), probability([-1.0, 1.0]))


def test_answers_in_the_wrong_order_get_a_flat_curve():
    found = logistic_rates([900, 100], [1000, 1000], [-1.0, 1.0])
    assert found[0] == pytest.approx(found[1])


def test_offsets_meet_the_events_and_hesitate_with_a_prior():
    logit = log_odds([0.1, 0.5])
    rows = np.array([[100.0, 100.0]])
    free = rate_offsets(logit, [90.0], rows, 1e-9)
    assert (rows * probability(logit + free[:, None])).sum() == pytest.approx(90.0)
    assert 0 < rate_offsets(logit, [90.0], rows, 50.0)[0] < free[0]


def test_offsets_of_windows_without_events_stay_finite():
    assert np.isfinite(rate_offsets([0.0], [0.0, 10.0, 0.0], [[10.0], [10.0], [0.0]])).all()


def test_a_factor_between_losses():
    assert ratio_offsets([2.0, 0.0], [4.0, 0.0])[0] == pytest.approx(np.log(2))
    assert ratio_offsets([0.0], [0.0]).tolist() == [0.0]
