"""What the tests of outcomes share: cubes of days whose answers are right on average and whose days differ."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jomon.core.binning import Binning, ColumnBins
from jomon.core.cubes import Cube
from jomon.core.findings import Span
from jomon.core.segments import Segment

Floats = NDArray[np.float64]
DAY = 86_400_000_000
SPAN = Span(0, DAY)


def cube_of(
    segments: tuple[Segment, ...],
    rows: Floats,
    outcome: Floats,
    expected: Floats,
    variance: Floats,
    loss: Floats,
) -> Cube:
    """A cube of one column, that of all rows; every array is float64[W, S], and all rows have their outcome."""
    binning = Binning((ColumnBins("", "rows"),))
    window, segment = (axis.ravel() for axis in np.indices(rows.shape))
    some = rows.ravel() > 0
    at = np.stack([window, segment, np.full(len(window), 12), np.zeros(len(window))], axis=1).astype(np.int64)
    sums = np.stack([a.ravel() for a in (rows, rows, outcome, expected, variance, loss)], axis=1)
    axes = segments[0].axes
    return Cube(axes, np.arange(len(rows)) * DAY, segments, binning, at[some], sums[some])


def routes(count: int) -> tuple[Segment, ...]:
    """Segments of two axes."""
    return tuple(Segment((("carrier", f"c{i % 3}"), ("origin", f"o{i}"))) for i in range(count))


def days_of_bets(
    rng: np.random.Generator,
    days: int,
    segments: int,
    rows: int = 30,
    shared: float = 0.5,
    own: float = 0.3,
    moved: Floats | None = None,
    base: float = -1.2,
) -> tuple[Floats, ...]:
    """Binary outcomes whose log odds move by a day's effect: `shared` and `own` are its standard deviations, shared by
    all segments or not; `moved` float64[W, S] is added, unknown to the answers. Rows vary about `rows`, margins about
    `base`."""
    count = rng.poisson(rows, (days, segments))
    margin = rng.normal(base, 0.8, (days, segments, count.max()))
    effect = rng.normal(0.0, shared, (days, 1)) + rng.normal(0.0, own, (days, segments))
    real = margin + (effect + (0.0 if moved is None else moved))[..., None]
    there = np.arange(count.max()) < count[..., None]
    outcome = (rng.random(real.shape) < 1.0 / (1.0 + np.exp(-real))) & there
    answer = 1.0 / (1.0 + np.exp(-margin))
    loss = np.log1p(np.exp(np.where(outcome, -margin, margin)))
    return (
        count.astype(np.float64),
        outcome.sum(axis=2).astype(np.float64),
        (answer * there).sum(axis=2),
        (answer * (1.0 - answer) * there).sum(axis=2),
        (loss * there).sum(axis=2),
    )
