"""What a check reads: profiles of every window so far, brought up to the rows and outcomes that came since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jomon.core.binning import Binning
from jomon.core.errors import DataError
from jomon.core.spec import ProjectSpec
from jomon.core.table import Ints
from jomon.core.windows import window_at, windows_between
from jomon.project.fleet import Fleet
from jomon.project.home import Home

if TYPE_CHECKING:
    import polars as pl

    from jomon.core.cubes import Cube

OUTCOME = "outcome"


@dataclass(frozen=True, eq=False)
class Inputs:
    """Profiles of all windows of a fleet.

    `cube`: windows of the history and of predictions; `ends` int64[W]: where each ends; `served` bool[W]: which are of
    predictions; `changed`: starts of windows of which rows or outcomes came since they were profiled last; `received`:
    when the last row and the last outcome came (None: never).
    """

    cube: Cube
    ends: Ints
    served: np.ndarray
    changed: frozenset[int]
    received: tuple[int | None, int | None]
    notes: tuple[str, ...]


def bring_up(home: Home, fleet: Fleet, spec: ProjectSpec, now_us: int) -> Inputs:
    """Profile what is new, and read all. `spec`: the project's, whose section `monitor` counts.

    Raises `DataError` where nothing was predicted yet, or tables cannot be read.
    """
    from jomon.data.cubes import read_cube

    span = _served_span(home, spec)
    first = window_at(spec, span[0])[0]
    last = window_at(spec, min(span[1], now_us))[1]
    notes = []
    if span[1] > now_us:
        notes.append("Some rows are of a time that has not come yet: a clock that sends them runs ahead.")
    binning = fleet.reference or _fitted(home, fleet, spec, first)
    begin = _history_start(spec, first)
    changed = _profile_served(home, spec, binning, first, last)
    _profile_gold(home, fleet, spec, binning, begin, first)
    cube = read_cube(home.tables, spec.fleet, spec, binning, begin, last)
    ends = np.append(cube.windows[1:], last).astype(np.int64)
    return Inputs(cube, ends, cube.windows >= first, changed, _received(home, spec), tuple(notes))


def _served_span(home: Home, spec: ProjectSpec) -> tuple[int, int]:
    """Times of the first and the last row that was answered."""
    import polars as pl

    from jomon.data.predictions import predictions_table, stored_name

    lazy = predictions_table(home.tables, spec.fleet).scan()
    if lazy is not None:
        time = pl.col(stored_name(spec.data.time)).dt.epoch("us")
        least, most = lazy.select(time.min().alias("a"), time.max().alias("b")).collect().row(0)
        if least is not None:
            return int(least), int(most)
    raise DataError(
        f"Nothing that {spec.fleet} answered is in the tables yet: serve it (`jomon serve`), or play recorded rows "
        "(`jomon replay`), and look again."
    )


def _received(home: Home, spec: ProjectSpec) -> tuple[int | None, int | None]:
    """When the last row and the last outcome came."""
    import polars as pl

    from jomon.data.outcomes_table import outcomes_table
    from jomon.data.predictions import predictions_table

    out: list[int | None] = []
    for table in (predictions_table(home.tables, spec.fleet), outcomes_table(home.tables, spec.fleet)):
        lazy = table.scan()
        last = (
            None if lazy is None else lazy.select(pl.col("received_at").dt.epoch("us").max()).collect().item()
        )
        out.append(None if last is None else int(last))
    return out[0], out[1]


def _history_start(spec: ProjectSpec, first: int) -> int:
    length = round(spec.monitor.window.total_seconds() * 1e6)
    return window_at(spec, first - spec.monitor.history * length)[0]


def _profile_served(home: Home, spec: ProjectSpec, binning: Binning, first: int, last: int) -> frozenset[int]:
    """Profile the windows of predictions of which something came since."""
    import polars as pl

    from jomon.data.outcomes import matched
    from jomon.data.predictions import predictions_table, stored_name
    from jomon.data.profiles_table import OUTCOMES, ROWS, Origin, store_profile
    from jomon.data.profiling import profile
    from jomon.data.row_files import prediction_rows_of

    windows = windows_between(spec, first, last)
    table = predictions_table(home.tables, spec.fleet)
    lazy = table.scan()
    assert lazy is not None
    assert table.delta is not None
    time = stored_name(spec.data.time)
    origin = Origin.of("predictions", int(table.delta.version()), spec, binning)
    known = _known(home, spec, origin.digest)
    times = lazy.filter(pl.col("role") != "shadow").select(pl.col(time).dt.epoch("us")).collect()[time]
    counts = _count(times.to_numpy(), windows, last)
    new = windows[[counts[i] != known.get((int(w), ROWS)) for i, w in enumerate(windows)]]
    for part in _runs(new, windows, last):
        rows = prediction_rows_of(table, spec, part[0], part[1])
        found = profile(rows, spec, binning, part[2], part[1], stored=True)
        store_profile(home.tables, spec.fleet, found, part[2], ROWS, origin)
    labelled = matched(home.tables, spec.fleet, spec, columns=[time, "role"]).filter(
        pl.col("role") != "shadow"
    )
    outcomes = _count(labelled[time].dt.epoch("us").to_numpy(), windows, last)
    late = windows[[outcomes[i] != known.get((int(w), OUTCOMES), 0) for i, w in enumerate(windows)]]
    for part in _runs(late, windows, last):
        rows = matched(home.tables, spec.fleet, spec, part[0], part[1])
        found = profile(rows, spec, binning, part[2], part[1], OUTCOME, stored=True)
        store_profile(home.tables, spec.fleet, found, part[2], OUTCOMES, origin)
    return frozenset(int(w) for w in (*new, *late))


def _profile_gold(
    home: Home, fleet: Fleet, spec: ProjectSpec, binning: Binning, begin: int, first: int
) -> None:
    """Profile the windows of gold before the first that was served, answered by the image."""
    from jomon.data.profiles_table import OUTCOMES, ROWS, Origin, store_profile
    from jomon.data.profiling import profile

    windows = windows_between(spec, begin, first)
    origin = Origin.of("gold", 0, spec, binning)
    known = _known(home, spec, origin.digest)
    new = windows[[(int(w), ROWS) not in known for w in windows]]
    for start, end, part in _runs(new, windows, first):
        rows = answered_gold(home, fleet, spec, start, end)
        if rows is None:
            return
        times = rows[spec.data.time].dt.epoch("us").to_numpy()
        kept = part[_count(times, part, end) > 0]
        for name, outcome in ((ROWS, None), (OUTCOMES, OUTCOME)):
            found = profile(rows, spec, binning, part, end, outcome, stored=False)
            store_profile(home.tables, spec.fleet, found, kept, name, origin)


def answered_gold(home: Home, fleet: Fleet, spec: ProjectSpec, start: int, end: int) -> pl.DataFrame | None:
    """The rows of gold in a span of time with what the image answers, and their outcome if it did not learn from it.

    None where there is no gold.
    """
    import polars as pl

    from jomon.data.gold import GOLD, TARGET, read_gold
    from jomon.data.outcomes import instant
    from jomon.data.tables import LayerTable
    from jomon.engine.runtime import answers_of

    try:
        gold = read_gold(home.tables, fleet.runtime.spec, since=start, before=end)
        time = pl.col(spec.data.time)
        lazy = LayerTable(home.tables, GOLD).scan().filter((time >= instant(start)) & (time < instant(end)))
        order = list(dict.fromkeys((spec.data.time, *spec.data.key)))
        frame = lazy.collect()
    except DataError:
        return None
    if not frame.select(pl.struct(order).alias("order"))["order"].is_sorted():
        frame = frame.sort(order, maintain_order=True)
    runtime = fleet.runtime
    scores = runtime.engine.score(runtime.encoder.encode(gold.table), gold.codes, gold.has)
    margin = np.where(scores.answered >= 0, scores.margin, np.nan)
    learned = gold.time < runtime.context.local.day_start(runtime.end_day)
    outcome = np.where(learned, np.nan, gold.target)
    return frame.drop(TARGET).with_columns(
        margin=pl.Series(margin).fill_nan(None),
        answer=pl.Series(answers_of(runtime.kind, margin)).fill_nan(None),
        outcome=pl.Series(outcome).fill_nan(None),
    )


def _fitted(home: Home, fleet: Fleet, spec: ProjectSpec, first: int) -> Binning:
    """Bins for an image that brings none, from gold before the first row that was served."""
    from jomon.data.binning import fit_binning

    rows = answered_gold(home, fleet, spec, 0, first)
    if rows is None or not rows.height:
        raise DataError(
            f"The image of {spec.fleet} has no reference, and there are no earlier rows to make one from: build it "
            "again with `jomon build`."
        )
    return fit_binning(rows, spec)


def _known(home: Home, spec: ProjectSpec, digest: str) -> dict[tuple[int, str], int]:
    """Rows that were profiled, by window and part."""
    import polars as pl

    from jomon.data.profiles_table import profiled

    found = profiled(home.tables, spec.fleet).filter(pl.col("binning") == digest)
    starts = found["window"].dt.epoch("us").to_list()
    return dict(zip(zip(starts, found["part"].to_list(), strict=True), found["rows"].to_list(), strict=True))


def _count(times: Ints, windows: Ints, last: int) -> Ints:
    """How many of `times` are in each window."""
    edges = np.append(windows, last)
    return np.histogram(times, edges)[0].astype(np.int64) if len(windows) else np.zeros(0, np.int64)


def _runs(wanted: Ints, windows: Ints, last: int) -> list[tuple[int, int, Ints]]:
    """Windows that follow one another, a month at most, with start and end."""
    edges = np.append(windows, last)
    place = np.searchsorted(windows, wanted)
    out: list[tuple[int, int, Ints]] = []
    run: list[int] = []
    for at in place:
        if run and (at != run[-1] + 1 or len(run) >= 31):
            out.append((int(edges[run[0]]), int(edges[run[-1] + 1]), windows[run]))
            run = []
        run.append(int(at))
    if run:
        out.append((int(edges[run[0]]), int(edges[run[-1] + 1]), windows[run]))
    return out
