"""Rules of the axes: every hour, month and weekday exactly once; countries and zones that exist."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from jomon.core.occasions import OccasionCalendar
from jomon.core.problems import Problem
from jomon.core.spec import WEEKDAYS, AxesSpec, OccasionAxis, SeasonAxis
from jomon.core.suggest import ending, nearest

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
)  # fmt: skip


def axes_problems(axes: AxesSpec) -> Iterator[Problem]:
    """Everything that is wrong with the declared axes taken by themselves."""
    if axes.season is not None:
        yield from _season(axes.season)
    if axes.hour_band is not None:
        bands = {name: band.hours for name, band in axes.hour_band.items()}
        yield from _once_each(("axes", "hour_band"), bands, range(24), _hour_runs, "hour")
    if axes.weekday is not None:
        yield from _once_each(("axes", "weekday"), axes.weekday, WEEKDAYS, _listed, "weekday")
    if axes.occasion is not None:
        yield from _occasion(axes.occasion)


def zone_problems(zone: str | None) -> Iterator[Problem]:
    """A time zone that the zone database does not have."""
    if zone is None:
        return
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        text = f"{zone!r} is not a time zone{_near_zone(zone)}"
        yield Problem(("data", "timezone"), text)


def _near_zone(word: str) -> str:
    zones = sorted(zoneinfo.available_timezones())
    cities = {zone.rsplit("/", 1)[-1].casefold(): zone for zone in zones if "/" in zone}
    spoken = word.strip().replace(" ", "_")
    city = cities.get(spoken.rsplit("/", 1)[-1].casefold())
    found = city or nearest(spoken, zones)
    if found is None and (near_city := nearest(spoken, cities)) is not None:
        found = cities[near_city]
    return f"; did you mean {found!r}?" if found else "; use a name such as 'America/New_York' or 'UTC'."


def _season(season: SeasonAxis) -> Iterator[Problem]:
    place = ("axes", "season")
    if (season.hemisphere is None) == (season.months is None):
        yield Problem(place, "a season is told by one of 'hemisphere: north' (or south) and 'months: {...}'.")
    elif season.months is not None:
        months, every = (*place, "months"), range(1, 13)
        yield from _once_each(months, season.months, every, _named_months, "month")


def _once_each(
    place: tuple[str, ...],
    groups: Mapping[str, Sequence[Any]],
    every: Sequence[Any],
    listed: Callable[[Sequence[Any]], str],
    one: str,
) -> Iterator[Problem]:
    """Each of `every` has to be in exactly one group; gaps and overlaps are named as `listed` writes them."""
    if not groups:
        yield Problem(place, f"this is empty; give each {one} to a name.")
        return
    owner: dict[Any, str] = {}
    for name, members in groups.items():
        taken: dict[str, list[Any]] = {}
        for member in members:
            if member in owner:
                taken.setdefault(owner[member], []).append(member)
            owner.setdefault(member, name)
        for other, twice in taken.items():
            noun = one if len(set(twice)) == 1 else f"{one}s"
            verb = "is" if noun == one else "are"
            where = f"in {other!r} too" if other != name else "there twice"
            yield Problem(
                (*place, name), f"{noun} {listed(twice)} {verb} {where}; keep each {one} in one group."
            )
        if not members:
            yield Problem((*place, name), f"{name!r} has no {one}; give it some or delete it.")
    missing = [member for member in every if member not in owner]
    if missing:
        noun = one if len(missing) == 1 else f"{one}s"
        verb = "is" if noun == one else "are"
        yield Problem(place, f"{noun} {listed(missing)} {verb} missing; give each {one} to one group.")


def _hour_runs(hours: Sequence[int]) -> str:
    """Hours as bands: 10, 11, 12, 20 is `10-12, 20`."""
    runs: list[list[int]] = []
    for hour in sorted(set(hours)):
        if runs and hour == runs[-1][-1] + 1:
            runs[-1].append(hour)
        else:
            runs.append([hour])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)


def _named_months(months: Sequence[int]) -> str:
    return ", ".join(f"{month} ({_MONTHS[month - 1]})" for month in dict.fromkeys(months))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _occasion(occasion: OccasionAxis) -> Iterator[Problem]:
    import holidays

    place = ("axes", "occasion")
    countries = holidays.list_supported_countries()
    country, part = occasion.country, occasion.subdivision
    if country not in countries:
        text = f"{country!r} is not a country the calendar knows{_near_country(country, countries)}"
        yield Problem((*place, "country"), text)
        return
    try:
        holidays.country_holidays(country, subdiv=part)
    except NotImplementedError:
        parts = sorted(countries[country])
        other = f"{country} has {', '.join(parts[:60])}" if parts else f"{country} has none; leave it out"
        text = f"{part!r} is not a subdivision of {country}{_near_part(str(part), country, parts, other)}"
        yield Problem((*place, "subdivision"), text)
        return
    known = (*OccasionCalendar(occasion).names, *occasion.also.values()) if occasion.only else ()
    for i, name in enumerate(occasion.only or ()):
        if name not in known:
            where = country if part is None else f"{country}-{part}"
            end = ending(name, known, "write the name as the calendar does")
            yield Problem((*place, "only", i), f"{name!r} is not an occasion of {where}{end}")


def _near_country(word: str, countries: Mapping[str, Any]) -> str:
    """The code of a country written in another way: by its name, in small letters, or nearly right."""
    from holidays import registry

    by_name: dict[str, str] = {}
    for name, (_, code, *_) in registry.COUNTRIES.items():
        by_name[name.replace("_", " ")] = code
    folded = word.strip().casefold()
    codes = {code.casefold(): code for code in countries}
    found = codes.get(folded) or by_name.get(folded)
    if found is None and len(folded) > 3 and (near := nearest(folded, by_name)) is not None:
        found = by_name[near]
    if found is None:
        found = nearest(word, [code for code in countries if len(code) == len(word.strip())])
    return f"; did you mean {found!r}?" if found else "; write a code of ISO 3166 such as 'US'."


def _near_part(word: str, country: str, parts: Sequence[str], otherwise: str) -> str:
    """The code of a subdivision written by its name or nearly right."""
    import holidays

    aliases = getattr(holidays.country_holidays(country), "subdivisions_aliases", {})
    folded = {str(name).casefold(): str(code) for name, code in aliases.items()}
    found = folded.get(word.casefold()) or nearest(word, parts)
    if found is None and (near := nearest(word, folded)) is not None:
        found = folded[near]
    return f"; did you mean {found!r}?" if found else f"; {otherwise}."
