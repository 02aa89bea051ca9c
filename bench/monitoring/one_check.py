"""One drift check of invented rows, as a program of its own so that its time and memory are its own.

    python -m bench.monitoring.one_check make FOLDER MEMBERS ROWS   writes a reference day and a day to check
    python -m bench.monitoring.one_check check FOLDER               checks the day; prints one line of JSON

The history is there beforehand, as it is in a project: the profile of the windows before (one day here, as their
weighted sum has as many cells), and the statistics of `WINDOWS` earlier windows, which are drawn from chi-square here.
"""

from __future__ import annotations

import json
import pickle
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from jomon.core.binning import Binning
from jomon.core.cubes import MEASURES, Cube, place_axes, watched_levels
from jomon.core.segments import Segment
from jomon.core.spec import ProjectSpec
from jomon.core.spec_yaml import parse_project

FLEET = Path(__file__).parent.parent / "fleets" / "check" / "jomon.yaml"
DAYS = (datetime(2024, 5, 6, tzinfo=UTC), datetime(2024, 5, 7, tzinfo=UTC))
ZONE_HOURS = 1  # Lisbon in May: its days begin at 23:00 UTC
WINDOWS = 60
FILES = 8
MODES = 12
RATE = 0.05


def spec() -> ProjectSpec:
    return parse_project(FLEET.read_bytes(), str(FLEET)).spec


