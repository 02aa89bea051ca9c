"""One row after another made ready for the engine: typed, completed, routed, encoded.

The same results as `Context.codes` and `FeatureEncoder.encode` give for columns, for requests of one or a few rows,
where arrays would cost a hundred times more than what they hold. Routes are remembered by the values of the axes:
after the first row of a context, routing is one look into a dictionary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import inf, isfinite, isinf, nan
from typing import Any, NamedTuple

import numpy as np

from jomon.core.calendar import calendar_columns
from jomon.core.columns import as_text
from jomon.core.errors import PredictError
from jomon.core.moments import Moments, TimeReader
from jomon.core.routing import NOT_VALID, Reason, Route, RouteStep, Why, finest_alone
from jomon.core.row_columns import RowColumns
from jomon.core.segments import Segment
from jomon.core.suggest import nearest
from jomon.core.table import Floats, Ints
from jomon.core.validity import instant
from jomon.engine.runtime import Flags, Runtime

ROUTES_KEPT = 100_000
"""Contexts whose routes are remembered; then all are forgotten."""
_TRUTH = {"true": "true", "1": "true", "false": "false", "0": "false"}

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

    __slots__ = ("codes", "has", "periods", "segments", "values", "variants")

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
        self.variants: dict[tuple[bool, ...], Variant] = {}


class Row(NamedTuple):
    """A row made ready: its instant, features, route, values as recorded, and the lookups that had nothing."""

    time_us: int
    x: tuple[float, ...]
    variant: Variant
    values: tuple[float | str | None, ...]
    missed: tuple[str, ...]


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
    time_part: bool
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
        self._axes = tuple(place[name] for name in plain)
        self._axis_order = (*plain, *self._timed)
        self._text_axes = all(at in self._texts for at in self._axes)
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
        self._typed = _typed_texts(self.columns, spec.data.contract)
        self._lookups = [
            _Lookup(
                name,
                tuple(place[f] for f in lookup.features),
                tuple(place[c] for c in lookup.key(spec.data.time).columns),
                lookup.key(spec.data.time).time_part is not None,
                lookup.missing == "quarantine",
            )
            for name, lookup in spec.lookups.items()
        ]
        self._routes: dict[tuple[str | None, ...], _Route] = {}
        self._recorded_plain = [place[name] for name in self.columns.recorded_plain]
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
        time_us = self._reader.read(values[0])
        calendar, axes = self._moments.at(time_us)
        missed = self._join(values, time_us) if self._lookups else ()
        for at in self._texts:
            value = values[at]
            if value.__class__ is not str and value is not None:
                values[at] = None if value is self._absent else as_text(value)
        for at, normal in self._typed:
            values[at] = normal(values[at])
        numeric, categorical = values[self._numeric], values[self._categorical]
        x = [nan if value is None else value for value in numeric]
        for codes, value in zip(self._codes, categorical, strict=True):
            x.append(codes.get(value, nan))
        if self._strict:
            self._refuse_unseen(categorical)
        x += calendar
        if self._order is not None:
            x = [x[at] for at in self._order]
        where = [values[at] for at in self._axes]
        if not self._text_axes:
            where = [value if value is None or value.__class__ is str else as_text(value) for value in where]
        variant = self._route((*where, *axes), time_us)
        recorded = (*numeric, *categorical, *calendar, *axes, *[values[at] for at in self._recorded_plain])
        return Row(time_us, tuple(x), variant, recorded, missed)

    def _join(self, values: list[Any], time_us: int) -> tuple[str, ...]:
        """Fill in what lookups bring where the caller did not send it; which of them had nothing."""
        missed: tuple[str, ...] = ()
        absent = self._absent
        for lookup in self._lookups:
            for at in lookup.features:
                if values[at] is absent:
                    break
            else:
                continue
            found = self._find[lookup.name](self._key(lookup, values), time_us)
            if found is None:
                missed = (*missed, lookup.name)
                if lookup.refuse:
                    raise PredictError(
                        f"the lookup {lookup.name} has nothing for it, and the project file demands a value: "
                        "ingest newer data, or send the columns."
                    )
                for at in lookup.features:
                    if values[at] is absent:
                        values[at] = None
            else:
                for at, value in zip(lookup.features, found, strict=True):
                    if values[at] is absent:
                        values[at] = value
        return missed

    def _key(self, lookup: _Lookup, values: list[Any]) -> Key:
        key: list[str | None] = []
        for at in lookup.on:
            value = values[at]
            if value is self._absent:
                name = self.columns.names[at]
                raise PredictError(
                    f"column {name!r} is missing, on which the lookup {lookup.name} is joined: send it."
                )
            key.append(value if value is None or value.__class__ is str else as_text(value))
        return tuple(key)

    def _refuse_unseen(self, categorical: Sequence[str | None]) -> None:
        names = self.spec.data.features.categorical
        for name, codes, value in zip(names, self._codes, categorical, strict=True):
            if value is not None and value not in codes:
                near = nearest(value, tuple(codes))
                raise PredictError(
                    f"column {name!r} holds {value!r}, which training never saw: send a known one"
                    f"{f' such as {near!r}' if near else ''}, or declare 'unseen: missing' in data.features."
                )

    def _route(self, key: tuple[str | None, ...], time_us: int) -> Variant:
        route = self._routes.get(key)
        if route is None:
            route = self._new_route(key)
        has = route.has
        if route.periods is not None:
            has = tuple(
                here and all(any(a <= time_us < b for a, b in group) for group in groups)
                for here, groups in zip(has, route.periods, strict=True)
            )
        variant = route.variants.get(has)
        if variant is None:
            variant = route.variants[has] = self._variant(route, has)
        if variant.tally[0] < 0:
            raise PredictError("no member of this fleet answers for it; declare a stage with level [].")
        return variant

    def _new_route(self, key: tuple[str | None, ...]) -> _Route:
        values = dict(zip(self._axis_order, key, strict=True))
        segments: list[Segment | None] = []
        for stage in self.spec.stages:
            items = tuple((axis, values[axis]) for axis in stage.level)
            segments.append(Segment(items) if all(v is not None for _, v in items) else None)  # type: ignore[arg-type]
        periods = None
        if any(stage.valid for stage in self.spec.stages):
            periods = tuple(
                self._periods(stage, segment)
                for stage, segment in zip(self.spec.stages, segments, strict=True)
            )
        if len(self._routes) >= ROUTES_KEPT:
            self._routes.clear()
        route = self._routes[key] = _Route(values, segments, periods)
        return route

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
        flat: list[float] = []
        for row in rows:
            flat += row.x
        x = np.array(flat, np.float64).reshape(n, -1)
        if np.isinf(x).any():
            at = int(np.argmax(np.isinf(x).any(axis=1)))
            name = next(n for n, v in zip(self.runtime.encoder.names, rows[at].x, strict=True) if isinf(v))
            raise PredictError(f"Row {at}: column {name!r} is infinite: send a finite number or null.")
        stages = len(self.spec.stages)
        codes = np.frombuffer(bytearray().join([row.variant.codes for row in rows]), np.int64)
        has = np.frombuffer(bytearray().join([row.variant.has for row in rows]), np.bool_)
        return Rows(x, codes.reshape(n, stages), has.reshape(n, stages))


def _typed_texts(columns: RowColumns, contract: Mapping[str, Any]) -> list[tuple[int, Callable[[Any], Any]]]:
    """Columns of text whose contract declares another type: 07 and 7 are one whole number, 1 and true one truth."""
    normal = {"int": _whole, "float": _real, "bool": _truth}
    return [
        (at, normal[contract[column.name].type])
        for at, column in enumerate(columns)
        if column.kind == "text" and column.name in contract and contract[column.name].type in normal
    ]


def _whole(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text:
        return None
    try:
        number = int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError:
        raise PredictError(f"the value {value!r} is not a whole number: correct it.") from None
    if not isfinite(number) or number != int(number):
        raise PredictError(f"the value {value!r} is not a whole number: correct it.")
    return str(int(number))


def _real(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return as_text(float(value))
    except ValueError:
        raise PredictError(f"the value {value!r} is not a number: correct it.") from None


def _truth(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    truth = _TRUTH.get(value.strip().lower())
    if truth is None:
        raise PredictError(f"the value {value!r} is neither true nor false: correct it.")
    return truth
