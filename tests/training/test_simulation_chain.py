"""A build's margins are honest: nothing that a row is answered by was learned from its own day or later ones.

The simulated days have effects of their own that nobody can know beforehand, and the day is a feature: a model that has
seen a day knows its effect, so that a leak would show as a loss below what is possible.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from jomon.core.segments import Segment
from jomon.core.spec import ProjectSpec
from jomon.stats.links import Link
from jomon.store.memory import MemoryCache
from jomon.training.chain import Chain
from jomon.training.estimators import Design
from jomon.training.executors import Pool
from jomon.training.rows import StageRows, TrainingRows, block_edges
from jomon.training.scratch import Scratch
from jomon.training.served import Served
from jomon.training.stage import Silent, StageResult

Floats = NDArray[np.float64]
DAYS, CARRIERS, BLOCKS = 120, 4, 6
SEEN_BY_ROOT = ("x", "day")
GREEDY = {"num_iterations": 40, "learning_rate": 0.2, "num_leaves": 31, "min_data_in_leaf": 20}
MODEST = {"num_iterations": 20, "learning_rate": 0.1, "num_leaves": 4, "min_data_in_leaf": 50}


class Here(Executor):
    """Does the work where it is asked for."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Rows(NamedTuple):
    """Simulated rows: what a build takes, the margin without the effects of days, and the true one."""

    rows: TrainingRows
    expected: Floats
    eta: Floats


def simulate(
    seed: int, delay: int = 1, daily: int = 90, drift: float = 0.0, own: float = 0.0, day_sd: float = 0.8
) -> Rows:
    """`daily` rows a day: a signal `x`, effects of days, carriers whose offset walks by `drift` a day, and whose
    weight of `x` differs by `own`; outcomes known `delay` days later."""
    rng = np.random.default_rng(seed)
    n = DAYS * daily
    day = np.repeat(np.arange(DAYS), daily).astype(np.int32)
    carrier = rng.integers(0, CARRIERS, n)
    x = rng.standard_normal(n)
    expected = -0.5 + x * (1.0 + own * np.linspace(-1.0, 1.0, CARRIERS)[carrier])
    walk = np.cumsum(drift * rng.standard_normal((DAYS, CARRIERS)), axis=0)
    eta = expected + walk[day, carrier] + day_sd * rng.standard_normal(DAYS)[day]
    y = (rng.random(n) < 1.0 / (1.0 + np.exp(-eta))).astype(np.float64)
    learn = (day + delay).astype(np.int32)
    end = DAYS + delay
    root = StageRows.of(np.zeros(n, np.int32), (Segment(),))
    by_carrier = StageRows.of(
        carrier.astype(np.int32), tuple(Segment((("carrier", str(c)),)) for c in range(CARRIERS))
    )
    X = np.column_stack([x, day.astype(np.float64), carrier.astype(np.float64)])
    rows = TrainingRows(X, y, day, learn, block_edges(day, end, BLOCKS), (root, by_carrier, by_carrier))
    return Rows(rows, expected, eta)


def project(keep: str, greedy: bool) -> ProjectSpec:
    """A root of everything but the carrier, a slow and a fast part by carrier, and a fast part alone.

    `greedy`: the root can learn days by heart, and members too; else the root is right and members are modest.
    """
    right = {"level": [], "features": ["x"], "estimator": "linear"}
    document = {
        "fleet": "simulated",
        "question": "Does it happen?",
        "data": {
            "source": "data:load",
            "time": "time",
            "timezone": "UTC",
            "key": ["row"],
            "target": {"column": "y", "kind": "binary"},
            "features": {"numeric": list(SEEN_BY_ROOT), "categorical": ["carrier"]},
        },
        "stages": [
            {"level": [], "features": list(SEEN_BY_ROOT), "params": GREEDY} if greedy else right,
            {
                "level": ["carrier"],
                "features": list(SEEN_BY_ROOT),
                "params": GREEDY if greedy else MODEST,
                "keep": keep,
            },
            {"level": ["carrier"], "estimator": "none", "keep": keep},
        ],
    }
    return ProjectSpec.model_validate_json(json.dumps(document))


