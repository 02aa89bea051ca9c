"""What a comparison promises, counted in simulated hold-outs of 14 weeks whose truth is known."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from jomon.evaluation.compare import Comparison, StageOnTest, compare

Floats = NDArray[np.float64]
DAYS = 98


def day_effects(rng: np.random.Generator, sd: float) -> Floats:
    """Effects of days with correlation 0.3 from one day to the next."""
    shock = rng.standard_normal(DAYS + 20)
    for t in range(1, len(shock)):
        shock[t] = 0.3 * shock[t - 1] + np.sqrt(1 - 0.3**2) * shock[t]
    return sd * shock[20:]


def happens(rng: np.random.Generator, eta: Floats) -> Floats:
    return (rng.random(len(eta)) < 1.0 / (1.0 + np.exp(-eta))).astype(np.float64)


def stage(without: Floats | None, segment: NDArray[np.int32], segments: int, **more: Any) -> StageOnTest:
    values: dict[str, Any] = {
        "level": ("carrier",),
        "estimator": "none",
        "without": without,
        "segment": segment,
        "segments": tuple(f"carrier={s}" for s in range(segments)),
        "candidates": segments,
        "accepted": segments,
        "rejected": 0,
        "unknown": 0,
        "failed": 0,
        "seconds": 3.0,
        "reason": "better than the chain without it",
    }
    return StageOnTest(**(values | more))


def compared(
    y: Floats, day: NDArray[np.int32], margins: dict[str, Floats], *stages: StageOnTest, kind: Any = "binary"
) -> Any:
    return compare(Comparison(kind, y, day, margins, {}, {}, stages, 7, 500, 0))


@pytest.mark.parametrize("common", [0.0, 0.6])
def test_intervals_of_differences_hold_the_truth_as_often_as_they_say(common: float) -> None:
    """150 hold-outs, fleet a day behind effects of days; the truth is the mean over them all. Measured: 93 to 95%."""
    metrics = ("log_loss", "brier", "roc_auc")
    found: dict[str, list[tuple[float, float, float]]] = {m: [] for m in metrics}
    for seed in range(150):
        rng = np.random.default_rng(seed)
        day = np.sort(rng.integers(0, DAYS, 4000)).astype(np.int32)
        x = rng.standard_normal(len(day))
        effect = day_effects(rng, common)
        y = happens(rng, x + effect[day])
        fleet = 0.9 * x + 0.2 * np.concatenate([[0.0], effect[:-1]])[day]
        peer = 0.9 * x + 0.3 * rng.standard_normal(len(day))
        out = compared(y, day, {"fleet": fleet, "global_kept": peer})["difference"]["global_kept"]
        for m in metrics:
            found[m].append((out[m]["value"], out[m]["low"], out[m]["high"]))
    for m in metrics:
        value, low, high = np.array(found[m]).T
        truth = value.mean()
        covered = np.mean((low <= truth) & (truth <= high))
        assert 0.91 <= covered <= 0.99, (m, covered)


class Called(NamedTuple):
    """Segments called worse and better, and which of them truly are: bool[segments] each."""

    worse: NDArray[np.bool_]
    better: NDArray[np.bool_]
    truly_worse: NDArray[np.bool_]
    truly_better: NDArray[np.bool_]


def segments_called(seed: int, worse: int, better: int, common: float, segments: int = 150) -> Called:
    """A comparison by segment with shared days. Members are off by 0.3 to a random side, with and without their stage;
    those truly worse (better) are off by 0.9 with (without) it."""
    rng = np.random.default_rng(seed)
    size = np.maximum(220, rng.poisson(500 * np.exp(0.5 * rng.standard_normal(segments))))
    segment = np.repeat(np.arange(segments), size).astype(np.int32)
    day = rng.integers(0, DAYS, len(segment)).astype(np.int32)
    order = np.argsort(day, kind="stable")
    segment, day = segment[order], day[order]
    eta = -1.0 + 0.8 * rng.standard_normal(len(day))
    y = happens(rng, eta + day_effects(rng, common)[day])
    side = 0.3 * rng.choice([-1.0, 1.0], len(day)) + common * 0.3 * rng.choice([-1.0, 1.0], DAYS)[day]
    is_worse, is_better = np.arange(segments) < worse, np.arange(segments) >= segments - better
    fleet = eta + side * np.where(is_worse, 3.0, 1.0)[segment]
    without = eta - side * np.where(is_better, 3.0, 1.0)[segment]
    out = compared(y, day, {"fleet": fleet, "global_kept": without}, stage(without, segment, segments))
    said = np.array([row["significant"] for row in out["segments"]])
    return Called(said == "worse", said == "better", is_worse, is_better)


@pytest.mark.parametrize("common", [0.0, 0.5])
@pytest.mark.parametrize(("worse", "better"), [(0, 0), (15, 15), (40, 0)])
def test_of_the_segments_called_worse_or_better_about_one_in_twenty_at_most_is_not(
    worse: int, better: int, common: float
) -> None:
    """150 segments. Measured in 200 hold-outs: 2% where some segments differ, and 63 to 77% of those are found.

    Where none does, 5 to 7.5% of the hold-outs call one or two of them: every call is then false, so that the share of
    false ones is the share of hold-outs with a call (standard error in 40: 3.4%).
    """
    false_worse: list[float] = []
    false_better: list[float] = []
    power: list[float] = []
    for seed in range(40):
        out = segments_called(seed, worse, better, common)
        false_worse.append(float(np.sum(out.worse & ~out.truly_worse)) / max(int(out.worse.sum()), 1))
        false_better.append(float(np.sum(out.better & ~out.truly_better)) / max(int(out.better.sum()), 1))
        power.append(float(np.mean(out.worse[out.truly_worse])) if worse else 1.0)
    allowed = 0.05 if worse else 0.12
    assert np.mean(false_worse) <= allowed
    assert np.mean(false_better) <= allowed
    assert np.mean(power) >= 0.5


@pytest.mark.parametrize("kind", ["binary", "regression", "count"])
def test_no_interval_of_a_metric_leaves_what_the_metric_can_be_while_differences_may_be_negative(
    kind: str,
) -> None:
    rng = np.random.default_rng(0)
    day = np.sort(rng.integers(0, DAYS, 300)).astype(np.int32)
    eta = 0.1 * rng.standard_normal(300)
    y = happens(rng, eta) if kind == "binary" else rng.poisson(np.exp(eta)).astype(np.float64)
    out = compared(y, day, {"fleet": eta, "global_kept": eta + 0.4}, kind=kind)
    for player in ("fleet", "global_kept"):
        for metric, estimate in out[player].items():
            assert estimate["low"] >= 0.0, metric
            assert estimate["low"] <= estimate["value"] <= estimate["high"]
    if kind == "binary":
        assert out["fleet"]["roc_auc"]["high"] <= 1.0
        assert out["difference"]["global_kept"]["calibration_error"]["low"] < 0.0


def test_of_the_first_stage_only_the_fast_part_is_judged_and_the_sentence_says_so() -> None:
    rng = np.random.default_rng(0)
    day = np.sort(rng.integers(0, DAYS, 5000)).astype(np.int32)
    eta = rng.standard_normal(5000)
    y, all_rows = happens(rng, eta), np.zeros(5000, np.int32)
    root = stage(eta + 0.8, all_rows, 1, level=(), estimator="lightgbm", fast_alone=True)
    idle = stage(eta + 1e-3 * rng.standard_normal(5000), all_rows, 1, level=("origin",))
    harmful = stage(eta, all_rows, 1)
    words = compared(y, day, {"fleet": eta}, root, idle)["plainly"]
    assert words[0].startswith("The fast part of stage [] pays: ")
    assert words[0].endswith(" less log loss (5,000 rows).")
    assert words[1].startswith("Stage [origin] brings nothing that can be told from zero (")
    assert words[1].endswith(", 5,000 rows); leaving it out saves 3.0 s of fitting.")
    words = compared(y, day, {"fleet": eta + 0.8}, harmful)["plainly"]
    assert words[0].startswith("Stage [carrier] harms: ")
    assert words[0].endswith(" more log loss (5,000 rows); leave it out.")
    root = stage(eta + 1e-3 * rng.standard_normal(5000), all_rows, 1, level=(), fast_alone=True)
    words = compared(y, day, {"fleet": eta}, root)["plainly"]
    assert words[0].endswith(" 5,000 rows)."), "leaving the fast part out saves no fitting"


def test_a_stage_of_a_regression_is_said_to_change_the_squared_error_it_was_measured_in() -> None:
    rng = np.random.default_rng(0)
    day = np.sort(rng.integers(0, DAYS, 2000)).astype(np.int32)
    z = rng.standard_normal(2000)
    y = z + rng.standard_normal(2000)
    words = compared(y, day, {"fleet": z}, stage(z + 1.0, np.zeros(2000, np.int32), 1), kind="regression")[
        "plainly"
    ]
    assert words[0].startswith("Stage [carrier] pays: 0.9")
    assert words[0].endswith(" less squared error (2,000 rows).")


def test_stages_that_were_not_kept_say_why_in_a_sentence() -> None:
    rng = np.random.default_rng(0)
    day = np.sort(rng.integers(0, DAYS, 500)).astype(np.int32)
    eta = rng.standard_normal(500)
    nobody = np.full(500, -1, np.int32)
    gone = stage(None, nobody, 0, accepted=0, rejected=5, reason="worse than the chain without it")
    words = compared(happens(rng, eta), day, {"fleet": eta}, gone)["plainly"]
    assert words[0] == (
        "Stage [carrier] was not kept by the build (worse than the chain without it); "
        "leaving it out saves 3.0 s of fitting."
    )
