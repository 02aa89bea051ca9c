"""The bare script beside a build: read arrays, fit LightGBM models in processes, and nothing else.

    python bare.py FOLDER [--kept]

FOLDER has `plan.json` and the arrays it names. Each fit is one line of the plan: the rows that teach it, and the
rows that it answers without having seen them. `--kept` leaves out the fits on earlier blocks: what is left are the
models that a fleet serves. Nothing of jomon is imported. Prints one line of JSON: seconds of fitting, number of fits
and the sum of all answers, by which the models can be told to be the same.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

if __name__ == "__main__":
    for name in ("sklearn", "pandas", "matplotlib"):
        sys.modules[name] = None  # type: ignore[assignment]  # jomon passes over them too: they cost seconds
import lightgbm
import numpy as np

KEPT = -1  # the cut of a fit on all rows


@cache
def arrays(folder: str) -> dict:
    return {path.stem: np.load(path, mmap_mode="r") for path in Path(folder).glob("*.npy")}


def fit(stage: dict, start: int, stop: int, cut: int) -> tuple[float, lightgbm.Booster | None]:
    """Fit one model; give the sum of its answers to the rows of its block, and itself if it is one to keep."""
    have = arrays(stage["folder"])
    rows = have["order"][start:stop]
    learn, answer = rows, rows[:0]
    if cut != KEPT:
        learn = rows[have["learn_day"][rows] <= stage["edges"][cut]]
        answer = rows[have["block"][rows] == cut]
        if not len(answer) or len(learn) < stage["min_rows"]:
            return 0.0, None
    columns = stage["columns"]
    data = lightgbm.Dataset(
        np.ascontiguousarray(have["X"][learn][:, columns]),
        np.asarray(have["y"][learn]),
        init_score=np.asarray(have["offset"][learn]) if stage["has_offset"] else None,
        categorical_feature=stage["categorical"],
        feature_name=[f"f{i}" for i in range(len(columns))],
        params=stage["params"],
        free_raw_data=True,
    )
    booster = lightgbm.train(stage["params"], data, num_boost_round=stage["rounds"])
    if cut == KEPT:
        return 0.0, booster
    answers = booster.predict(
        np.ascontiguousarray(have["X"][answer][:, columns]), raw_score=True, num_threads=1
    )
    return float(np.sum(answers)), None


def one(job: tuple[dict, list[int], bool]) -> tuple[float, str | None]:
    """One fit in a process; the text of the model travels back if it is asked for."""
    stage, (start, stop, cut), wanted = job
    total, booster = fit(stage, start, stop, cut)
    return total, booster.model_to_string() if booster is not None and wanted else None


def fit_all(folder: Path, kept: bool, wanted: bool) -> tuple[list[tuple[float, str | None]], float]:
    """All fits of a plan, the largest first, one process a core; and the seconds they took."""
    plan = json.loads((folder / "plan.json").read_text())
    jobs = [(s, f, wanted) for s in plan["stages"] for f in s["fits"] if not kept or f[2] == KEPT]
    jobs.sort(key=lambda job: job[1][0] - job[1][1])
    started = time.perf_counter()
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(plan["workers"] or os.cpu_count(), mp_context=context) as pool:
        done = list(pool.map(one, jobs))
    return done, time.perf_counter() - started


if __name__ == "__main__":
    done, seconds = fit_all(Path(sys.argv[1]), "--kept" in sys.argv, wanted=False)
    print(json.dumps({"seconds": seconds, "fits": len(done), "answers": sum(total for total, _ in done)}))
