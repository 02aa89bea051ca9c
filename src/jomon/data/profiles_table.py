"""The table of profiles: what was counted of each window, so that the cost of a check grows with its new rows only.

A window has two parts: `rows`, counted when it is over, and `outcomes`, summed when they are known. Each is written in
one transaction that puts it in place of what the table had of the same windows and part; other windows stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from jomon.core.binning import Binning
from jomon.core.errors import DataError
from jomon.core.spec import ProjectSpec
from jomon.core.table import Ints
from jomon.data.log_table import SETTINGS, LogTable
from jomon.data.predictions import INSTANT
from jomon.data.profile_run import PROFILE, watched_axes
from jomon.data.tables import open_table
from jomon.oci.digest import Digest

if TYPE_CHECKING:
    from deltalake import CommitProperties

Part = Literal["rows", "outcomes"]
Source = Literal["gold", "predictions"]
ROWS: Part = "rows"
OUTCOMES: Part = "outcomes"
SCHEMA: dict[str, Any] = {
    **PROFILE,
    "part": pl.String,
    "source": pl.String,
    "version": pl.Int64,
    "binning": pl.String,
}
"""Of each window and part one row without segment says that it was profiled, of how many rows (`rows`), and from which
version of which table."""
_APPLICATION = "jomon.profiles"
_TRIES = 5
_FILES = 64
"""Many small files are joined when there are more."""


class ProfilesTable(LogTable):
    """The table `profiles/FLEET` under a root folder or object store URL; it is made by the first profile."""

    kept = "profile the windows again"

    def __init__(self, root: Path | str, fleet: str) -> None:
        super().__init__(root, f"profiles/{fleet}")


@dataclass(frozen=True)
class Origin:
    """Where profiles come from: a table and its version; the binning, and the digest of all that decides what their
    numbers mean (`profile_digest`)."""

    source: Source
    version: int
    binning: Binning
    digest: str

    @classmethod
    def of(cls, source: Source, version: int, spec: ProjectSpec, binning: Binning) -> Origin:
        """The origin of profiles of a project's rows."""
        return cls(source, version, binning, profile_digest(spec, binning))


def profile_digest(spec: ProjectSpec, binning: Binning) -> str:
    """The digest of all that decides what a profile's numbers mean: profiles of another one are not read together."""
    document = {
        "binning": binning.canonical(),
        "axes": list(watched_axes(spec)),
        "zone": spec.data.zone,
        "window": spec.monitor.window.total_seconds(),
        "kind": spec.data.target.kind,
    }
    return str(Digest.of_json(document))


def store_profile(
    root: Path | str,
    fleet: str,
    profile: pl.DataFrame,
    windows: Ints,
    part: Part,
    origin: Origin,
    table: ProfilesTable | None = None,
) -> None:
    """Put `profile` in place of what the table has of `part` of `windows` (int64[W], microseconds UTC).

    All in one transaction, whoever else writes: after a crash the table has the old windows or the new ones. A window
    without rows in `profile` is noted as one that has none. `table` is the table, if it is open already. Raises
    `DataError` where the table cannot be written.
    """
    if not len(windows):
        return
    frame = _noted(profile, windows, part, origin)
    table = ProfilesTable(root, fleet) if table is None else table
    for attempt in range(_TRIES):
        try:
            _write(table, frame, windows, part)
            break
        except _MovedError:
            if attempt == _TRIES - 1:
                raise DataError(
                    f"Others keep writing the table {table.name} at {table.uri}: nothing was written, try again."
                ) from None
            table = ProfilesTable(root, fleet)
    _keep_up(table)


def profiled(root: Path | str, fleet: str) -> pl.DataFrame:
    """What was profiled: window, part, source, version, binning (digest) and rows (of part `outcomes` those that have
    one), in order of window and part."""
    table = ProfilesTable(root, fleet)
    names = ["window", "part", "source", "version", "binning", "rows"]
    if table.delta is None:
        return pl.DataFrame(schema={name: SCHEMA[name] for name in names})
    lazy = table.scan()
    assert lazy is not None
    with table.reading():
        return lazy.filter(pl.col("bin") == -1).select(names).sort("window", "part").collect()


