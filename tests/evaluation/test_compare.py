"""Comparison: signs, intervals and verdicts as the held-out rows have them, and the JSON that others rely on."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from jomon.evaluation.compare import PEERS, SEGMENT_ROWS, Comparison, StageOnTest, compare
from jomon.stats.links import Link

METRICS = {
    "binary": {"roc_auc", "log_loss", "brier", "calibration_error"},
    "regression": {"rmse", "mae"},
    "count": {"poisson_deviance"},
}


def comparison(
    kind: Any = "binary", seed: int = 0, n: int = 4000, worse: float = 0.8, stages: Any = (), **more: Any
) -> Comparison:
    """A fleet whose margins are right, and peers whose margins are off by `worse` at random."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0.3, 1.0, n)
    y = {
        "binary": (rng.random(n) < 1 / (1 + np.exp(-z))).astype(float),
        "regression": z + rng.normal(0, 1.0, n),
        "count": rng.poisson(np.exp(z)).astype(float),
    }[kind]
    margins = {"fleet": z} | {peer: z + rng.normal(0, worse, n) for peer in PEERS}
    given: dict[str, Any] = {
        "kind": kind,
        "y": y,
        "day": np.sort(rng.integers(20_000, 20_056, n)).astype(np.int32),
        "margins": margins,
        "compute": {player: {"seconds": 1.0, "fits": 2} for player in margins},
        "chosen": {},
        "stages": stages,
        "step_days": 7,
        "reps": 200,
        "seed": 0,
    }
    return Comparison(**{**given, **more})


def stage(without: Any, segment: Any, m: int) -> StageOnTest:
    return StageOnTest(
        ("region",),
        "linear",
        without,
        segment,
        tuple(f"region=r{s}" for s in range(m)),
        m,
        m,
        0,
        0,
        0,
        1.5,
        "",
    )


@pytest.mark.parametrize("kind", METRICS)
def test_the_result_has_the_shape_that_others_rely_on(kind: str) -> None:
    result = json.loads(json.dumps(compare(comparison(kind)), allow_nan=False))
    assert METRICS[kind] <= set(result["metrics"])
    for player in ("fleet", *PEERS):
        assert result[player].keys() == set(result["metrics"])
        for estimate in result[player].values():
            assert {"value", "low", "high", "rows"} <= estimate.keys()
            assert estimate["low"] <= estimate["value"] <= estimate["high"]
            assert estimate["rows"] == 4000
    assert result["difference"].keys() == set(PEERS)
    for peer in PEERS:
        for metric, estimate in result["difference"][peer].items():
            expected = result["fleet"][metric]["value"] - result[peer][metric]["value"]
            assert estimate["value"] == pytest.approx(expected, abs=1e-9)
            assert {"value", "low", "high", "rows"} <= estimate.keys()
    assert sum(week["rows"] for week in result["weekly"]) == 4000
    assert len(result["weekly"]) == 8


@pytest.mark.parametrize("kind", METRICS)
def test_a_better_fleet_has_less_loss_and_more_auc(kind: str) -> None:
    result = compare(comparison(kind))
    for peer in PEERS:
        for metric, estimate in result["difference"][peer].items():
            if metric == "roc_auc":
                assert estimate["low"] > 0
            elif metric != "calibration_error":
                assert estimate["high"] < 0, metric
        assert any(line.startswith("Better than") for line in result["plainly"])


def test_a_worse_fleet_is_called_worse() -> None:
    c = comparison()
    swapped = dict(zip(("global_kept", "fleet"), (c.margins["fleet"], c.margins["global_kept"]), strict=True))
    result = compare(replace(c, margins={**c.margins, **swapped}))
    assert result["difference"]["global_kept"]["log_loss"]["low"] > 0
    assert result["plainly"][0].startswith("Worse than the global model kept")


def test_equal_players_differ_by_nothing() -> None:
    c = comparison()
    result = compare(replace(c, margins=dict.fromkeys(c.margins, c.margins["fleet"])))
    for peer in PEERS:
        for estimate in result["difference"][peer].values():
            assert estimate["value"] == pytest.approx(0.0, abs=1e-12)
        assert not any(line.startswith(("Better", "Worse")) for line in result["plainly"])


def test_the_interval_of_a_difference_covers_what_is_true_about_as_often_as_it_says() -> None:
    covered = 0
    rounds = 60
    for seed in range(rounds):
        rng = np.random.default_rng(seed)
        n = 1200
        truth = rng.normal(size=n)
        margins = {
            "fleet": truth + rng.normal(0, 0.5, n),
            **{p: truth + rng.normal(0, 0.5, n) for p in PEERS},
        }
        c = comparison("regression", seed, n)
        result = compare(replace(c, margins=margins, y=truth + rng.normal(0, 1.0, n)))
        estimate = result["difference"]["local"]["mae"]
        covered += estimate["low"] <= 0.0 <= estimate["high"]
    assert covered >= 0.85 * rounds


