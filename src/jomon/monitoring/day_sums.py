"""Day sums: what the outcomes that have come say of each segment of a level, window by window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from jomon.core.cubes import Cube
from jomon.core.segments import Segment
from jomon.monitoring.cells import Level

Floats = NDArray[np.float64]
OutcomeKind = Literal["binary", "count", "regression"]
LOSS_UNITS: dict[OutcomeKind, str] = {"binary": "nats", "count": "deviance", "regression": "squared error"}
LOSS_BOUNDS: dict[OutcomeKind, float] = {"binary": 3.0, "count": np.inf, "regression": np.inf}
"""The loss above which a day's mean counts as this much: log loss without a bound lets one day decide alone."""
HISTORY_TIMES = 8.0
"""Where a kind has no bound of its own, the bound is this many times the mean loss of the history."""


@dataclass(frozen=True, eq=False)
class DaySums:
    """Sums by window and segment of one level over rows with outcome, float64[W, S] each.

    `labelled` rows of `rows`; `residual`: outcome minus answer; `loss`; `variance`: that the answers imply (0 for a
    regression).
    """

    level: Level
    rows: Floats
    labelled: Floats
    residual: Floats
    loss: Floats
    variance: Floats

    @classmethod
    def of(cls, cube: Cube, level: Level) -> DaySums:
        """A level's sums over the hours of each window of a cube."""
        own = cube.at[:, 3] == cube.binning.starts[cube.binning.place("", "rows")]
        at = (cube.at[own, 0], cube.at[own, 1])

        def summed(name: str) -> Floats:
            found = np.zeros((len(cube.windows), len(cube.segments)))
            np.add.at(found, at, cube.measure(name)[own])
            return level.sum(found.T).T

        residual = summed("outcome") - summed("expected")
        return cls(level, summed("rows"), summed("labelled"), residual, summed("loss"), summed("variance"))

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments of the level."""
        return self.level.segments

    def bounded_loss(self, kind: OutcomeKind, history: int) -> tuple[Floats, float]:
        """Losses whose day means are cut at a bound, float64[W, S], and the bound; the first `history` windows tell it
        where the kind has none of its own."""
        bound = LOSS_BOUNDS[kind]
        if not np.isfinite(bound):
            rows = self.labelled[:history].sum()
            bound = HISTORY_TIMES * float(self.loss[:history].sum()) / max(float(rows), 1.0)
        return np.minimum(self.loss, bound * self.labelled), bound
