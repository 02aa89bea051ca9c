"""The `on` of a lookup: plain columns, and at most one time part."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

TimePart = Literal["hour", "day", "asof"]
_CALL = re.compile(r"(hour|day)_of\(\s*([^()]+?)\s*\)")


@dataclass(frozen=True, slots=True)
class LookupKey:
    """`columns` have to be equal; `time_part` is the hour, the day or the moment of the row's time, or None.

    `places` holds each plain column with its position in `on`.
    """

    places: tuple[tuple[int, str], ...]
    time_part: TimePart | None

    @property
    def columns(self) -> tuple[str, ...]:
        """The plain columns, in the order of `on`."""
        return tuple(name for _, name in self.places)


def parse_lookup_key(on: Sequence[str], time: str) -> LookupKey:
    """Read `on` with the name of the data's time column; raises `ValueError` where a time part is not one.

    >>> parse_lookup_key(["origin", "hour_of(departure)"], "departure")
    LookupKey(places=((0, 'origin'),), time_part='hour')
    """
    places: list[tuple[int, str]] = []
    part: TimePart | None = None
    for position, text in enumerate(on):
        this = time_part_of(text, time)
        if this is None:
            places.append((position, text))
        elif part is not None:
            raise ValueError(f"{text!r} is a second time part; keep one")
        else:
            part = this
    return LookupKey(tuple(places), part)


def time_part_of(text: str, time: str) -> TimePart | None:
    """The part of the time that `text` asks for, None for a plain column; raises `ValueError` otherwise."""
    if text == time:
        return "asof"
    found = _CALL.fullmatch(text)
    if found is None:
        if "(" in text or ")" in text:
            raise ValueError(f"{text!r} is neither a column nor 'hour_of({time})' nor 'day_of({time})'")
        return None
    if found[2] != time:
        raise ValueError(f"{text!r} does not ask for the data's time; write '{found[1]}_of({time})'")
    return "hour" if found[1] == "hour" else "day"
