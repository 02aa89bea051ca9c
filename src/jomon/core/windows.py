"""Windows: the spans of local time over which a fleet is checked, one behind another without a gap.

A window of whole days begins at local midnights: one of a day every midnight, one of a week on Mondays, one of n days
every n days from Monday 1970-01-05 on. A window of hours or minutes begins at local midnight and every span after it
on the wall clock; the last of a day ends at midnight. So a day on which the clocks change is a window of 23 or 25
hours, an hour that the clocks skip has no window, and one that they show twice is in the window that began the first
time.
"""

from __future__ import annotations

import numpy as np

from jomon.core.errors import SpecError
from jomon.core.localtime import DAY, MINUTE, LocalTime
from jomon.core.spec import ProjectSpec
from jomon.core.table import Ints

_MONDAY = 4
"""1970-01-05, in days since 1970-01-01."""


def windows_between(spec: ProjectSpec, since_us: int, until_us: int) -> Ints:
    """Starts of the windows of `spec.monitor` that begin at `since_us` or later and before `until_us`.

    Both and the starts are microseconds since 1970-01-01 UTC; int64[W], in order. A window ends where the next one
    starts: see `window_at`. Raises `SpecError` for a span that is neither whole minutes of a day nor whole days, and
    `DataError` outside the years 1900 to 2100.
    """
    span = _span(spec)
    if until_us <= since_us:
        return np.zeros(0, np.int64)
    local = LocalTime(spec.data.zone)
    # A day more at both ends: of a day that the clocks began twice, rows of the day before come after its start.
    first, last = (int(day) for day in local.days(np.array([since_us, until_us])))
    starts = _starts(local, span, first - max(1, span // DAY), last + 1)
    return starts[(starts >= since_us) & (starts < until_us)]


def window_at(spec: ProjectSpec, moment_us: int) -> tuple[int, int]:
    """Start (included) and end (excluded) of the window that holds a moment, in microseconds since 1970-01-01 UTC."""
    span = _span(spec)
    local = LocalTime(spec.data.zone)
    day = int(local.days(np.array([moment_us]))[0])
    around = 1 + max(1, span // DAY)
    starts = _starts(local, span, day - around, day + around)
    at = int(np.searchsorted(starts, moment_us, side="right"))
    return int(starts[at - 1]), int(starts[at])


def _span(spec: ProjectSpec) -> int:
    """The span of a window in microseconds of the wall clock."""
    span = round(spec.monitor.window.total_seconds() * 1_000_000)
    if span >= MINUTE and ((span < DAY and span % MINUTE == 0) or span % DAY == 0):
        return span
    raise SpecError(
        [
            f"monitor.window is {spec.monitor.window}, and a window is whole days, or less than a day in whole "
            "minutes: write 1d, 1w or 6h"
        ]
    )


def _starts(local: LocalTime, span: int, first_day: int, last_day: int) -> Ints:
    """Starts of windows on local days `first_day` to `last_day` (days since 1970-01-01, both included)."""
    if span >= DAY:
        days = span // DAY
        first = (first_day - _MONDAY) // days * days + _MONDAY
        return np.unique(local.day_starts(np.arange(first, last_day + 1, days)))
    midnights = np.arange(first_day, last_day + 1, dtype=np.int64)
    wall = (midnights[:, None] * DAY + np.arange(0, DAY, span)).ravel()
    return np.unique(local.first_instants(wall))
