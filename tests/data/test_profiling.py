"""A profile is what counting row by row gives, whatever the names and values, and profiles add up."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from jomon.core.binning import Binning
from jomon.core.errors import DataError
from jomon.core.windows import windows_between
from jomon.data.binning import bin_counts, fit_binning
from jomon.data.profile_run import PROFILE, watched_axes
from jomon.data.profiling import profile
from jomon.data.row_files import RowFiles, prediction_rows_of
from jomon.stats.losses import log_loss, poisson_deviance

from .profile_help import DAY, HOUR, ODD, counted, messy, plain, spec_of, stored, table_of, us

SPEC = spec_of()
SINCE, UNTIL = us("2013-03-09"), us("2013-03-12")  # clocks change on the 10th
WINDOWS = windows_between(SPEC, SINCE, UNTIL)
ROWS = messy(1500, SINCE - DAY, UNTIL + DAY)
REFERENCE = messy(800, SINCE - 9 * DAY, SINCE, seed=1).filter(pl.col("depot") != "NULL")
BINNING = fit_binning(REFERENCE, SPEC)
AXES = ("depot", "place", "us")


def expected(rows: pl.DataFrame = ROWS, binning: Binning = BINNING) -> Counter[tuple[int, str, int, int]]:
    return plain(rows, SPEC, binning, WINDOWS, UNTIL, AXES)


def test_the_axes_are_those_of_the_stages() -> None:
    assert watched_axes(SPEC) == AXES


def test_a_frame_is_counted_as_row_by_row_over_a_change_of_the_clocks() -> None:
    found = profile(ROWS, SPEC, BINNING, WINDOWS, UNTIL)
    assert dict(found.schema) == PROFILE
    assert counted(found) == expected()
    assert any("x" * 70_000 in segment for segment in found["segment"].unique())
    hours = found.filter(pl.col("window").dt.epoch("us") == WINDOWS[1])["hour"].unique().to_list()
    assert 2 not in hours and 3 in hours


def test_every_column_has_as_many_rows_and_all_kinds_of_bins_occur() -> None:
    found = profile(ROWS, SPEC, BINNING, WINDOWS, UNTIL)
    by_bin = np.bincount(found["bin"].to_numpy(), found["rows"].to_numpy(), BINNING.width)
    totals = [by_bin[BINNING.slice(at)].sum() for at in range(len(BINNING.columns))]
    assert len(set(totals)) == 1
    depot, select = BINNING.place("depot"), BINNING.place("select")
    assert by_bin[BINNING.slice(depot)][BINNING.columns[depot].unseen] > 0, "NULL is a text here, never seen"
    assert by_bin[BINNING.slice(depot)][BINNING.columns[depot].null] > 0
    assert BINNING.columns[select].rest and by_bin[BINNING.slice(select)][24] > 0
    assert by_bin[BINNING.slice(BINNING.place("key"))][0] > 0


def test_the_files_of_a_table_give_what_their_rows_give(tmp_path: Path) -> None:
    parts = [stored(ROWS[:900]), stored(ROWS[900:]).drop("distance"), stored(ROWS[:50], role="shadow")]
    table = table_of(tmp_path / "it's 100% of *", *parts)
    files = prediction_rows_of(table, SPEC, SINCE, UNTIL)
    assert isinstance(files, RowFiles)
    found = counted(profile(files, SPEC, BINNING, WINDOWS, UNTIL))
    whole = pl.concat([ROWS[:900], ROWS[900:].with_columns(distance=pl.lit(None, pl.Float64))])
    assert found == expected(whole)


def test_only_files_that_may_hold_rows_of_the_span_are_read(tmp_path: Path) -> None:
    days = [messy(30, start, start + DAY, seed=int(start % 97)) for start in WINDOWS.tolist()]
    table = table_of(tmp_path, *(stored(day) for day in days))
    files = prediction_rows_of(table, SPEC, int(WINDOWS[2]) + HOUR, int(WINDOWS[2]) + 2 * HOUR)
    assert isinstance(files, RowFiles) and len(files.paths) == 1
    nothing = prediction_rows_of(table, SPEC, UNTIL + 9 * DAY, UNTIL + 10 * DAY)
    assert profile(nothing, SPEC, BINNING, WINDOWS, UNTIL).is_empty()
    assert prediction_rows_of(table_of(tmp_path / "none"), SPEC, SINCE, UNTIL).is_empty()


def test_profiles_of_two_halves_add_up_to_that_of_all_but_for_duplicates() -> None:
    rows = ROWS.unique(["parcel", "sent"], maintain_order=True).filter(pl.col("parcel").is_not_null())
    halves = [counted(profile(half, SPEC, BINNING, WINDOWS, UNTIL)) for half in (rows[:700], rows[700:])]
    added = Counter(halves[0])
    added.update(halves[1])
    assert added == counted(profile(rows, SPEC, BINNING, WINDOWS, UNTIL))


def test_the_first_row_of_a_key_is_the_one_that_was_received_first() -> None:
    inside = pl.col("sent").dt.epoch("us").is_between(SINCE, UNTIL - 1)
    one = ROWS.filter(inside & pl.col("parcel").is_not_null())[:1]
    twice = pl.concat([one.with_columns(place=pl.lit("here")), one.with_columns(place=pl.lit("there"))])
    first = int(BINNING.starts[BINNING.place("key", "duplicates")])
    for rows, place in ((twice, "there"), (twice[::-1], "here")):
        found = profile(stored(rows), SPEC, BINNING, WINDOWS, UNTIL, stored=True)
        doubled = found.filter(pl.col("bin") == first)
        assert doubled["rows"].to_list() == [1]
        assert f"place={place}" in doubled["segment"][0]


def test_no_rows_one_row_and_no_windows() -> None:
    assert profile(ROWS.clear(), SPEC, BINNING, WINDOWS, UNTIL).is_empty()
    assert profile(ROWS, SPEC, BINNING, WINDOWS[:0], UNTIL).is_empty()
    assert profile(ROWS, SPEC, BINNING, np.array([UNTIL + 9 * DAY]), UNTIL + 10 * DAY).is_empty()
    row = ROWS.filter(pl.col("sent").dt.epoch("us").is_between(SINCE, UNTIL - 1))[:1]
    found = profile(row, SPEC, BINNING, WINDOWS, UNTIL)
    assert found.height == len(BINNING.columns) and found["rows"].to_list() == [1] * found.height


def test_what_is_hidden_is_neither_watched_nor_an_axis_and_a_lost_column_is_missing() -> None:
    spec = spec_of(serving="{log: {hash: [depot], leave_out: [distance]}}")
    binning = fit_binning(REFERENCE, spec)
    assert {"depot", "distance"}.isdisjoint(column.name for column in binning.columns)
    found = profile(ROWS.drop("place"), spec, binning, WINDOWS, UNTIL)
    assert {segment.split("=")[0] for segment in found["segment"].unique()} == {"us", "(all)"}
    place = binning.place("place")
    counts = np.bincount(found["bin"].to_numpy(), found["rows"].to_numpy(), binning.width)[
        binning.slice(place)
    ]
    assert counts.nonzero()[0].tolist() == [binning.columns[place].null]


def test_rows_without_their_time_are_refused() -> None:
    with pytest.raises(DataError, match="no column 'sent'"):
        profile(ROWS.drop("sent"), SPEC, BINNING, WINDOWS, UNTIL)


def test_files_that_went_or_are_no_tables_are_an_error_that_says_so(tmp_path: Path) -> None:
    gone = RowFiles((str(tmp_path / "gone.parquet"),))
    with pytest.raises(DataError, match=r"cannot be profiled: .*gone\.parquet.*profile them again"):
        profile(gone, SPEC, BINNING, WINDOWS, UNTIL)
    (tmp_path / "text.parquet").write_text("no table")
    with pytest.raises(DataError, match="cannot be profiled"):
        profile(RowFiles((str(tmp_path / "text.parquet"),)), SPEC, BINNING, WINDOWS, UNTIL)


@pytest.mark.parametrize("kind", ["binary", "regression", "count"])
def test_outcomes_are_summed_by_the_same_cells(kind: str) -> None:
    spec = spec_of(kind=kind)
    rows = ROWS.with_columns(late=pl.col("late") * 3) if kind == "count" else ROWS
    if kind != "binary":
        rows = rows.with_columns(answer=pl.col("margin").exp() if kind == "count" else pl.col("margin"))
    found = profile(rows, spec, BINNING, WINDOWS, UNTIL, "late")
    known = rows.filter(pl.col("late").is_not_null())
    labelled = counted(found, "labelled")
    assert labelled == plain(known, spec, BINNING, WINDOWS, UNTIL, AXES)
    inside = known.filter(pl.col("sent").dt.epoch("us").is_between(SINCE, UNTIL - 1))
    y, p, m = (inside[name].to_numpy() for name in ("late", "answer", "margin"))
    sums = {
        "binary": (p * (1 - p), log_loss(y, m)),
        "regression": (np.zeros_like(p), (y - p) ** 2),
        "count": (p, poisson_deviance(y, m)) if kind == "count" else (p, p),
    }[kind]
    first = found.filter(pl.col("bin") < BINNING.columns[0].width)
    got = first.select(pl.col("outcome", "expected", "variance", "loss").sum()).row(0)
    assert got == pytest.approx((y.sum(), p.sum(), sums[0].sum(), sums[1].sum()))
    assert found["rows"].sum() == 0


def test_before_1970_hours_are_told_as_well() -> None:
    spec = spec_of(zone="America/New_York", window="1d")
    since, until = us("1968-10-26"), us("1968-10-29")
    rows = messy(200, since, until, seed=3)
    windows = windows_between(spec, since, until)
    found = profile(rows, spec, BINNING, windows, until)
    assert counted(found) == plain(rows, spec, BINNING, windows, until, AXES)


def test_windows_of_hours_over_many_changes_of_length() -> None:
    spec = spec_of(zone="Australia/Lord_Howe", window="5h")
    since, until = us("2024-04-01", "Australia/Lord_Howe"), us("2024-10-20", "Australia/Lord_Howe")
    rows = messy(800, since, until, seed=4)
    windows = windows_between(spec, since, until)
    found = profile(rows, spec, BINNING, windows, until)
    assert counted(found) == plain(rows, spec, BINNING, windows, until, AXES)


def test_a_binning_is_the_same_whatever_the_order_and_holds_what_it_was_fitted_to() -> None:
    assert fit_binning(REFERENCE[::-1], SPEC).text == BINNING.text
    assert Binning.from_canonical(BINNING.canonical()) == BINNING
    counts = bin_counts(REFERENCE, BINNING, SPEC)
    for at, column in enumerate(BINNING.columns):
        own = counts[BINNING.slice(at)]
        assert own.sum() == REFERENCE.height and own[column.unseen] == 0
    distance = BINNING.columns[BINNING.place("distance")]
    assert len(distance.edges) >= SPEC.monitor.bins - 1 and distance.least is not None
    depot = BINNING.columns[BINNING.place("depot")]
    assert set(depot.values) == set(ODD) - {"NULL"}


def test_columns_of_nulls_or_one_value_have_bins_too() -> None:
    rows = REFERENCE.with_columns(distance=pl.lit(None, pl.Float64), depot=pl.lit(None, pl.String))
    binning = fit_binning(rows, SPEC)
    assert binning.columns[binning.place("distance")].size == 1
    found = profile(ROWS, SPEC, binning, WINDOWS, UNTIL)
    assert counted(found) == expected(binning=binning)


def test_the_reference_counts_are_those_of_a_profile() -> None:
    windows = windows_between(SPEC, SINCE - 9 * DAY, SINCE)
    rows = REFERENCE.unique(["parcel", "sent"]).filter(pl.col("parcel").is_not_null())
    found = profile(rows, SPEC, BINNING, np.array([SINCE - 10 * DAY, *windows]), SINCE)
    summed = np.bincount(found["bin"].to_numpy(), found["rows"].to_numpy(), BINNING.width)
    assert summed.tolist() == bin_counts(rows, BINNING, SPEC).tolist()


def test_neither_frames_nor_files_need_pyarrow(tmp_path: Path) -> None:
    ROWS.write_parquet(tmp_path / "rows.parquet")
    program = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "import numpy as np, polars as pl\n"
        "from profile_help import spec_of\n"
        "from jomon.data.binning import fit_binning\n"
        "from jomon.data.profiling import profile\n"
        "from jomon.data.row_files import RowFiles\n"
        f"path = {str(tmp_path / 'rows.parquet')!r}\n"
        "rows, spec = pl.read_parquet(path), spec_of()\n"
        "binning = fit_binning(rows, spec)\n"
        f"for given in (rows, RowFiles((path,))):\n"
        f"    assert profile(given, spec, binning, np.array([{SINCE}]), {UNTIL}, stored=False).height\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    assert done.returncode == 0, done.stderr