def test_a_stage_pays_brings_nothing_or_harms() -> None:
    c = comparison()
    rng = np.random.default_rng(1)
    z, n = c.margins["fleet"], len(c.y)
    nowhere = rng.integers(0, 4, n).astype(np.int32)
    pays = stage(z + rng.normal(0, 1.0, n), nowhere, 4)
    same = stage(z + rng.normal(0, 0.001, n), nowhere, 4)
    silent = stage(None, np.full(n, -1, np.int32), 4)
    result = compare(replace(c, stages=(pays, same, silent)))
    assert result["stages"][0]["verdict"] == "pays"
    assert result["stages"][0]["brought"]["value"] < 0
    assert result["stages"][1]["verdict"] == "brings nothing"
    assert result["stages"][2]["verdict"] == "unknown"
    assert result["stages"][0]["answered_share"] == 1.0
    off = compare(
        replace(c, margins={**c.margins, "fleet": z + rng.normal(0, 1.0, n)}, stages=(stage(z, nowhere, 4),))
    )
    assert off["stages"][0]["verdict"] == "harms"
    assert any("harms" in line for line in off["plainly"])


def segments_called(harm: Any, seed: int, m: int = 20, per: int = 400) -> list[str]:
    """The verdict on each of m segments whose member adds noise of size `harm[s]` to right margins."""
    rng = np.random.default_rng(seed)
    n = m * per
    c = comparison("regression", seed, n)
    segment = rng.integers(0, m, n).astype(np.int32)
    z = c.margins["fleet"]
    fleet = z + rng.normal(0, 1.0, n) * np.asarray(harm)[segment]
    without = z + rng.normal(0, 1.0, n) * np.full(m, 0.3)[segment]
    result = compare(replace(c, margins={**c.margins, "fleet": fleet}, stages=(stage(without, segment, m),)))
    called = {s["segment"]: s["significant"] for s in result["segments"]}
    return [called[f"region=r{s}"] for s in range(m)]


def test_segments_that_are_worse_off_are_called_so_and_the_others_are_not() -> None:
    harm = np.where(np.arange(20) < 4, 1.0, 0.3)
    called = [segments_called(harm, seed) for seed in range(5)]
    found = sum(verdict == "worse" for run in called for verdict in run[:4])
    wrong = sum(verdict == "worse" for run in called for verdict in run[4:])
    assert found >= 16
    assert wrong <= 4


def test_where_no_segment_is_worse_hardly_any_is_called_so() -> None:
    called = [segments_called(np.full(20, 0.3), seed) for seed in range(8)]
    assert sum(any(run) for run in called) <= 2


def test_a_small_segment_is_shown_and_not_tested() -> None:
    c = comparison()
    n = len(c.y)
    segment = np.where(np.arange(n) < SEGMENT_ROWS - 1, 0, 1).astype(np.int32)
    result = compare(replace(c, stages=(stage(c.margins["fleet"] + 1.0, segment, 2),)))
    small, large = result["segments"]
    assert (small["rows"], large["rows"]) == (SEGMENT_ROWS - 1, n - SEGMENT_ROWS + 1)
    assert "tested" not in small
    assert large["tested"] is True
    assert "Of 1 segments" in result["plainly"][-1]


def test_calibration_bins_hold_every_row_and_their_intervals_hold_the_observed_share() -> None:
    result = compare(comparison())
    for bins in result["calibration"].values():
        assert sum(b["rows"] for b in bins) == 4000
        for b in bins:
            shares = [v for k, v in b.items() if k in ("low", "high", "observed")]
            assert all(0.0 <= v <= 1.0 for v in shares)
            assert b["low"] <= b["observed"] <= b["high"]
    assert "calibration" not in compare(comparison("regression"))


@pytest.mark.parametrize("kind", METRICS)
def test_two_rows_give_values_without_intervals_and_say_why(kind: str) -> None:
    c = comparison(kind)
    two = replace(c, y=c.y[:2], day=c.day[:2], margins={p: m[:2] for p, m in c.margins.items()})
    result = json.loads(json.dumps(compare(two), allow_nan=False))
    for estimate in result["fleet"].values():
        assert estimate["low"] is None
        assert estimate["reason"]
    assert all("unknown" in line for line in result["plainly"][:3])


def test_a_window_of_one_class_has_no_auc_and_still_a_loss() -> None:
    c = comparison()
    result = json.loads(json.dumps(compare(replace(c, y=np.zeros(len(c.y)))), allow_nan=False))
    assert result["fleet"]["roc_auc"]["value"] is None
    assert result["fleet"]["log_loss"]["value"] > 0


def test_the_loss_is_the_mean_of_the_rows_losses() -> None:
    c = comparison("count")
    result = compare(c)
    assert result["fleet"]["poisson_deviance"]["value"] == pytest.approx(
        Link("count").losses(c.margins["fleet"], c.y).mean()
    )
