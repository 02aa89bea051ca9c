"""S9: what does the profile of a window cost beside a bare DuckDB aggregate over the same columns?

    python -m bench.profile_check          a short run: 300 members, 200,000 predictions, three pairs
    python -m bench.profile_check --full   the run whose figures count: 300 and 10,000 members, 1,000,000 predictions

Invented predictions of one day with ten recorded features (seven numbers, three categories, two of which say the
member), in a Delta table of predictions as the mover writes it. The profile is what a check takes of them: rows by
member, local hour and bin of every feature and of the score, missing and never seen values, duplicates of keys, as a
frame. Beside it, on the same files, in the same process, with as many threads, taking turns:

- counts: one statement that bins the same numbers by the same edges, takes categories as they are, and counts by member
  and bin (GROUPING SETS): no hour, no duplicates, no check of the key, nothing missing told apart;
- means: one GROUP BY member with the number of values and the mean of every number, and the number of values of the
  categories: the cheapest statement that touches the same columns.

Both give their rows to Polars. What the profile tells besides (hours, duplicates) is so within its figures. Writing it
into the table of profiles and reading a month of them back as a cube is timed apart. Peak memory is that of a process
of its own that does nothing else, its imports included.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bench.common import JOMON, document, full_run, ratio, single, spread, step, versions, write
from bench.memory import watched
from jomon.core.spec import ProjectSpec
from jomon.core.spec_yaml import parse_project
from jomon.core.table import Ints
from jomon.core.windows import windows_between
from jomon.data import profile_sql as sql
from jomon.data.binning import fit_binning
from jomon.data.cubes import read_cube
from jomon.data.predictions import FIXED, INSTANT, predictions_table
from jomon.data.profiles_table import ROWS, Origin, store_profile
from jomon.data.profiling import profile
from jomon.data.row_files import RowFiles, prediction_rows_of

ROOT = Path(__file__).parent.parent
PYTHON = JOMON.parent / "python"
NUMERIC = [f"x{at}" for at in range(7)]
DAY = 86_400_000_000
START = 1_700_006_400_000_000  # 2023-11-15, UTC
COMMITS = 8  # appends that the day's predictions came in
MONTH = 30
LARGE = 1_000_000  # entries of one profile beyond which a month of them is not stored
YAML = f"""
fleet: bench
question: none
data:
  source: rows.csv
  time: at
  timezone: UTC
  key: [id, at]
  target: {{column: y, kind: binary}}
  features: {{numeric: [{", ".join(NUMERIC)}], categorical: [site, product, mode]}}
