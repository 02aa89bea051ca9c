"""T1 and T2: is a fleet as operated better than its peers, and is it anywhere worse than what answers without a member?

    python -m bench.truth_fleet          a short run: the groceries, three weeks, one trial
    python -m bench.truth_fleet --full   the run whose figures count: flights and births

Each project is ingested and built as its file says, and then `evaluate` compares it on held-out weeks with a global
LightGBM kept, the same retrained every week, and independent local models; all of them tuned with the same number of
trials on the last block before the hold-out. CatBoost's global model gets the same columns, trials and split in an
environment of its own; it is kept, and in the short run retrained weekly too (a week of it takes most of a minute).
Settings are in the project files; nothing is tuned on held-out time. Differences are paired and resampled by day.
Seconds of fitting are those of processes with one thread each (LightGBM), or the processor time of all threads
(CatBoost). The short run shows that the script works; its three weeks before Christmas say nothing about the fleet.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from bench import peer
from bench.common import Row, document, estimate, full_run, last_json, run, single, step, versions, write
from jomon.data.gold import read_gold
from jomon.evaluation.compare import SEGMENT_ROWS, Comparison, compare
from jomon.project import Fleet, Project, open_project
from jomon.project.evaluating import with_segment_columns
from jomon.project.operating import traffic_of
from jomon.stats.links import Link
from jomon.training.build import days_of
from jomon.training.operate import operate
from jomon.training.peers import trial_params

HERE = Path(__file__).parent
PLAYERS = {
    "fleet": "the fleet",
    "global_kept": "LightGBM global, kept",
    "global_retrained": "LightGBM global, retrained weekly",
    "local": "independent local models",
    "catboost_kept": "CatBoost global, kept",
    "catboost_retrained": "CatBoost global, retrained weekly",
}
CATBOOST_SPACE: dict[str, tuple[Any, ...]] = {
    "depth": (4, 6, 8),
    "learning_rate": (0.03, 0.05, 0.1),
    "iterations": (300, 600, 1000),
    "l2_leaf_reg": (1.0, 3.0, 10.0),
}


@dataclass(frozen=True)
class DataSet:
    """A project to evaluate: its folder, and whether CatBoost can be retrained in every week of it."""

    name: str
    folder: Path
    weekly: bool


FULL = (
    DataSet("flights", HERE.parent / "examples" / "flights", weekly=False),
    DataSet("births", HERE.parent / "examples" / "births", weekly=False),  # 104 weeks of minutes each
)
SHORT = (DataSet("groceries", HERE / "fleets" / "groceries", weekly=True),)


def prepare(data: DataSet, folder: Path, full: bool) -> Project:
    """The project, ingested and built."""
    shutil.copytree(data.folder, folder, ignore=shutil.ignore_patterns(".jomon", "__pycache__"))
    if not full:
        file = folder / "jomon.yaml"
        file.write_text(file.read_text().replace("{holdout: 12w,", "{holdout: 3w, trials: 1,"))
    project = open_project(folder)
    with step(f"{data.name}: ingest"):
        project.ingest()
    with step(f"{data.name}: build"):
        project.build()
    return project


def beside_catboost(data: DataSet, project: Project, full: bool) -> dict[str, Any]:
    """What `compare` says of the fleet and CatBoost on the held-out rows, in the form of `evaluate`."""
    fleet = project.load()
    runtime, settings = fleet.runtime, project.spec.evaluation
    gold = read_gold(project.home.tables, runtime.spec)
    gold = gold.take(gold.known)
    kind = runtime.spec.data.target.kind
    serve_day, learn_day = days_of(gold, runtime.context.local)
    X, design = with_segment_columns(runtime.encoder.encode(gold.table), runtime.encoder, {}, runtime, gold)
    step_days = max(round(settings.step / timedelta(days=1)), 1)
    days = int(runtime.end_day - serve_day[0])
    task = {
        "kind": kind,
        "categorical": list(design.categorical),
        "trials": trial_params(
            {} if full else {"iterations": 50}, CATBOOST_SPACE, settings.trials, settings.seed, days
        ),
        "tune_day": int(runtime.document["edges"][-2]),
        "end_day": runtime.end_day,
        "last_day": int(serve_day.max()) + 1,
        "step_days": step_days,
        "weekly": data.weekly,
        "seed": settings.seed,
    }
    with tempfile.TemporaryDirectory(prefix="jomon-bench-") as name:
        folder = Path(name)
        np.savez(folder / "rows.npz", X=X, y=gold.target, serve_day=serve_day, learn_day=learn_day)
        (folder / "task.json").write_text(json.dumps(task))
        said = last_json(run([peer.python_of("catboost"), HERE / "global_catboost.py", folder]))
        with np.load(folder / "margins.npz") as found:
            margins = {f"catboost_{how}": found[how] for how in found.files}
    held = serve_day >= runtime.end_day
    return compare(
        Comparison(
            kind=kind,
            y=gold.target[held],
            day=serve_day[held],
            margins={"fleet": as_operated(fleet, gold, learn_day, serve_day), **margins},
            compute={f"catboost_{how}": cost for how, cost in said["compute"].items()},
            chosen=dict.fromkeys(margins, said["chosen"]),
            stages=(),
            step_days=step_days,
            reps=settings.bootstrap,
            seed=settings.seed,
        )
    )


def as_operated(fleet: Fleet, gold: Any, learn_day: Any, serve_day: Any) -> Any:
    """The fleet's margins on the held-out rows: slow parts kept, fast parts brought up to each day."""
    runtime = fleet.runtime
    late = (serve_day >= runtime.end_day) | (learn_day > runtime.end_day)
    traffic = traffic_of(runtime, gold.take(late))
    link, last = Link(runtime.spec.data.target.kind), int(traffic.serve_day.max())
    served, _ = operate(link, runtime.spec.relation, traffic, fleet.fast, last)
    return served.answer[traffic.serve_day >= runtime.end_day]


