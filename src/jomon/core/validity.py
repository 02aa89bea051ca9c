"""Validity: the periods in which members answer, told in local time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import numpy as np

from jomon.core.errors import SpecError
from jomon.core.grouping import Bools, Segmented
from jomon.core.localtime import LocalTime
from jomon.core.spec import Validity
from jomon.core.table import Ints

_EPOCH = datetime(1970, 1, 1)


def active(valid: Sequence[Validity], segmented: Segmented, time_us: Ints, local: LocalTime) -> Bools:
    """Which rows (n) at `time_us` are inside the periods of their segment's member; false without a segment.

    Periods for the same axis values are alternatives. Where periods for several sets of axis values match a
    segment (`carrier=UA`, and `carrier=UA origin=EWR`), a row has to be inside one of each. A segment that no
    period matches is always valid.
    """
    inside = segmented.codes >= 0
    periods: dict[frozenset[tuple[str, str]], list[Validity]] = {}
    for period in valid:
        periods.setdefault(frozenset(period.segment.items()), []).append(period)
    for values, alternatives in periods.items():
        matches = np.array([values <= set(segment.items) for segment in segmented.segments] + [False])
        within = np.logical_or.reduce([_within(period, time_us, local) for period in alternatives])
        inside &= ~matches[segmented.codes] | within
    return inside


def _within(period: Validity, time_us: Ints, local: LocalTime) -> Bools:
    """Which instants (n) are inside one period: from its start on, before its end."""
    within = np.ones(len(time_us), dtype=np.bool_)
    if period.start is not None:
        within &= time_us >= instant(period.start, local)
    if period.until is not None:
        within &= time_us < instant(period.until, local)
    return within


def instant(moment: date | datetime, local: LocalTime) -> int:
    """The instant (microseconds UTC) of a local moment; a date is the start of that day.

    A wall time shown twice is the earlier of the two; one that was skipped is moved forward by the gap.
    Raises `SpecError` outside the years 1900 to 2100.
    """
    if not isinstance(moment, datetime):
        moment, whole_day = datetime(moment.year, moment.month, moment.day), True
    else:
        whole_day = False
    span = moment - _EPOCH
    wall = np.array([(span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds], dtype=np.int64)
    utc, bad, _ = local.to_utc(wall, "earliest", "shift")
    if bad[0]:
        raise SpecError(
            [f"{moment.isoformat()} is not in the years 1900 to 2100: correct it or leave it out."]
        )
    return local.day_start(span.days) if whole_day else int(utc[0])