stages: [{{level: []}}, {{level: [site, product]}}]
"""
Made = tuple[ProjectSpec, RowFiles]


def spec() -> ProjectSpec:
    return parse_project(YAML.encode()).spec


def make(folder: Path, members: int, rows: int) -> None:
    """The table of predictions of one day."""
    rng = np.random.default_rng(0)
    table = predictions_table(folder, "bench")
    sites = max(1, members // 20)
    for part in range(COMMITS):
        n = rows // COMMITS
        member = rng.integers(0, members, n)
        at = np.sort(START + rng.integers(0, DAY, n))
        margin = rng.normal(size=n)
        own: dict[str, Any] = {
            "request_id": [f"{part:x}-{k:x}" for k in range(n)],
            "row": np.zeros(n, np.int32),
            "caller_id": ["caller"] * n,
            "received_at": pl.Series(at).cast(INSTANT),
            "latency_us": np.full(n, 400),
            "key": [f'["{part}-{k}","{t}"]' for k, t in enumerate(at.tolist())],
            "role": ["champion"] * n,
            "image": ["sha256:aa"] * n,
            "reference": ["bench:latest"] * n,
            "answer": 1 / (1 + np.exp(-margin)),
            "margin": margin,
            "member": [f"m{m}" for m in member],
            "at": pl.Series(at).cast(INSTANT),
            **{name: rng.normal(size=n) for name in NUMERIC},
            "site": [f"site {m % sites}" for m in member],
            "product": [f"product {m // sites}" for m in member],
            "mode": [f"mode {m}" for m in np.minimum(rng.exponential(8, n).astype(int), 60)],
        }
        frame = pl.DataFrame(own).with_columns(
            pl.col("received_at").dt.date().alias("day"),
            pl.lit([""]).alias("chain"),
            pl.lit(pl.Series([[]], dtype=pl.List(pl.String)).first())
            .alias("missed")
            .cast(pl.List(pl.String)),
        )
        table.append(frame.select(*FIXED, *(name for name in frame.columns if name not in FIXED)), {})


def files(folder: Path) -> RowFiles:
    found = prediction_rows_of(predictions_table(folder, "bench"), spec(), START, START + DAY)
    assert isinstance(found, RowFiles)
    return found


def window() -> Ints:
    return windows_between(spec(), START, START + DAY)


def sides(folder: Path) -> dict[str, Callable[[], pl.DataFrame]]:
    """What is timed."""
    import duckdb

    own, source = spec(), files(folder)
    reference = pl.read_delta(f"{folder}/predictions/bench").head(100_000)
    binning = fit_binning(reference, own)
    names = [*NUMERIC, "margin"]
    bins = [
        f"{sql.number_bin(sql.quoted(name), binning.columns[binning.place(name)])} AS b_{name}"
        for name in names
    ]
    sets = ", ".join([*(f"(site, product, b_{name})" for name in names), "(site, product, mode)"])
    inner = f"SELECT site, product, mode, {', '.join(bins)} FROM {source.source}"
    coded = ", ".join(f"b_{name}" for name in names)
    counts = (
        f"SELECT site, product, mode, {coded}, count(*) AS n FROM ({inner}) GROUP BY GROUPING SETS ({sets})"
    )
    told = ", ".join(f"count({name}), avg({name})" for name in names)
    means = f"SELECT site, product, count(*), count(mode), {told} FROM {source.source} GROUP BY site, product"

    def bare(statement: str) -> pl.DataFrame:
        with duckdb.connect() as database:
            return pl.DataFrame(database.sql(statement))

    return {
        "profile": lambda: profile(source, own, binning, window(), START + DAY),
        "counts": lambda: bare(counts),
        "means": lambda: bare(means),
    }


def one(folder: Path, side: str, times: int) -> None:
    """One side alone, for its memory; or all, taking turns."""
    chosen = sides(folder)
    chosen = chosen if side == "all" else {side: chosen[side]}
    seconds: dict[str, list[float]] = {name: [] for name in chosen}
    rows = {}
    for turn in range(times + 1):
        for name, act in chosen.items():
            started = time.perf_counter()
            rows[name] = act().height
            if turn or times == 0:  # the first round warms up
                seconds[name].append(time.perf_counter() - started)
    print(json.dumps({"seconds": seconds, "rows": rows}))


def month(folder: Path) -> None:
    """Seconds to store a window's profile, and to read a month of windows as a cube."""
    own = spec()
    binning = fit_binning(pl.read_delta(f"{folder}/predictions/bench").head(100_000), own)
    found = profile(files(folder), own, binning, window(), START + DAY)
    stored = []
    for day in range(MONTH):
        moved = found.with_columns(window=pl.col("window") + pl.duration(days=day))
        started = time.perf_counter()
        origin = Origin.of("predictions", day, own, binning)
        store_profile(folder, "bench", moved, window() + day * DAY, ROWS, origin)
        stored.append(time.perf_counter() - started)
    days = max(1, min(MONTH, round(3_000_000 / found.height)))
    read, entries = [], 0
    for _ in range(3):
        started = time.perf_counter()
        entries = len(read_cube(folder, "bench", own, binning, START, START + days * DAY).at)
        read.append(time.perf_counter() - started)
    size = sum(path.stat().st_size for path in (folder / "profiles" / "bench").glob("*.parquet"))
    print(json.dumps({"stored": stored, "read": read, "entries": entries, "bytes": size / MONTH}))


def measured(folder: Path, members: int, rows: int, pairs: int) -> tuple[list[Any], list[Any]]:
    """Results and ratios of one fleet."""
    what = f"{members:,} members, 10 features, {rows:,} predictions"
    home = folder / str(members)
    with step(f"make {what}"):
        make(home, members, rows)
    with step(f"{pairs} pairs"):
        timed = json.loads(_child("all", home, pairs).out)
    seconds = timed["seconds"]
    results = [spread(f"{name}: {what}", seconds[name], "s") for name in seconds]
    results.append(single(f"entries of the profile: {what}", timed["rows"]["profile"], "rows"))
    for name in seconds:
        with step(f"memory of {name}"):
            peak = max(_child(name, home, 2).peak_bytes for _ in range(2))
        results.append(single(f"peak memory, {name}: {what}", peak / 2**20, "MiB"))
    if timed["rows"]["profile"] <= LARGE:
        results += _kept(home, what)
    ratios = [
        ratio(f"bare {name}, {members:,} members", seconds["profile"], seconds[name])
        for name in ("counts", "means")
    ]
    return results, ratios


def _kept(home: Path, what: str) -> list[Any]:
    """What storing and reading costs."""
    with step("store and read"):
        kept = json.loads(_child("month", home, 0).out)
    return [
        spread(f"store the profile: {what}", kept["stored"], "s"),
        spread(f"read {kept['entries']:,} entries as a cube: {what}", kept["read"], "s"),
        single(f"bytes on disk of a window's profile: {what}", kept["bytes"], "bytes", MONTH),
    ]


def _child(side: str, home: Path, times: int) -> Any:
    return watched([PYTHON, "-m", "bench.profile_check", "--one", home, side, str(times)], ROOT)


def main() -> None:
    full = full_run(__doc__)
    sizes = [(300, 1_000_000), (10_000, 1_000_000)] if full else [(300, 200_000)]
    results, ratios = [], []
    with tempfile.TemporaryDirectory() as folder:
        for members, rows in sizes:
            more, against = measured(Path(folder), members, rows, 15 if full else 3)
            results += more
            ratios += against
    work = "the profile of one window beside a bare DuckDB aggregate over the same columns"
    write(document("S9", work, versions("duckdb", "polars", "deltalake"), results, ratios), full)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        _, _, home_, side_, times_ = sys.argv
        month(Path(home_)) if side_ == "month" else one(Path(home_), side_, int(times_))
    else:
        main()
