"""The plan of a build: its arrays and every fit it asked for, written down for scripts that know nothing of jomon.

python -m bench.plans PROJECT FOLDER
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from jomon.project import open_project
from jomon.project.building import hold_out_day
from jomon.store.memory import MemoryCache
from jomon.training.build import BuildRequest, build_fleet
from jomon.training.executors import MakeExecutor, local_processes
from jomon.training.worker import Job, Outcome

SETTINGS = {
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
    "linear_tree": False,
    "boosting": "gbdt",
    "objective": "binary",
    "metric": "none",
}


class Recorder(Executor):
    """Hands tasks on to real processes and writes down what they were: arrays are linked, fits are listed."""

    def __init__(self, inner: Executor, folder: Path, stages: dict[str, dict[str, Any]]) -> None:
        self._inner, self._folder, self._stages = inner, folder, stages
        self.answers: list[float] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Note the fits and pass them on."""
        job, tasks = args
        if job.folder not in self._stages:
            copy = self._folder / f"stage-{len(self._stages)}"
            shutil.copytree(job.folder, copy, copy_function=os.link)
            self._stages[job.folder] = _stage(job, copy)
        self._stages[job.folder]["fits"] += [[t.start, t.stop, c] for t in tasks for c in t.cuts]
        future = self._inner.submit(fn, *args, **kwargs)
        future.add_done_callback(self._heard)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the processes go."""
        self._inner.shutdown(wait=wait, cancel_futures=cancel_futures)

    def _heard(self, future: Future[list[Outcome]]) -> None:
        self.answers += [float(o.margins.sum()) for o in future.result() if o.margins is not None]


def record(project_folder: Path, folder: Path) -> None:
    """Build once without a cache, and leave `plan.json` and the arrays of every stage in `folder`."""
    from jomon.data.gold import read_gold

    project = open_project(project_folder)
    gold = read_gold(project.home.tables, project.spec)
    stages: dict[str, dict[str, Any]] = {}
    recorders: list[Recorder] = []
    make: MakeExecutor = local_processes(project.spec.build.workers)

    def recording(preload: str | None) -> Executor:
        recorders.append(Recorder(make(preload), folder, stages))
        return recorders[-1]

    request = BuildRequest(project.spec, gold, hold_out_day(project.spec, gold), str(project_folder))
    build_fleet(request, MemoryCache(), executor=recording)
    plan = {
        "stages": list(stages.values()),
        "workers": project.spec.build.workers,
        "answers": math.fsum(a for r in recorders for a in r.answers),
    }
    (folder / "plan.json").write_text(json.dumps(plan))


def _stage(job: Job, folder: Path) -> dict[str, Any]:
    design = job.design.subset(job.columns)
    params = {**job.params, **SETTINGS, "seed": job.seed}
    return {
        "folder": str(folder),
        "columns": list(job.columns),
        "categorical": list(design.categorical),
        "rounds": params.pop("num_iterations"),
        "params": params,
        "min_rows": max(job.min_rows, 1),
        "edges": list(job.edges),
        "has_offset": job.has_offset,
        "fits": [],
    }


if __name__ == "__main__":
    record(Path(sys.argv[1]), Path(sys.argv[2]))
