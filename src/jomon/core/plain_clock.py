"""The clocks of a time zone for one instant at a time: what `localtime` knows of it, as plain integers."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlainClock:
    """The clocks of a zone as plain integers (microseconds), for one instant at a time.

    Instants from `first` on and before `end` are covered; `offsets` hold between the `changes`; clocks leave an offset
    at the readings in `wall_first` and, the second time around, in `wall_second`.
    """

    first: int
    end: int
    changes: list[int]
    offsets: list[int]
    wall_first: list[int]
    wall_second: list[int]

    def covers(self, time_us: int) -> bool:
        """Whether an instant is inside the years that are covered."""
        return self.first <= time_us < self.end

    def offset(self, time_us: int) -> int:
        """What to add to an instant (UTC) that is covered for the wall clock."""
        return self.offsets[bisect_right(self.changes, time_us)]

    def utc(self, wall_us: int) -> int | None:
        """The instant at which the clocks show `wall_us`; None where they show it twice, never, or out of range."""
        first = self.offsets[bisect_right(self.wall_first, wall_us)]
        if first != self.offsets[bisect_right(self.wall_second, wall_us)] or not self.covers(wall_us - first):
            return None
        return wall_us - first
