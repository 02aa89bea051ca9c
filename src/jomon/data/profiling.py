"""Profiles: rows become counts by window, segment, local hour and bin, in one DuckDB aggregate over the whole fleet.

Rows are read once, into a small table of codes (one integer for window, segment and hour, one byte for each column);
its counts are then taken by direct addressing, so that neither texts nor numbers are hashed once for each column.
Profiles add up: those of two halves of the rows are the profile of all, but for duplicates, which are looked for
within the rows at hand.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import polars as pl

from jomon.core.binning import Binning
from jomon.core.cubes import place_axes
from jomon.core.errors import DataError
from jomon.core.spec import ProjectSpec
from jomon.core.table import Ints
from jomon.data.assemble import series_of
from jomon.data.binning import texts_of
from jomon.data.predictions import stored_name
from jomon.data.profile_run import PROFILE, ProfileRun, Stream
from jomon.data.row_files import RowFiles

if TYPE_CHECKING:
    import duckdb


_USELESS = (pl.Object, pl.Null, pl.Categorical, pl.Enum)


def profile(
    rows: pl.DataFrame | RowFiles,
    spec: ProjectSpec,
    binning: Binning,
    windows: Ints,
    until_us: int,
    outcome: str | None = None,
    *,
    stored: bool | None = None,
) -> pl.DataFrame:
    """The profile of `rows` in the windows that begin at `windows` (int64[W] microseconds UTC, in order, each ending
    where the next begins and the last at `until_us`): the columns `PROFILE`, cells without rows left out.

    Without `outcome`, `rows` is counted and the other measures are 0. With it, the column of rows that holds outcomes,
    `rows` is 0 and the others are summed over the rows that have an outcome, an `answer` and a `margin`. Rows that ran
    in the shadow are left out. `stored` says that columns are called as in the table of predictions, and not as in gold
    (None: so they are in files, and not in a frame). A column that rows lack is missing in all of them. Raises
    `DataError` where rows cannot be read, or have no time.
    """
    none = isinstance(rows, pl.DataFrame) and not rows.height
    if none or not len(windows) or until_us <= int(windows[0]):
        return pl.DataFrame(schema=PROFILE)
    stored = isinstance(rows, RowFiles) if stored is None else stored
    with _opened(rows, _texts(spec, binning, stored=stored)) as (database, source):
        run = ProfileRun(database, source, spec, binning, windows, until_us, outcome, stored)
        return run.profile()


def _texts(spec: ProjectSpec, binning: Binning, *, stored: bool) -> set[str]:
    """The columns whose values are compared as texts: categories, and axes that are no numeric feature."""
    names = {column.name for column in binning.columns if column.kind == "category"}
    names |= set(place_axes(spec)) - set(spec.data.features.numeric)
    return {stored_name(name) for name in names} if stored else names


@contextmanager
def _opened(
    rows: pl.DataFrame | RowFiles, texts: set[str]
) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
    """A database in memory, and what stands for the rows in it."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="jomon-profile-") as spill, duckdb.connect() as database:
        database.execute("SET temp_directory = ?", [spill])
        database.execute("SET preserve_insertion_order = false")
        database.execute("SET TimeZone = 'UTC'")
        try:
            if isinstance(rows, RowFiles):
                yield database, rows.source
            else:
                database.register("frame", Stream(_plain(rows, texts)))
                yield database, "frame"
        except duckdb.Error as error:
            first = str(error).strip().split("\n")[0].rstrip(".")
            again = "; profile them again, their files may have been joined meanwhile"
            advice = again if isinstance(error, duckdb.IOException) else ""
            raise DataError(f"The rows cannot be profiled: {first}{advice}.") from error


def _plain(rows: pl.DataFrame, texts: set[str]) -> pl.DataFrame:
    """Rows with the columns `texts` as text, and without those that DuckDB has no use for."""
    return pl.DataFrame(
        [
            series_of(name, texts_of(name, rows[name])) if name in texts and kind != pl.String else rows[name]
            for name, kind in rows.schema.items()
            if name in texts or not (kind.is_nested() or kind in _USELESS)
        ]
    )
