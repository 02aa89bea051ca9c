from __future__ import annotations

import numpy as np
import pytest

from jomon.stats.beyond_history import beyond_history


@pytest.mark.parametrize("rows", [20, 500])
def test_a_day_like_those_before_is_rarely_beyond_them(rows: int) -> None:
    """Shares of days differ as Beta(1, 30); at a level of 1% only a day worse than 60 others can be called."""
    rng = np.random.default_rng(0)
    segments = 4000
    counts = rng.binomial(rows, rng.beta(1.0, 30.0, (61, segments))).astype(float)
    among = np.full((61, segments), float(rows))
    found = beyond_history(counts[-1], among[-1], counts[:-1], among[:-1])
    assert np.mean(found.p <= 0.01) <= 0.01


def test_a_share_beyond_every_earlier_day_is_seen() -> None:
    rng = np.random.default_rng(1)
    past = rng.binomial(200, rng.beta(1.0, 30.0, (60, 500))).astype(float)
    now = rng.binomial(200, 0.4, 500).astype(float)
    found = beyond_history(now, np.full(500, 200.0), past, np.full((60, 500), 200.0))
    assert np.mean(found.p <= 1e-4) >= 0.95


def test_what_never_happened_before_is_bounded_by_how_many_rows_say_so() -> None:
    few = beyond_history([3.0], [50.0], [[0.0]], [[20.0]])
    many = beyond_history([3.0], [50.0], [[0.0]], [[20_000.0]])
    assert few.p[0] > 0.5
    assert many.p[0] < 1e-3
    assert few.usual[0] == many.usual[0] == 0.0


def test_a_day_of_few_rows_is_not_the_worst() -> None:
    found = beyond_history([20.0], [100.0], [[1.0], [2.0]], [[1000.0], [2.0]], least_rows=10)
    assert found.worst[0] < 0.02
    assert found.days.tolist() == [1]


def test_without_rows_or_history_nothing_is_known() -> None:
    assert np.isnan(beyond_history([0.0], [0.0], [[1.0]], [[10.0]]).p[0])
    assert np.isnan(beyond_history([1.0], [5.0], [[0.0]], [[0.0]]).p[0])
    assert np.isnan(beyond_history([1.0], [5.0], np.zeros((0, 1)), np.zeros((0, 1))).p[0])
    assert beyond_history([0.0], [5.0], [[0.0]], [[10.0]]).p[0] == 1.0