def rows_of(members: int, rows: int, day: datetime, seed: int) -> pl.DataFrame:
    """Rows of one day, members equally likely, each with values of its own."""
    draw = np.random.default_rng(seed)
    sites = int(np.ceil(np.sqrt(members)))
    member = draw.integers(members, size=rows)
    start = day - timedelta(hours=ZONE_HOURS)
    second = draw.triangular(0, 43_200, 86_399, rows).astype(np.int64)
    columns: dict[str, pl.Series] = {
        "at": pl.Series(second * 1_000_000 + int(start.timestamp() * 1e6)).cast(pl.Datetime("us", "UTC")),
        "site": pl.Series(np.char.add("s", (member // sites).astype(str))),
        "product": pl.Series(np.char.add("p", (member % sites).astype(str))),
        "number": pl.Series(np.arange(rows)),
        "mode": pl.Series(np.char.add("m", (draw.random(rows) ** 2 * MODES).astype(int).astype(str))),
        "margin": pl.Series(draw.normal(-1, 1, rows)),
    }
    level = np.random.default_rng(1).normal(size=(9, members))
    for at in range(9):
        columns[f"x{at}"] = pl.Series(level[at, member] + draw.normal(size=rows))
    return pl.DataFrame(columns).with_columns((1 / (1 + (-pl.col("margin")).exp())).alias("answer"))


def make(folder: Path, members: int, rows: int) -> None:
    """Two days in files, the bins, and the profile of the first day."""
    from jomon.data.binning import fit_binning
    from jomon.data.profiling import profile

    declared = spec()
    before = rows_of(members, rows, DAYS[0], 2)
    binning = fit_binning(before, declared)
    (folder / "binning.json").write_text(json.dumps(binning.canonical()))
    start, end = (int((day - timedelta(hours=ZONE_HOURS)).timestamp() * 1e6) for day in DAYS)
    profile(before, declared, binning, np.array([start]), end).write_parquet(folder / "history.parquet")
    before.write_parquet(folder / "before.parquet")
    today = rows_of(members, rows, DAYS[1], 3)
    for at, part in enumerate(today.iter_slices(rows // FILES + 1)):
        part.write_parquet(folder / f"today-{at}.parquet")


def profiled(folder: Path, declared: ProjectSpec, binning: Binning) -> pl.DataFrame:
    """The profile of the day to check."""
    from jomon.data.profiling import profile
    from jomon.data.row_files import RowFiles

    start = int((DAYS[1] - timedelta(hours=ZONE_HOURS)).timestamp() * 1e6)
    files = RowFiles(tuple(str(path) for path in sorted(folder.glob("today-*.parquet"))))
    return profile(files, declared, binning, np.array([start]), start + 86_400_000_000, stored=False)


Placed = tuple[np.ndarray, np.ndarray]


def placed(profile: pl.DataFrame, window: int, names: pl.Series) -> Placed:
    """A profile of one window as the arrays of a cube; of the measures only rows, as outcomes come later."""
    at = np.empty((profile.height, 4), np.int64)
    at[:, 0] = window
    at[:, 1] = profile["segment"].cast(pl.Enum(names)).to_physical().to_numpy()
    at[:, 2], at[:, 3] = profile["hour"].to_numpy(), profile["bin"].to_numpy()
    sums = np.zeros((profile.height, len(MEASURES)))
    sums[:, 0] = profile["rows"].to_numpy()
    return at, sums


def cube_of(declared: ProjectSpec, binning: Binning, names: pl.Series, parts: list[Placed]) -> Cube:
    """The windows, one behind another, as a cube."""
    at, sums = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    starts = np.array([int(day.timestamp() * 1e6) for day in DAYS])
    segments = tuple(Segment.parse(name) for name in names)
    return Cube(place_axes(declared), starts, segments, binning, at, sums)


def check(folder: Path) -> dict[str, float]:
    """Seconds of each phase of a check, and what it found."""
    from jomon.monitoring.cells import Cells
    from jomon.monitoring.explaining import explained
    from jomon.monitoring.judging import Past, judge
    from jomon.monitoring.matching import WindowFacts
    from jomon.monitoring.window_statistics import Fleet, WindowStatistics

    declared = spec()
    binning = Binning.from_canonical(json.loads((folder / "binning.json").read_text()))
    history = pl.read_parquet(folder / "history.parquet")
    names = history["segment"].unique().sort()
    before = placed(history, 0, names)
    _warm(declared, binning)
    marks = [time.perf_counter()]
    today = profiled(folder, declared, binning)
    marks.append(time.perf_counter())
    cells = Cells.of(cube_of(declared, binning, names, [before, placed(today, 1, names)]))
    flat = np.zeros(2, np.int64)
    facts = WindowFacts(flat, flat, flat, np.zeros(2, np.bool_))
    tests = WindowStatistics(Fleet.of(cells, watched_levels(declared), facts), 1)
    statistics = tests.all()
    marks.append(time.perf_counter())
    kept = folder / "past.pickle"
    if not kept.exists():
        draw = np.random.default_rng(4)
        drawn = {key: draw.chisquare(8, (WINDOWS, *values.shape)) for key, values in statistics.items()}
        kept.write_bytes(pickle.dumps(drawn))
    families = pickle.loads(kept.read_bytes())
    past = Past(families, {key: min(1, values.shape[1] - 1) for key, values in families.items()})
    ready = time.perf_counter()
    judged = judge(statistics, past, RATE)
    found = explained(tests, statistics, judged, past)
    done = time.perf_counter()
    phases = {
        "profile": marks[1] - marks[0],
        "statistics": marks[2] - marks[1],
        "judging": done - ready,
    }
    counted = sum(values.shape[1] for values in statistics.values())
    return {**phases, "seconds": sum(phases.values()), "tests": counted, "found": len(found)}


def _warm(declared: ProjectSpec, binning: Binning) -> None:
    """Import what a check needs, by profiling nothing."""
    from jomon.data.profiling import profile

    start = int(DAYS[1].timestamp() * 1e6)
    profile(rows_of(2, 2, DAYS[1], 0), declared, binning, np.array([start]), start + 1)


def main() -> None:
    what, folder = sys.argv[1], Path(sys.argv[2])
    if what == "make":
        make(folder, int(sys.argv[3]), int(sys.argv[4]))
    else:
        print(json.dumps(check(folder)))


if __name__ == "__main__":
    main()
