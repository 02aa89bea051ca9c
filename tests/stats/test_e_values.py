from __future__ import annotations

import numpy as np
import pytest

from jomon.stats.e_values import e_benjamini_hochberg


def test_false_discoveries_stay_a_share_of_at_most_alpha_under_dependence() -> None:
    """40 of 50 nulls true; their e values, likelihood ratios of a normal shift, share half of their noise."""
    rng = np.random.default_rng(0)
    shares, found = [], []
    for _ in range(1000):
        noise = np.sqrt(0.5) * rng.normal() + np.sqrt(0.5) * rng.normal(size=50)
        mean = np.repeat([0.0, 4.0], [40, 10])
        rejected = e_benjamini_hochberg(3.0 * (noise + mean) - 4.5, 0.1)
        shares.append(rejected[:40].sum() / max(rejected.sum(), 1))
        found.append(rejected[40:].mean())
    assert np.mean(shares) <= 0.1
    assert np.mean(found) > 0.4


def test_the_rejected_are_those_of_the_largest_possible_number() -> None:
    # Three tests: the thresholds at 5% are 60, 30 and 20.
    assert e_benjamini_hochberg(np.log([25.0, 21.0, 22.0]), 0.05).all()
    assert e_benjamini_hochberg(np.log([61.0, 19.0, 19.0]), 0.05).tolist() == [True, False, False]
    assert not e_benjamini_hochberg(np.log([59.0, 19.0, 19.0]), 0.05).any()


def test_a_test_that_was_not_possible_is_not_counted() -> None:
    assert e_benjamini_hochberg([np.log(20.0), np.nan, np.nan], 0.05).tolist() == [True, False, False]
    assert e_benjamini_hochberg([], 0.05).shape == (0,)


def test_an_impossible_alpha_is_refused() -> None:
    with pytest.raises(ValueError, match="alpha"):
        e_benjamini_hochberg([0.0], 1.0)