class Watched(Chain):
    """A chain that remembers the margins each stage was judged by."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.slow: list[Served] = []
        self.after: list[Served] = []
        self.fits: list[Any] = []

    def _judge(self, stage: Any, before: Any, slow: Any, after: Served, *rest: Any) -> Any:
        self.slow.append(slow.entering)
        self.after.append(after)
        self.fits.append(slow.fit)
        return super()._judge(stage, before, slow, after, *rest)


def build(
    rows: TrainingRows, keep: str, stages: int = 3, greedy: bool = True
) -> tuple[Watched, list[StageResult]]:
    design = Design((*SEEN_BY_ROOT, "carrier"), (2,), (CARRIERS,))
    spec = project(keep, greedy)
    with Scratch.open(rows, design, Link("binary"), None, 0) as scratch, Pool(lambda _: Here()) as pool:
        chain = Watched(spec, scratch, MemoryCache(), pool, Silent(), {})
        results = [chain.add(index) for index in range(stages)]
    return chain, results


def possible(rows: Rows, day_sd: float = 0.8) -> Floats:
    """The least loss per row that can be had without knowing the effects of days: by the mean probability."""
    shocks = day_sd * np.polynomial.hermite_e.hermegauss(21)[0]
    weights = np.polynomial.hermite_e.hermegauss(21)[1]
    p = (1.0 / (1.0 + np.exp(-(rows.expected[:, None] + shocks)))) @ (weights / weights.sum())
    return Link("binary").losses(np.log(p / (1.0 - p)), rows.rows.y)


def test_margins_on_unseen_rows_never_lose_less_than_is_possible_though_fitted_rows_would() -> None:
    simulated = simulate(1)
    rows = simulated.rows
    chain, _ = build(rows, "better")
    link = Link("binary")
    unseen = rows.block >= 1
    least = possible(simulated)[unseen].mean()
    fitted = chain.fits[0].members[0].fit.margin(rows.X)
    assert link.losses(fitted[unseen], rows.y[unseen]).mean() < 0.97 * least, "a leak would show"
    for served in (chain.slow[0], chain.after[0]):
        assert link.losses(served.answer[unseen], rows.y[unseen]).mean() >= 0.995 * least
    for stage in (1, 2):
        later = rows.block >= 2
        assert (
            link.losses(chain.after[stage].answer[later], rows.y[later]).mean()
            >= 0.995 * possible(simulated)[later].mean()
        )


def test_corrections_of_a_root_that_is_right_are_seldom_kept_as_better() -> None:
    """20 builds of two stages each whose carriers do not differ. Measured in 60: none; as not worse 15%."""
    builds = [build(simulate(seed, daily=60).rows, "better", greedy=False)[1] for seed in range(20)]
    kept = [result.evidence.verdict == "accepted" for results in builds for result in results[1:]]
    assert np.mean(kept) <= 0.1


def test_true_differences_between_carriers_are_found_through_the_same_noise() -> None:
    _, results = build(simulate(3, own=0.8).rows, "better", stages=2, greedy=False)
    assert results[1].evidence.verdict == "accepted"
    assert results[1].stage_shrink > 0.3


@pytest.mark.parametrize("delay", [1, 12])
def test_no_answer_hangs_on_an_outcome_that_was_not_known_on_its_day(delay: int) -> None:
    """Outcomes learned after a day are drawn anew: the margins of every stage until then stay the same to the last bit.

    The verdicts are out of it (`keep: always`): they alone look at all blocks.
    """
    simulated = simulate(5, delay, drift=0.15, own=0.6, day_sd=0.2)
    rows = simulated.rows
    first, results = build(rows, "always")
    assert all(result.fast is not None for result in results), (
        "each stage must have something to leak through"
    )
    rng = np.random.default_rng(0)
    for day in (int(rows.edges[2]), int(rows.edges[3]) + 5, int(rows.edges[4])):
        anew = (rng.random(len(rows)) < 1.0 / (1.0 + np.exp(-simulated.eta))).astype(np.float64)
        y = np.where(rows.learn_day > day, anew, rows.y)
        other = TrainingRows(rows.X, y, rows.serve_day, rows.learn_day, rows.edges, rows.stages)
        second, _ = build(other, "always")
        until = rows.serve_day <= day
        for one, two in zip(first.after, second.after, strict=True):
            assert np.array_equal(one.answer[until], two.answer[until], equal_nan=True)
            assert not np.array_equal(one.answer, two.answer, equal_nan=True)
