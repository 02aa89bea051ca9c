"""One profile in the making: rows are coded in one pass, then counted or summed by cell and bin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from jomon.core.binning import Binning
from jomon.core.columns import as_text
from jomon.core.cubes import MEASURES, place_axes
from jomon.core.errors import DataError
from jomon.core.localtime import LocalTime
from jomon.core.segments import Segment
from jomon.core.spec import ProjectSpec
from jomon.core.table import Ints
from jomon.data import profile_sql as sql
from jomon.data.binning import KEY, SCORE
from jomon.data.predictions import INSTANT, stored_name
from jomon.data.served_rows import SHADOW
from jomon.data.sources import near

if TYPE_CHECKING:
    import duckdb

PROFILE: dict[str, Any] = {
    "window": INSTANT,
    "segment": pl.String,
    "hour": pl.Int8,
    "bin": pl.Int32,
    **dict.fromkeys(MEASURES, pl.Float64),
    "rows": pl.Int64,
}
"""The columns of a profile: the start of the window, the text of the segment over `watched_axes`, the local hour, the
bin of the flat axis, and the measures of `jomon.core.cubes.MEASURES`."""
_DIRECT_BITS, _DIRECT_BITS_SUMS = 22, 18
"""Up to two to this power cells and bins are addressed directly (8 bytes each; 90 where sums are taken), more are
hashed."""


def watched_axes(spec: ProjectSpec) -> tuple[str, ...]:
    """The axes of `place_axes` that the log shows: by hidden ones no row can be told."""
    hidden = spec.serving.log.hidden
    return tuple(axis for axis in place_axes(spec) if axis not in hidden)


class Stream:
    """A frame that DuckDB reads through Arrow's C interface, for which neither side needs pyarrow."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


