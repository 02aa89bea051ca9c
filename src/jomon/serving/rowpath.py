"""One row after another made ready for the engine: typed, completed, routed, encoded.

The same results as `Context.codes` and `FeatureEncoder.encode` give for columns, for requests of one or a few rows,
where arrays would cost a hundred times more than what they hold. Routes are remembered by the values of the axes:
after the first row of a context, routing is one look into a dictionary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import inf, isinf
from typing import Any, NamedTuple

import msgspec
import numpy as np

from jomon.core.calendar import calendar_columns
from jomon.core.columns import as_text
from jomon.core.errors import PredictError
from jomon.core.moments import TEXTS_KEPT, Hour, Moments, TimeReader
from jomon.core.row_columns import RowColumns
from jomon.core.table import Floats, Ints
from jomon.engine.runtime import Flags, Runtime
from jomon.serving.joins import Find, Joins
from jomon.serving.places import Place, Places, Variant
from jomon.serving.typed import normals

FEW = 3


class Row(msgspec.Struct, gc=False):
    """A row made ready: its instant, numeric features, place, hour, variant, and the rest that is recorded.

    `missed` are the lookups that had nothing for it.
    """

    time_us: int
    numeric: list[float | None]
    place: Place
    hour: Hour
    variant: Variant
    rest: list[str | float | None]
    missed: tuple[str, ...]

    @property
    def values(self) -> tuple[float | str | None, ...]:
        """What is recorded of the row, in the order of `RowPath.recorded`."""
        return (*self.numeric, *self.place.texts, *self.hour.calendar, *self.hour.axes, *self.rest)


class Rows(NamedTuple):
    """Rows as the engine takes them: float64[n, F], int64[n, S], bool[n, S]."""

    x: Floats
    codes: Ints
    has: Flags


class RowPath:
    """Makes rows ready for one image; made once per image, used by one thread at a time.

    `lookups` says what each declared lookup knows; `absent` is what stands for a value that the caller did not send.
    """

    def __init__(self, runtime: Runtime, lookups: Mapping[str, Find], absent: Any) -> None:
        spec = self.spec = runtime.spec
        self.runtime, self.columns, self._absent = runtime, RowColumns.of(spec), absent
        features = spec.data.features
        names = self.columns.names
        place = {name: at for at, name in enumerate(names)}
        axes = dict.fromkeys(axis for stage in spec.stages for axis in stage.level)
        plain = tuple(axis for axis in axes if axis not in spec.axes.available)
        self._timed = tuple(axis for axis in axes if axis in spec.axes.available)
        self._reader = TimeReader(spec.data, runtime.context.local)
        self._moments = Moments(runtime.context, features.calendar, self._timed)
        self._numeric = slice(1, 1 + len(features.numeric))
        self._categorical = slice(self._numeric.stop, self._numeric.stop + len(features.categorical))
        self._texts = [at for at, column in enumerate(self.columns) if column.kind == "text"]
        text_axes = [
            name for name in plain if place[name] in self._texts and name not in features.categorical
        ]
        # `RowColumns` puts categorical features first among texts, and the other plain axes right behind them.
        self._where = slice(self._categorical.start, self._categorical.stop + len(text_axes))
        assert names[self._categorical.stop : self._where.stop] == tuple(text_axes)
        numeric_axes = [name for name in plain if place[name] not in self._texts]
        self._numeric_axes = tuple(place[name] for name in numeric_axes)
        self._places = Places(runtime, (*features.categorical, *text_axes, *numeric_axes, *self._timed))
        self._known = self._places.known
        self.replaces = self._places.replaces
        self._joins = Joins(spec, self.columns, lookups, absent)
        self._joined = bool(spec.lookups)
        assembled = (*features.numeric, *features.categorical, *self._moments.columns)
        encoded = runtime.encoder.names
        self._order = None if encoded == assembled else [assembled.index(name) for name in encoded]
        self._typed = normals(self.columns, spec.data.contract)
        typed = {at for at, _ in self._typed}
        self._untyped = [at for at in self._texts if at not in typed]
        self._times: dict[str, tuple[int, Hour]] = {}
        # Texts that nothing needs, and nothing brings, are missing where they are not sent.
        self._may_lack = [at for at in self._texts if not self.columns.all[at].required]
        self._rest = [place[name] for name in self.columns.recorded_plain]

    @cached_property
    def recorded(self) -> tuple[tuple[str, str], ...]:
        """The columns of `Row.values`: name, and number or text."""
        kinds = {column.name: column.kind for column in self.columns}
        features = self.spec.data.features
        return (
            *((name, "number") for name in features.numeric),
            *((name, "text") for name in features.categorical),
            *((name, "number") for name in calendar_columns(features.calendar)),
            *((f"axis_{name}", "text") for name in self._timed),
            *((name, kinds[name]) for name in self.columns.recorded_plain),
        )

    def row(self, raw: Sequence[Any]) -> Row:
        """One row: `raw` has a value for each of `columns` (None: missing; `absent`: not sent).

        Numbers are floats, ints or bools; categories text, ints, floats or bools; the time is text or microseconds.
        Raises `PredictError` without the row's number: "column 'distance' ...".
        """
        values = list(raw)
        known = self._times.get(values[0])
        time_us, hour = self._moment(values[0]) if known is None else known
        absent = self._absent
        for at in self._untyped:
            value = values[at]
            if value.__class__ is not str and value is not None and value is not absent:
                values[at] = str(value) if value.__class__ is int else as_text(value)
        for at, normal in self._typed:
            values[at] = normal(values[at])
        missed = self._joins.join(values, time_us) if self._joined else ()
        if self._may_lack:
            for at in self._may_lack:
                if values[at] is absent:
                    values[at] = None
        where = values[self._where]
        if self._numeric_axes:
            where += [None if values[at] is None else as_text(values[at] + 0.0) for at in self._numeric_axes]
        key = (*where, *hour.axes)
        place = self._known.get(key)
        if place is None:
            place = self._places.new(key)
        route = place.route
        variant = route.always
        if variant is None:
            variant = self._places.variant_at(route, time_us)
        if variant.tally[0] < 0:
            raise PredictError("no member of this fleet answers for it; declare a stage with level [].")
        rest = [values[at] for at in self._rest]
        return Row(time_us, values[self._numeric], place, hour, variant, rest, missed)

    def _moment(self, value: Any) -> tuple[int, Hour]:
        """The instant that a time means, and what holds in its minute; texts are remembered."""
        time_us = self._reader.read(value)
        found = time_us, self._moments.at(time_us)
        if value.__class__ is str:
            if len(self._times) >= TEXTS_KEPT:
                self._times.clear()
            self._times[value] = found
        return found

    def forget(self) -> None:
        """Forget the contexts met so far, which would outlive this path otherwise."""
        self._places.forget()

    def stack(self, rows: Sequence[Row]) -> Rows:
        """Rows (n) as arrays; raises `PredictError` with the row's number where a number is infinite."""
        n = len(rows)
        flat: list[float | None] = []
        for row in rows:
            flat += row.numeric
            flat += row.place.codes
            flat += row.hour.calendar
        x = np.array(flat, np.float64).reshape(n, -1)  # None becomes NaN
        # A few rows are looked through faster as lists, many as an array.
        if np.isinf(x).any() if n > FEW else any(inf in row.numeric or -inf in row.numeric for row in rows):
            raise self._infinite(rows)
        if self._order is not None:
            x = np.ascontiguousarray(x[:, self._order])
        stages = len(self.spec.stages)
        codes = np.frombuffer(bytearray().join([row.variant.codes for row in rows]), np.int64)
        has = np.frombuffer(bytearray().join([row.variant.has for row in rows]), np.bool_)
        return Rows(x, codes.reshape(n, stages), has.reshape(n, stages))

    def _infinite(self, rows: Sequence[Row]) -> PredictError:
        at = next(at for at, row in enumerate(rows) if inf in row.numeric or -inf in row.numeric)
        name = next(
            name
            for name, value in zip(self.columns.names[self._numeric], rows[at].numeric, strict=True)
            if value is not None and isinf(value)
        )
        return PredictError(f"Row {at}: column {name!r} is infinite: send a finite number or null.")
