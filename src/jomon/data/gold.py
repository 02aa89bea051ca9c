"""Gold: features, segments, targets and when each was known; written once, read often and fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl

from jomon.core.calendar import calendar_columns
from jomon.core.errors import DataError
from jomon.core.rows import GoldRows
from jomon.core.spec import ProjectSpec
from jomon.core.table import Ints, Table
from jomon.data.assemble import (
    AXIS,
    Assembled,
    Assembler,
    Bools,
    axis_columns,
    column_of,
    level_name,
    series_of,
    timed_axes,
)
from jomon.data.sources import near
from jomon.data.tables import ROW, LayerTable
from jomon.oci.digest import Digest

GOLD = "gold"
FORMAT = 1
"""Raise it when the same rows would be written differently: gold is then written anew at the next ingest."""
TARGET, KNOWN_AT = "target", "known_at"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def meanings(spec: ProjectSpec) -> dict[str, str]:
    """What decides the meaning of gold's columns, by its place in the project file, each as a digest.

    A reader with another project file (an older image, say) may read gold where these agree; it may have
    fewer features, other levels or another contract.
    """
    document = spec.canonical()
    data = document["data"]
    parts = {f"data.{name}": data[name] for name in ("time", "timezone", "daylight_saving", "key", "target")}
    parts |= {f"axes.{name}": axis for name, axis in document["axes"].items() if axis is not None}
    for name, lookup in document["lookups"].items():
        parts[f"lookups.{name}"] = {**lookup, "source": None, "features": None}
    return {place: str(Digest.of_json(part)) for place, part in parts.items()}


def gold_recipe(spec: ProjectSpec, silver_recipe: str, contents: Mapping[str, str]) -> str:
    """The digest of all that decides gold besides silver's rows; `contents` are the lookups' digests."""
    document = spec.canonical()
    # The library that knows the holidays may learn of new ones.
    holidays = version("holidays") if spec.axes.occasion is not None else None
    levels = sorted({stage.name for stage in spec.stages})
    own = [FORMAT, document["data"]["features"], meanings(spec), document["lookups"], levels]
    return str(Digest.of_json([own, silver_recipe, dict(contents), holidays]))


def gold_frame(silver: pl.DataFrame, made: Assembled, assembler: Assembler) -> pl.DataFrame:
    """The gold rows of `silver` rows (n, in the same order), with the columns of `made`."""
    spec = assembler.spec
    data = spec.data
    after = pl.duration(microseconds=round(data.target.known_after.total_seconds() * 1e6))
    named: dict[str, pl.Series] = {}
    for name, column in made.table.columns.items():
        named[name] = series_of(name, column)
    for name, (codes, has) in assembler.level_codes(made.table).items():
        named[name] = (
            pl.Series(name, codes)
            .to_frame()
            .select(pl.when(pl.Series(has)).then(pl.col(name)).alias(name))[name]
        )
    keys = [silver[name] for name in data.key if name not in named and name != data.time]
    return pl.DataFrame(
        [
            *keys,
            silver[data.time],
            silver[data.target.column].cast(pl.Float64).alias(TARGET),
            silver.select((pl.col(data.time) + after).alias(KNOWN_AT))[KNOWN_AT],
            *named.values(),
            silver[ROW],
        ]
    )


def gold_columns(spec: ProjectSpec) -> tuple[str, ...]:
    """The feature and axis columns of gold: numeric, categorical, plain axes, calendar, timed axes."""
    features = spec.data.features
    names = (
        *features.columns,
        *axis_columns(spec),
        *calendar_columns(features.calendar),
        *(AXIS + name for name in timed_axes(spec)),
    )
    return tuple(dict.fromkeys(names))


def read_gold(
    root: Path | str,
    spec: ProjectSpec,
    columns: Sequence[str] | None = None,
    before: int | datetime | None = None,
    since: int | datetime | None = None,
) -> GoldRows:
    """Gold as arrays, in order of (time, key).

    `columns` keeps these feature and axis columns alone; `since` (included) and `before` (excluded) bound
    the time, as microseconds since 1970-01-01 UTC or as a datetime with a zone. Raises `DataError` where
    gold is not there, was written for another project file, or lacks a column.
    """
    table = LayerTable(root, GOLD)
    lazy = table.scan()
    names = tuple(gold_columns(spec) if columns is None else columns)
    levels = [level_name(stage.level) for stage in spec.stages]
    _refuse_other(table, spec, names, lazy.collect_schema().names())
    # Periods of validity are told by the axes, which the caller may not have asked for.
    axes = axis_columns(spec) if any(stage.valid for stage in spec.stages) else ()
    order = list(dict.fromkeys((spec.data.time, *spec.data.key)))
    for bound, keep in ((since, pl.Expr.ge), (before, pl.Expr.lt)):
        if bound is not None:
            lazy = lazy.filter(keep(pl.col(spec.data.time), _instant(bound)))
    wanted = dict.fromkeys((*order, TARGET, KNOWN_AT, *names, *axes, *levels))
    frame = lazy.select(*wanted).collect()
    if not frame.select(pl.struct(order).alias("order"))["order"].is_sorted():
        frame = frame.sort(order, maintain_order=True)
    table_of = {name: column_of(frame[name]) for name in dict.fromkeys((*names, *axes))}
    rows = Table(_micros(frame[spec.data.time]), table_of)
    codes, has = _codes(frame, levels)
    if axes or any(stage.valid for stage in spec.stages):
        has = Assembler(spec, {}).codes(rows)[1]
    kept = Table(rows.time, {name: table_of[name] for name in names})
    return GoldRows(kept, frame[TARGET].to_numpy().astype(np.float64), _micros(frame[KNOWN_AT]), codes, has)


def _refuse_other(table: LayerTable, spec: ProjectSpec, names: Sequence[str], have: Sequence[str]) -> None:
    """Raises `DataError` where gold is not what `spec` declares, or lacks a column that is asked for."""
    written = table.state.counts.get("meanings", {}) if table.state is not None else meanings(spec)
    other = [place for place, digest in meanings(spec).items() if written.get(place) != digest]
    other += [f"the level {stage.level}" for stage in spec.stages if level_name(stage.level) not in have]
    if other:
        raise DataError(f"Gold was written with another {other[0]} than is asked for: run `jomon ingest`.")
    for name in names:
        if name not in have:
            raise DataError(f"Gold has no column {name!r}: {near(name, have)}")


def _codes(frame: pl.DataFrame, levels: Sequence[str]) -> tuple[Ints, Bools]:
    codes = np.zeros((len(frame), len(levels)), np.int64)
    has = np.zeros((len(frame), len(levels)), np.bool_)
    for at, name in enumerate(levels):
        codes[:, at] = frame[name].fill_null(0).to_numpy()
        has[:, at] = frame[name].is_not_null().to_numpy()
    return codes, has


def _micros(column: pl.Series) -> Ints:
    return column.to_physical().to_numpy().astype(np.int64)


def _instant(bound: int | datetime) -> pl.Expr:
    if isinstance(bound, datetime):
        bound = int((bound - _EPOCH).total_seconds() * 1e6)
    return pl.lit(bound).cast(pl.Datetime("us", "UTC"))


def silver_digest(root: Path | str) -> Digest | None:
    """The digest of what silver holds, as the last ingest recorded it; no row is read. None before it."""
    state = LayerTable(root, "silver").state
    return None if state is None else state.digest


def gold_digest(root: Path | str) -> Digest | None:
    """The digest of what gold holds, as the last ingest recorded it; no row is read. None before it."""
    state = LayerTable(root, GOLD).state
    return None if state is None else state.digest


def gold_version(root: Path | str) -> int:
    """The version of the gold table; -1 before the first ingest."""
    return LayerTable(root, GOLD).version


def require_outcomes(rows: GoldRows, spec: ProjectSpec) -> None:
    """Raises `DataError` where nothing can be learnt: no outcome at all, or a binary one of one class."""
    known = rows.target[rows.known]
    column = spec.data.target.column
    if not len(known):
        raise DataError(
            f"No row has an outcome: the target {column!r} is missing in all {len(rows)} rows, "
            "check data.target."
        )
    if spec.data.target.kind == "binary" and (known == known[0]).all():
        raise DataError(
            f"The target {column!r} is {int(known[0])} in all {len(known)} rows that have an outcome: a "
            "model needs both 0 and 1, check data.target or ingest more data."
        )
