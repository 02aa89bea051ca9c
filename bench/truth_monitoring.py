"""T3, T4 and T5: how many alarms are false, which faults are found and how fast, and is the cause named right?

    python -m bench.truth_monitoring               a short run: one quiet check and some faults on the births
    python -m bench.truth_monitoring --full        the run whose figures count: flights and births, counted half
    python -m bench.truth_monitoring --development the same on the half for development; writes no figures that count

Worlds are real flights and births, answered by a fleet that was built before them. Quiet windows are real days (weeks)
exchanged within season and weekday, so that nothing has changed; faults are put into the rows of such windows. jomon,
Evidently and NannyML check the same windows with the same history. What each half may use is in `monitoring/plan.py`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from bench import peer
from bench.common import document, step, versions, write
from bench.monitoring import peer_runs
from bench.monitoring.cases import SEASON_WINDOWS, Outcome, draw_cases, tried
from bench.monitoring.jomon_side import Jomon
from bench.monitoring.oracle import oracle_delay
from bench.monitoring.plan import COUNTED, DEVELOPMENT, SHORT, Half, exchange, judged_windows
from bench.monitoring.score import (
    Quiet,
    cause_rows,
    cells,
    drift_rows,
    fault_rows,
    missed,
    outside_rows,
    quiet_rows,
    strays,
)
from bench.monitoring.worlds import ALL, World, make

PROCESSES = 2
SHORT_CASES = 11


@dataclasses.dataclass(frozen=True)
class Job:
    """One exchange of one world: its quiet checks and faults. `cases`: one of so many; `drift`: gradual drift too."""

    world: str
    folder: Path
    seed: int
    half: Half
    drift: bool
    cases: int | None = None


def run_job(job: Job) -> tuple[list[Quiet], list[Outcome]]:
    """What jomon says of the windows of a job."""
    base = make(ALL[job.world], job.folder)
    order = exchange(base, job.seed)
    world = base.exchanged(order)
    session = Jomon().open(world)
    quiet = list(quiet_checks(session, world, order, job))
    outcomes = []
    cases = draw_cases(world, order, job.seed, job.half, drift=job.drift)
    for case in cases if job.cases is None else islice(cases, 1, None, job.cases):
        found = tried(session, case, job.world, job.seed)
        if case.fault.kind == "gradual_drift":
            found = dataclasses.replace(found, oracle=oracle_delay(world, case))
        outcomes.append(found)
    return quiet, outcomes


def quiet_checks(session: object, world: World, order: np.ndarray, job: Job) -> Iterator[Quiet]:
    """The quiet checks of a job, all of them but in the short run."""
    windows = judged_windows(world, order, job.half)
    source = np.argsort(order)
    for window in windows if job.cases is None else windows[:10]:
        said = session.check([window])  # type: ignore[attr-defined]
        same = (world.season[:window] == world.season[window]) & (world.occasion[:window] == 0)
        yield Quiet(
            job.world,
            job.seed,
            world.days[source[window]].isoformat(),
            bool(said.findings),
            len(said.findings),
            said.p,
            said.seconds,
            int(same.sum()) >= SEASON_WINDOWS,
            said.unknown,
        )


def jobs_of(folder: Path, half: Half, names: tuple[str, ...]) -> list[Job]:
    """One job a world and seed; gradual drift, which takes four weeks of checks each, in the first seed only."""
    if half is SHORT:
        return [Job("births", folder, half.seeds[0], half, False, SHORT_CASES)]
    return [
        Job(name, folder, seed, half, drift=seed == half.seeds[0]) for seed in half.seeds for name in names
    ]


def measure(folder: Path, half: Half, names: tuple[str, ...], peers: bool) -> list[dict[str, object]]:
    """The documents of T3, T4 and T5."""
    jobs = jobs_of(folder, half, names)
    for name in dict.fromkeys(job.world for job in jobs):
        make(ALL[name], folder)
    quiet: list[Quiet] = []
    outcomes: list[Outcome] = []
    with step(f"jomon: {len(jobs)} exchanges"), pool(len(jobs)) as workers:
        for some, more in workers.map(run_job, jobs):
            quiet += some
            outcomes += more
    rows3 = [*quiet_rows("jomon", quiet), *outside_rows("jomon", outcomes)]
    rows4 = fault_rows("jomon", outcomes)
    days = {name: 7 if ALL[name].weeks else 1 for name in ALL}
    rows4 += drift_rows("jomon", outcomes, days)
    found = versions("numpy", "polars", "lightgbm")
    if peers:
        for tool in peer_runs.TOOLS:
            started = time.perf_counter()
            more3, more4 = peer_runs.rows_of(tool, {j.world: j for j in reversed(jobs)}.values(), half)
            print(f"... {tool} {time.perf_counter() - started:.1f} s", file=sys.stderr)
            rows3, rows4 = [*rows3, *more3], [*rows4, *more4]
            found |= peer.versions_of(peer.python_of(tool), tool)
    said = f"{half.name} half, exchanges {', '.join(map(str, half.seeds))}; {', '.join(names)}"
    raw = {"cells": cells(outcomes), "missed": missed(outcomes), "strays": strays(outcomes)}
    return [
        document("T3", f"quiet windows, {said}", found, rows3),
        {**document("T4", f"injected faults, {said}", found, rows4), **raw},
        document(
            "T5", f"causes and incidents of injected faults, {said}", found, cause_rows("jomon", outcomes)
        ),
    ]


def pool(jobs: int) -> ProcessPoolExecutor:
    """Processes that begin anew: threads of libraries do not survive a fork."""
    return ProcessPoolExecutor(min(PROCESSES, jobs), mp_context=get_context("spawn"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--full", action="store_true", help="the run whose figures count")
    which.add_argument("--development", action="store_true", help="the same on the half for development")
    parser.add_argument("--worlds", type=Path, help="a folder that keeps the built worlds")
    parser.add_argument("--only", choices=sorted(ALL), help="one world (not with --full)")
    parser.add_argument("--no-peers", action="store_true", help="jomon alone (not with --full)")
    parser.add_argument("--results", type=Path, help="where a development run puts its files")
    given = parser.parse_args()
    if given.full and (given.only or given.no_peers):
        parser.error("the run that counts has all worlds and all peers")
    half = COUNTED if given.full else DEVELOPMENT if given.development else SHORT
    names = (given.only,) if given.only else tuple(ALL) if half is not SHORT else ("births",)
    with tempfile.TemporaryDirectory(prefix="jomon-bench-") as name:
        found = measure(given.worlds or Path(name), half, names, peers=not given.no_peers)
    for each in found:
        if given.results is not None and not given.full:
            given.results.mkdir(parents=True, exist_ok=True)
            (given.results / f"{each['id']}-{half.name}.json").write_text(json.dumps(each, indent=1) + "\n")
        write(each, given.full)


if __name__ == "__main__":
    main()
