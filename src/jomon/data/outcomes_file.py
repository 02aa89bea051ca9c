"""Outcomes from a file: CSV, Parquet or JSON lines, read as a whole or refused as a whole.

A row names what it is the outcome of by the key columns of the project (and has the target column), or by `request_id`
and `row` (and has `value`). `known_at` says when the outcome became known; without it, that is now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from jomon.core.errors import DataError
from jomon.core.localtime import LocalTime, WallReason
from jomon.core.outcome_key import key_texts
from jomon.core.outcome_values import LARGEST_ROW, key_kind, key_part
from jomon.core.spec import DataSpec, ProjectSpec
from jomon.data.batches import iter_batches
from jomon.data.casting import cast_for
from jomon.data.log_table import DAY
from jomon.data.outcomes_table import SCHEMA
from jomon.data.predictions import INSTANT
from jomon.data.sources import near, scan_files
from jomon.data.text import text_of
from jomon.data.times import READABLE, TimeProblem, instants

KNOWN_AT, REQUEST_ID, ROW, VALUE = "known_at", "request_id", "row", "value"
Bools = NDArray[np.bool_]
_NO_TIME = {
    TimeProblem.MISSING: "has no value: a key has to be whole",
    TimeProblem.UNREADABLE: f"is no time: {READABLE}",
    TimeProblem.AMBIGUOUS: f"cannot be placed ({WallReason.AMBIGUOUS.text}): write it with a zone",
    TimeProblem.SKIPPED: f"cannot be placed ({WallReason.SKIPPED.text}): write it with a zone",
    TimeProblem.OUT_OF_RANGE: f"cannot be used ({WallReason.OUT_OF_RANGE.text}): correct it",
}


@dataclass(frozen=True)
class OutcomeFile:
    """What a file says: `rows` as the table of outcomes has them but for `status`, and the columns that were passed
    over."""

    rows: pl.DataFrame
    ignored: tuple[str, ...]


@dataclass(frozen=True)
class _Wrong:
    """A row that cannot be read, and what is wrong with it."""

    row: int
    sentence: str


def read_outcomes_file(
    path: Path | str,
    spec: ProjectSpec,
    received_us: int,
    report_id: str,
    hashed: Callable[[str], str] | None = None,
) -> OutcomeFile:
    """The outcomes in a file, received at `received_us` (microseconds since 1970-01-01 UTC) as report `report_id`.

    `hashed` hashes the text of key columns that the log keeps hashed. Raises `DataError` for a file that cannot be
    read, columns that do not fit, and the first row (counted from 0) with a value that cannot be one.
    """
    frames = list(iter_batches(path))
    frame = pl.concat(frames) if frames else scan_files(str(path)).collect()
    by_request = _by_request(frame.columns, spec, str(path))
    used = _used(frame.columns, spec, by_request)
    ignored = _ignored(frame.columns, used, spec, str(path))
    wrong: list[_Wrong] = []
    rows = frame.height
    nothing = pl.repeat(None, rows, dtype=pl.String, eager=True)
    if by_request:
        key, request = nothing, _requests(frame[REQUEST_ID], wrong)
        row = _rows(frame[ROW], wrong) if ROW in used else pl.repeat(0, rows, dtype=pl.Int32, eager=True)
        value = _values(frame[VALUE], spec, wrong)
    else:
        key, request, row = _keys(frame, spec, hashed, wrong), nothing, nothing.cast(pl.Int32)
        value = _values(frame[spec.data.target.column], spec, wrong)
    known = np.full(rows, received_us, np.int64)
    if KNOWN_AT in used:
        known = _known(frame[KNOWN_AT], spec.data, known, wrong)
    if wrong:
        first = min(wrong, key=lambda found: found.row)
        raise DataError(f"Row {first.row} of {path}: {first.sentence}; nothing was added.")
    received = pl.repeat(received_us, rows, dtype=pl.Int64, eager=True).cast(INSTANT)
    columns = {
        "key": key, "request_id": request, "row": row, "value": value, "known_at": pl.Series(known).cast(INSTANT),
        "received_at": received, "report_id": pl.repeat(report_id, rows, dtype=pl.String, eager=True),
        DAY: received.dt.date(),
    }  # fmt: skip
    return OutcomeFile(pl.DataFrame(columns).select(name for name in SCHEMA if name in columns), ignored)


def _by_request(columns: Sequence[str], spec: ProjectSpec, path: str) -> bool:
    """Whether rows are told by request; raises `DataError` where neither or both ways would do."""
    key = tuple(dict.fromkeys((*spec.data.key, spec.data.target.column)))
    lacking = [name for name in key if name not in columns]
    lacking_request = [name for name in (REQUEST_ID, VALUE) if name not in columns]
    if not lacking and not lacking_request and REQUEST_ID not in spec.data.key:
        raise DataError(
            f"{path} has both the key columns and request_id with value: leave one of the two out."
        )
    if not lacking:
        return False
    if not lacking_request:
        return True
    if REQUEST_ID in columns and len(lacking) > 1:
        raise DataError(f"{path} has no column {VALUE!r} beside {REQUEST_ID!r}: {near(VALUE, columns)}")
    hint = near(lacking[0], columns)
    raise DataError(
        f"{path} has no column {lacking[0]!r}: outcomes need {', '.join(key)}, or request_id and value; {hint}"
    )


def _used(columns: Sequence[str], spec: ProjectSpec, by_request: bool) -> tuple[str, ...]:
    wanted = (REQUEST_ID, ROW, VALUE) if by_request else (*spec.data.key, spec.data.target.column)
    return tuple(name for name in dict.fromkeys((*wanted, KNOWN_AT)) if name in columns)


def _ignored(columns: Sequence[str], used: Sequence[str], spec: ProjectSpec, path: str) -> tuple[str, ...]:
    """Columns that are not needed: those that the project declares; others too, if it says so."""
    declared = {*spec.column_places(), *spec.lookup_features()}
    others = tuple(name for name in columns if name not in used)
    for name in others:
        if name not in declared and spec.serving.unknown_columns == "refuse":
            raise DataError(
                f"{path} has a column {name!r}, which outcomes do not have and the project does not declare: leave it "
                f"out or correct its name; {near(name, (*used, KNOWN_AT))}"
            )
    return others


def _keys(
    frame: pl.DataFrame, spec: ProjectSpec, hashed: Callable[[str], str] | None, wrong: list[_Wrong]
) -> pl.Series:
    data = spec.data
    parts = [
        _times(frame[name], data, wrong)
        if name == data.time
        else _key_column(frame[name], data, hashed if name in spec.serving.log.hash else None, wrong)
        for name in data.key
    ]
    return pl.Series("key", list(key_texts(parts)) if frame.height else [], pl.String)


def _times(column: pl.Series, data: DataSpec, wrong: list[_Wrong]) -> list[int]:
    found = instants(column, data, LocalTime(data.zone))
    _first_of(
        column, found.problem != TimeProblem.FINE, wrong, lambda at: _NO_TIME[TimeProblem(found.problem[at])]
    )
    return [int(moment) for moment in found.utc]


def _key_column(
    column: pl.Series, data: DataSpec, hashed: Callable[[str], str] | None, wrong: list[_Wrong]
) -> list[str | None]:
    """The texts of a key column, each distinct value made into text once."""
    if column.dtype.is_float():
        column = column.fill_nan(None)
    elif not (column.dtype in (pl.String, pl.Boolean) or column.dtype.is_integer()):
        column = text_of(column)
    kind = key_kind(data, column.name)
    texts: dict[object, str | None] = {}
    wanted = ""
    for value in column.unique().to_list():
        try:
            text = None if value is None else key_part(value, kind)
            texts[value] = text if text is None or hashed is None else hashed(text)
        except ValueError as error:
            texts[value], wanted = None, str(error)
    made = [texts[value] for value in column.to_list()]
    empty = column.is_null().to_numpy()
    _first_of(column, empty, wrong, lambda at: _NO_TIME[TimeProblem.MISSING])
    broken = np.fromiter((text is None for text in made), np.bool_, len(made)) & ~empty
    _first_of(column, broken, wrong, lambda at: f"is not {wanted}: correct it")
    return made


def _values(column: pl.Series, spec: ProjectSpec, wrong: list[_Wrong]) -> pl.Series:
    """Outcomes as numbers by the kind of the target; what is missing will never be known."""
    target = spec.data.target
    cast = cast_for(target.column, column.dtype, spec)
    raw = pl.col(column.name)
    typed = column.to_frame().select(
        cast.typed(raw).alias("typed"), (raw.is_null() | cast.is_missing(raw)).alias("missing")
    )
    value = typed["typed"].cast(pl.Float64)
    bad = (value.is_null() & ~typed["missing"]) | (value.is_infinite() | value.is_nan()).fill_null(
        value=False
    )
    what = "a finite number" if target.kind == "regression" else cast.what
    _first_of(column, bad.fill_null(value=False).to_numpy(), wrong, lambda at: f"is not {what}: correct it")
    return value.alias("value")


def _requests(column: pl.Series, wrong: list[_Wrong]) -> pl.Series:
    text = text_of(column)
    empty = (text.is_null() | (text.str.strip_chars() == "")).fill_null(value=True).to_numpy()
    _first_of(column, empty, wrong, lambda at: "has no value: give the id that the answer carried")
    return text.alias("request_id")


def _rows(column: pl.Series, wrong: list[_Wrong]) -> pl.Series:
    given = column.str.strip_chars().replace("", None) if column.dtype == pl.String else column
    number = given.cast(pl.Float64, strict=False)
    whole = (number == number.round()) & (number >= 0) & (number <= LARGEST_ROW)
    bad = given.is_not_null() & ~whole.fill_null(value=False)
    _first_of(column, bad.to_numpy(), wrong, lambda at: "is no number of a row: count from 0")
    return number.cast(pl.Int32, strict=False).fill_null(0).alias("row")


def _known(
    column: pl.Series, data: DataSpec, default: NDArray[np.int64], wrong: list[_Wrong]
) -> NDArray[np.int64]:
    found = instants(column, data, LocalTime(data.zone))
    missing = found.problem == TimeProblem.MISSING
    bad = (found.problem != TimeProblem.FINE) & ~missing
    _first_of(column, bad, wrong, lambda at: _NO_TIME[TimeProblem(found.problem[at])])
    return np.where(missing, default, found.utc)


def _first_of(column: pl.Series, bad: Bools, wrong: list[_Wrong], what: Callable[[int], str]) -> None:
    """Note the first row where `bad`, with what is wrong there and how many rows are like it."""
    if not bad.any():
        return
    at, others = int(np.argmax(bad)), int(bad.sum()) - 1
    value = column[at]
    said = what(at)
    held = "" if value is None or said.startswith("has no") else f" holds {value!r}, which"
    more = f" ({others} more row{'s' if others > 1 else ''} like it)" if others else ""
    wrong.append(_Wrong(at, f"column {column.name!r}{held} {said}{more}"))
