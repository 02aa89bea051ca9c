"""Spans and moments as people write them: `12h`, `2d`, `100ms`, `2013-11-29`, `2013-11-29T06:00`, hours `21-4`.

Each reader raises `ValueError` that says what is wrong and what is right; each writer gives the one canonical
text, so that reading what was written gives the same value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PART = re.compile(r"(\d+)\s*([wdhms])", re.ASCII)
_WHOLE = re.compile(r"\s*(?:\d+\s*[wdhms]\s*)+", re.ASCII)
_SHORT = re.compile(r"\s*(\d+)\s*ms\s*", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?", re.ASCII)
_RANGE = re.compile(r"\s*(\d{1,2})\s*(?:-\s*(\d{1,2})\s*)?", re.ASCII)
_LONGEST_DAYS = 36_525
_LONGEST_MILLISECONDS_DIGITS = 12  # 10**12 ms are 31 years: enough for any wait, and below any overflow
DURATION_HINT = "write whole numbers with w, d, h, m (minutes) or s, such as '12h', '30m', '2d' or '1w'"

WAIT_HINT = "write a whole number with ms (milliseconds), s or m (minutes), such as '100ms' or '1s', or 0"


def parse_duration(text: object) -> timedelta:
    """Read `12h`, `30m`, `2d`, `1w`, `1d12h` or the number 0; raises `ValueError` for anything else.

    >>> parse_duration("1d12h")
    datetime.timedelta(days=1, seconds=43200)
    """
    if isinstance(text, timedelta):
        value = text
    elif not isinstance(text, bool) and text in (0, "0"):
        value = timedelta(0)
    elif isinstance(text, str) and _WHOLE.fullmatch(text):
        seconds = sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
        if seconds > _LONGEST_DAYS * 86_400:
            raise ValueError(f"{text!r} is longer than a hundred years")
        value = timedelta(seconds=seconds)
    else:
        raise ValueError(f"{_shown(text)} is not a duration; {DURATION_HINT}")
    if value < timedelta(0) or value.microseconds:
        raise ValueError(
            f"{format_seconds(value)} is not a duration; it has to be whole seconds, none below zero"
        )
    return value


def parse_wait(text: object) -> timedelta:
    """Read a wait, a duration that may be written in milliseconds (`100ms`); raises `ValueError` otherwise.

    >>> parse_wait("100ms"), parse_wait("1m") == parse_duration("1m")
    (datetime.timedelta(microseconds=100000), True)
    """
    found = _SHORT.fullmatch(text) if isinstance(text, str) else None
    if found is not None:
        if len(found[1]) > _LONGEST_MILLISECONDS_DIGITS:
            raise ValueError(f"{text!r} is longer than a hundred years")
        return timedelta(milliseconds=int(found[1]))
    if isinstance(text, timedelta) and text >= timedelta(0) and text.microseconds % 1000 == 0:
        return text
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ValueError(str(error).replace(DURATION_HINT, WAIT_HINT)) from None


def format_seconds(value: timedelta) -> str:
    """A span in seconds, for messages about spans that have no canonical text."""
    return f"{value.total_seconds():g}s"


def format_duration(value: timedelta) -> str:
    """The canonical text: one number in the largest unit that divides it, `0s` for nothing.

    >>> format_duration(timedelta(hours=36)), format_duration(timedelta(days=14))
    ('36h', '2w')
    >>> format_duration(timedelta(milliseconds=1500))
    '1500ms'
    """
    if value.microseconds:
        return f"{value // timedelta(milliseconds=1)}ms"
    seconds = round(value.total_seconds())
    for unit, size in _SECONDS.items():
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return "0s"


def parse_moment(text: object) -> date | datetime:
    """Read `2013-11-29` (a date) or `2013-11-29T06:00` (local wall time); raises `ValueError` otherwise."""
    if isinstance(text, datetime):
        if text.tzinfo is not None:
            raise ValueError("a moment here is local wall time; leave its zone out")
        return text
    if isinstance(text, date):
        return text
    if isinstance(text, str) and (_DATE.fullmatch(text) or _MOMENT.fullmatch(text)):
        try:
            return date.fromisoformat(text) if _DATE.fullmatch(text) else datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{text!r} is not in the calendar; check its month, day and hour") from None
    if isinstance(text, str) and _MOMENT.match(text):
        raise ValueError(f"{text!r} carries a zone; leave it out, times here are local to data.timezone")
    raise ValueError(f"{_shown(text)} is not a date; write it as '2013-11-29' or '2013-11-29T06:00'")


def parse_date(text: object) -> date:
    """Read `2013-11-29`; raises `ValueError` for anything else, times included."""
    value = parse_moment(text)
    if isinstance(value, datetime):
        raise ValueError(f"{_shown(text)} is a time; write the date alone, such as '2013-11-29'")
    return value


@dataclass(frozen=True, slots=True)
class HourRange:
    """Hours of the day from `first` to `last`, both included; wraps over midnight if `last` is below `first`.

    >>> HourRange.parse("21-1").hours
    (21, 22, 23, 0, 1)
    """

    first: int
    last: int

    def __post_init__(self) -> None:
        if not (0 <= self.first <= 23 and 0 <= self.last <= 23):
            raise ValueError(f"'{self}' is not a band of hours; hours go from 0 to 23")

    @classmethod
    def parse(cls, text: object) -> HourRange:
        """Read `5-9`, `21-4` or the single hour `7`; raises `ValueError` for anything else."""
        if isinstance(text, HourRange):
            return text
        found = (
            _RANGE.fullmatch(str(text))
            if isinstance(text, str | int) and not isinstance(text, bool)
            else None
        )
        if found is None:
            raise ValueError(
                f"{_shown(text)} is not a band of hours; write first-last, such as '5-9' or '21-4'"
            )
        first = int(found[1])
        return cls(first, first if found[2] is None else int(found[2]))

    @property
    def hours(self) -> tuple[int, ...]:
        """The hours in order, from `first` on."""
        return tuple((self.first + step) % 24 for step in range((self.last - self.first) % 24 + 1))

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "nothing"
    if isinstance(value, dict | list | tuple):
        return "a mapping" if isinstance(value, dict) else "a list"
    return repr(value)
