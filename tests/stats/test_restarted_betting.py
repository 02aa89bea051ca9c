from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict

import numpy as np
import pytest

from jomon.stats.restarted_betting import RestartedBetting

RUNS, STEPS = 200, 250
RATED = 50


def at_most(share: float, runs: int) -> float:
    """Three standard errors above a share counted in so many runs."""
    return share + 3.0 * float(np.sqrt(share * (1.0 - share) / runs))


def path(mean: float, values: Iterable[float]) -> list[RestartedBetting]:
    states = [RestartedBetting(mean)]
    for value in values:
        states.append(states[-1].step(float(value)))
    return states[1:]


def test_looking_after_every_row_finds_what_is_not_there_at_most_at_the_rate() -> None:
    rng = np.random.default_rng(0)
    most = [max(s.evidence for s in path(0.3, rng.random(STEPS) < 0.3)) for _ in range(RUNS)]
    for alpha in (0.05, 0.2):
        assert np.mean(np.array(most) >= 1.0 / alpha) <= at_most(alpha, RUNS)


def test_the_mean_evidence_at_a_moment_is_at_most_one() -> None:
    rng = np.random.default_rng(1)
    last = [path(0.3, rng.random(60) < 0.3)[-1].evidence for _ in range(1000)]
    assert np.mean(last) <= 1.0 + 3.0 * np.std(last) / np.sqrt(len(last))


def test_the_rate_holds_for_days_whose_rows_share_an_effect_where_a_day_is_one_batch() -> None:
    """Row by row a bad day passes for a change; as a batch it is one value whose mean is that of all days."""
    rng = np.random.default_rng(2)
    batches, rows = 0, 0
    for _ in range(RATED):
        share = rng.beta(3.0, 7.0, 30)  # of a day; 0.3 on average, 0.14 apart
        events = rng.binomial(40, share)
        by_day, by_row = RestartedBetting(0.3), RestartedBetting(0.3)
        most = [0.0, 0.0]
        for count in events:
            by_day = by_day.batch(float(count), 40)
            for value in rng.permutation(np.repeat([1.0, 0.0], [count, 40 - count])):
                by_row = by_row.step(float(value))
                most[1] = max(most[1], by_row.evidence)
            most[0] = max(most[0], by_day.evidence)
        batches, rows = batches + (most[0] >= 20.0), rows + (most[1] >= 20.0)
    assert batches / RATED <= at_most(0.05, RATED)
    assert rows / RATED > 0.3


def test_the_average_run_until_a_false_alarm_is_as_long_as_promised() -> None:
    """At a threshold of 50 at least 50 steps on average; the bound is nearly met; runs are cut at 250."""
    rng = np.random.default_rng(3)
    lengths = []
    for _ in range(150):
        state = RestartedBetting(0.3)
        while state.run_evidence < 50.0 and state.steps < STEPS:
            state = state.step(float(rng.random() < 0.3))
        lengths.append(state.steps)
    assert np.mean(lengths) + 3.0 * np.std(lengths) / np.sqrt(len(lengths)) >= 50.0


@pytest.mark.parametrize(("good", "within"), [(0, 60), (1000, 80)])
def test_a_mean_that_moves_is_found_as_quickly_after_a_long_good_stretch(good: int, within: int) -> None:
    """From 0.2 to 0.5: in the median by the anytime bound at 1/20, after 1,000 rows at 0.1 too."""
    rng = np.random.default_rng(4)
    start = RestartedBetting(0.2)
    for value in rng.random(good) < 0.1:
        start = start.step(float(value))
    delays = []
    for _ in range(60):
        state = start
        while state.evidence < 20.0 and state.steps - good < 500:
            state = state.step(float(rng.random() < 0.5))
        delays.append(state.steps - good)
    assert np.median(delays) <= within


def test_a_state_goes_on_from_json() -> None:
    rng = np.random.default_rng(5)
    values = rng.random(50)
    whole = path(0.4, values)[-1]
    half = path(0.4, values[:25])[-1]
    stored = json.dumps(asdict(half), allow_nan=False)
    assert len(stored) < 500
    again = RestartedBetting(**json.loads(stored))
    for value in values[25:]:
        again = again.step(float(value))
    assert again == whole


def test_a_batch_without_rows_and_a_value_without_weight_are_no_evidence() -> None:
    state = RestartedBetting(0.4).step(1.0)
    assert state.batch(0.0, 0) is state
    assert state.step(1.0, weight=0.0).evidence == pytest.approx(state.evidence)
    assert RestartedBetting(0.4).evidence == 1.0
    assert RestartedBetting(0.4).run_evidence == 0.0


def test_evidence_without_end_is_the_largest_number() -> None:
    state = RestartedBetting(0.001)
    for _ in range(200):
        state = state.step(10.0)
    assert np.isfinite(state.evidence)


def test_impossible_values_are_refused() -> None:
    for mean in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="above 0"):
            RestartedBetting(mean)
    for value in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="at or above 0"):
            RestartedBetting(0.5).step(value)
    with pytest.raises(ValueError, match="weight"):
        RestartedBetting(0.5).step(0.5, weight=1.5)
