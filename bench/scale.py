"""S3 and S4: what a member costs in fleets of different sizes, and what a build with nothing to do costs.

    python -m bench.scale          a short run: 30, 100 and 300 members, one round
    python -m bench.scale --full   the run whose figures count: 300, 1,000 and 10,000 members, three rounds

Invented rows, 220 for each member; every member is a small LightGBM model, the root is linear and cheap, and all
members are kept. Each round builds every fleet from an empty image store and an empty cache.

S3, cost: wall seconds of `jomon build`, whole process, over members. Start-up is shared by more members in larger
fleets, which flatters the ratio; so the cost of an added member is given too (seconds that the larger fleet takes
longer, over members it has more). S3, memory: the peak of the proportional memory of all processes of the build. Flat
means: 10,000 members need no more of it than 300 members do that share the same rows, so that what grows is rows alone.
S4: `jomon build` again, start-up included; the image must have the same digest.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from bench.common import (
    JOMON,
    document,
    forget,
    full_run,
    ratio,
    run,
    single,
    spread,
    step,
    timed,
    versions,
    write,
)
from bench.memory import Watched, watched

HERE = Path(__file__).parent
ROWS = 220  # of each member: one a day
FIRST_DAY = np.datetime64("2024-01-01")
DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Size:
    """How much one run does: fleets of these many members, rounds of builds, and builds again of each."""

    members: tuple[int, int, int]
    rounds: int
    again: int


SHORT = Size(members=(30, 100, 300), rounds=1, again=2)
FULL = Size(members=(300, 1_000, 10_000), rounds=3, again=7)


def prepare(folder: Path, members: int, rows: int) -> Path:
    """A project of so many members with so many rows in all, ingested."""
    import polars as pl

    shutil.copytree(HERE / "fleets" / "scale", folder)
    rng = np.random.default_rng(members)
    day, turn = np.divmod(np.arange(rows), rows // ROWS)
    unit = turn % members
    load, heat = rng.normal(size=rows), rng.normal(size=rows)
    mode = rng.integers(0, 3, rows)
    need = 2.0 * load + heat * (unit % 5) + mode + 0.5 * (day % 7 == 0) + rng.normal(size=rows)
    columns = {
        "unit": pl.Series(unit).cast(pl.String).str.zfill(6),
        "day": FIRST_DAY.astype("datetime64[us]") + day * DAY_US + (turn // members) * 1_000_000,
        "load": load,
        "heat": heat,
        "mode": np.array(["low", "middle", "high"])[mode],
        "need": need,
    }
    pl.DataFrame(columns).write_parquet(folder / "rows.parquet")
    run([JOMON, "ingest"], folder)
    run([JOMON, "build", "--help"], folder)
    return folder


def build(project: Path) -> tuple[Watched, dict[str, Any]]:
    """A first build of a project, and its report."""
    forget(project)
    done = watched([JOMON, "build", "--json"], project)
    return done, json.loads(done.out)


def build_again(project: Path, digest: str, times: int) -> tuple[list[float], bool]:
    """Seconds of builds with nothing to do, and whether each gave the same image."""
    taken, same = [], True
    for _ in range(times):
        seconds, out = timed([JOMON, "build", "--json"], project)
        taken.append(seconds)
        same = same and json.loads(out)["digest"] == digest
    return taken, same


def measure(size: Size) -> list[dict[str, Any]]:
    """The documents of S3 and S4."""
    most = size.members[-1]
    with tempfile.TemporaryDirectory(prefix="jomon-bench-") as name:
        fleets = {str(m): (m, m * ROWS) for m in size.members} | {"wide": (size.members[0], most * ROWS)}
        projects = {}
        for label, (members, rows) in fleets.items():
            with step(f"ingest {members:,} members, {rows:,} rows"):
                projects[label] = prepare(Path(name, label), members, rows)
        taken: dict[str, list[tuple[Watched, dict[str, Any]]]] = {label: [] for label in fleets}
        for number in range(size.rounds):
            for label in (list(fleets), list(fleets)[::-1])[number % 2]:
                with step(f"round {number + 1} of {size.rounds}: {label}"):
                    taken[label].append(build(projects[label]))
        again = {}
        for members in (size.members[0], most):
            with step(f"build again, {members:,} members"):
                label = str(members)
                again[members] = build_again(projects[label], taken[label][-1][1]["digest"], size.again)
    return [scale_document(size, taken), again_document(size, taken, again)]


def scale_document(size: Size, taken: dict[str, list[tuple[Watched, dict[str, Any]]]]) -> dict[str, Any]:
    """S3."""
    few, middle, most = size.members
    for members in size.members:
        serving = taken[str(members)][0][1]["members"]["serving"]
        if serving != members + 1:
            raise SystemExit(f"{serving} members serve in the fleet of {members} and a root")
    walls = {m: np.array([w.seconds for w, _ in taken[str(m)]]) for m in size.members}
    peaks = {label: np.array([w.peak_bytes for w, _ in each], np.float64) for label, each in taken.items()}
    added = {(a, b): (walls[b] - walls[a]) / (b - a) for a, b in pairwise(size.members)}
    parts = ("read", "prepare", "fit", "tune", "judge", "publish")
    results = [
        *(spread(f"wall, {m:,} members", walls[m], "s") for m in size.members),
        *(spread(f"wall per member, {m:,} members", walls[m] / m * 1e3, "ms") for m in size.members),
        *(spread(f"an added member, {a:,} to {b:,}", v * 1e3, "ms") for (a, b), v in added.items()),
        *(
            spread(f"{most:,} members: {p}", [r["seconds"].get(p, 0.0) for _, r in taken[str(most)]], "s")
            for p in parts
        ),
        *(spread(f"peak memory, {m:,} members", peaks[str(m)] / 2**20, "MiB") for m in size.members),
        spread(f"peak memory, {few:,} members with the rows of {most:,}", peaks["wide"] / 2**20, "MiB"),
        spread(
            f"peak memory an added row, {few:,} to {most:,} members",
            (peaks[str(most)] - peaks[str(few)]) / ((most - few) * ROWS),
            "bytes",
        ),
    ]
    ratios = [
        ratio(f"cost per member, {most:,} over {few:,}", walls[most] / most, walls[few] / few),
        ratio(
            f"cost of an added member, {middle:,} to {most:,} over {few:,} to {middle:,}",
            *list(added.values())[::-1],
        ),
        ratio(
            f"peak memory, {most:,} members over {few:,} with the same rows", peaks[str(most)], peaks["wide"]
        ),
    ]
    work = (
        f"first builds of fleets with {few:,}, {middle:,} and {most:,} members, {ROWS} invented rows a member"
    )
    return document("S3", work, versions("lightgbm", "numpy", "polars"), results, ratios)


def again_document(
    size: Size,
    taken: dict[str, list[tuple[Watched, dict[str, Any]]]],
    again: dict[int, tuple[list[float], bool]],
) -> dict[str, Any]:
    """S4."""
    results, ratios = [], []
    for members, (seconds, same) in again.items():
        first = float(np.median([w.seconds for w, _ in taken[str(members)]]))
        results.append(spread(f"build again, {members:,} members", seconds, "s"))
        results.append(single(f"same digest, {members:,} members", float(same), "1 = yes", len(seconds)))
        ratios.append(ratio(f"the first build, {members:,} members", seconds, np.full(len(seconds), first)))
    work = "`jomon build` with nothing changed, whole process"
    return document("S4", work, versions("polars", "deltalake"), results, ratios)


def main() -> None:
    full = full_run(__doc__)
    for found in measure(FULL if full else SHORT):
        write(found, full)


if __name__ == "__main__":
    main()
