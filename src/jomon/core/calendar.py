"""Calendar features: numbers that mean the same in years a member has not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from jomon.core.axes import pick_by_day, years_of
from jomon.core.errors import SpecError
from jomon.core.localtime import Fields, LocalTime
from jomon.core.occasions import FAR, OccasionCalendar
from jomon.core.table import Floats, Ints

OCCASION_LIMIT = 30
"""Days to an occasion are cut off here: a month away, no occasion is felt."""
_UNKNOWN = FAR + 1

_PLAIN: Mapping[str, Callable[[Fields], Floats]] = {
    "hour": lambda f: f.hour.astype(np.float64),
    "minute_of_day": lambda f: f.hour.astype(np.float64) * 60 + f.minute,
    "weekday": lambda f: f.weekday.astype(np.float64),
    "month": lambda f: f.month.astype(np.float64),
    "year_phase_sin": lambda f: np.sin(_phase(f)),
    "year_phase_cos": lambda f: np.cos(_phase(f)),
}


def calendar_columns(names: Iterable[str]) -> tuple[str, ...]:
    """The columns that calendar features become, in order: `year_phase` is two, every other one itself.

    >>> calendar_columns(["hour", "year_phase"])
    ('hour', 'year_phase_sin', 'year_phase_cos')
    """
    return tuple(
        column
        for name in names
        for column in (("year_phase_sin", "year_phase_cos") if name == "year_phase" else (name,))
    )


def calendar_features(
    names: Iterable[str],
    time_us: Ints,
    local: LocalTime,
    occasions: OccasionCalendar | None = None,
    fields: Fields | None = None,
) -> dict[str, Floats]:
    """Calendar features (float64, n each) of `time_us` (microseconds UTC, n) by column name, all in local
    time.

    `hour` 0 to 23; `minute_of_day` 0 to 1439; `weekday` 0 (Monday) to 6; `month` 1 to 12; `year_phase` as
    sine and cosine of the angle 2 pi (day of the year - 1) / (days in that year); `days_to_occasion` the days
    until the nearest occasion, negative after it, 0 on it, the past one where two are equally near, cut off
    at 30 either way, NaN in a year the calendar does not know. `fields` are those of `time_us` where the
    caller has them already. Raises `SpecError` for an unknown name, and for `days_to_occasion` without
    `occasions`.
    """
    fields = local.fields(time_us) if fields is None else fields
    features: dict[str, Floats] = {}
    for column in calendar_columns(names):
        if column == "days_to_occasion":
            features[column] = _days_to_occasion(fields, occasions)
        elif column in _PLAIN:
            features[column] = _PLAIN[column](fields)
        else:
            raise SpecError([f"data.features.calendar: {column!r} is not a calendar feature."])
    return features


def _phase(fields: Fields) -> Floats:
    """The angle of the day in its year, in radians from 0 on 1 January."""
    return 2 * np.pi * (fields.day_of_year.astype(np.float64) - 1) / fields.year_length


def _days_to_occasion(fields: Fields, occasions: OccasionCalendar | None) -> Floats:
    if occasions is None:
        raise SpecError(
            ["data.features.calendar: 'days_to_occasion' needs to know the occasions: declare axes.occasion."]
        )
    years = years_of(fields)
    by_day = []
    for number in years:
        year = occasions.year(int(number))
        signed = np.where(year.since <= year.until, -year.since, year.until)
        by_day.append(np.clip(signed, -OCCASION_LIMIT, OCCASION_LIMIT).astype(np.int32))
        if not year.covered:
            by_day[-1][:] = _UNKNOWN
    days = pick_by_day(fields, years, by_day).astype(np.float64)
    days[days == _UNKNOWN] = np.nan
    return days