def read_profiles(
    root: Path | str,
    fleet: str,
    digest: str,
    since_us: int,
    until_us: int,
    columns: Sequence[str] | None = None,
) -> pl.DataFrame:
    """The rows of the table of windows that begin from `since_us` to before `until_us` (microseconds UTC), of profiles
    of this `digest`; an empty frame where there is none. Rows with bin -1 note windows."""
    table = ProfilesTable(root, fleet)
    names = list(SCHEMA if columns is None else columns)
    if table.delta is None:
        return pl.DataFrame(schema={name: SCHEMA[name] for name in names})
    lazy = table.scan()
    assert lazy is not None
    start, end = (pl.lit(us).cast(INSTANT) for us in (since_us, until_us))
    within = (pl.col("window") >= start) & (pl.col("window") < end)
    with table.reading():
        return lazy.filter(within & (pl.col("binning") == digest)).select(names).collect()


class _MovedError(Exception):
    """Somebody else wrote the table meanwhile."""


def _noted(profile: pl.DataFrame, windows: Ints, part: Part, origin: Origin) -> pl.DataFrame:
    """A profile with the notes of its windows, in order, as it is stored."""
    at = pl.Series("window", windows).cast(INSTANT)
    other = profile.filter(~pl.col("window").is_in(at.implode()))
    if other.height:
        raise ValueError(f"the profile has rows of {other['window'][0]}, which is none of its windows")
    counted = pl.col("rows" if part == ROWS else "labelled")
    # Every row of a window is in one bin of each column.
    all_rows = profile.filter(pl.col("bin") < origin.binning.columns[0].width)
    totals = all_rows.group_by("window").agg(counted.sum().cast(pl.Int64).alias("rows"))
    notes = at.to_frame().join(totals, on="window", how="left").with_columns(pl.col("rows").fill_null(0))
    notes = notes.with_columns(bin=pl.lit(-1, pl.Int32), hour=pl.lit(-1, pl.Int8))
    whole = pl.concat([notes, profile], how="diagonal").sort("window", "segment", "hour", "bin")
    return whole.with_columns(
        *(pl.col(name).fill_null(0) for name in PROFILE if PROFILE[name] == pl.Float64),
        part=pl.lit(part),
        source=pl.lit(origin.source),
        version=pl.lit(origin.version, pl.Int64),
        binning=pl.lit(origin.digest),
    ).select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())


def _write(table: ProfilesTable, frame: pl.DataFrame, windows: Ints, part: Part) -> None:
    from deltalake import CommitProperties, Transaction, write_deltalake
    from deltalake.exceptions import CommitFailedError

    # Two writers that saw the same version cannot both commit.
    properties = CommitProperties(app_transactions=[Transaction(_APPLICATION, table.moved(_APPLICATION) + 1)])
    with table.changing():
        try:
            if table.delta is None:
                _create(table, frame, properties)
            else:
                write_deltalake(
                    table.delta,
                    frame,
                    mode="overwrite",
                    predicate=_predicate(windows, part),
                    commit_properties=properties,
                )
        except CommitFailedError as error:
            raise _MovedError from error


def _create(table: ProfilesTable, frame: pl.DataFrame, properties: CommitProperties) -> None:
    """Make the table with its first rows; whoever comes second must not add to it."""
    from deltalake import write_deltalake
    from deltalake.exceptions import DeltaError

    if "://" not in table.uri:
        Path(table.uri).mkdir(parents=True, exist_ok=True)
    try:
        write_deltalake(table.uri, frame, mode="error", configuration=SETTINGS, commit_properties=properties)
    except (DeltaError, OSError) as error:
        if open_table(table.name, table.uri) is not None:
            raise _MovedError from error
        raise
    table.refresh()


def _predicate(windows: Ints, part: Part) -> str:
    kind = "'Timestamp(Microsecond, Some(\"UTC\"))'"
    listed = ", ".join(f"arrow_cast({int(start)}, {kind})" for start in windows)
    return f"part = '{part}' AND window IN ({listed})"


def _keep_up(table: ProfilesTable) -> None:
    """Few files, and none for long that no version needs."""
    if table.delta is None or len(table.delta.file_uris()) <= _FILES:
        return
    with table.changing():
        table.delta.optimize.compact(max_concurrent_tasks=1)
        table.delta.vacuum(1, dry_run=False, enforce_retention_duration=False)
        table.delta.create_checkpoint()
        table.delta.cleanup_metadata()
