"""Estimate: a number that says how it was obtained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Estimate:
    """A value with its interval, the rows and blocks of time behind it, and the method's name.

    What cannot be had is None, never NaN; `reason` then says why in a few words.

    >>> Estimate(0.4615, 0.4588, 0.4642, rows=79_000, blocks=98, method="block bootstrap").known
    True
    >>> Estimate.unknown(0, "no rows").to_json()
    {'value': None, 'low': None, 'high': None, 'rows': 0, 'reason': 'no rows'}
    """

    value: float | None
    low: float | None
    high: float | None
    rows: int
    blocks: int = 0
    method: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            number = getattr(self, name)
            if number is None:
                continue
            if not math.isfinite(number):
                raise ValueError(f"{name} of an estimate must be finite or None, and is {number}")
            object.__setattr__(self, name, float(number))
        object.__setattr__(self, "rows", int(self.rows))
        object.__setattr__(self, "blocks", int(self.blocks))

    @classmethod
    def unknown(cls, rows: int, reason: str) -> Estimate:
        """An estimate that cannot be had, and why."""
        return cls(None, None, None, rows, reason=reason)

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return self.value is not None

    @property
    def bounded(self) -> bool:
        """Whether there is a value with an interval."""
        return self.value is not None and self.low is not None and self.high is not None

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero; False where there is no interval."""
        return self.low is not None and self.high is not None and (self.low > 0.0 or self.high < 0.0)

    def within(self, least: float | None = None, most: float | None = None) -> Estimate:
        """The same with its bounds cut to what the number can be: an area lies within 0 and 1.

        >>> Estimate(0.01, -0.01, 0.03, 50).within(0.0, 1.0).low
        0.0
        """
        if self.low is None or self.high is None:
            return self
        low = self.low if least is None else max(self.low, least)
        high = self.high if most is None else min(self.high, most)
        return replace(self, low=low, high=high)

    def to_json(self) -> dict[str, Any]:
        """A JSON object with `value`, `low`, `high`, `rows`, and what else is known."""
        out: dict[str, Any] = {"value": self.value, "low": self.low, "high": self.high, "rows": self.rows}
        extra = {"blocks": self.blocks, "method": self.method, "reason": self.reason}
        return out | {name: value for name, value in extra.items() if value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Estimate:
        """Read back what `to_json` wrote; raises KeyError or ValueError where it is not that."""
        return cls(
            data["value"],
            data["low"],
            data["high"],
            data["rows"],
            data.get("blocks", 0),
            data.get("method", ""),
            data.get("reason", ""),
        )
