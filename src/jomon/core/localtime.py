"""Local time of one zone, vectorised: instants to wall-clock fields and back.

The changes of offset are found once per zone through `zoneinfo`, so that it alone decides what the clocks of
a place show; after that every conversion is a binary search in a small array.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
from numpy.typing import NDArray

from jomon.core.errors import DataError, SpecError
from jomon.core.plain_clock import PlainClock
from jomon.core.suggest import ending
from jomon.core.table import Ints

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

FIRST_YEAR, LAST_YEAR = 1900, 2100
"""Instants outside these years (UTC) are refused: no zone table says what their clocks would show."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = (datetime(FIRST_YEAR, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)
_LAST = (datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(seconds=1) - 1
_STEP = 2 * 86_400
"""Seconds between the probes for a change of offset; the two closest changes on record are 95 hours apart."""

Ambiguous = Literal["earliest", "latest", "quarantine"]
Skipped = Literal["shift", "quarantine"]
Bools = NDArray[np.bool_]


class WallReason(IntEnum):
    """What is particular about a wall-clock time."""

    FINE = 0
    AMBIGUOUS = 1
    SKIPPED = 2
    OUT_OF_RANGE = 3

    @property
    def text(self) -> str:
        """A sentence part for people."""
        return {
            WallReason.FINE: "",
            WallReason.AMBIGUOUS: "the clocks showed this time twice",
            WallReason.SKIPPED: "the clocks skipped this time",
            WallReason.OUT_OF_RANGE: f"the time is outside the years {FIRST_YEAR} to {LAST_YEAR}",
        }[self]


@dataclass(frozen=True, slots=True)
class Fields:
    """What the clock and the calendar on the wall show, one entry per row."""

    day: NDArray[np.int32]
    """Local days since 1970-01-01."""
    hour: NDArray[np.int8]
    minute: NDArray[np.int8]
    weekday: NDArray[np.int8]
    """0 is Monday."""
    month: NDArray[np.int8]
    """1 to 12."""
    day_of_month: NDArray[np.int8]
    year: NDArray[np.int16]
    day_of_year: NDArray[np.int16]
    """1 to 366."""
    year_length: NDArray[np.int16]
    """365 or 366."""

    def __len__(self) -> int:
        return len(self.day)


class LocalTime:
    """The clocks of one time zone, for instants from 1900 to 2100.

    >>> local = LocalTime("America/New_York")
    >>> fields = local.fields(np.array([0], dtype=np.int64))
    >>> int(fields.day[0]), int(fields.hour[0]), int(fields.weekday[0])
    (-1, 19, 2)
    """

    def __init__(self, zone: str) -> None:
        self.zone = zone
        changes, offsets = _offsets(zone)
        self._changes = changes * SECOND
        self._offsets = offsets * SECOND
        before, after = self._offsets[:-1], self._offsets[1:]
        # Clocks leave the old offset at these readings, the first and the second time around (PEP 495).
        self._wall_first = self._changes + np.maximum(before, after)
        self._wall_second = self._changes + np.minimum(before, after)

    def __repr__(self) -> str:
        return f"LocalTime({self.zone!r})"

    def covers(self, time_us: Ints) -> Bools:
        """Which of `time_us` (microseconds UTC, n) are inside 1900 to 2100; never raises."""
        return (time_us >= _FIRST * SECOND) & (time_us < (_LAST + 1) * SECOND)

    def offset(self, time_us: Ints) -> Ints:
        """Microseconds to add to `time_us` (UTC, n) for the wall clock; raises `DataError` out of range."""
        time_us = np.asarray(time_us, dtype=np.int64)
        self._refuse_outside(time_us)
        return self._offset(time_us)

    def _offset(self, time_us: Ints) -> Ints:
        if len(self._changes) == 0:
            return np.full(len(time_us), self._offsets[0])
        if len(time_us) == 0:
            return np.zeros(0, dtype=np.int64)
        low, high = np.searchsorted(self._changes, (time_us.min(), time_us.max()), side="right")
        # Data span few changes of offset: searching among these alone is several times faster than among all.
        index = np.searchsorted(self._changes[low:high], time_us, side="right")
        return self._offsets[low : high + 1][index]

    def changes_between(self, since_us: int, until_us: int) -> tuple[Ints, Ints]:
        """The instants after `since_us` and before `until_us` (microseconds UTC) at which the offset changes, int64[k],
        and the offsets (microseconds, k + 1) before, between and after them."""
        low, high = (
            np.searchsorted(self._changes, since_us, "right"),
            np.searchsorted(self._changes, until_us),
        )
        high = max(low, high)
        return self._changes[low:high].copy(), self._offsets[low : high + 1].copy()

    def wall(self, time_us: Ints) -> Ints:
        """Wall-clock readings of `time_us` (UTC, n), as microseconds since 1970-01-01 00:00 on the wall."""
        return time_us + self.offset(time_us)

    def days(self, time_us: Ints) -> NDArray[np.int32]:
        """Local days since 1970-01-01 of `time_us` (UTC, n)."""
        return np.floor_divide(self.wall(time_us), DAY).astype(np.int32)

    def fields(self, time_us: Ints) -> Fields:
        """The fields of `time_us` (microseconds UTC, n) on the wall; raises `DataError` out of range."""
        wall = self.wall(np.asarray(time_us, dtype=np.int64))
        day = np.floor_divide(wall, DAY)
        minute_of_day = ((wall - day * DAY) // MINUTE).astype(np.int16)
        calendar = _calendar()
        at = day - calendar.first_day
        return Fields(
            day=day.astype(np.int32),
            hour=(minute_of_day // 60).astype(np.int8),
            minute=(minute_of_day % 60).astype(np.int8),
            weekday=calendar.weekday[at],
            month=calendar.month[at],
            day_of_month=calendar.day_of_month[at],
            year=calendar.year[at],
            day_of_year=calendar.day_of_year[at],
            year_length=calendar.year_length[at],
        )

    def plain(self) -> PlainClock:
        """The same clocks for those who ask about one instant at a time."""
        lists = (
            array.tolist() for array in (self._changes, self._offsets, self._wall_first, self._wall_second)
        )
        return PlainClock(_FIRST * SECOND, (_LAST + 1) * SECOND, *lists)

    def fields_of_day(self, day: int) -> Fields:
        """The fields (1) of local `day` (days since 1970-01-01) at its midnight; raises `DataError` out of range."""
        calendar = _calendar()
        at = np.array([day - calendar.first_day])
        if not 0 <= at[0] < len(calendar.weekday):
            raise DataError(f"The day {day} is outside the years {FIRST_YEAR} to {LAST_YEAR}: correct it.")
        zero = np.zeros(1, np.int8)
        return Fields(
            day=np.array([day], np.int32),
            hour=zero,
            minute=zero,
            weekday=calendar.weekday[at],
            month=calendar.month[at],
            day_of_month=calendar.day_of_month[at],
            year=calendar.year[at],
            day_of_year=calendar.day_of_year[at],
            year_length=calendar.year_length[at],
        )

    def to_utc(
        self, wall_us: Ints, ambiguous: Ambiguous = "earliest", skipped: Skipped = "quarantine"
    ) -> tuple[Ints, Bools, NDArray[np.int8]]:
        """Instants of the wall-clock readings `wall_us` (microseconds since 1970-01-01 00:00 on the wall, n).

        A reading the clocks showed twice becomes its `earliest` or `latest` instant; one they skipped is
        moved forward by the width of the gap (`shift`). With `quarantine`, and outside the years 1900 to
        2100, the row is bad. Returns the instants, a mask of bad rows (their instants mean nothing), and per
        row a `WallReason`, which is given for resolved rows too.
        """
        wall = np.asarray(wall_us, dtype=np.int64)
        far = (wall < (_FIRST - 86_400) * SECOND) | (wall > (_LAST + 86_400) * SECOND)
        wall = np.where(far, 0, wall)
        first, second = self._wall_offsets(wall)
        twice, never = first > second, first < second
        utc = wall - (np.where(twice, second, first) if ambiguous == "latest" else first)
        far |= ~self.covers(utc)
        reason = np.zeros(len(wall), dtype=np.int8)
        reason[twice], reason[never], reason[far] = (
            WallReason.AMBIGUOUS,
            WallReason.SKIPPED,
            WallReason.OUT_OF_RANGE,
        )
        bad = far.copy()
        if ambiguous == "quarantine":
            bad |= twice
        if skipped == "quarantine":
            bad |= never
        return utc, bad, reason

    def _wall_offsets(self, wall: Ints) -> tuple[Ints, Ints]:
        """Offsets the first and the second time the clocks show `wall`; in a gap, before and after it."""
        first = self._offsets[np.searchsorted(self._wall_first, wall, side="right")]
        second = self._offsets[np.searchsorted(self._wall_second, wall, side="right")]
        return first, second

    def day_starts(self, days: NDArray[np.int32] | Ints) -> Ints:
        """The first instants (microseconds UTC, n) of local `days` (days since 1970-01-01, n).

        On a day without a midnight that is the moment of the change; a day that a place skipped altogether
        starts with the day after it. Raises `DataError` out of range.
        """
        return self.first_instants(np.asarray(days, dtype=np.int64) * DAY)

    def first_instants(self, wall_us: Ints) -> Ints:
        """The first instants (microseconds UTC, n) at which the clocks show the readings `wall_us` (microseconds since
        1970-01-01 00:00 on the wall, n); of readings that they skipped, the moment of the change.

        Raises `DataError` out of range.
        """
        wall = np.asarray(wall_us, dtype=np.int64)
        first, second = self._wall_offsets(wall)
        utc = wall - first
        gap = first < second
        if gap.any():
            utc[gap] = self._changes[np.searchsorted(self._wall_second, wall[gap], side="right") - 1]
        self._refuse_outside(utc)
        return utc

    def day_start(self, day: int) -> int:
        """The first instant (microseconds UTC) of local `day` (days since 1970-01-01); see `day_starts`."""
        return int(self.day_starts(np.array([day], dtype=np.int64))[0])

    def _refuse_outside(self, time_us: Ints) -> None:
        if len(time_us) == 0 or (time_us.min() >= _FIRST * SECOND and time_us.max() < (_LAST + 1) * SECOND):
            return
        row = int(np.argmin(self.covers(time_us)))
        value = np.datetime64(int(time_us[row]), "us")
        raise DataError(
            f"The time of row {row} ({value} UTC) is outside the years {FIRST_YEAR} to {LAST_YEAR}: "
            "correct it or leave the row out."
        )


@dataclass(frozen=True, slots=True)
class _Calendar:
    """Gregorian fields of every local day that can occur; entry 0 is `first_day`."""

    first_day: int
    weekday: NDArray[np.int8]
    month: NDArray[np.int8]
    day_of_month: NDArray[np.int8]
    year: NDArray[np.int16]
    day_of_year: NDArray[np.int16]
    year_length: NDArray[np.int16]


@lru_cache(maxsize=1)
def _calendar() -> _Calendar:
    first, last = _FIRST // 86_400 - 2, _LAST // 86_400 + 2
    number = np.arange(first, last + 1)
    day = number.astype("datetime64[D]")
    month, year = day.astype("datetime64[M]"), day.astype("datetime64[Y]")
    start = year.astype("datetime64[D]")
    end = (year + 1).astype("datetime64[D]")
    return _Calendar(
        first_day=first,
        weekday=((number + 3) % 7).astype(np.int8),
        month=(month.astype(np.int64) % 12 + 1).astype(np.int8),
        day_of_month=((day - month.astype("datetime64[D]")).astype(np.int64) + 1).astype(np.int8),
        year=(year.astype(np.int64) + 1970).astype(np.int16),
        day_of_year=((day - start).astype(np.int64) + 1).astype(np.int16),
        year_length=(end - start).astype(np.int64).astype(np.int16),
    )


@lru_cache(maxsize=64)
def _offsets(zone: str) -> tuple[Ints, Ints]:
    """Instants (seconds UTC, k) at which the offset changes; the offsets (seconds, k + 1) between them."""
    info = _zone_info(zone)

    def offset_at(second: int) -> int:
        shift = datetime.fromtimestamp(second, info).utcoffset()
        assert shift is not None
        return shift // timedelta(seconds=1)

    left, current = _FIRST, offset_at(_FIRST)
    changes, offsets = [], [current]
    for probe in (*range(_FIRST + _STEP, _LAST, _STEP), _LAST):
        while offset_at(probe) != current:
            low, high = left, probe
            while high - low > 1:
                middle = (low + high) // 2
                if offset_at(middle) == current:
                    low = middle
                else:
                    high = middle
            left, current = high, offset_at(high)
            changes.append(high)
            offsets.append(current)
        left = probe
    return np.array(changes, dtype=np.int64), np.array(offsets, dtype=np.int64)


def _zone_info(zone: str) -> ZoneInfo:
    try:
        return ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        end = ending(zone, available_timezones(), "use a name such as 'America/New_York' or 'UTC'")
        raise SpecError([f"{zone!r} is not a time zone{end}"]) from None
