"""Compare a fleet as operated with its peers on held-out time: losses, differences, stages, segments, calibration.

Everything is measured on the same rows and resampled by the same days, so that differences are paired. Numbers in,
JSON values out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jomon.stats.bootstrap import DayBootstrap
from jomon.stats.calibration import reliability
from jomon.stats.estimate import Estimate
from jomon.stats.links import Kind, Link
from jomon.stats.measure import METRICS, Measured, mean_response, measure
from jomon.stats.multiple import benjamini_hochberg
from jomon.stats.segment_means import segment_means

Floats = NDArray[np.float64]
PEERS = ("global_kept", "global_retrained", "local")
SEGMENT_ROWS = 200  # held-out rows below which a segment is shown but not tested
FALSE_DISCOVERIES = 0.05  # share of the segments called worse or better that may be wrong
LIMITS: dict[str, tuple[float, float | None]] = {
    "log_loss": (0.0, None),
    "roc_auc": (0.0, 1.0),
    "brier": (0.0, 1.0),
    "calibration_error": (0.0, 1.0),
    "rmse": (0.0, None),
    "mae": (0.0, None),
    "poisson_deviance": (0.0, None),
}
"""What a metric lies between; a difference of two may be negative."""
_EPOCH = date(1970, 1, 1)
StageVerdict = Literal["pays", "brings nothing", "harms", "unknown"]


@dataclass(frozen=True)
class StageOnTest:
    """One stage on the held-out rows (n): `without` float64[n] are the fleet's margins with this stage left out.

    `segment` int32[n] (-1: no member of this stage took part), `segments` their texts; counts from the build.
    `fast_alone`: only the stage's fast part was left out, because without its slow part nothing would answer.
    """

    level: tuple[str, ...]
    estimator: str
    without: Floats | None
    segment: NDArray[np.int32]
    segments: tuple[str, ...]
    candidates: int
    accepted: int
    rejected: int
    unknown: int
    failed: int
    seconds: float
    reason: str
    fast_alone: bool = False


@dataclass(frozen=True)
class Comparison:
    """n held-out rows with outcomes: `y`, local `day` int32[n], margins by player (`fleet` and `PEERS`), and
    the stages.

    `compute` by player: seconds of fitting and number of fits. `step_days`: length of a reported week.
    """

    kind: Kind
    y: Floats
    day: NDArray[np.int32]
    margins: Mapping[str, Floats]
    compute: Mapping[str, Mapping[str, float]]
    chosen: Mapping[str, Mapping[str, Any]]
    stages: Sequence[StageOnTest]
    step_days: int
    reps: int
    seed: int


def compare(c: Comparison) -> dict[str, Any]:
    """The result of `jomon evaluate` but for names and digests."""
    boot = DayBootstrap.of(c.day, c.reps, c.seed)
    metrics = METRICS[c.kind]
    measured = {p: {m: measure(m, c.y, margin, c.kind) for m in metrics} for p, margin in c.margins.items()}
    out: dict[str, Any] = {
        "kind": c.kind,
        "metrics": list(metrics),
        "window": _window(c),
    }
    for player, values in measured.items():
        out[player] = {m: _estimate(boot, value).within(*LIMITS[m]).to_json() for m, value in values.items()}
    out["difference"] = {
        peer: {m: _estimate(boot, measured["fleet"][m] - measured[peer][m]).to_json() for m in metrics}
        for peer in measured
        if peer != "fleet"
    }
    out["compute"] = {player: dict(cost) for player, cost in c.compute.items()}
    out["chosen"] = {player: dict(value) for player, value in c.chosen.items()}
    out["weekly"] = _weekly(c)
    out["stages"], out["segments"] = _stages(c, boot)
    if c.kind == "binary":
        out["calibration"] = {
            p: [vars(b) | {} for b in reliability(c.y, mean_response(margin, c.kind))]
            for p, margin in c.margins.items()
        }
    out["plainly"] = plainly(out)
    return out


def _estimate(boot: DayBootstrap, measured: Measured) -> Estimate:
    counts = boot.sums()
    sums = boot.sums(measured.influence)
    ratio = boot.ratio(sums, counts)
    if ratio.low is None or ratio.high is None or ratio.value is None or not np.isfinite(measured.value):
        value = measured.value if np.isfinite(measured.value) else None
        return Estimate(
            value, None, None, int(counts.sum()), ratio.blocks, ratio.method, ratio.reason or "not defined"
        )
    low, high = ratio.low - ratio.value, ratio.high - ratio.value
    return Estimate(
        measured.value,
        measured.value + low,
        measured.value + high,
        int(counts.sum()),
        ratio.blocks,
        ratio.method,
    )


def _window(c: Comparison) -> dict[str, Any]:
    first, last = int(c.day[0]), int(c.day[-1])
    return {
        "from": (_EPOCH + timedelta(days=first)).isoformat(),
        "to": (_EPOCH + timedelta(days=last)).isoformat(),
        "weeks": round((last - first + 1) / 7, 1),
        "rows": len(c.y),
    }


def _weekly(c: Comparison) -> list[dict[str, Any]]:
    link = Link(c.kind)
    week = (c.day - c.day[0]) // c.step_days
    rows = np.bincount(week)
    means = {
        p: np.bincount(week, link.losses(margin, c.y)) / np.maximum(rows, 1)
        for p, margin in c.margins.items()
    }
    return [
        {
            "start": (_EPOCH + timedelta(days=int(c.day[0]) + w * c.step_days)).isoformat(),
            "rows": int(rows[w]),
            "loss": {p: float(v[w]) for p, v in means.items()},
        }
        for w in range(len(rows))
        if rows[w]
    ]


def _stages(c: Comparison, boot: DayBootstrap) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    link = Link(c.kind)
    with_all = link.losses(c.margins["fleet"], c.y)
    stages, segments = [], []
    tested: list[tuple[dict[str, Any], float, float]] = []
    for number, stage in enumerate(c.stages):
        brought, share = Estimate.unknown(0, stage.reason or "no member answers"), 0.0
        if stage.without is not None:
            difference = with_all - link.losses(stage.without, c.y)
            brought = boot.mean(difference)
            share = float(np.mean(stage.segment >= 0))
            rows, found = _segments(stage, number, difference, with_all, boot)
            segments += rows
            tested += found
        stages.append(
            {
                "stage": number,
                "level": list(stage.level),
                "estimator": stage.estimator,
                "candidates": stage.candidates,
                "accepted": stage.accepted,
                "rejected": stage.rejected,
                "unknown": stage.unknown,
                "failed": stage.failed,
                "answered_share": share,
                "brought": brought.to_json(),
                "verdict": _verdict(brought),
                "seconds": stage.seconds,
                "reason": stage.reason,
                "fast_alone": stage.fast_alone,
            }
        )
    _call(tested)
    return stages, segments


def _verdict(brought: Estimate) -> StageVerdict:
    if brought.low is None or brought.high is None:
        return "unknown"
    if brought.high < 0.0:
        return "pays"
    return "harms" if brought.low > 0.0 else "brings nothing"


def _segments(
    stage: StageOnTest, number: int, difference: Floats, loss: Floats, boot: DayBootstrap
) -> tuple[list[dict[str, Any]], list[tuple[dict[str, Any], float, float]]]:
    m = len(stage.segments)
    if not m:
        return [], []
    means = segment_means(boot, difference, stage.segment, m).moderated()
    inside = stage.segment >= 0
    losses = np.bincount(stage.segment[inside], loss[inside], m) / np.maximum(means.rows, 1)
    above, below = means.p_above(), means.p_below()
    rows, tested = [], []
    for s, estimate in enumerate(means.estimates()):
        if not estimate.rows:
            continue
        row = {
            "stage": number,
            "segment": stage.segments[s],
            "rows": estimate.rows,
            "loss": float(losses[s]),
            "difference": estimate.to_json(),
            "significant": "",
        }
        rows.append(row)
        if estimate.rows >= SEGMENT_ROWS:
            tested.append((row, float(above[s]), float(below[s])))
    return rows, tested


def _call(tested: Sequence[tuple[dict[str, Any], float, float]]) -> None:
    """Mark the segments that are worse or better than without their member, after false-discovery control of each."""
    if not tested:
        return
    worse = benjamini_hochberg(np.array([p for _, p, _ in tested]))
    better = benjamini_hochberg(np.array([p for _, _, p in tested]))
    for (row, _, _), up, down in zip(tested, worse, better, strict=True):
        row["tested"] = True
        if up <= FALSE_DISCOVERIES:
            row["significant"] = "worse"
        elif down <= FALSE_DISCOVERIES:
            row["significant"] = "better"


def plainly(result: Mapping[str, Any]) -> list[str]:
    """The verdict in sentences: against each peer, and which stages pay."""
    metric = result["metrics"][0]
    name = metric.replace("_", " ")
    out = [_against(result, peer, metric, name) for peer in PEERS if peer in result["difference"]]
    loss = Link(result["kind"]).loss_name.replace("_", " ")
    out += [sentence for stage in result["stages"] if (sentence := _of_stage(stage, loss))]
    worse = sum(s["significant"] == "worse" for s in result["segments"])
    tested = sum(bool(s.get("tested")) for s in result["segments"])
    out.append(
        f"Of {tested} segments with at least {SEGMENT_ROWS} held-out rows, {worse} "
        f"{'is' if worse == 1 else 'are'} worse off with their member, at {FALSE_DISCOVERIES:.0%} false discoveries."
    )
    return out


def _of_stage(stage: Mapping[str, Any], loss: str) -> str:
    """What a stage brought in one sentence, `loss` naming the loss per row; empty where nothing was measured of it."""
    brought, seconds = stage["brought"], 0.0 if stage["fast_alone"] else stage["seconds"]
    level = "[" + ", ".join(stage["level"]) + "]"
    who = f"The fast part of stage {level}" if stage["fast_alone"] else f"Stage {level}"
    saved = f"; leaving it out saves {seconds:.1f} s of fitting" if seconds >= 0.05 else ""
    if stage["verdict"] == "unknown":
        return (
            f"{who} was not kept by the build ({stage['reason']}){saved}." if stage["accepted"] == 0 else ""
        )
    value, rows = brought["value"], f"{brought['rows']:,} rows"
    if stage["verdict"] == "pays":
        return f"{who} pays: {-value:.4f} less {loss} ({rows})."
    if stage["verdict"] == "harms":
        return f"{who} harms: {value:.4f} more {loss} ({rows}); leave it out."
    interval = f"{value:+.4f}, {brought['low']:+.4f} to {brought['high']:+.4f}"
    return f"{who} brings nothing that can be told from zero ({interval}, {rows}){saved}."


def _against(result: Mapping[str, Any], peer: str, metric: str, name: str) -> str:
    labels = {
        "global_kept": "the global model kept",
        "global_retrained": "the global model retrained every week",
        "local": "independent local models",
    }
    d, base = result["difference"][peer][metric], result[peer][metric]["value"]
    if d["low"] is None or base is None:
        return f"Against {labels[peer]}: unknown ({d.get('reason', 'no interval')})."
    share = f"{abs(d['value']) / base:.2%}" if base else "0%"
    interval = f"{d['value']:+.4f}, {d['low']:+.4f} to {d['high']:+.4f}"
    if d["high"] < 0:
        return f"Better than {labels[peer]}: {share} less {name} ({interval})."
    if d["low"] > 0:
        return f"Worse than {labels[peer]}: {share} more {name} ({interval})."
    word = "less" if d["value"] < 0 else "more"
    return f"Not to be told apart from {labels[peer]}: {share} {word} {name} ({interval})."
