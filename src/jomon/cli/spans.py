"""Moments and windows as people of a place read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(at: int, zone: str = "UTC") -> str:
    """An instant (microseconds since 1970-01-01 UTC) in a zone, by the minute.

    >>> moment(1_372_910_400_000_000, "America/New_York")
    '2013-07-04 00:00'
    """
    return f"{_local(at, zone):%Y-%m-%d %H:%M}"


def span(start: int, end: int, zone: str = "UTC") -> str:
    """A span of time, `end` excluded: days where it begins and ends at midnight, else minutes.

    >>> span(0, 86_400_000_000), span(0, 3 * 86_400_000_000), span(0, 3_600_000_000)
    ('1970-01-01', '1970-01-01 to 1970-01-03', '1970-01-01 00:00 to 01:00')
    """
    first, last = _local(start, zone), _local(end, zone)
    if all((one.hour, one.minute, one.second) == (0, 0, 0) for one in (first, last)):
        last -= timedelta(days=1)
        return f"{first:%Y-%m-%d}" if last.date() <= first.date() else f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
    same = first.date() == last.date()
    return f"{first:%Y-%m-%d %H:%M} to {last:{'%H:%M' if same else '%Y-%m-%d %H:%M'}}"


def _local(at: int, zone: str) -> datetime:
    return (_EPOCH + timedelta(microseconds=at)).astimezone(ZoneInfo(zone))
