"""One row after another made ready for the engine: typed, completed, routed, encoded.

The same results as `Context.codes` and `FeatureEncoder.encode` give for columns, for requests of one or a few rows,
where arrays would cost a hundred times more than what they hold. Routes are remembered by the values of the axes:
after the first row of a context, routing is one look into a dictionary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import inf, isinf, nan
from typing import Any, NamedTuple

import msgspec
import numpy as np

from jomon.core.calendar import calendar_columns
from jomon.core.columns import as_text
from jomon.core.errors import PredictError
from jomon.core.moments import TEXTS_KEPT, Hour, Moments, TimeReader
from jomon.core.routing import NOT_VALID, Reason, Route, RouteStep, Why, finest_alone
from jomon.core.row_columns import RowColumns
from jomon.core.segments import Segment
from jomon.core.suggest import nearest
from jomon.core.table import Floats, Ints
from jomon.core.validity import instant
from jomon.engine.runtime import Flags, Runtime
from jomon.serving.typed import normals

FEW = 3
PLACES_KEPT = 50_000
"""Contexts whose places are remembered; then all are forgotten."""

Key = tuple[str | None, ...]
Find = Callable[[Key, int], "tuple[float | str | None, ...] | None"]
"""What a lookup knows for the texts of its key at an instant (microseconds UTC), by feature; None: nothing."""
Periods = tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """Which members take part for a context: the engine's input for S stages, and what is told of it.

    codes, has: int64[S] and bool[S] as bytes; chain: the texts of the segments whose members take part, the root
    first; tally: position of the finest stage among them, and the stages at which the row has a segment and no
    member takes part; steps: what to tell of each stage.
    """

    codes: bytes
    has: bytes
    chain: tuple[str, ...]
    tally: tuple[int, tuple[int, ...]]
    steps: Callable[[], Route]


class _Route:
    """The segments of one context, and the periods in which their members are valid."""

    __slots__ = ("always", "codes", "has", "periods", "segments", "values", "variants")

    def __init__(
        self,
        values: Mapping[str, str | None],
        segments: list[Segment | None],
        periods: tuple[Periods, ...] | None,
    ) -> None:
        self.values, self.segments = values, segments
        self.codes = [0 if segment is None else segment.code for segment in segments]
        self.has = tuple(segment is not None for segment in segments)
        self.periods = periods
        self.always: Variant | None = None
        """The one variant of a route whose members are always valid."""
        self.variants: dict[tuple[bool, ...], Variant] = {}


class Place(msgspec.Struct, frozen=True, gc=False):
    """What the categories and axes of a row decide: the codes of its categorical features, and its route."""

    codes: tuple[float, ...]
    texts: tuple[str | None, ...]
    """Categorical features as text."""
    route: _Route


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


@dataclass(frozen=True, slots=True)
class _Lookup:
    name: str
    features: tuple[int, ...]
    on: tuple[int, ...]
    numbers: bool
    """Whether it is joined on a column of numbers too."""
    span: slice | None
    refuse: bool


class RowPath:
    """Makes rows ready for one image; made once per image, used by one thread at a time.

    `lookups` says what each declared lookup knows; `absent` is what stands for a value that the caller did not send.
    """

    def __init__(self, runtime: Runtime, lookups: Mapping[str, Find], absent: Any) -> None:
        spec = self.spec = runtime.spec
        self.runtime, self.columns, self._absent = runtime, RowColumns.of(spec), absent
        self._find = {name: lookups[name] for name in spec.lookups}
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
        self._key_names = (*features.categorical, *text_axes, *numeric_axes, *self._timed)
        encoder = runtime.encoder
        self._codes = [
            {value: float(code) for code, value in enumerate(encoder.vocabularies[name])}
            for name in features.categorical
        ]
        self._strict = encoder.unseen == "error"
        assembled = (*features.numeric, *features.categorical, *self._moments.columns)
        self._order = (
            None if encoder.names == assembled else [assembled.index(name) for name in encoder.names]
        )
        self._typed = normals(self.columns, spec.data.contract)
        typed = {at for at, _ in self._typed}
        self._untyped = [at for at in self._texts if at not in typed]
        self._truths = {
            at
            for at, name in enumerate(names)
            if name in spec.data.contract and spec.data.contract[name].type == "bool"
        }
        self._lookups = [
            _Lookup(
                name,
                tuple(place[f] for f in lookup.features),
                tuple(place[c] for c in lookup.key(spec.data.time).columns),
                any(place[c] not in self._texts for c in lookup.key(spec.data.time).columns),
                _span([place[f] for f in lookup.features]),
                lookup.missing == "quarantine",
            )
            for name, lookup in spec.lookups.items()
        ]
        self._times: dict[str, tuple[int, Hour]] = {}
        # Texts that nothing needs, and nothing brings, are missing where they are not sent.
        self._may_lack = [at for at in self._texts if not self.columns.all[at].required]
        self._places: dict[tuple[str | None, ...], Place] = {}
        self._segments: dict[tuple[tuple[str, str | None], ...], Segment] = {}
        self._rest = [place[name] for name in self.columns.recorded_plain]
        self.replaces = spec.relation == "replace"
        members = runtime.slow_codes if self.replaces else runtime.member_codes
        self._members = [frozenset(codes.tolist()) for codes in members]

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
        missed = self._join(values, time_us) if self._lookups else ()
        if self._may_lack:
            for at in self._may_lack:
                if values[at] is absent:
                    values[at] = None
        where = values[self._where]
        if self._numeric_axes:
            where += [None if values[at] is None else as_text(values[at] + 0.0) for at in self._numeric_axes]
        key = (*where, *hour.axes)
        place = self._places.get(key)
        if place is None:
            place = self._new_place(key)
        route = place.route
        variant = route.always
        if variant is None:
            variant = self._variant_at(route, time_us)
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
        """Forget the contexts met so far: they hold each other and this path in a circle that no collection sees."""
        self._places.clear()
        self._segments.clear()

    def _join(self, values: list[Any], time_us: int) -> tuple[str, ...]:
        """Fill in what lookups bring where the caller did not send it; which of them had nothing."""
        missed: tuple[str, ...] = ()
        absent = self._absent
        for lookup in self._lookups:
            lacking = values[lookup.span].count(absent) if lookup.span is not None else -1
            if lacking == 0 or (lacking < 0 and not any(values[at] is absent for at in lookup.features)):
                continue
            found = self._find[lookup.name](self._key(lookup, values), time_us)
            if found is None:
                missed = (*missed, lookup.name)
                if lookup.refuse:
                    raise PredictError(
                        f"the lookup {lookup.name} has nothing for it, and the project file demands a value: "
                        "ingest newer data, or send the columns."
                    )
                found = (None,) * len(lookup.features)
            if lookup.span is not None and lacking == len(lookup.features):
                values[lookup.span] = found
                continue
            for at, value in zip(lookup.features, found, strict=True):
                if values[at] is absent:
                    values[at] = value
        return missed

    def _key(self, lookup: _Lookup, values: list[Any]) -> Key:
        key = tuple([values[at] for at in lookup.on])
        if lookup.numbers:
            key = tuple([self._number_text(at, value) for at, value in zip(lookup.on, key, strict=True)])
        if self._absent in key:
            name = self.columns.names[lookup.on[key.index(self._absent)]]
            raise PredictError(
                f"column {name!r} is missing, on which the lookup {lookup.name} is joined: send it."
            )
        return key

    def _number_text(self, at: int, value: Any) -> Any:
        """The text of a number in the key of a lookup, as it is in the key of a column."""
        if not isinstance(value, int | float):
            return value
        return as_text(bool(value)) if at in self._truths else as_text(value + 0.0)

    def _new_place(self, key: tuple[str | None, ...]) -> Place:
        """The place of a context met for the first time."""
        features = self.spec.data.features.categorical
        categorical = key[: len(features)]
        if self._strict:
            self._refuse_unseen(categorical)
        codes = tuple(codes.get(value, nan) for codes, value in zip(self._codes, categorical, strict=True))  # type: ignore[arg-type]
        values = dict(zip(self._key_names, key, strict=True))
        segments = [
            self._segment(tuple((axis, values[axis]) for axis in stage.level)) for stage in self.spec.stages
        ]
        periods = None
        if any(stage.valid for stage in self.spec.stages):
            periods = tuple(
                self._periods(stage, segment)
                for stage, segment in zip(self.spec.stages, segments, strict=True)
            )
        route = _Route(values, segments, periods)
        if periods is None:
            route.always = self._variant(route, route.has)
        if len(self._places) >= PLACES_KEPT:
            self.forget()
        place = self._places[key] = Place(codes, categorical, route)
        return place

    def _segment(self, items: tuple[tuple[str, str | None], ...]) -> Segment | None:
        """The segment of these values, one object for all contexts that have it; None where a value is missing."""
        if any(value is None for _, value in items):
            return None
        found = self._segments.get(items)
        if found is None:
            found = self._segments[items] = Segment(items)  # type: ignore[arg-type]
        return found

    def _refuse_unseen(self, categorical: Sequence[str | None]) -> None:
        names = self.spec.data.features.categorical
        for name, codes, value in zip(names, self._codes, categorical, strict=True):
            if value is not None and value not in codes:
                near = nearest(value, tuple(codes))
                raise PredictError(
                    f"column {name!r} holds {value!r}, which training never saw: send a known one"
                    f"{f' such as {near!r}' if near else ''}, or declare 'unseen: missing' in data.features."
                )

    def _variant_at(self, route: _Route, time_us: int) -> Variant:
        """The variant of a route some of whose members come and go."""
        assert route.periods is not None
        has = tuple(
            here and all(any(a <= time_us < b for a, b in group) for group in groups)
            for here, groups in zip(route.has, route.periods, strict=True)
        )
        variant = route.variants.get(has)
        if variant is None:
            variant = route.variants[has] = self._variant(route, has)
        return variant

    def _periods(self, stage: Any, segment: Segment | None) -> Periods:
        """The periods of the stage that match a segment, grouped as `validity.active` does."""
        groups: dict[frozenset[tuple[str, str]], list[tuple[float, float]]] = {}
        items = frozenset(() if segment is None else segment.items)
        for period in stage.valid:
            values = frozenset(period.segment.items())
            if segment is not None and values <= items:
                local = self.runtime.context.local
                start = -inf if period.start is None else instant(period.start, local)
                until = inf if period.until is None else instant(period.until, local)
                groups.setdefault(values, []).append((start, until))
        return tuple(tuple(group) for group in groups.values())

    def _variant(self, route: _Route, has: tuple[bool, ...]) -> Variant:
        takes = [
            here and code in known for here, code, known in zip(has, route.codes, self._members, strict=True)
        ]
        level = max((at for at, part in enumerate(takes) if part), default=-1)
        if self.replaces:
            takes = [at == level for at in range(len(takes))]
        texts = tuple(
            segment.text
            for segment, part in zip(route.segments, takes, strict=True)
            if part and segment is not None
        )
        without = tuple(
            at for at, (here, part) in enumerate(zip(has, takes, strict=True)) if here and not part and at > 0
        )
        return Variant(
            np.array(route.codes, np.int64).tobytes(),
            np.array(has, np.bool_).tobytes(),
            texts,
            (level, without),
            partial(self._steps, route, has),
        )

    def _steps(self, route: _Route, has: tuple[bool, ...]) -> Route:
        """What `Runtime.route` says of a row with this route."""
        steps = []
        for at, (stage, segment, here) in enumerate(zip(self.spec.stages, route.segments, has, strict=True)):
            if segment is None:
                lacking = ", ".join(axis for axis in stage.level if route.values[axis] is None)
                steps.append(RouteStep(stage.level, None, False, Reason.of(Why.NO_VALUE, axes=lacking).text))
                continue
            reason = self.runtime.verdict(at, segment)
            if reason.answers and not here:
                reason = NOT_VALID
            steps.append(RouteStep(stage.level, segment.text, reason.answers, reason.text))
        return finest_alone(tuple(steps)) if self.replaces else tuple(steps)

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


def _span(positions: Sequence[int]) -> slice | None:
    """The slice that positions make up where they follow one another."""
    first = positions[0]
    return (
        slice(first, first + len(positions))
        if list(positions) == list(range(first, first + len(positions)))
        else None
    )
