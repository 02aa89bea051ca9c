from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import false_discovery_control, norm

from jomon.stats.multiple import benjamini_hochberg, benjamini_yekutieli


def test_adjusted_values_are_the_ones_of_scipy() -> None:
    p = np.random.default_rng(0).random(200) ** 3
    assert benjamini_hochberg(p) == pytest.approx(false_discovery_control(p, method="bh"))
    assert benjamini_yekutieli(p) == pytest.approx(false_discovery_control(p, method="by"))


@pytest.mark.parametrize("common", [0.0, 0.5])
def test_the_share_of_false_findings_stays_below_the_rate(common: float) -> None:
    """2,000 families of 200 tests, 20 with an effect, noise shared with correlation `common`."""
    rng = np.random.default_rng(1)
    real = np.arange(200) < 20
    hochberg, yekutieli, found = [], [], []
    for _ in range(2000):
        z = np.sqrt(common) * rng.standard_normal() + np.sqrt(1 - common) * rng.standard_normal(200)
        p = norm.sf(z + 3.0 * real)
        for adjust, shares in ((benjamini_hochberg, hochberg), (benjamini_yekutieli, yekutieli)):
            hits = adjust(p) <= 0.1
            shares.append((hits & ~real).sum() / max(hits.sum(), 1))
        found.append(((benjamini_hochberg(p) <= 0.1) & real).sum() / 20)
    assert np.mean(hochberg) <= 0.1 + 0.01
    assert np.mean(yekutieli) < np.mean(hochberg)
    assert np.mean(found) > 0.5


def test_tests_that_were_not_possible_do_not_count() -> None:
    out = benjamini_hochberg([0.01, np.nan, 0.04])
    assert out[[0, 2]] == pytest.approx([0.02, 0.04])
    assert np.isnan(out[1])
    assert np.isnan(benjamini_hochberg([np.nan])).all()


def test_what_is_not_a_p_value_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        benjamini_hochberg([1.5])
