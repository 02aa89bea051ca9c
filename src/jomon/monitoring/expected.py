"""Expected counts: what a segment's matched history, tilted by what its peers show in the same window, makes likely.

Days differ even when nothing is wrong, and all members share the same weather: what the other segments of a group show
on the day is explained away before a segment is judged.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
OWN_DAY = 20.0
"""Rows of a stratum at which it counts as much as the segment's whole day."""
FLOOR = 0.02
"""Rows that every bin has at least: nothing is impossible because it was not seen yet."""
PEERS = 3.0
"""Expected rows of peers in a stratum at which what they show counts half."""


def shares(history: Floats) -> Floats:
    """The distribution over bins of each segment and stratum, float64[S, H, B], of weighted counts of that shape.

    A stratum is shrunk to the segment's whole day with `OWN_DAY` rows of weight.
    """
    day = history.sum(axis=1, keepdims=True)
    whole = day / np.maximum(day.sum(axis=2, keepdims=True), 1e-12)
    raw = history + OWN_DAY * whole + FLOOR
    out: Floats = raw / raw.sum(axis=2, keepdims=True)
    return out


def tilted(observed: Floats, expected: Floats, group: Ints) -> Floats:
    """Expected counts [S, H, B] changed by the ratio of observed to expected that the peers of each segment show.

    `group` int64[S]: peers are the other segments of the same group. The ratio of each stratum and bin leaves the
    segment itself out, and `PEERS` rows as expected are added to both sides. Rows by stratum stay as they are.
    """
    groups = int(group.max()) + 1 if len(group) else 0
    rows = expected.sum(axis=2, keepdims=True)
    seen, meant = (np.zeros((groups, *observed.shape[1:])) for _ in range(2))
    np.add.at(seen, group, observed)
    np.add.at(meant, group, expected)
    seen, meant = seen[group] - observed, meant[group] - expected
    pseudo = PEERS * (meant + 1e-9) / (meant + 1e-9).sum(axis=2, keepdims=True) + 1e-3
    out = expected * (np.maximum(seen, 0) + pseudo) / (np.maximum(meant, 0) + pseudo)
    total = out.sum(axis=2, keepdims=True)
    scaled: Floats = out * (rows / np.maximum(total, 1e-12))
    return scaled
