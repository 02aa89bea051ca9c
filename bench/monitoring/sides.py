"""What every side is asked, and how it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from bench.monitoring.worlds import World


@dataclass(frozen=True)
class Spoken:
    """One finding: in a segment (values by axis), of a column (`""`: rows, or outcomes as a whole), of a kind."""

    segment: Mapping[str, str]
    column: str
    kind: str
    surprise: float


@dataclass(frozen=True)
class Told:
    """What a side counts as one incident: the findings that it covers and its cause (None: the side names none)."""

    findings: tuple[Spoken, ...]
    cause: str | None


@dataclass(frozen=True)
class Said:
    """What a side says of one window. `p`: how often a quiet check is as surprising (None where it does not say);
    `unknown`: it says that it cannot judge the window."""

    window: int
    findings: tuple[Spoken, ...]
    incidents: tuple[Told, ...]
    seconds: float
    p: float | None = None
    unknown: bool = False


class Session(Protocol):
    """A side that has seen the history of a world."""

    def check(self, windows: Sequence[int], frames: Sequence[pl.DataFrame] | None = None) -> Said:
        """Check the last of `windows`.

        `frames` are the rows that came in these windows, in place of the world's own; the windows before the last are
        history by now, with whatever was in them.
        """
        ...


class Side(Protocol):
    """A tool under test."""

    name: str

    def open(self, world: World) -> Session:
        """Let it see the world."""
        ...
