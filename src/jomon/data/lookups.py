"""Lookups: values of a second table, joined to each row as they were known at the row's time.

A lookup row is known `delay` after its own time; a row of the data is given the latest one of its slot (its
hour, its day) or, with `max_age`, of a slot at most that much older, among those known at its time. Nothing
that came later can reach it, whatever the treatment of duplicates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from jomon.core.errors import DataError, PredictError
from jomon.core.localtime import DAY, HOUR, LocalTime
from jomon.core.lookup_keys import TimePart
from jomon.core.spec import LookupSpec, ProjectSpec
from jomon.core.table import Ints
from jomon.data.contract import Checked, Contract
from jomon.data.sources import near
from jomon.data.tables import ROW
from jomon.data.text import text_of

_ON, _AT, _KNOWN, _SLOT, _FOUND, _MOMENT = (
    f"_jomon_{word}" for word in ("on", "at", "known", "slot", "found", "moment")
)
_US = 1_000_000


@dataclass(frozen=True)
class LookupTable:
    """The usable rows of one lookup, ready to be searched; `checked` tells of the others."""

    name: str
    spec: LookupSpec
    columns: tuple[str, ...]
    part: TimePart | None
    rows: pl.DataFrame
    checked: Checked
    local: LocalTime

    @classmethod
    def build(cls, name: str, came: pl.DataFrame, spec: ProjectSpec) -> LookupTable:
        """From rows as they came, with row numbers; raises `DataError` for columns and for duplicates."""
        lookup = spec.lookups[name]
        key = lookup.key(spec.data.time)
        contract = Contract(spec, kept=(ROW,))
        checked = contract.check_lookup(came, name)
        rows = checked.good.with_columns(_key_text(checked.good, key.columns))
        if lookup.time is not None and key.time_part is not None:
            at = rows[lookup.time].to_physical().to_numpy().astype(np.int64)
            delay = round(lookup.delay.total_seconds() * _US)
            rows = rows.with_columns(
                pl.Series(_AT, at),
                pl.Series(_KNOWN, at + delay),
                pl.Series(_SLOT, slots(at, key.time_part, contract.local)),
            )
        rows = _single(rows, name, lookup, key.time_part)
        by = [_KNOWN, ROW] if _KNOWN in rows.columns else [ROW]
        return cls(name, lookup, key.columns, key.time_part, rows.sort(by), checked, contract.local)

    @property
    def at(self) -> Ints | None:
        """The time of each row (int64 microseconds UTC, n); None where rows are joined without a time."""
        return self._ints(_AT)

    @property
    def known(self) -> Ints | None:
        """When each row was known (int64 microseconds UTC, n, ascending); None where joined without a time."""
        return self._ints(_KNOWN)

    @property
    def slot(self) -> Ints | None:
        """The slot of each row (int64, n; see `slots`); None where rows are joined without a time."""
        return self._ints(_SLOT)

    def _ints(self, name: str) -> Ints | None:
        return self.rows[name].to_numpy().astype(np.int64) if name in self.rows.columns else None

    def find(self, frame: pl.DataFrame, time_us: Ints) -> NDArray[np.int64]:
        """For each row of `frame` (n, at `time_us`) the position in `rows` of what was known, or -1."""
        if not self.rows.height:
            return np.full(frame.height, -1, np.int64)
        left = pl.DataFrame([pl.Series(_MOMENT, time_us), *_key_text(frame, self.columns)])
        right = self.rows.select(
            *_on(self.columns), *(c for c in (_KNOWN, _SLOT) if c in self.rows.columns)
        ).with_row_index(_FOUND)
        if self.part is None:
            joined = left.join(right, on=_on(self.columns), how="left", maintain_order="left")
            return joined[_FOUND].cast(pl.Int64).fill_null(-1).to_numpy()
        ordered = left.with_row_index("_jomon_place").sort(_MOMENT)
        joined = ordered.join_asof(
            right,
            left_on=_MOMENT,
            right_on=_KNOWN,
            by=_on(self.columns) or None,
            strategy="backward",
            check_sortedness=False,
        )
        found = np.empty(frame.height, np.int64)
        place = joined["_jomon_place"].to_numpy()
        found[place] = joined[_FOUND].cast(pl.Int64).fill_null(-1).to_numpy()
        slot = np.zeros(frame.height, np.int64)
        slot[place] = joined[_SLOT].fill_null(0).to_numpy()
        age = slots(time_us, self.part, self.local) - slot
        if self.part == "day":
            age = age * DAY
        limit = round(self.spec.max_age.total_seconds() * _US)
        return np.where((found >= 0) & (age >= 0) & (age <= limit), found, -1)

    def values(self, found: NDArray[np.int64], names: Sequence[str]) -> pl.DataFrame:
        """The features `names` at the positions that `find` gave, null where there is none (n rows)."""
        at = pl.Series(found).to_frame("at").select(pl.when(pl.col("at") >= 0).then("at"))["at"]
        return self.rows.select(pl.col(name).gather(at.cast(pl.UInt32)) for name in names)


@dataclass(frozen=True)
class Joined:
    """Rows with the lookups' features.

    `missing` counts rows without a value by lookup, `held` marks them (n) where the lookup demands one.
    """

    frame: pl.DataFrame
    missing: Mapping[str, int]
    held: Mapping[str, NDArray[np.bool_]]


def join_lookups(
    frame: pl.DataFrame, time_us: Ints, spec: ProjectSpec, tables: Mapping[str, LookupTable]
) -> Joined:
    """Add to `frame` (n rows at `time_us`, int64 microseconds UTC) every lookup feature that it lacks.

    Features that are there already are left alone, so that a caller can bring its own. Raises
    `PredictError` where a lookup table or a column to join on is missing.
    """
    missing: dict[str, int] = {}
    held: dict[str, NDArray[np.bool_]] = {}
    for name, lookup in spec.lookups.items():
        absent = [feature for feature in lookup.features if feature not in frame.columns]
        if not absent:
            continue
        if name not in tables:
            raise PredictError(
                f"Column {absent[0]!r} is missing, and the table of the lookup {name} that would bring it is "
                "not here: send the column, or run `jomon ingest`."
            )
        table = tables[name]
        for column in table.columns:
            if column not in frame.columns:
                raise PredictError(
                    f"Column {column!r} is missing, on which the lookup {name} is joined: "
                    f"{near(column, frame.columns)}"
                )
        found = table.find(frame, time_us)
        frame = frame.hstack(table.values(found, absent))
        missing[name] = int((found < 0).sum())
        if lookup.missing == "quarantine":
            held[name] = found < 0
    return Joined(frame, missing, held)


def slots(time_us: Ints, part: TimePart, local: LocalTime) -> Ints:
    """Which slot of a lookup an instant belongs to (n): the start of its local hour, its day, or itself.

    A repeated hour is two slots, as it is two hours.
    """
    if part == "asof":
        return time_us
    if part == "day":
        return local.days(time_us).astype(np.int64)
    return time_us - np.mod(local.wall(time_us), HOUR)


def _on(columns: Sequence[str]) -> list[str]:
    return [f"{_ON}:{name}" for name in columns]


def _key_text(frame: pl.DataFrame, columns: Sequence[str]) -> list[pl.Series]:
    """Columns to join on, as text: 7 in one table meets '7' in the other."""
    return [text_of(frame[name]).alias(f"{_ON}:{name}") for name in columns]


def _single(rows: pl.DataFrame, name: str, lookup: LookupSpec, part: TimePart | None) -> pl.DataFrame:
    """One row per key and slot as declared; `last` keeps every moment, and the latest known is found."""
    slot = [*_on(lookup_columns(rows)), *([_SLOT] if part is not None else [])]
    if lookup.duplicates == "error":
        twice = (
            rows.select(slot).is_duplicated()
            if slot
            else pl.Series([rows.height > 1] * rows.height, dtype=pl.Boolean)
        )
        if twice.any():
            row = rows.filter(twice).row(0, named=True)
            told = " ".join(
                f"{c}={row[c]}"
                for c in (*lookup_columns(rows), *([lookup.time] if part and lookup.time else []))
            )
            raise DataError(
                f"The lookup {name} has {int(twice.sum())} rows for keys that come more than once, such as "
                f"{told}: correct it, or declare lookups.{name}.duplicates as first or last."
            )
        return rows
    order = [_AT, ROW] if part is not None else [ROW]
    if lookup.duplicates == "first":
        return rows.sort(order).unique(slot, keep="first", maintain_order=True)
    moment = [*_on(lookup_columns(rows)), *([_AT] if part is not None else [])]
    return rows.sort(order).unique(moment, keep="last", maintain_order=True)


def lookup_columns(rows: pl.DataFrame) -> list[str]:
    """The plain columns that the rows of a lookup are joined on."""
    return [name.removeprefix(f"{_ON}:") for name in rows.columns if name.startswith(f"{_ON}:")]
