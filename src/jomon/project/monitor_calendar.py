"""What the calendar says of windows: weekday, season and occasion, told at the middle of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jomon.core.axes import Occasion, Season
from jomon.core.localtime import DAY, LocalTime
from jomon.core.occasions import ORDINARY, OccasionCalendar
from jomon.core.spec import SEASONS, WEEKDAYS, ProjectSpec, SeasonAxis
from jomon.core.table import Ints
from jomon.monitoring.matching import WindowFacts


@dataclass(frozen=True, eq=False)
class CalendarOfWindows:
    """Names by window, and as `WindowFacts`."""

    facts: WindowFacts
    weekdays: tuple[str, ...]
    seasons: tuple[str, ...]
    occasions: tuple[str | None, ...]


def calendar_of(spec: ProjectSpec, windows: Ints, ends: Ints, left_out: np.ndarray) -> CalendarOfWindows:
    """The calendar of windows that begin at `windows` and end at `ends`, int64[W] microseconds UTC.

    Seasons are those that the project declares, else the four of the north; a project without occasions has none.
    """
    local = LocalTime(spec.data.zone)
    fields = local.fields(windows + (ends - windows) // 2)
    short = spec.monitor.window.total_seconds() * 1e6 <= DAY
    weekday = fields.weekday.astype(np.int64) if short else np.zeros(len(windows), np.int64)
    season = Season(spec.axes.season or SeasonAxis(hemisphere="north")).coded(fields)
    names: list[str | None] = [None] * len(windows)
    occasion = np.zeros(len(windows), np.int64)
    if spec.axes.occasion is not None and short:
        coded = Occasion(OccasionCalendar(spec.axes.occasion)).coded(fields)
        for at, code in enumerate(coded.codes):
            if code >= 0 and coded.values[code] != ORDINARY:
                names[at], occasion[at] = coded.values[code], code + 1
    facts = WindowFacts(weekday, season.codes.astype(np.int64), occasion, left_out)
    days = tuple(WEEKDAYS[day] if short else "" for day in weekday)
    values = season.values or SEASONS
    return CalendarOfWindows(facts, days, tuple(values[code] for code in season.codes), tuple(names))
