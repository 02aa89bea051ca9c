"""Cubes out of profiles: those of the table, and those of rows at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from jomon.core.binning import Binning
from jomon.core.cubes import MEASURES, Cube, place_axes
from jomon.core.segments import Segment
from jomon.core.spec import ProjectSpec
from jomon.core.table import Ints
from jomon.core.windows import windows_between
from jomon.data.profiles_table import profile_digest, read_profiles
from jomon.data.profiling import profile
from jomon.data.row_files import RowFiles


def read_cube(
    root: Path | str, fleet: str, spec: ProjectSpec, binning: Binning, since_us: int, until_us: int
) -> Cube:
    """The cube of all windows that begin from `since_us` to before `until_us` (microseconds UTC) and were profiled with
    this binning; a window without rows is one of it, one that was not profiled is not.

    Raises `DataError` where the table cannot be read.
    """
    names = ["window", "segment", "hour", "bin", *MEASURES]
    found = read_profiles(root, fleet, profile_digest(spec, binning), since_us, until_us, names)
    return _cube(found, _micros(found["window"].unique()), spec, binning)


def cube_of(
    rows: pl.DataFrame | RowFiles,
    binning: Binning,
    spec: ProjectSpec,
    since_us: int,
    until_us: int,
    outcome: str | None = None,
    *,
    stored: bool | None = None,
) -> Cube:
    """The cube of `rows` over all windows that begin from `since_us` to before `until_us`, which is where the last one
    ends; with the column of outcomes, all measures. See `jomon.data.profiling.profile` for the columns of rows."""
    windows = windows_between(spec, since_us, until_us)
    parts = [profile(rows, spec, binning, windows, until_us, stored=stored)]
    if outcome is not None:
        parts.append(profile(rows, spec, binning, windows, until_us, outcome, stored=stored))
    return _cube(pl.concat(parts), windows, spec, binning)


def _cube(found: pl.DataFrame, windows: Ints, spec: ProjectSpec, binning: Binning) -> Cube:
    """Rows of profiles, cells of several parts added up, in order of window, segment, hour and bin."""
    windows = np.sort(windows)
    found = found.filter(pl.col("bin") >= 0)
    codes, texts = _coded(found["segment"])
    window = np.searchsorted(windows, _micros(found["window"]))
    place = (window * max(len(texts), 1) + codes) * 24 + found["hour"].to_numpy()
    place = place * binning.width + found["bin"].to_numpy()
    sums = np.column_stack([found[name].cast(pl.Float64).to_numpy() for name in MEASURES])
    place, sums = _added(place, sums)
    at = np.empty((len(place), 4), np.int64)
    for column, size in ((3, binning.width), (2, 24), (1, max(len(texts), 1))):
        place, at[:, column] = np.divmod(place, size)
    at[:, 0] = place
    segments = tuple(Segment.parse(text) for text in texts)
    return Cube(place_axes(spec), windows, segments, binning, at, sums)


def _coded(segments: pl.Series) -> tuple[Ints, list[str]]:
    """The place of each text among all of them, and these in order."""
    texts = segments.unique().sort()
    codes = segments.cast(pl.Enum(texts)).to_physical().to_numpy().astype(np.int64)
    return codes, texts.to_list()


def _added(place: Ints, sums: np.ndarray) -> tuple[Ints, np.ndarray]:
    """Entries in order of `place`, those of one place added up."""
    if not len(place):
        return place.astype(np.int64), sums
    if not (place[1:] > place[:-1]).all():
        order = np.argsort(place, kind="stable")
        place, sums = place[order], sums[order]
    first = np.flatnonzero(np.concatenate([[True], place[1:] != place[:-1]]))
    if len(first) == len(place):
        return place, sums
    return place[first], np.add.reduceat(sums, first, axis=0)


def _micros(column: pl.Series) -> Ints:
    return column.to_physical().to_numpy().astype(np.int64)
