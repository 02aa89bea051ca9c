"""Context: where and when a row happens, told as segments of the fleet's levels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from jomon.core.axes import HourBand, Occasion, Season, TimeAxis, Weekday
from jomon.core.calendar import calendar_features
from jomon.core.columns import as_text, categories, column_of
from jomon.core.errors import UnknownNameError
from jomon.core.grouping import Bools, Segmented, segment_rows
from jomon.core.localtime import LAST_YEAR, Fields, LocalTime
from jomon.core.occasions import OccasionCalendar
from jomon.core.routing import ANSWERS, Reason, Route, finest_alone, steps_of
from jomon.core.segments import Segment
from jomon.core.spec import ProjectSpec, Validity
from jomon.core.suggest import ending
from jomon.core.table import Coded, Ints, Table
from jomon.core.validity import active

Level = Sequence[str]
Verdict = Callable[[int, Segment], Reason]
"""Says of a stage (its position) and a segment whether there is a member, and why not."""


class Context:
    """The axes of a project: rows in, segments out.

    `calendars` is what `canonical_calendars` gave when an image was built; without it the installed
    `holidays` library tells the occasions. Time zone rules always come from the machine, so that a change of
    law reaches old images.
    """

    def __init__(self, spec: ProjectSpec, calendars: Mapping[str, Any] | None = None) -> None:
        self.spec = spec
        self._stored = calendars

    @cached_property
    def local(self) -> LocalTime:
        """The clocks of the project's time zone."""
        return LocalTime(self.spec.data.zone)

    @cached_property
    def occasions(self) -> OccasionCalendar | None:
        """The declared occasions, or None."""
        rules = self.spec.axes.occasion
        stored = (self._stored or {}).get("occasion")
        return None if rules is None else OccasionCalendar(rules, stored)

    def canonical_calendars(self, first_year: int, last_year: int = LAST_YEAR) -> dict[str, Any]:
        """What an image stores of the calendars for these years (both included), as plain values.

        From the year before the first row to 2100 that is some 40 kB of JSON a country, 4 kB compressed.
        """
        if self.occasions is None:
            return {}
        return {"occasion": self.occasions.canonical(first_year, last_year)}

    def time_axis(self, name: str) -> TimeAxis | None:
        """The axis of that name that time decides, or None where it is a column."""
        if name not in self.spec.axes.available:
            return None
        if name not in self._time_axes:
            self._time_axes[name] = self._build(name)
        return self._time_axes[name]

    @cached_property
    def _time_axes(self) -> dict[str, TimeAxis]:
        return {}

    def _build(self, name: str) -> TimeAxis:
        axes = self.spec.axes
        if name == "season" and axes.season is not None:
            return Season(axes.season)
        if name == "occasion" and self.occasions is not None:
            return Occasion(self.occasions)
        if name == "hour_band" and axes.hour_band is not None:
            return HourBand({band: hours.hours for band, hours in axes.hour_band.items()})
        return Weekday(axes.weekday)

    def axes_of(self, table: Table, names: Iterable[str], fields: Fields | None = None) -> dict[str, Coded]:
        """The value of each row (n) on each of the axes `names`.

        Columns of numbers become text, whole ones without ".0". `fields` are those of the table's time where
        the caller has them already. Raises `PredictError` where a column is missing.
        """
        found: dict[str, Coded] = {}
        for name in names:
            axis = self.time_axis(name)
            if axis is None:
                found[name] = categories(name, column_of(table, name))
            else:
                fields = self.local.fields(table.time) if fields is None else fields
                found[name] = axis.coded(fields)
        return found

    def segments(self, table: Table, level: Level) -> Segmented:
        """The segment of each row (n) at `level`."""
        return self.segments_at(table, [level])[0]

    def segments_at(self, table: Table, levels: Sequence[Level]) -> tuple[Segmented, ...]:
        """The segment of each row (n) at each of `levels`; every axis is computed once."""
        axes = self.axes_of(table, dict.fromkeys(axis for level in levels for axis in level))
        return tuple(segment_rows([(axis, axes[axis]) for axis in level], len(table)) for level in levels)

    def codes(self, table: Table) -> tuple[Ints, Bools]:
        """`Segment.code` of each row at each stage, ready for the engine: codes (int64, n x S) and has (bool,
        n x S).

        `has` is false where an axis value is missing or the member of the segment is not valid at the row's
        time.
        """
        stages = self.spec.stages
        codes = np.zeros((len(table), len(stages)), dtype=np.int64)
        has = np.zeros((len(table), len(stages)), dtype=np.bool_)
        for at, segmented in enumerate(self.segments_at(table, [stage.level for stage in stages])):
            codes[:, at], has[:, at] = segmented.row_codes()
            if stages[at].valid:
                has[:, at] &= self.active(stages[at].valid, segmented, table.time)
        return codes, has

    def with_calendar(self, table: Table) -> Table:
        """`table` with the calendar features that the project declares as further columns."""
        names = self.spec.data.features.calendar
        features = calendar_features(names, table.time, self.local, self.occasions)
        return replace(table, columns={**table.columns, **features})

    def segment_of(self, values: Mapping[str, Any]) -> Segment:
        """The segment with these axis values, its axes in the order of the level that has exactly them.

        Raises `UnknownNameError` where no stage has such a level, or an axis cannot have such a value.
        """
        wanted = {axis: as_text(value) for axis, value in values.items()}
        for stage in self.spec.stages:
            if set(stage.level) == set(wanted):
                for axis in stage.level:
                    self._check_value(axis, wanted[axis])
                return Segment(tuple((axis, wanted[axis]) for axis in stage.level))
        levels = "; ".join(f"[{', '.join(stage.level)}]" for stage in self.spec.stages)
        raise UnknownNameError(f"No stage has the level [{', '.join(wanted)}]: the levels are {levels}.")

    def _check_value(self, axis: str, value: str) -> None:
        known = self.spec.axes.values_of(axis) if axis in self.spec.axes.available else None
        if known is None or value in known:
            return
        raise UnknownNameError(f"{axis} has no value {value!r}{ending(value, known)}")

    def active(self, valid: Sequence[Validity], segmented: Segmented, time_us: Ints) -> Bools:
        """Which rows (n) are inside the validity of their segment's member; see `validity.active`."""
        return active(valid, segmented, time_us, self.local)

    def explain(self, table: Table, verdict: Verdict = lambda stage, segment: ANSWERS) -> tuple[Route, ...]:
        """For each row (n) one step per stage: its segment, whether that member answers, and why not.

        `verdict` says which members the fleet has; it is asked once per stage and segment.
        """
        stages = self.spec.stages
        axes = self.axes_of(table, dict.fromkeys(axis for stage in stages for axis in stage.level))
        columns = []
        for at, stage in enumerate(stages):
            values = [(axis, axes[axis]) for axis in stage.level]
            segmented = segment_rows(values, len(table))
            valid = self.active(stage.valid, segmented, table.time)
            columns.append(steps_of(values, segmented, valid, partial(verdict, at)))
        routes: Iterable[Route] = zip(*columns, strict=True)
        return tuple(finest_alone(route) if self.spec.relation == "replace" else route for route in routes)