def players(name: str, result: dict[str, Any]) -> list[Row]:
    """Rows of T1 for one data set: every player's metrics, the fleet's differences from it, shares, seconds."""
    rows: list[Row] = []
    for player, called in PLAYERS.items():
        if player not in result:
            continue
        rows += [estimate(f"{name}: {m}, {called}", result[player][m], "") for m in result["metrics"]]
        if player in result["compute"]:
            cost = result["compute"][player]
            rows.append(
                single(f"{name}: seconds of fitting, {called}", cost["seconds"], "s", int(cost["fits"]))
            )
    first = result["metrics"][0]
    for player, differences in result["difference"].items():
        called = PLAYERS[player]
        rows += [estimate(f"{name}: {m}, the fleet minus {called}", d, "") for m, d in differences.items()]
        whole = 100.0 / result[player][first]["value"]
        rows.append(
            estimate(f"{name}: share of {first}, the fleet minus {called}", differences[first], "%", whole)
        )
    return rows


def segments(name: str, result: dict[str, Any]) -> list[Row]:
    """Rows of T2 for one data set: segments large enough for a test, and those called worse or better."""
    tested = [s for s in result["segments"] if s.get("tested")]
    worse = [s for s in tested if s["significant"] == "worse"]
    better = sum(s["significant"] == "better" for s in tested)
    return [
        single(f"{name}: segments significantly worse", len(worse), "segments", len(tested)),
        single(f"{name}: segments significantly better", better, "segments", len(tested)),
        single(
            f"{name}: segments with at least {SEGMENT_ROWS} rows, tested",
            len(tested),
            "segments",
            len(tested),
        ),
        *(estimate(f"{name}: worse, {s['segment']}", s["difference"], "") for s in worse),
    ]


def joined(result: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """The evaluation with CatBoost beside the other players; the fleet must be the same in both."""
    first = result["metrics"][0]
    ours, again = result["fleet"][first]["value"], more["fleet"][first]["value"]
    if abs(ours - again) > 1e-9:
        raise SystemExit(f"the fleet has {first} {ours} in its evaluation and {again} beside CatBoost")
    added = {player: more[player] for player in PLAYERS if player in more and player != "fleet"}
    merged = {k: {**result[k], **more[k]} for k in ("difference", "compute", "chosen")}
    return {**result, **added, **merged}


def measure(full: bool) -> list[dict[str, Any]]:
    """The documents of T1 and T2."""
    compared: list[Row] = []
    tested: list[Row] = []
    chosen, windows = {}, []
    with tempfile.TemporaryDirectory(prefix="jomon-bench-") as name:
        for data in FULL if full else SHORT:
            project = prepare(data, Path(name, data.name), full)
            with step(f"{data.name}: evaluate"):
                result = project.evaluate()
            with step(f"{data.name}: CatBoost"):
                result = joined(result, beside_catboost(data, project, full))
            compared += players(data.name, result)
            tested += segments(data.name, result)
            chosen[data.name] = result["chosen"]
            window = result["window"]
            windows.append(f"{data.name} {window['from']} to {window['to']}, {window['rows']:,} rows")
            print("\n".join(result["plainly"]), file=sys.stderr)
    held = "; ".join(windows)
    found = versions("lightgbm", "numpy") | peer.versions_of(peer.python_of("catboost"), "catboost")
    fleets = document(
        "T1", f"fleets as operated beside their peers on held-out weeks: {held}", found, compared
    )
    worse = document("T2", f"every segment beside the chain without its member: {held}", found, tested)
    return [{**fleets, "chosen": chosen}, worse]


def main() -> None:
    full = full_run(__doc__)
    for found in measure(full):
        write(found, full)


if __name__ == "__main__":
    main()
