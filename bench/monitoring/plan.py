"""Which seeds, days and members developing may use, and which the run that counts uses: fixed before that run.

Days are told apart by the week they really belong to (an exchange moves whole days), members and axis values by a
digest of their names. Both halves stand in one another's history, as they do in a fleet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np

from bench.monitoring.worlds import Ints, World

KINDS = (
    "unit_changed", "shifted", "nulls", "stuck", "renamed_category", "unseen_category", "swapped_columns",
    "duplicated_rows", "missing_rows", "time_zone", "labels_flipped", "relation_reversed", "gradual_drift",
    "special_event", "release_defect",
)  # fmt: skip
SIZES = ("small", "medium", "large")
SCOPES = ("member", "axis value", "fleet")
FIRST = 80
"""Windows before this one are history only."""


@dataclass(frozen=True)
class Half:
    """`seeds` of exchanges; `parity` of the weeks and digests that may be used; faults of each kind, size and scope
    for each seed (`repeats`); how many checks of a fleet, of how many members at most (more would only raise the share
    of checks that raise anything), and how many faults the peers are shown, who take long."""

    name: str
    seeds: tuple[int, ...]
    parity: int
    repeats: int = 1
    peer_quiet: int = 3
    peer_members: int = 20
    peer_faults: int = 30


DEVELOPMENT = Half("development", (11, 12, 13, 14), 0)
COUNTED = Half("counted", (7001, 7002, 7003), 1)
SHORT = Half("short", (11,), 0, 1, 1, 5, 2)
"""The short run shows that all works: one seed of development, a few windows."""


def usable_day(day: date, half: Half) -> bool:
    """Whether a real day (the first of a week) belongs to this half."""
    return day.isocalendar().week % 2 == half.parity


def usable_segment(text: str, half: Half) -> bool:
    """Whether a member or axis value belongs to this half."""
    return hashlib.sha256(text.encode()).digest()[0] % 2 == half.parity


def exchange(world: World, seed: int) -> Ints:
    """Where each window goes, int64[W]: within its season and weekday, seeded; occasions stay in place."""
    draw = np.random.default_rng(seed)
    order = np.arange(len(world.days))
    for season in np.unique(world.season):
        for weekday in np.unique(world.weekday):
            same = (world.season == season) & (world.weekday == weekday) & (world.occasion == 0)
            at = np.flatnonzero(same)
            order[at] = draw.permutation(at)
    return order


def judged_windows(world: World, order: Ints, half: Half) -> list[int]:
    """Windows that a run of this half judges: ordinary ones whose rows are really of a day of this half."""
    source = np.argsort(order)
    return [
        window
        for window in range(FIRST, len(world.days))
        if world.occasion[window] == 0 and usable_day(world.days[source[window]], half)
    ]


def following(world: World, window: int, count: int) -> list[int]:
    """`window` and the ordinary windows after it, at most `count`."""
    found: Iterable[int] = (w for w in range(window, len(world.days)) if world.occasion[w] == 0)
    return [w for w, _ in zip(found, range(count), strict=False)]