@dataclass
class ProfileRun:
    """One profile in the making; `source` is what stands behind FROM."""

    database: duckdb.DuckDBPyConnection
    source: str
    spec: ProjectSpec
    binning: Binning
    windows: Ints
    until_us: int
    outcome: str | None
    stored: bool

    def __post_init__(self) -> None:
        described = self.database.execute(f"DESCRIBE SELECT * FROM {self.source}").fetchall()
        self.kinds = {str(name): str(kind) for name, kind, *_ in described}

    def profile(self) -> pl.DataFrame:
        """The columns `PROFILE`, cells without rows left out."""
        places = self._make_places()
        if not places:
            return pl.DataFrame(schema=PROFILE)
        self._code(len(places))
        bits = _DIRECT_BITS if self.outcome is None else _DIRECT_BITS_SUMS
        self.database.execute(f"SET perfect_ht_threshold = {bits}")
        counted = pl.DataFrame(self.database.sql(self._counts(len(places))))
        return self._long(counted, places)

    def _column(self, name: str) -> str:
        """A column as an expression; NULL where rows lack it."""
        own = self._own(name)
        return f"p.{sql.quoted(own)}" if own in self.kinds else sql.MISSING

    def _own(self, name: str) -> str:
        return stored_name(name) if self.stored else name

    def _number(self, name: str) -> str:
        return sql.number(self._column(name), self.kinds.get(self._own(name), ""))

    def _fixed(self, name: str) -> str | None:
        """A column that is called so in every table of predictions, and in frames that have it."""
        return f"p.{sql.quoted(name)}" if name in self.kinds else None

    @property
    def _where(self) -> str:
        time = self._column(self.spec.data.time)
        if time == sql.MISSING:
            have = near(self.spec.data.time, list(self.kinds))
            raise DataError(f"The rows have no column {self.spec.data.time!r}, which is their time: {have}")
        zoned = "WITH TIME ZONE" in self.kinds[self._own(self.spec.data.time)]
        moments = (f"make_timestamp({int(us)})" for us in (self.windows[0], self.until_us))
        since, until = (
            f"{moment} AT TIME ZONE 'UTC'" if zoned else f"{moment}::TIMESTAMP" for moment in moments
        )
        kept = f"{time} >= {since} AND {time} < {until}"
        role = self._fixed("role")
        if role is not None and self.stored:
            kept += f" AND {role} IS DISTINCT FROM {sql.text(SHADOW)}"
        if self.outcome is not None:
            known = (self._outcome, f"p.{sql.quoted('answer')}::DOUBLE", f"p.{sql.quoted(SCORE)}::DOUBLE")
            kept += "".join(f" AND {value} IS NOT NULL AND NOT isnan({value})" for value in known)
        return kept

    @property
    def _outcome(self) -> str:
        return f"p.{sql.quoted(str(self.outcome))}::DOUBLE"

    @property
    def _axes(self) -> list[str]:
        """The axes of a row as expressions: a number's text is the same for 0 and -0, and NaN is missing."""
        found = []
        for axis in watched_axes(self.spec):
            value = self._column(axis)
            if self.kinds.get(self._own(axis)) in ("DOUBLE", "FLOAT"):
                value = f"CASE WHEN NOT isnan({value}) THEN {value} + 0 END"
            found.append(value)
        return found

    def _make_places(self) -> list[str]:
        """Number the combinations of axis values; their segments' texts, in order of number."""
        axes, names = self._axes, watched_axes(self.spec)
        values = ", ".join(f"{value} AS a{at}" for at, value in enumerate(axes)) or "1 AS a0"
        self.database.execute(
            "CREATE TEMP TABLE places AS SELECT *, (row_number() OVER () - 1)::INTEGER AS place FROM "
            f"(SELECT DISTINCT {values} FROM {self.source} p WHERE {self._where})"
        )
        found = self.database.execute("SELECT * EXCLUDE place FROM places ORDER BY place").fetchall()
        return [
            Segment(
                tuple(
                    (axis, as_text(value))
                    for axis, value in zip(names, values, strict=False)
                    if value is not None
                )
            ).text
            for values in found
        ]

    def _code(self, places: int) -> None:
        """Make the table of codes."""
        since, until = int(self.windows[0]), int(self.until_us)
        us = f"epoch_us({self._column(self.spec.data.time)})"
        hour = sql.hour_of("us", LocalTime(self.spec.data.zone), since, until)
        wide = "BIGINT" if len(self.windows) * places * 24 >= 2**31 else "INTEGER"
        cell = f"(({sql.window_of('us', self.windows)} * {places} + place) * 24 + {hour})::{wide} AS cell"
        inner = [f"{us} AS us", "places.place", *self._bins(), *self._keys()]
        outer = [cell, *(f"b{at}" for at in self._coded), "k", "came"]
        if self.outcome is not None:
            variance, loss = sql.loss_of(self.spec.data.target.kind, "y", "e", "m")
            inner += [f"{self._outcome} AS y", "p.answer::DOUBLE AS e", "p.margin::DOUBLE AS m"]
            outer += ["y", "e", f"{variance} AS v", f"{loss} AS l"]
        same = " AND ".join(f"places.a{at} IS NOT DISTINCT FROM {axis}" for at, axis in enumerate(self._axes))
        self.database.execute(
            f"CREATE TEMP TABLE coded AS SELECT {', '.join(outer)} FROM (SELECT {', '.join(inner)} "
            f"FROM {self.source} p JOIN places ON {same or 'TRUE'} WHERE {self._where})"
        )

    @property
    def _coded(self) -> list[int]:
        """The columns that have a code for each row; the others follow from the number of rows of a cell."""
        kinds = ("number", "score", "category")
        return [at for at, column in enumerate(self.binning.columns) if column.kind in kinds]

    def _bins(self) -> Iterator[str]:
        for at in self._coded:
            column = self.binning.columns[at]
            if column.kind == "category":
                value = self._column(column.name)
                yield f"{sql.category_bin(value, column, self._enum(at))} AS b{at}"
            elif column.kind == "score":
                margin = self._fixed(SCORE) or sql.MISSING
                yield f"{sql.number_bin(f'{margin}::DOUBLE', column)} AS b{at}"
            else:
                yield f"{sql.number_bin(self._number(column.name), column)} AS b{at}"

    def _enum(self, at: int) -> str | None:
        """A type of the categories of column `at`, which numbers them in their order; None where there are none."""
        column = self.binning.columns[at]
        values = [*column.values, *column.rest]
        if not values:
            return None
        frame = pl.DataFrame(
            {"value": values, "number": range(len(values))}, schema_overrides={"value": pl.String}
        )
        self.database.register(f"values{at}", Stream(frame))
        self.database.execute(
            f"CREATE TEMP TYPE values_of{at} AS ENUM (SELECT value FROM values{at} ORDER BY number)"
        )
        return f"values_of{at}"

    def _keys(self) -> Sequence[str]:
        """What tells duplicates, and which of them is the first."""
        if not any(column.kind == "duplicates" for column in self.binning.columns):
            return ["NULL AS k", "NULL AS came"]
        received = self._fixed("received_at") if self.stored else None
        came = f"epoch_us({received or self._column(self.spec.data.time)}) AS came"
        if self.stored:
            text = self._fixed(KEY)
            return [f"{sql.key_of([text], canonical=True) if text else sql.MISSING} AS k", came]
        parts = [self._column(name) for name in self.spec.data.key]
        whole = parts and sql.MISSING not in parts
        return [f"{sql.key_of(parts, canonical=False) if whole else sql.MISSING} AS k", came]

    def _counts(self, places: int) -> str:
        """The statement that counts, or sums, by cell and bin."""
        starts = self.binning.starts
        sums = "count(*) AS n"
        more = ""
        if self.outcome is not None:
            sums += ", sum(y) AS y, sum(e) AS e, sum(v) AS v, sum(l) AS l"
            more = ", y, e, v, l"
        parts = []
        for at, column in enumerate(self.binning.columns):
            first = int(starts[at])
            if at in self._coded:
                parts.append(f"SELECT cell, {first} + b{at} AS bin, {sums} FROM coded GROUP BY cell, b{at}")
            elif column.kind == "clock":
                parts.append(f"SELECT cell, {first} + cell % 24, n{more} FROM cells")
            elif column.kind == "rows":
                parts.append(f"SELECT cell, {first}, n{more} FROM cells")
            else:
                parts += self._duplicates(first, first + column.null, places, sums, more)
        cells = f"WITH cells AS MATERIALIZED (SELECT cell, {sums} FROM coded GROUP BY cell) "
        return cells + " UNION ALL ".join(parts)

    def _duplicates(self, first: int, null: int, places: int, sums: str, more: str) -> list[str]:
        """Rows beyond the first of their key within its window in bin `first`, all others in bin `null`."""
        window = f"cell // {places * 24}"
        twice = (
            f"SELECT {window} AS w, k FROM coded WHERE k IS NOT NULL GROUP BY {window}, k HAVING count(*) > 1"
        )
        self.database.execute(f"CREATE TEMP TABLE twice AS {twice}")
        ranked = (
            "SELECT coded.*, row_number() OVER (PARTITION BY w, coded.k ORDER BY came, cell) AS rank "
            f"FROM coded JOIN twice ON coded.k = twice.k AND {window} = w"
        )
        self.database.execute(f"CREATE TEMP TABLE again AS SELECT * FROM ({ranked}) WHERE rank > 1")
        ((some,),) = self.database.execute("SELECT count(*) FROM again").fetchall()
        if not some:
            return [f"SELECT cell, {null}, n{more} FROM cells"]
        again = f"SELECT cell, {sums} FROM again GROUP BY cell"
        left = "".join(f", c.{name} - coalesce(a.{name}, 0)" for name in ("y", "e", "v", "l") if more)
        return [
            f"SELECT cell, {first}, n{more} FROM ({again})",
            f"SELECT c.cell, {null}, c.n - coalesce(a.n, 0) AS rest{left} "
            f"FROM cells c LEFT JOIN ({again}) a ON a.cell = c.cell WHERE c.n > coalesce(a.n, 0)",
        ]

    def _long(self, counted: pl.DataFrame, places: list[str]) -> pl.DataFrame:
        """Counts by cell and bin as a profile."""
        cell = counted["cell"].to_numpy().astype(np.int64)
        place = cell // 24
        n = counted["n"].cast(pl.Int64)
        zero = pl.repeat(0.0, counted.height, dtype=pl.Float64, eager=True)
        if self.outcome is None:
            sums = {"rows": n, **dict.fromkeys(MEASURES[1:], zero)}
        else:
            rows = pl.repeat(0, counted.height, dtype=pl.Int64, eager=True)
            sums = dict(
                zip(MEASURES, (rows, n.cast(pl.Float64), *(counted[name] for name in "yevl")), strict=True)
            )
        columns = {
            "window": pl.Series(self.windows[place // len(places)]).cast(INSTANT),
            "segment": pl.Series(places, dtype=pl.String).gather(place % len(places)),
            "hour": pl.Series(cell % 24).cast(pl.Int8),
            "bin": counted["bin"].cast(pl.Int32),
            **sums,
        }
        return pl.DataFrame([column.alias(name) for name, column in columns.items()])
