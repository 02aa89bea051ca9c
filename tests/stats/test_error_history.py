import numpy as np
import pytest

from jomon.stats.error_history import error_spread


@pytest.mark.parametrize("days", [0.0, 1.5])
def test_intervals_cover_with_and_without_days_that_differ(days):
    rng = np.random.default_rng(5)
    inside = []
    for _ in range(150):
        chance = rng.uniform(0.5, 2.0, 20) ** 2 * np.ones((31, 1))
        own = rng.uniform(0.8, 1.25, 20)
        errors = own * np.sqrt(1.3 * chance + days**2) * rng.normal(size=(31, 20))
        spread = error_spread(errors[:30], chance[:30], chance[30])
        down, up = spread.reach(0.95)
        inside.append((errors[30] >= -down) & (errors[30] <= up))
    assert 0.93 <= np.mean(inside) <= 0.97


def test_one_segment_alone_is_covered_too():
    rng = np.random.default_rng(6)
    inside = []
    for _ in range(2000):
        errors = rng.normal(size=(13, 1))
        down, up = error_spread(errors[:12], np.full((12, 1), 0.3), np.full(1, 0.3)).reach(0.95)
        inside.append(-down[0] <= errors[12, 0] <= up[0])
    assert 0.93 <= np.mean(inside) <= 0.97


def test_errors_that_reach_farther_upwards_get_an_interval_that_does():
    rng = np.random.default_rng(7)
    errors = rng.gumbel(size=(100, 10)) - 0.4
    down, up = error_spread(errors, np.ones((100, 10)), np.ones(10)).reach(0.95)
    assert np.all(up > 1.2 * down)
    inside = (errors >= -down) & (errors <= up)
    assert 0.93 <= inside.mean() <= 0.98


def test_without_errors_nothing_is_known():
    spread = error_spread(np.full((3, 2), np.nan), np.ones((3, 2)), np.ones(2))
    assert np.isinf(spread.variance).all()


def test_a_segment_without_errors_gets_the_common_spread():
    rng = np.random.default_rng(8)
    errors = rng.normal(size=(60, 9))
    errors[:, 0] = np.nan
    spread = error_spread(errors, np.ones((60, 9)), np.ones(9))
    assert spread.variance[0] == pytest.approx(1.0, abs=0.3)
