"""The Parquet files of a table of predictions that may hold rows of a span of time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import polars as pl

from jomon.core.spec import ProjectSpec
from jomon.data.log_table import LogTable
from jomon.data.outcomes import instant
from jomon.data.predictions import stored_name

_SLACK = 1_000
"""Microseconds: the log rounds the times that it tells of each file to milliseconds."""


@dataclass(frozen=True)
class RowFiles:
    """Files at one version of a table."""

    paths: tuple[str, ...]

    @property
    def source(self) -> str:
        """The files as a table function of DuckDB; a column that some of them lack is null there."""
        files = ", ".join("'" + _literal(path).replace("'", "''") + "'" for path in self.paths)
        return f"read_parquet([{files}], union_by_name = true, hive_partitioning = false)"


def _literal(path: str) -> str:
    """A path in which nothing is a pattern."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in path)


def prediction_rows_of(
    table: LogTable, spec: ProjectSpec, since_us: int, until_us: int
) -> pl.DataFrame | RowFiles:
    """The rows of a table of predictions from `since_us` to before `until_us` (microseconds UTC), to be profiled:
    files on this machine, or of a table in an object store the rows themselves; an empty frame where there is none."""
    if table.delta is None:
        return pl.DataFrame()
    time = stored_name(spec.data.time)
    if "://" in table.uri:
        with table.reading():
            lazy = pl.scan_delta(table.delta)
            return lazy.filter(
                (pl.col(time) >= instant(since_us)) & (pl.col(time) < instant(until_us))
            ).collect()
    files = _files(table)
    least, most = f"min.{time}", f"max.{time}"
    if least in files.columns and most in files.columns:
        first, last = (pl.col(name).dt.epoch("us") for name in (least, most))
        may = (last + _SLACK >= since_us) & (first - _SLACK < until_us)
        files = files.filter(may.fill_null(value=True))
    paths = [str(Path(table.uri) / unquote(path)) for path in files["path"]]
    return RowFiles(tuple(paths)) if paths else pl.DataFrame()


def _files(table: LogTable) -> pl.DataFrame:
    assert table.delta is not None
    with table.reading():
        return pl.DataFrame(table.delta.get_add_actions(flatten=True)).sort("path")
