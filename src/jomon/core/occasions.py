"""Commemorative dates of a country, year by year: which day is which, how far the next one is.

Names are the English ones of the `holidays` library where it has them, never those of the machine's language.
A holiday that is observed on, substituted by or estimated for another day is the same occasion on that day.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jomon.core.errors import CorruptError, SpecError
from jomon.core.spec import OccasionAxis
from jomon.core.suggest import ending

ORDINARY = "ordinary"
"""The value of the occasion axis on days that belong to no occasion."""
FAR = 30_000
"""Days to an occasion that is not in the year, the one before or the one after."""
NAMES_FROM_TO = (1970, 2050)
"""Years in which a name in `only` has to occur at least once: some holidays come rarely, some are new."""

_EPOCH = date(1970, 1, 1)
_MOVED = re.compile(
    r"\s*\((?:observed|estimated|observed, estimated|in lieu|substitute day"
    r"|substituted from [^)]*)\)$"
)
_PARTIAL = dict.fromkeys(("IN", "IND"), (2001, 2035))
"""Years beyond which the library warns that it knows a part of the holidays only: not to be relied on."""
_LANGUAGE = "en_US"
_CODES = "write a code of ISO 3166 such as 'US'"
_AS_CALENDAR = "write the name as the calendar does"


@dataclass(frozen=True)
class OccasionYear:
    """The occasions around each day of one year; n is 365 or 366, entry 0 is 1 January.

    `since` and `until` are days since the last occasion and until the next (0 on its day, `FAR` where there
    is none); `last` and `next` are the positions of their names in `names`, which ends with `ORDINARY`.
    """

    names: tuple[str, ...]
    covered: bool
    since: NDArray[np.int32]
    until: NDArray[np.int32]
    last: NDArray[np.int32]
    next: NDArray[np.int32]


class OccasionCalendar:
    """The occasions that `rules` declare, tabulated once per year on demand.

    Years in `stored` (what `canonical` gave when an image was built) are read from there; for other years the
    installed `holidays` library applies the same rules. Raises `SpecError` for an unknown country,
    subdivision or name.
    """

    def __init__(self, rules: OccasionAxis, stored: Mapping[str, Any] | None = None) -> None:
        self.rules = rules
        self._stored = _read_stored(stored) if stored else {}
        self._days: dict[int, dict[int, str]] = {}
        self._years: dict[int, OccasionYear] = {}

    def days(self, year: int) -> Mapping[int, str]:
        """Occasion by day (days since 1970-01-01) of `year`; only one's own dates where it is not covered."""
        if year not in self._days:
            self._days[year] = self._stored[year] if year in self._stored else self._tabulate(year)
        return self._days[year]

    def covers(self, year: int) -> bool:
        """Whether the calendar knows the holidays of `year`."""
        first, last = (year, year) if year in self._stored else self._library_years
        return first <= year <= last

    def _tabulate(self, year: int) -> dict[int, str]:
        own = {_number(day): name for day, name in self.rules.also.items() if day.year == year}
        if not self.covers(year):
            return own
        only = self.rules.only
        if only is not None:
            self._check_only(only)
        days = {}
        for day, names in self._holidays(year).items():
            kept = [name for name in names if only is None or name in only]
            if kept:
                days[_number(day)] = kept[0]
        return days | own

    def _holidays(self, year: int) -> dict[date, list[str]]:
        """Names by date in one year of the library; real ones before moved ones, then by alphabet."""
        found = self._library(year)
        by_day = {}
        for day in sorted(found):
            raw = found.get_list(day)
            ranked = sorted({(bool(_MOVED.search(name)), _clean(name)) for name in raw})
            by_day[day] = list(dict.fromkeys(name for _, name in ranked))
        return by_day

    def _library(self, year: int | None) -> Any:
        import holidays  # 160 ms: only where occasions are used

        country, subdivision = self.rules.country, self.rules.subdivision
        try:
            return holidays.country_holidays(country, subdiv=subdivision, years=year, language=_LANGUAGE)
        except NotImplementedError:
            known = holidays.list_supported_countries()
            if country not in known:
                alike = [code for code in known if len(code) == len(country)]
                raise SpecError(
                    [f"axes.occasion.country: {country!r} is not a country{ending(country, alike, _CODES)}"]
                ) from None
            raise SpecError(
                [
                    f"axes.occasion.subdivision: {country} has no subdivision {subdivision!r}"
                    f"{ending(str(subdivision), known[country])}"
                ]
            ) from None

    @cached_property
    def _library_years(self) -> tuple[int, int]:
        entity = self._library(None)
        first, last = _PARTIAL.get(self.rules.country, (entity.start_year, entity.end_year))
        return max(int(first), int(entity.start_year)), min(int(last), int(entity.end_year))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every name of the country's holidays from 1970 to 2050, sorted: what `only` may list."""
        first, last = self._library_years
        years = range(max(first, NAMES_FROM_TO[0]), min(last, NAMES_FROM_TO[1]) + 1)
        return tuple(sorted({n for year in years for names in self._holidays(year).values() for n in names}))

    def _check_only(self, only: Iterable[str]) -> None:
        country = self.rules.country
        problems = [
            f"axes.occasion.only: {country} has no holiday {name!r}{ending(name, self.names, _AS_CALENDAR)}"
            for name in only
            if name not in self.names and name not in self.rules.also.values()
        ]
        if problems:
            raise SpecError(problems)

    def year(self, year: int) -> OccasionYear:
        """The occasions around each day of `year`."""
        if year not in self._years:
            self._years[year] = self._around(year)
        return self._years[year]

    def _around(self, year: int) -> OccasionYear:
        near: dict[int, str] = {}
        for other in (year - 1, year, year + 1):
            near |= self.days(other)
        start, end = _number(date(year, 1, 1)), _number(date(year, 12, 31))
        day = np.arange(start, end + 1)
        names = (*sorted(set(near.values())), ORDINARY)
        place = {name: at for at, name in enumerate(names)}
        dates = np.array(sorted(near), dtype=np.int64)
        # A far, nameless date at both ends spares every search its special cases.
        padded = np.concatenate(([start - FAR], dates, [end + FAR]))
        name = np.array(
            [len(names) - 1, *(place[near[int(d)]] for d in dates), len(names) - 1], dtype=np.int32
        )
        before = np.searchsorted(padded, day, side="right") - 1
        after = np.searchsorted(padded, day, side="left")
        return OccasionYear(
            names=names,
            covered=self.covers(year),
            since=np.minimum(day - padded[before], FAR).astype(np.int32),
            until=np.minimum(padded[after] - day, FAR).astype(np.int32),
            last=name[before],
            next=name[after],
        )

    def canonical(self, first_year: int, last_year: int) -> dict[str, Any]:
        """The tables of the years from `first_year` to `last_year` (those the calendar knows), as plain
        values.

        An image keeps them, so that a newer `holidays` library cannot rename its segments.
        """
        years = {}
        for year in range(first_year, last_year + 1):
            if self.covers(year):
                years[str(year)] = {
                    (_EPOCH + timedelta(days=day)).isoformat(): name
                    for day, name in sorted(self.days(year).items())
                }
        return {"years": years}


def _read_stored(document: Mapping[str, Any]) -> dict[int, dict[int, str]]:
    try:
        return {
            int(year): {_number(date.fromisoformat(day)): str(name) for day, name in days.items()}
            for year, days in document["years"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptError(f"The occasions of this image cannot be read ({error}): build it again.") from None


def _number(day: date) -> int:
    return (day - _EPOCH).days


def _clean(name: str) -> str:
    previous = None
    while name != previous:
        previous, name = name, _MOVED.sub("", name)
    return name
