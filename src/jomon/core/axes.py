"""Axes: the ways in which context varies, each a function from rows to categories.

Season, hour band and weekday read a small table by month, hour or day of the week; the occasion of a day
comes from `OccasionCalendar`; any column is an axis as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from jomon.core.errors import SpecError
from jomon.core.localtime import Fields
from jomon.core.occasions import OccasionCalendar, OccasionYear
from jomon.core.spec import SEASONS, WEEKDAYS, SeasonAxis
from jomon.core.table import Coded, Codes

NORTHERN_MONTHS: dict[str, tuple[int, ...]] = {
    "winter": (12, 1, 2),
    "spring": (3, 4, 5),
    "summer": (6, 7, 8),
    "autumn": (9, 10, 11),
}
"""Meteorological seasons; those of the southern hemisphere are six months away."""


class TimeAxis(Protocol):
    """An axis that depends on the local time of a row alone."""

    def coded(self, fields: Fields) -> Coded:
        """The value of each row (n)."""
        ...


class Season:
    """Seasons of a hemisphere, or named groups of months."""

    def __init__(self, rules: SeasonAxis) -> None:
        self.values = rules.names
        self._by_month = _lookup("axes.season", season_months(rules), range(1, 13))

    def coded(self, fields: Fields) -> Coded:
        """The season of each row (n)."""
        return Coded(self._by_month[fields.month], self.values)


def season_months(rules: SeasonAxis) -> Mapping[str, Sequence[int]]:
    """The months (1 to 12) of each season."""
    if rules.months is not None:
        return rules.months
    if rules.hemisphere == "south":
        return {name: NORTHERN_MONTHS[SEASONS[(at + 2) % 4]] for at, name in enumerate(SEASONS)}
    return NORTHERN_MONTHS


class HourBand:
    """Named bands of hours on the wall; both instants of a repeated hour are in the same band."""

    def __init__(self, hours: Mapping[str, Sequence[int]]) -> None:
        self.values = tuple(hours)
        self._by_hour = _lookup("axes.hour_band", hours, range(24))

    def coded(self, fields: Fields) -> Coded:
        """The band of each row (n)."""
        return Coded(self._by_hour[fields.hour], self.values)


class Weekday:
    """Days of the week (mon to sun), or named groups of them."""

    def __init__(self, groups: Mapping[str, Sequence[str]] | None = None) -> None:
        groups = {name: (name,) for name in WEEKDAYS} if groups is None else groups
        self.values = tuple(groups)
        numbers = {name: [WEEKDAYS.index(day) for day in days] for name, days in groups.items()}
        self._by_weekday = _lookup("axes.weekday", numbers, range(7))

    def coded(self, fields: Fields) -> Coded:
        """The day or group of each row (n)."""
        return Coded(self._by_weekday[fields.weekday], self.values)


class Occasion:
    """The commemorative date a day belongs to, or `ordinary`.

    A day belongs to an occasion from `days_before` days before it to `days_after` days after it. Where two
    occasions claim a day the nearest has it, and of two equally near ones the earlier. The value is missing
    for a year that the calendar does not know.
    """

    def __init__(self, calendar: OccasionCalendar) -> None:
        self.calendar = calendar

    def coded(self, fields: Fields) -> Coded:
        """The occasion of each row (n)."""
        years = years_of(fields)
        tables = [self._of_year(self.calendar.year(int(year))) for year in years]
        values = tuple(sorted({name for table in tables for name in table.values}))
        place = {name: at for at, name in enumerate(values)}
        by_day = [
            np.array([*(place[name] for name in table.values), -1], dtype=np.int32)[table.codes]
            for table in tables
        ]
        return Coded(pick_by_day(fields, years, by_day), values)

    def _of_year(self, year: OccasionYear) -> Coded:
        """The occasion of each day of one year, over the names that the year has."""
        rules = self.calendar.rules
        claimed_by_last = year.since <= rules.days_after
        claimed_by_next = year.until <= rules.days_before
        last_wins = claimed_by_last & (~claimed_by_next | (year.since <= year.until))
        ordinary = len(year.names) - 1 if year.covered else -1
        codes = np.where(last_wins, year.last, np.where(claimed_by_next, year.next, ordinary))
        return Coded(codes.astype(np.int32), year.names)


def years_of(fields: Fields) -> Codes:
    """The local years that occur in the rows, sorted."""
    if len(fields) == 0:
        return np.zeros(0, dtype=np.int32)
    first = int(fields.year.min())
    return (np.flatnonzero(np.bincount(fields.year - first)) + first).astype(np.int32)


def pick_by_day(fields: Fields, years: Codes, by_day: Sequence[Codes]) -> Codes:
    """For each row (n) the entry of its day in its year's table; `by_day` has a table for each of `years`."""
    if len(fields) == 0:
        return np.zeros(0, dtype=np.int32)
    starts = np.zeros(int(years[-1] - years[0]) + 1, dtype=np.int64)
    starts[years[1:] - years[0]] = np.cumsum([len(table) for table in by_day[:-1]])
    rows = starts[fields.year - years[0]] + fields.day_of_year - 1
    entries: Codes = np.concatenate(by_day)[rows]
    return entries


def _lookup(place: str, groups: Mapping[str, Iterable[int]], expected: range) -> Codes:
    """Position of the group of each number; raises `SpecError` unless each is in exactly one."""
    lookup = np.full(expected.stop, -1, dtype=np.int32)
    problems = []
    for at, (name, numbers) in enumerate(groups.items()):
        for number in numbers:
            if lookup[number] >= 0:
                problems.append(
                    f"{place}: {number} is in two groups, {name!r} is the second; keep it in one."
                )
            lookup[number] = at
    problems += [
        f"{place}: {number} is in no group; add it to one." for number in expected if lookup[number] < 0
    ]
    if problems:
        raise SpecError(problems)
    return lookup
