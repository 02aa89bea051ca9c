"""What a replay plays, and in which order: recorded rows of a span, asked in order of their time, and their outcomes,
reported when they became known."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import numpy as np

from jomon.core.errors import DataError, JomonError, PredictError
from jomon.core.localtime import LocalTime
from jomon.core.moments import TimeReader
from jomon.core.spec import ProjectSpec
from jomon.core.table import Floats, Ints

if TYPE_CHECKING:
    import polars as pl

    from jomon.core.row_columns import RowColumns
    from jomon.project.home import Home

SECOND = 1_000_000
BLOCK_ROWS = 4_096
REPORTS_PER_DELAY = 50
"""Outcomes are reported together, each at most this part of its delay after it was known: a replay of a year needs
thousands of reports where one for each outcome would be hundreds of thousands."""
REPORT_ROWS = 1_000
"""Outcomes of one report, so that it is far below what a server takes."""


def read_moment(text: str, option: str, spec: ProjectSpec) -> int:
    """A time that the user gave with `option`, as microseconds since 1970-01-01 UTC: read as times of the data are, in
    the zone of the project where it has none; a day is its first instant. Raises `JomonError`."""
    data = spec.data
    try:
        return TimeReader(data, LocalTime(data.zone)).read(text)
    except PredictError as error:
        raise JomonError(str(error).replace(f"column {data.time!r} holds", f"{option} is", 1)) from None


class Ask(NamedTuple):
    """Rows `first` to `stop` are asked about, each at its time."""

    first: int
    stop: int


class Tell(NamedTuple):
    """The outcomes of rows `first` to `stop` are reported, at `moment` (microseconds UTC)."""

    first: int
    stop: int
    moment: int


@dataclass(frozen=True)
class Recorded:
    """Recorded rows (n) in order of their time, those of one time in the order in which they were ingested.

    `frame` has the columns that a caller sends, the time first: what lookups bring is left to whoever answers.
    `times`: int64[n], microseconds UTC; `targets`: float64[n], NaN where the outcome is not known; `numbers`: int64[n],
    the row's number in bronze. `before` is the mean of the outcomes that were known when the span begins, NaN where
    there are none.
    """

    spec: ProjectSpec
    frame: pl.DataFrame
    times: Ints
    targets: Floats
    numbers: Ints
    before: float

    def __len__(self) -> int:
        return len(self.times)

    @property
    def known_after_us(self) -> int:
        """How long after its time the outcome of a row is known."""
        return round(self.spec.data.target.known_after.total_seconds() * SECOND)

    def steps(self) -> Iterator[Ask | Tell]:
        """All rows and all outcomes, once each, in event order."""
        return event_order(self.times, self.known_after_us)

    def raw(self, columns: RowColumns, absent: Any) -> Blocks[tuple[Any, ...]]:
        """Rows in the order of `columns`, the time as microseconds UTC; `absent` stands for what is not sent."""

        def made(first: int, stop: int) -> list[tuple[Any, ...]]:
            values, blank = self._values(first, stop, plain), [absent] * (stop - first)
            return list(zip(*(values.get(name, blank) for name in columns.names), strict=True))

        return Blocks(len(self), made)

    def documents(self) -> Blocks[dict[str, Any]]:
        """Rows as a caller sends them over HTTP: mappings, the time as text in UTC."""

        def made(first: int, stop: int) -> list[dict[str, Any]]:
            values = self._values(first, stop, texts_of)
            return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]

        return Blocks(len(self), made)

    def outcomes(self, shown: Callable[[Ints], Sequence[Any]]) -> Blocks[dict[str, Any]]:
        """What is reported of rows: key, value (NaN where there is nothing to report) and when it became known; times
        as `shown` gives them."""
        key = self.spec.data.key

        def made(first: int, stop: int) -> list[dict[str, Any]]:
            values = self._values(first, stop, shown)
            known = shown(self.times[first:stop] + self.known_after_us)
            told = zip(*(values[name] for name in key), strict=True)
            return [
                {"key": dict(zip(key, mine, strict=True)), "value": value, "known_at": at}
                for mine, value, at in zip(told, self.targets[first:stop].tolist(), known, strict=True)
            ]

        return Blocks(len(self), made)

    def _values(
        self, first: int, stop: int, shown: Callable[[Ints], Sequence[Any]]
    ) -> dict[str, Sequence[Any]]:
        """The columns of rows `first` to `stop` as plain values, the time first."""
        part = self.frame[first:stop]
        time_name, *others = part.columns
        return {time_name: shown(self.times[first:stop]), **{name: part[name].to_list() for name in others}}


Made = TypeVar("Made")


class Blocks(Generic[Made]):
    """Values of n rows, made from columns some thousand rows at a time: one slice of a column costs as much as the
    values of many rows. Rows are asked for in ascending order, more or less."""

    def __init__(self, rows: int, made: Callable[[int, int], list[Made]], size: int = BLOCK_ROWS) -> None:
        self._rows, self._made, self._size = rows, made, size
        self._block = lru_cache(maxsize=2)(self._make)

    def _make(self, number: int) -> list[Made]:
        first = number * self._size
        return self._made(first, min(first + self._size, self._rows))

    def take(self, first: int, stop: int) -> list[Made]:
        """The values of rows `first` to `stop`."""
        size, out = self._size, list[Made]()
        for number in range(first // size, -(-stop // size)):
            start = number * size
            out += self._block(number)[max(first - start, 0) : stop - start]
        return out


def plain(times: Ints) -> list[int]:
    """Instants as they are, microseconds UTC."""
    found: list[int] = times.tolist()
    return found


def texts_of(times: Ints) -> list[str]:
    """Instants (microseconds UTC) as text with their zone, so that no clock change makes them ambiguous."""
    return [f"{text}Z" for text in np.datetime_as_string(times.astype("datetime64[us]")).tolist()]


def event_order(times: Ints, known_after_us: int) -> Iterator[Ask | Tell]:
    """Rows at `times` (int64[n], ascending) and their outcomes in one order.

    Outcomes are told together, each between the moment it is known and a `REPORTS_PER_DELAY`th of the delay later (a
    second, if that is more), and after all rows up to that moment were asked about.
    """
    if not len(times):
        return
    every = max(known_after_us // REPORTS_PER_DELAY, SECOND)
    first = int(times[0])
    moments = first - (first - times - known_after_us) // every * every
    bounds = [0, *(np.flatnonzero(np.diff(moments)) + 1).tolist(), len(times)]
    asked = 0
    for start, stop in pairwise(bounds):
        moment = int(moments[start])
        until = int(np.searchsorted(times, moment, "right"))
        if until > asked:
            yield Ask(asked, until)
            asked = until
        for part in range(start, stop, REPORT_ROWS):
            yield Tell(part, min(part + REPORT_ROWS, stop), moment)


_NEVER = 2**62  # after every time; an integer, so that arrays of times are searched as they are


class Pace:
    """When moments of event time come: `speed` times as fast as they did, from `first_us` on; None: at once.

    `now` tells seconds of a clock that only runs forward.
    """

    def __init__(self, speed: float | None, first_us: int, now: Callable[[], float] = time.monotonic) -> None:
        self._speed, self._first, self._now = speed, first_us, now
        self._began = now()

    def due_in(self, moment_us: int) -> float:
        """Seconds until a moment; 0 where it has come."""
        if self._speed is None:
            return 0.0
        due = self._began + (moment_us - self._first) / SECOND / self._speed
        return max(due - self._now(), 0.0)

    def reached(self) -> int:
        """The moment (microseconds UTC) that has come by now."""
        if self._speed is None:
            return _NEVER
        return self._first + int((self._now() - self._began) * self._speed * SECOND)


def parse_speed(text: str) -> float | None:
    """`max` is None, `60` sixty times real time; raises `JomonError`.

    >>> parse_speed("max"), parse_speed("60"), parse_speed("0.5x")
    (None, 60.0, 0.5)
    """
    if text.strip().lower() == "max":
        return None
    try:
        speed = float(text.strip().lower().removesuffix("x"))
    except ValueError:
        speed = math.nan
    if not (math.isfinite(speed) and speed > 0):
        raise JomonError(f"--speed {text!r} is no speed: write max, or how many times real time, such as 60.")
    return speed


def read_recorded(home: Home, spec: ProjectSpec, since_us: int, until_us: int | None) -> Recorded:
    """The rows of silver from `since_us` (included) to `until_us` (excluded; None: to the end), with the columns that
    callers of a fleet with `spec` send.

    Raises `DataError` where nothing was ingested, or a column is not in it.
    """
    import polars as pl

    from jomon.core.row_columns import RowColumns
    from jomon.data.tables import ROW, LayerTable
    from jomon.data.text import text_of

    table, columns = LayerTable(home.tables, "silver"), RowColumns.of(spec)
    lazy = table.scan()
    _require(spec, columns, table.columns)
    time_name, target = spec.data.time, spec.data.target.column
    known_after = round(spec.data.target.known_after.total_seconds() * SECOND)
    known = lazy.filter(pl.col(time_name) <= _instant(since_us - known_after))
    before = known.select(pl.col(target).cast(pl.Float64).mean()).collect().item()
    lazy = lazy.filter(pl.col(time_name) >= _instant(since_us))
    if until_us is not None:
        lazy = lazy.filter(pl.col(time_name) < _instant(until_us))
    own = [name for name in columns.names if name in table.columns]
    frame = (
        lazy.select(*own, pl.col(target).cast(pl.Float64).alias(_TARGET), ROW).sort(time_name, ROW).collect()
    )
    kinds = {column.name: column.kind for column in columns}
    plain = (pl.String, pl.Boolean)
    made = [
        frame[name]
        if kinds[name] != "text" or frame[name].dtype in plain or frame[name].dtype.is_integer()
        else text_of(frame[name])
        for name in own
    ]
    return Recorded(
        spec,
        pl.DataFrame(made),
        frame[time_name].to_physical().to_numpy().astype(np.int64),
        frame[_TARGET].fill_null(math.nan).to_numpy().astype(np.float64),
        frame[ROW].to_numpy().astype(np.int64),
        math.nan if before is None else float(before),
    )


_TARGET = "_jomon_target"


def _require(spec: ProjectSpec, columns: RowColumns, have: Mapping[str, Any]) -> None:
    needed = [column.name for column in columns if column.required]
    for name in dict.fromkeys((*needed, *spec.data.key, spec.data.time, spec.data.target.column)):
        if name not in have:
            raise DataError(
                f"The recorded rows have no column {name!r}, which the image needs: replay an image of what was "
                "ingested, or ingest what it was built of."
            )


def _instant(moment_us: int) -> pl.Expr:
    import polars as pl

    return pl.lit(moment_us).cast(pl.Datetime("us", "UTC"))
