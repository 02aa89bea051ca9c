"""One instant after another told as calendar features and axis values: what `calendar` and `axes` do for columns.

A request brings one row, and arrays cost a hundred times more than the numbers in them. Calendar features and the axes
that time decides depend on the local day, hour and minute alone, so each local hour is asked for once, of the same code
that serves columns, and remembered.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np

from jomon.core.calendar import calendar_columns, calendar_features
from jomon.core.context import Context
from jomon.core.errors import PredictError
from jomon.core.localtime import DAY, HOUR, MINUTE, Fields, LocalTime, WallReason
from jomon.core.spec import DataSpec
from jomon.core.table import Coded

HOURS_KEPT = 24 * 366 * 4
"""Local hours that are remembered: four years; then all are forgotten."""
MINUTES_KEPT = 100_000
TEXTS_KEPT = 50_000
_EPOCH = datetime(1970, 1, 1)
_SHOWN = 60
_MICROSECOND = timedelta(microseconds=1)
_WRITTEN = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:Z|[+-]\d{2}(?::?\d{2})?)?)?"
)
READABLE = "write it as 2013-11-03T06:30:00, with or without a zone, or as 2013-11-03"


class Hour(NamedTuple):
    """What holds through one local hour: calendar features at its start, and the values of the axes."""

    calendar: tuple[float, ...]
    axes: tuple[str | None, ...]


class Moments:
    """Calendar features and time axes of single instants, equal to those of columns.

    `calendar` are features as the project file names them, `axes` names of time axes; `at` gives the values in the
    order of `calendar_columns(calendar)` and of `axes`.
    """

    def __init__(self, context: Context, calendar: Sequence[str], axes: Sequence[str]) -> None:
        self.columns = calendar_columns(calendar)
        self.axes = tuple(axes)
        self._names = tuple(calendar)
        self._context = context
        clock = context.local.plain()
        self._first, self._end = clock.first, clock.end
        self._changes, self._offsets = clock.changes, clock.offsets
        self._hours: dict[int, Hour] = {}
        self._known: dict[int, Hour] = {}
        # The one feature that changes within an hour.
        self._minutes = self.columns.index("minute_of_day") if "minute_of_day" in self.columns else -1

    def at(self, time_us: int) -> Hour:
        """The features and axis values at `time_us` (microseconds since 1970-01-01 UTC)."""
        if not self._first <= time_us < self._end:
            raise PredictError(f"The time {time_us} is outside the years 1900 to 2100: correct it.")
        minute = (time_us + self._offsets[bisect_right(self._changes, time_us)]) // MINUTE
        found = self._known.get(minute)
        return self._minute(minute) if found is None else found

    def _minute(self, minute: int) -> Hour:
        """What holds through one local minute, remembered."""
        hour, rest = divmod(minute, HOUR // MINUTE)
        found = self._hours.get(hour)
        if found is None:
            found = self._day_of(hour)
        if self._minutes >= 0 and rest:
            calendar, at = found.calendar, self._minutes
            found = Hour((*calendar[:at], calendar[at] + rest, *calendar[at + 1 :]), found.axes)
        if len(self._known) >= MINUTES_KEPT:
            self._known.clear()
        self._known[minute] = found
        return found

    def _day_of(self, hour: int) -> Hour:
        """Remember all hours of the local day that `hour` (local hours since 1970) belongs to."""
        day = hour // 24
        one = self._context.local.fields_of_day(day)
        fields = Fields(
            **{
                name: np.repeat(getattr(one, name), 24)
                for name in Fields.__dataclass_fields__
                if name != "hour"
            },
            hour=np.arange(24, dtype=np.int8),
        )
        instants = np.zeros(24, np.int64)
        features = calendar_features(
            self._names, instants, self._context.local, self._context.occasions, fields
        )
        axes = [self._axis(name, fields) for name in self.axes]
        hours = {
            day * 24 + at: Hour(
                tuple(float(features[name][at]) for name in self.columns),
                tuple(None if c.codes[at] < 0 else c.values[c.codes[at]] for c in axes),
            )
            for at in range(24)
        }
        if len(self._hours) > HOURS_KEPT:
            self._hours.clear()
        self._hours.update(hours)
        return hours[hour]

    def _axis(self, name: str, fields: Fields) -> Coded:
        axis = self._context.time_axis(name)
        assert axis is not None
        return axis.coded(fields)


class TimeReader:
    """Reads the time of a row: text, or microseconds since 1970-01-01 UTC; by the rules that hold for columns."""

    def __init__(self, data: DataSpec, local: LocalTime) -> None:
        self._data, self._local = data, local
        self._clock = local.plain()
        self._known: dict[str, int] = {}

    def read(self, value: object) -> int:
        """The instant (microseconds since 1970-01-01 UTC); raises `PredictError` where there is none."""
        if isinstance(value, str):
            found = self._known.get(value)
            return self._parse(value) if found is None else found
        if isinstance(value, int) and not isinstance(value, bool):
            return self._covered(value, value)
        if value is None:
            raise PredictError(f"column {self._data.time!r} has no value: {READABLE}.")
        raise self._refusal(value, "is no time", READABLE)

    def _parse(self, text: str) -> int:
        written = text.strip()
        try:
            moment = (
                datetime.fromisoformat(written.replace(",", ".")) if _WRITTEN.fullmatch(written) else None
            )
        except ValueError:
            moment = None
        if moment is None:
            raise self._refusal(text, "is no time", READABLE)
        wall = (moment.replace(tzinfo=None) - _EPOCH) // _MICROSECOND
        zone = moment.utcoffset()
        if zone is not None:
            time_us = self._covered(wall - zone // _MICROSECOND, text)
        elif len(written) == len("2013-11-03"):
            self._covered(wall - DAY, text)
            time_us = self._local.day_start(self._covered(wall + DAY, text) // DAY - 1)
        else:
            time_us = self._from_wall(wall, text)
        if len(self._known) >= TEXTS_KEPT:
            self._known.clear()
        self._known[text] = time_us
        return time_us

    def _from_wall(self, wall: int, text: str) -> int:
        if self._data.timezone is None:
            raise self._refusal(text, "has no zone", "the project names none: add it, such as +00:00")
        time_us = self._clock.utc(wall)
        if time_us is not None:
            return time_us
        policy = self._data.daylight_saving
        utc, bad, reason = self._local.to_utc(np.array([wall]), policy.ambiguous, policy.skipped)
        if bad[0]:
            raise self._refusal(
                text, f"cannot be placed ({WallReason(int(reason[0])).text})", "send it with a zone"
            )
        return int(utc[0])

    def _covered(self, time_us: int, value: object) -> int:
        if not self._clock.covers(time_us):
            raise self._refusal(value, "is outside the years 1900 to 2100", "correct it")
        return time_us

    def _refusal(self, value: object, what: str, remedy: str) -> PredictError:
        shown = repr(value) if len(repr(value)) < _SHOWN else f"{repr(value)[:_SHOWN]}..."
        return PredictError(f"column {self._data.time!r} holds {shown}, which {what}: {remedy}.")
