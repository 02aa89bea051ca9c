"""The time column: whatever a source calls a time becomes an instant, or a stated reason why it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import polars as pl
from numpy.typing import NDArray

from jomon.core.errors import DataError
from jomon.core.localtime import LocalTime, WallReason
from jomon.core.spec import DataSpec
from jomon.core.table import Ints

_CLOCKS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M")
_DAY = "%Y-%m-%d"
READABLE = "write it as 2013-11-03T06:30:00, with or without a zone, or as 2013-11-03"


class TimeProblem(IntEnum):
    """Why a row has no instant."""

    FINE = 0
    MISSING = 1
    UNREADABLE = 2
    AMBIGUOUS = 3
    SKIPPED = 4
    OUT_OF_RANGE = 5


_FROM_WALL = np.array(
    [TimeProblem.FINE, TimeProblem.AMBIGUOUS, TimeProblem.SKIPPED, TimeProblem.OUT_OF_RANGE], np.int8
)
assert [r.value for r in WallReason] == [0, 1, 2, 3]


@dataclass(frozen=True, slots=True)
class Instants:
    """Instants and problems: `utc` (int64 microseconds since 1970-01-01 UTC, n; 0 where there is a problem)
    and `problem` (int8, n).
    """

    utc: Ints
    problem: NDArray[np.int8]

    def series(self, name: str) -> pl.Series:
        """The instants as a Polars column, null where there is a problem."""
        column = pl.Series(name, self.utc).cast(pl.Datetime("us", "UTC"))
        fine = pl.Series(self.problem == TimeProblem.FINE)
        return column.to_frame().select(pl.when(fine).then(pl.col(name)).alias(name))[name]


def instants(column: pl.Series, data: DataSpec, local: LocalTime) -> Instants:
    """The instants of a column of text, dates or datetimes (n).

    Times with a zone are converted; times without one are wall time in `data.timezone`, and those that a
    clock change repeats or skips follow `data.daylight_saving`; a date is the first instant of its day.
    Raises `DataError` where the column cannot hold times at all, or has times without a zone and the
    project names none.
    """
    kind = column.dtype
    if kind == pl.String:
        return _from_text(column, data, local)
    if kind == pl.Date:
        return _from_days(column, local)
    if isinstance(kind, pl.Datetime):
        if kind.time_zone is not None:
            return _from_utc(column, local)
        _need_zone(column, data)
        return _from_wall(column, data, local)
    if kind == pl.Null:
        return _nothing(len(column))
    raise DataError(
        f"The time column {column.name!r} holds {kind} values: {READABLE}, in text or as datetimes."
    )


def _nothing(rows: int) -> Instants:
    return Instants(np.zeros(rows, np.int64), np.full(rows, TimeProblem.MISSING, np.int8))


def _microseconds(column: pl.Series) -> tuple[Ints, NDArray[np.bool_]]:
    missing = column.is_null().to_numpy()
    return column.to_physical().fill_null(0).to_numpy().astype(np.int64), missing


def _from_utc(column: pl.Series, local: LocalTime) -> Instants:
    utc, missing = _microseconds(column.cast(pl.Datetime("us", "UTC")))
    problem = np.where(missing, TimeProblem.MISSING, np.int8(0)).astype(np.int8)
    problem[~missing & ~local.covers(utc)] = TimeProblem.OUT_OF_RANGE
    return Instants(np.where(problem == 0, utc, 0), problem)


def _from_wall(column: pl.Series, data: DataSpec, local: LocalTime) -> Instants:
    wall, missing = _microseconds(column.cast(pl.Datetime("us")))
    policy = data.daylight_saving
    utc, bad, reason = local.to_utc(wall, policy.ambiguous, policy.skipped)
    problem = np.where(bad, _FROM_WALL[reason], np.int8(0)).astype(np.int8)
    problem[missing] = TimeProblem.MISSING
    return Instants(np.where(problem == 0, utc, 0), problem)


def _from_days(column: pl.Series, local: LocalTime) -> Instants:
    missing = column.is_null().to_numpy()
    days = column.to_physical().fill_null(0).to_numpy().astype(np.int64)
    far = np.abs(days) > 60_000  # about 164 years from 1970: `day_starts` would refuse the whole column
    noon = np.where(far, 0, days) * 86_400_000_000
    far |= ~local.covers(noon) | ~local.covers(noon - 86_400_000_000) | ~local.covers(noon + 86_400_000_000)
    utc = local.day_starts(np.where(far, 0, days))
    problem = np.where(missing, TimeProblem.MISSING, np.int8(0)).astype(np.int8)
    problem[far & ~missing] = TimeProblem.OUT_OF_RANGE
    return Instants(np.where(problem == 0, utc, 0), problem)


def _from_text(column: pl.Series, data: DataSpec, local: LocalTime) -> Instants:
    """Formats are tried in turn, each on the values that none before it could read."""
    rows = len(column)
    utc = np.zeros(rows, np.int64)
    problem = np.full(rows, TimeProblem.UNREADABLE, np.int8)
    text = column.str.strip_chars()
    missing = (text.is_null() | (text == "")).fill_null(True).to_numpy()
    problem[missing] = TimeProblem.MISSING
    left = np.flatnonzero(~missing)
    for zoned, pattern in (
        [(False, c) for c in _CLOCKS] + [(True, c + "%#z") for c in _CLOCKS] + [(False, _DAY)]
    ):
        if not len(left):
            break
        part = text.gather(left)
        kind = pl.Date if pattern == _DAY else pl.Datetime("us", "UTC" if zoned else None)
        parsed = part.str.strptime(kind, pattern, strict=False)
        read = parsed.is_not_null().to_numpy()
        if not read.any():
            continue
        found = _parsed(parsed.filter(pl.Series(read)), column, data, local)
        utc[left[read]], problem[left[read]] = found.utc, found.problem
        left = left[~read]
    return Instants(utc, problem)


def _parsed(parsed: pl.Series, column: pl.Series, data: DataSpec, local: LocalTime) -> Instants:
    if parsed.dtype == pl.Date:
        return _from_days(parsed, local)
    if isinstance(parsed.dtype, pl.Datetime) and parsed.dtype.time_zone is not None:
        return _from_utc(parsed, local)
    _need_zone(column, data)
    return _from_wall(parsed, data, local)


def _need_zone(column: pl.Series, data: DataSpec) -> None:
    if data.timezone is None:
        raise DataError(
            f"The time column {column.name!r} has times without a zone: declare data.timezone, such as "
            "America/New_York."
        )
