"""Where rows belong: for each context met, its segments and the members that take part, remembered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf, nan

import msgspec
import numpy as np

from jomon.core.errors import PredictError
from jomon.core.routing import NOT_VALID, Reason, Route, RouteStep, Why, finest_alone
from jomon.core.segments import Segment
from jomon.core.spec import StageSpec
from jomon.core.suggest import nearest
from jomon.core.validity import instant
from jomon.engine.runtime import Runtime

PLACES_KEPT = 50_000
"""Contexts whose places are remembered; then all are forgotten."""

Key = tuple[str | None, ...]
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


class PlacedRoute:
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
    route: PlacedRoute


class Places:
    """The places of one image's contexts, by the texts of its categorical features and the values of its axes.

    `names` are those of a key: categorical features first, then the axes that are not among them. `known` are the
    places met so far.
    """

    def __init__(self, runtime: Runtime, names: Sequence[str]) -> None:
        self.known: dict[Key, Place] = {}
        self.replaces = runtime.spec.relation == "replace"
        self._runtime, self._spec, self._names = runtime, runtime.spec, tuple(names)
        encoder = runtime.encoder
        self._codes = [
            {value: float(code) for code, value in enumerate(encoder.vocabularies[name])}
            for name in self._spec.data.features.categorical
        ]
        self._strict = encoder.unseen == "error"
        self._segments: dict[tuple[tuple[str, str | None], ...], Segment] = {}
        members = runtime.slow_codes if self.replaces else runtime.member_codes
        self._members = [frozenset(codes.tolist()) for codes in members]

    def forget(self) -> None:
        """Forget the contexts met so far: they hold each other and this in a circle that no collection sees."""
        self.known.clear()
        self._segments.clear()

    def new(self, key: Key) -> Place:
        """The place of a context met for the first time."""
        features = self._spec.data.features.categorical
        categorical = key[: len(features)]
        if self._strict:
            self._refuse_unseen(categorical)
        codes = tuple(codes.get(value, nan) for codes, value in zip(self._codes, categorical, strict=True))  # type: ignore[arg-type]
        values = dict(zip(self._names, key, strict=True))
        segments = [
            self._segment(tuple((axis, values[axis]) for axis in stage.level)) for stage in self._spec.stages
        ]
        periods = None
        if any(stage.valid for stage in self._spec.stages):
            periods = tuple(
                self._periods(stage, segment)
                for stage, segment in zip(self._spec.stages, segments, strict=True)
            )
        route = PlacedRoute(values, segments, periods)
        if periods is None:
            route.always = self._variant(route, route.has)
        if len(self.known) >= PLACES_KEPT:
            self.forget()
        place = self.known[key] = Place(codes, categorical, route)
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
        names = self._spec.data.features.categorical
        for name, codes, value in zip(names, self._codes, categorical, strict=True):
            if value is not None and value not in codes:
                near = nearest(value, tuple(codes))
                raise PredictError(
                    f"column {name!r} holds {value!r}, which training never saw: send a known one"
                    f"{f' such as {near!r}' if near else ''}, or declare 'unseen: missing' in data.features."
                )

    def variant_at(self, route: PlacedRoute, time_us: int) -> Variant:
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

    def _periods(self, stage: StageSpec, segment: Segment | None) -> Periods:
        """The periods of the stage that match a segment, grouped as `validity.active` does."""
        groups: dict[frozenset[tuple[str, str]], list[tuple[float, float]]] = {}
        items = frozenset(() if segment is None else segment.items)
        for period in stage.valid:
            values = frozenset(period.segment.items())
            if segment is not None and values <= items:
                local = self._runtime.context.local
                start = -inf if period.start is None else instant(period.start, local)
                until = inf if period.until is None else instant(period.until, local)
                groups.setdefault(values, []).append((start, until))
        return tuple(tuple(group) for group in groups.values())

    def _variant(self, route: PlacedRoute, has: tuple[bool, ...]) -> Variant:
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

    def _steps(self, route: PlacedRoute, has: tuple[bool, ...]) -> Route:
        """What `Runtime.route` says of a row with this route."""
        steps = []
        for at, (stage, segment, here) in enumerate(zip(self._spec.stages, route.segments, has, strict=True)):
            if segment is None:
                lacking = ", ".join(axis for axis in stage.level if route.values[axis] is None)
                steps.append(RouteStep(stage.level, None, False, Reason.of(Why.NO_VALUE, axes=lacking).text))
                continue
            reason = self._runtime.verdict(at, segment)
            if reason.answers and not here:
                reason = NOT_VALID
            steps.append(RouteStep(stage.level, segment.text, reason.answers, reason.text))
        return finest_alone(tuple(steps)) if self.replaces else tuple(steps)
