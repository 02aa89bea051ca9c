from __future__ import annotations

import numpy as np
import pytest

from jomon.stats.segment_spread import segment_spread


def runs(seed: int, tau: float, m: int = 10) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(600):
        variance = rng.uniform(0.5, 2.0, m)
        truth = rng.normal(0.0, tau, m) if tau else np.zeros(m)
        out.append((truth, truth + rng.normal(0.0, np.sqrt(variance)), variance))
    return out


def test_segments_that_do_not_differ_show_a_small_p_as_often_as_it_says() -> None:
    p = np.array([segment_spread(y, v).p for _, y, v in runs(0, 0.0)])
    assert abs(np.mean(p <= 0.1) - 0.1) <= 3 * np.sqrt(0.09 / len(p))


@pytest.mark.parametrize("tau", [0.5, 2.0])
def test_the_interval_covers_the_true_spread(tau: float) -> None:
    found = [segment_spread(y, v) for _, y, v in runs(1, tau)]
    covered = np.mean([one.low <= tau <= one.high for one in found])
    assert abs(covered - 0.95) <= 3 * np.sqrt(0.95 * 0.05 / len(found))
    if tau == 2.0:  # one that is small beside the noise is often put at 0
        assert np.median([one.tau for one in found]) == pytest.approx(tau, rel=0.15)


def test_the_interval_of_the_largest_difference_covers_the_true_one_of_these_two() -> None:
    inside = []
    for truth, y, v in runs(2, 0.0):
        one = segment_spread(y, v)
        inside.append(one.least <= truth[one.highest] - truth[one.lowest] <= one.most)
    assert np.mean(inside) >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / len(inside))


def test_what_has_no_spread_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        segment_spread([1.0], [1.0])
    with pytest.raises(ValueError, match="above 0"):
        segment_spread([1.0, 2.0], [1.0, 0.0])
    with pytest.raises(ValueError, match="above 0"):
        segment_spread([1.0, float("nan")], [1.0, 1.0])
