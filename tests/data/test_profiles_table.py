"""The table of profiles: each window once, replaced as a whole, whatever happens; and cubes read from it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from jomon.core.cubes import Cube, place_axes
from jomon.core.windows import windows_between
from jomon.data.binning import fit_binning
from jomon.data.cubes import cube_of, read_cube
from jomon.data.log_records import Item, Report
from jomon.data.outcomes import matched
from jomon.data.outcomes_table import outcome_rows, outcomes_table
from jomon.data.outcomes_writing import add_outcomes
from jomon.data.profiles_table import (
    OUTCOMES,
    ROWS,
    Origin,
    ProfilesTable,
    profile_digest,
    profiled,
    read_profiles,
    store_profile,
)
from jomon.data.profiling import profile

from .profile_help import DAY, messy, spec_of, stored, table_of, us

SPEC = spec_of()
SINCE, UNTIL = us("2013-03-09"), us("2013-03-13")
WINDOWS = windows_between(SPEC, SINCE, UNTIL)
TRAFFIC = messy(600, SINCE, int(WINDOWS[3]))  # nothing on the last day
BINNING = fit_binning(TRAFFIC, SPEC)


def origin(version: int = 1) -> Origin:
    return Origin.of("predictions", version, SPEC, BINNING)


def store(root: Path, rows: pl.DataFrame = TRAFFIC, version: int = 1, windows: np.ndarray = WINDOWS) -> None:
    for part, outcome in ((ROWS, None), (OUTCOMES, "late")):
        until = int(windows[-1]) + DAY
        found = profile(rows, SPEC, BINNING, windows, until, outcome)
        store_profile(root, "parcels", found, windows, part, origin(version))


def cells(cube: Cube) -> Counter[tuple[object, ...]]:
    out: Counter[tuple[object, ...]] = Counter()
    for (w, s, h, b), sums in zip(cube.at.tolist(), cube.sums.round(9).tolist(), strict=True):
        key = (int(cube.windows[w]), cube.segments[s].text, h, b, *sums)
        out[key] += 1
    assert not out or out.most_common(1)[0][1] == 1
    return out


def test_before_anything_is_stored_there_is_an_empty_cube(tmp_path: Path) -> None:
    cube = read_cube(tmp_path, "parcels", SPEC, BINNING, SINCE, UNTIL)
    assert (len(cube.windows), len(cube.at), cube.segments) == (0, 0, ())
    assert profiled(tmp_path, "parcels").is_empty()


def test_what_was_stored_is_read_back_as_the_cube_of_the_rows(tmp_path: Path) -> None:
    store(tmp_path)
    cube = read_cube(tmp_path, "parcels", SPEC, BINNING, SINCE, UNTIL)
    own = cube_of(TRAFFIC, BINNING, SPEC, SINCE, UNTIL, "late")
    assert cells(cube) == cells(own)
    assert cube.windows.tolist() == own.windows.tolist() == WINDOWS.tolist(), "an empty day is a window too"
    assert cube.axes == place_axes(SPEC)
    assert cube.measure("rows").sum() == TRAFFIC.height * len(BINNING.columns)
    assert 0 < cube.measure("labelled").sum() < cube.measure("rows").sum()
    assert (np.diff(cube.at[:, 0]) >= 0).all()
    part = read_cube(tmp_path, "parcels", SPEC, BINNING, int(WINDOWS[1]), int(WINDOWS[2]))
    assert part.windows.tolist() == [WINDOWS[1]]


def test_a_window_is_replaced_and_the_others_stay(tmp_path: Path) -> None:
    store(tmp_path)
    before = profiled(tmp_path, "parcels")
    assert before["rows"].to_list()[0::2][3] == before["rows"][6] == 0
    assert before.filter(pl.col("part") == ROWS)["rows"].sum() == TRAFFIC.height
    more = messy(300, int(WINDOWS[1]), int(WINDOWS[2]), seed=5)
    for _ in range(2):
        store(tmp_path, more, version=7, windows=WINDOWS[1:2])
    after = profiled(tmp_path, "parcels")
    assert after["version"].to_list() == [1, 1, 7, 7, 1, 1, 1, 1]
    both = pl.concat(
        [TRAFFIC.filter(~pl.col("sent").dt.epoch("us").is_between(WINDOWS[1], WINDOWS[2] - 1)), more]
    )
    found = read_cube(tmp_path, "parcels", SPEC, BINNING, SINCE, UNTIL)
    assert cells(found) == cells(cube_of(both, BINNING, SPEC, SINCE, UNTIL, "late"))


def test_outcomes_that_came_are_summed_over_the_predictions_they_belong_to(tmp_path: Path) -> None:
    rows = TRAFFIC.unique(["parcel", "sent"]).filter(pl.col("parcel").is_not_null())
    table = table_of(tmp_path, stored(rows), stored(rows[:9], role="shadow"))
    told = stored(rows).select("key").with_columns(late=rows["late"]).drop_nulls()
    items = [Item(0, key, 0, value, UNTIL) for key, value in told.iter_rows()]
    new = outcome_rows([Report(UNTIL, "r", items)])
    add_outcomes(tmp_path, (table, outcomes_table(tmp_path, "parcels")), new, "sent", None)
    found = matched(tmp_path, "parcels", SPEC, SINCE, UNTIL)
    profiles = [
        profile(known, SPEC, BINNING, WINDOWS, UNTIL, outcome, stored=outcome == "outcome")
        for known, outcome in ((found, "outcome"), (rows, "late"))
    ]
    measures = pl.col("labelled", "outcome", "expected", "variance", "loss").round(9)
    first, second = (
        each.with_columns(measures).sort("window", "segment", "hour", "bin") for each in profiles
    )
    assert first.equals(second) and first["labelled"].sum() == told.height * len(BINNING.columns)


def test_profiles_of_another_binning_are_not_read_together(tmp_path: Path) -> None:
    store(tmp_path)
    other = fit_binning(TRAFFIC.head(100), SPEC)
    assert profile_digest(SPEC, other) != profile_digest(SPEC, BINNING)
    assert len(read_cube(tmp_path, "parcels", SPEC, other, SINCE, UNTIL).windows) == 0
    assert read_profiles(tmp_path, "parcels", profile_digest(SPEC, other), SINCE, UNTIL).is_empty()


def test_rows_of_a_window_that_is_not_named_are_refused(tmp_path: Path) -> None:
    found = profile(TRAFFIC, SPEC, BINNING, WINDOWS, UNTIL)
    with pytest.raises(ValueError, match="none of its windows"):
        store_profile(tmp_path, "parcels", found, WINDOWS[:1], ROWS, origin())


def test_writers_at_the_same_time_leave_every_window_once(tmp_path: Path) -> None:
    found = profile(TRAFFIC, SPEC, BINNING, WINDOWS, UNTIL)
    micros = pl.col("window").dt.epoch("us")

    def write(at: int) -> None:
        start = WINDOWS[at % 2 : at % 2 + 1]
        own = found.filter(micros == int(start[0]))
        store_profile(tmp_path, "parcels", own, start, ROWS, origin(at))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    notes = profiled(tmp_path, "parcels")
    assert notes["window"].dt.epoch("us").to_list() == WINDOWS[:2].tolist()
    cube = read_cube(tmp_path, "parcels", SPEC, BINNING, SINCE, UNTIL)
    assert cube.measure("rows").sum() == notes["rows"].sum() * len(BINNING.columns)


def test_of_two_that_make_the_table_the_second_replaces_what_the_first_wrote(tmp_path: Path) -> None:
    found = profile(TRAFFIC, SPEC, BINNING, WINDOWS, UNTIL)
    late = ProfilesTable(tmp_path, "parcels")  # opened before there is anything
    store_profile(tmp_path, "parcels", found, WINDOWS, ROWS, origin(1))
    assert late.delta is None
    store_profile(tmp_path, "parcels", found, WINDOWS, ROWS, origin(2), late)
    assert profiled(tmp_path, "parcels")["version"].to_list() == [2] * len(WINDOWS)


def test_many_small_writes_become_few_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jomon.data.profiles_table._FILES", 3)
    for version in range(3):
        store(tmp_path, version=version)
    table = ProfilesTable(tmp_path, "parcels").delta
    assert table is not None and len(table.file_uris()) <= 4
    assert profiled(tmp_path, "parcels")["version"].unique().to_list() == [2]


def test_a_writer_that_is_killed_leaves_the_old_window_or_the_new_one(tmp_path: Path) -> None:
    store(tmp_path)
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "import data.test_profiles_table as t\n"
        "version = 1\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    version += 1\n"
        "    found = t.profile(t.TRAFFIC, t.SPEC, t.BINNING, t.WINDOWS, t.UNTIL)\n"
        "    t.store_profile(Path(sys.argv[2]), 'parcels', found, t.WINDOWS, t.ROWS, t.origin(version))\n"
    )
    for wait in (0.05, 0.4):
        tests = str(Path(__file__).parents[1])
        writer = subprocess.Popen(
            [sys.executable, "-c", program, tests, str(tmp_path)], stdout=subprocess.PIPE
        )
        assert writer.stdout is not None and writer.stdout.readline()
        time.sleep(wait)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        notes = profiled(tmp_path, "parcels").filter(pl.col("part") == ROWS)
        assert notes.height == len(WINDOWS) and notes["version"].n_unique() == 1
        cube = read_cube(tmp_path, "parcels", SPEC, BINNING, SINCE, UNTIL)
        assert cube.measure("rows").sum() == TRAFFIC.height * len(BINNING.columns)
