"""Cubes: profiles of many windows as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jomon.core.binning import Binning
from jomon.core.segments import Segment
from jomon.core.spec import BUILTIN_AXES, ProjectSpec

MEASURES = ("rows", "labelled", "outcome", "expected", "variance", "loss")
"""What is summed in each bin: rows; rows whose outcome is known; and over these their outcomes, answers, the variance
that the answers imply (p (1 - p), the mean of a count; 0 for a regression) and losses (log loss, Poisson deviance,
squared error)."""


@dataclass(frozen=True, eq=False)
class Cube:
    """Sums of `MEASURES` by window, segment, local hour and bin, of which only cells with rows are held.

    `windows` int64[W]: starts in microseconds since 1970-01-01 UTC, in order; `segments`: combinations of values of
    all `axes`, a row without a value of one of them being in a segment that lacks it; `at` int64[n, 4]: window,
    segment, hour of the day (0 to 23) and bin of the flat axis of `binning`; `sums` float64[n, 6].
    """

    axes: tuple[str, ...]
    windows: NDArray[np.int64]
    segments: tuple[Segment, ...]
    binning: Binning
    at: NDArray[np.int64]
    sums: NDArray[np.float64]

    def measure(self, name: str) -> NDArray[np.float64]:
        """One measure, float64[n]."""
        return self.sums[:, MEASURES.index(name)]


def place_axes(spec: ProjectSpec) -> tuple[str, ...]:
    """The axes of a fleet's stages that say where a row belongs, in order; those of time (season, occasion, hour band,
    weekday) are no parts of a fleet."""
    return tuple(
        dict.fromkeys(axis for stage in spec.stages for axis in stage.level if axis not in BUILTIN_AXES)
    )


def watched_levels(spec: ProjectSpec) -> tuple[tuple[str, ...], ...]:
    """The levels that are checked, from the whole to the parts: the fleet, each of `place_axes`, and each combination
    of them that a stage has."""
    own = [tuple(axis for axis in stage.level if axis not in BUILTIN_AXES) for stage in spec.stages]
    single = [(axis,) for axis in place_axes(spec)]
    return tuple(sorted(dict.fromkeys([(), *single, *own]), key=len))
