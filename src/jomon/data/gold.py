"""Gold: features, segments, targets, and when each target could be known; written once, read often and
fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl

from jomon.core.calendar import calendar_columns
from jomon.core.errors import DataError
from jomon.core.rows import GoldRows
from jomon.core.spec import ProjectSpec
from jomon.core.table import Column, Ints, Table
from jomon.data.assemble import (
    AXIS,
    Assembled,
    Assembler,
    axis_columns,
    column_of,
    level_name,
    series_of,
    timed_axes,
)
from jomon.data.tables import ROW, LayerTable
from jomon.oci.digest import Digest

GOLD = "gold"
FORMAT = 1
"""Raise it when the same rows would be written differently: gold is then written anew at the next ingest."""
TARGET, KNOWN_AT = "target", "known_at"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def gold_recipe(spec: ProjectSpec, silver_recipe: str, lookups: dict[str, str]) -> str:
    """The digest of all that decides gold besides silver's rows: features, axes, levels, lookups and their
    content.
    """
    document = spec.canonical()
    return str(
        Digest.of_json(
            {
                "format": FORMAT,
                "silver": silver_recipe,
                "features": document["data"]["features"],
                "target": document["data"]["target"],
                "timezone": document["data"]["timezone"],
                "axes": document["axes"],
                "lookups": document["lookups"],
                "content": lookups,
                "levels": sorted(stage.name for stage in spec.stages),
                "holidays": version("holidays") if spec.axes.occasion is not None else None,
            }
        )
    )


def gold_frame(silver: pl.DataFrame, made: Assembled, assembler: Assembler) -> pl.DataFrame:
    """The gold rows of `silver` rows (n, in the same order): key, time, target, known_at, features, axes,
    segments.
    """
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
    """The feature and axis columns of gold, in order: numeric, categorical, plain axes, calendar, timed
    axes.
    """
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
    time, keys = spec.data.time, list(spec.data.key)
    have = lazy.collect_schema().names()
    for name in (*names, *levels, *keys, time):
        if name not in have:
            raise DataError(
                f"Gold has no column {name!r}: the project file has changed since, run `jomon ingest`."
            )
    wanted = dict.fromkeys((time, TARGET, KNOWN_AT, *keys, *names, *levels))
    for bound, keep in ((since, pl.Expr.ge), (before, pl.Expr.lt)):
        if bound is not None:
            lazy = lazy.filter(keep(pl.col(time), _instant(bound)))
    frame = lazy.select(*wanted).collect()
    order = dict.fromkeys((time, *keys))
    if not frame.select(pl.struct(*order).alias("k"))["k"].is_sorted():
        frame = frame.sort(list(order), maintain_order=True)
    return _rows(frame, spec, names, levels)


def _rows(frame: pl.DataFrame, spec: ProjectSpec, names: Sequence[str], levels: Sequence[str]) -> GoldRows:
    columns: dict[str, Column] = {name: column_of(frame[name]) for name in names}
    table = Table(_micros(frame[spec.data.time]), columns)
    codes = np.zeros((len(frame), len(levels)), np.int64)
    has = np.zeros((len(frame), len(levels)), np.bool_)
    for at, name in enumerate(levels):
        codes[:, at] = frame[name].fill_null(0).to_numpy()
        has[:, at] = frame[name].is_not_null().to_numpy()
    if any(stage.valid for stage in spec.stages):
        has = Assembler(spec, {}).codes(table)[1]
    return GoldRows(table, frame[TARGET].to_numpy().astype(np.float64), _micros(frame[KNOWN_AT]), codes, has)


def _micros(column: pl.Series) -> Ints:
    return column.to_physical().to_numpy().astype(np.int64)


def _instant(bound: int | datetime) -> pl.Expr:
    if isinstance(bound, datetime):
        bound = int((bound - _EPOCH).total_seconds() * 1e6)
    return pl.lit(bound).cast(pl.Datetime("us", "UTC"))


def silver_digest(root: Path | str) -> Digest | None:
    """The digest of what silver holds, as the last ingest recorded it (no row is read); None before the
    first one.
    """
    state = LayerTable(root, "silver").state
    return None if state is None else state.digest


def gold_digest(root: Path | str) -> Digest | None:
    """The digest of what gold holds, as the last ingest recorded it (no row is read); None before the first
    one.
    """
    state = LayerTable(root, GOLD).state
    return None if state is None else state.digest


def gold_version(root: Path | str) -> int:
    """The version of the gold table; -1 before the first ingest."""
    return LayerTable(root, GOLD).version


def require_outcomes(rows: GoldRows, spec: ProjectSpec) -> None:
    """Raises `DataError` where there is nothing to learn from: no outcome at all, or a binary target of one
    class.
    """
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
