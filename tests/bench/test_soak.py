"""The line that is fitted to a server's memory."""

from __future__ import annotations

import numpy as np
import pytest
from bench.soak import trend

HOUR = 3600.0
AT = np.arange(0, HOUR, 3.0).tolist()


def test_what_stays_the_same_is_flat() -> None:
    found = trend(AT, [2e8] * len(AT))
    assert (found.value, found.low, found.high, found.word) == (0.0, 0.0, 0.0, "flat")


def test_what_swings_is_flat() -> None:
    held = 2e8 + 1e6 * np.sin(np.array(AT) / 7)
    assert trend(AT, held.tolist()).word == "flat"


def test_what_fills_caches_first_and_is_the_same_then_is_flat() -> None:
    noise = np.random.default_rng(1).normal(0, 1e5, len(AT))
    held = 2e8 + 3e7 * np.minimum(np.array(AT) / 600, 1) + noise
    assert trend(AT, held.tolist()).word == "flat"


@pytest.mark.parametrize(("slope", "word"), [(5e6, "grows"), (-5e6, "shrinks")])
def test_what_changes_by_5_mb_an_hour_is_seen(slope: float, word: str) -> None:
    noise = np.random.default_rng(2).normal(0, 1e5, len(AT))
    found = trend(AT, (2e8 + slope * np.array(AT) / HOUR + noise).tolist())
    assert found.word == word
    assert found.low <= slope <= found.high
