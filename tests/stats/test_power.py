from __future__ import annotations

import numpy as np
import pytest

from jomon.stats.power import detectable
from jomon.stats.quantiles import t_quantile


@pytest.mark.parametrize("blocks", [5, 14, 60])
def test_a_difference_of_the_stated_size_is_found_with_the_stated_power(blocks: int) -> None:
    rng = np.random.default_rng(blocks)
    size = float(detectable(2.0, blocks, alpha=0.05, power=0.8))
    draws = size + 2.0 * rng.standard_normal((20_000, blocks))
    t = draws.mean(1) / draws.std(1, ddof=1) * np.sqrt(blocks)
    assert np.mean(t > t_quantile(0.95, blocks - 1)) == pytest.approx(0.8, abs=0.012)


def test_more_blocks_less_noise_and_less_certainty_make_smaller_differences_visible() -> None:
    assert (np.diff(detectable(1.0, np.arange(2, 60))) < 0).all()
    assert detectable(2.0, 10) == pytest.approx(2 * float(detectable(1.0, 10)))
    assert detectable(1.0, 10, alpha=0.2) < detectable(1.0, 10)
    assert detectable(1.0, 10, power=0.5) < detectable(1.0, 10)


def test_one_block_shows_nothing_and_impossible_demands_are_refused() -> None:
    assert np.isnan(detectable(1.0, 1))
    with pytest.raises(ValueError, match="between 0 and 1"):
        detectable(1.0, 10, alpha=0.0)
