"""S8: how long does one check of a window take, beside Evidently and NannyML member by member?

    python -m bench.check_speed          a short run: 300 members, 100,000 predictions, two pairs
    python -m bench.check_speed --full   the run whose figures count: 300 and 10,000 members, 1,000,000 predictions

Invented rows with ten recorded features, drift only. jomon reads the window's rows from Parquet files, takes the
profile, the statistics of every level and column, and judges them beside 60 earlier windows, whose profiles and
statistics are there, as they are in a project; start-up and imports are told apart. The peers are given each member's
rows of the window and as many of its reference, in memory, and run one member after another; a sample of members is
measured and scaled to all, which is what a loop over them would take. Both sides take turns.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bench import peer
from bench.common import (
    JOMON,
    Row,
    document,
    full_run,
    last_json,
    ratio,
    run,
    single,
    spread,
    step,
    versions,
    write,
)
from bench.memory import watched
from bench.monitoring.peers import TOOLS, Pair, asked

MODULE = "bench.monitoring.one_check"
ROOT = Path(__file__).parent.parent
PYTHON = JOMON.parent / "python"
SAMPLE = 4
"""Members that a peer is timed on in each turn."""
NUMERIC = [f"x{at}" for at in range(9)]


def prepare(folder: Path, members: int, rows: int) -> Path:
    """The files of a window and its history."""
    home = folder / str(members)
    home.mkdir()
    with step(f"{members:,} members, {rows:,} rows"):
        run([PYTHON, "-m", MODULE, "make", home, str(members), str(rows)], ROOT)
        run([PYTHON, "-m", MODULE, "check", home], ROOT)  # draws the statistics of earlier windows
    return home


def one(home: Path) -> tuple[dict[str, float], float, int]:
    """A check in a process of its own: its phases, the wall seconds of the process, and its peak memory."""
    seen = watched([PYTHON, "-m", MODULE, "check", home], ROOT)
    return last_json(seen.out), seen.seconds, seen.peak_bytes


def peer_seconds(tool: str, home: Path, members: int, turn: int) -> float:
    """Seconds of a peer for all members, from a sample of them."""
    before = pl.read_parquet(home / "before.parquet")
    today = pl.concat([pl.read_parquet(path) for path in sorted(home.glob("today-*.parquet"))])
    keys = today.select("site", "product").unique().sort("site", "product")
    chosen = keys.sample(min(SAMPLE, keys.height), seed=turn)
    columns = [*NUMERIC, "mode", pl.col("at").dt.replace_time_zone(None)]
    pairs = []
    for key in chosen.iter_slices(1):
        mine = [
            rows.join(key, on=["site", "product"], how="semi").select(columns) for rows in (before, today)
        ]
        pairs.append(Pair(*mine))
    task = {"settings": {"defaults": {}}, "numeric": NUMERIC, "categorical": ["mode"], "period": "D"}
    if tool == "nannyml":
        task["period"] = "h"  # a reference of one day has to have chunks for its thresholds
    answers = asked(tool, task, pairs)
    failed = [answer["error"] for answer in answers if "error" in answer]
    if failed:
        raise SystemExit(f"{tool} failed on the invented rows: {failed[0]}")
    return float(np.mean([answer["seconds"] for answer in answers])) * members


def measure(full: bool) -> dict[str, Any]:
    """The document of S8."""
    rows, turns = (1_000_000, 5) if full else (100_000, 2)
    sizes = (300, 10_000) if full else (300,)
    results: list[Row] = []
    ratios = []
    found = versions("numpy", "scipy", "polars", "duckdb")
    with tempfile.TemporaryDirectory(prefix="jomon-bench-") as name:
        for members in sizes:
            home = prepare(Path(name), members, rows)
            called = f"{members:,} members"
            checks: list[tuple[dict[str, float], float, int]] = []
            peers: dict[str, list[float]] = {tool: [] for tool in TOOLS}
            for turn in range(turns):
                with step(f"{called}: turn {turn + 1}"):
                    checks.append(one(home))
                    if members == sizes[0]:
                        for tool in TOOLS:
                            peers[tool].append(peer_seconds(tool, home, members, turn))
            for phase in ("seconds", "profile", "statistics", "judging"):
                what = "a check" if phase == "seconds" else phase
                results.append(spread(f"{called}: {what}", [c[0][phase] for c in checks], "s"))
            results.append(
                spread(f"{called}: the whole process, imports included", [c[1] for c in checks], "s")
            )
            results.append(spread(f"{called}: peak memory", [c[2] / 2**20 for c in checks], "MiB"))
            results.append(single(f"{called}: tests", checks[0][0]["tests"], "", len(checks)))
            for tool, seconds in peers.items():
                if seconds:
                    results.append(
                        spread(f"{called}: {tool}, {SAMPLE} members measured and scaled", seconds, "s")
                    )
                    ratios.append(ratio(f"{tool}, {called}", seconds, [c[0]["seconds"] for c in checks]))
    for tool in TOOLS:
        found |= peer.versions_of(peer.python_of(tool), tool)
    work = f"one window of {rows:,} predictions, ten features, drift only"
    return document("S8", work, found, results, ratios)


def main() -> None:
    full = full_run(__doc__)
    write(measure(full), full)


if __name__ == "__main__":
    main()
