"""Families of tests, whose statistics have tails of one kind."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """One statistic (`kind`) of one column over the segments of one level, both by number."""

    level: int
    column: int
    kind: str
