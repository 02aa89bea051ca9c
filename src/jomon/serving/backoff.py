"""How long to wait before a process that ended is started again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Backoff:
    """Doubles from `first` to `most` seconds while a process keeps ending before `steady` seconds of life.

    The first end after a steady life is followed by a start at once.

    >>> backoff = Backoff(first=0.5, most=2.0, steady=10.0)
    >>> [backoff.after(lived) for lived in (60.0, 1.0, 1.0, 1.0, 1.0, 60.0)]
    [0.0, 0.5, 1.0, 2.0, 2.0, 0.0]
    """

    first: float = 0.5
    most: float = 30.0
    steady: float = 10.0
    soon: int = 0
    """Ends in a row that came too soon."""

    def after(self, lived: float) -> float:
        """Seconds to wait after an end at the age of `lived` seconds."""
        if lived >= self.steady:
            self.soon = 0
            return 0.0
        self.soon += 1
        return min(self.first * 2.0 ** min(self.soon - 1, 20), self.most)
