"""Statistics of outcomes: are the answers right on average, and right for every value of a column?

A residual is outcome minus answer. What a segment's matched history shows in a bin, and what its peers show in the same
window, is taken off first, both shrunk by the variance that the answers imply.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jomon.monitoring.cells import Floats, Ints
from jomon.monitoring.family import Family
from jomon.monitoring.statistics import Measured, of_size

if TYPE_CHECKING:
    from jomon.monitoring.window_statistics import WindowStatistics

PRIOR_ROWS = 10.0
"""Rows' worth of variance at which what history or peers show counts half."""


def outcome_statistics(
    tests: WindowStatistics, column: int, masked: NDArray[np.bool_] | None
) -> dict[Family, Floats]:
    """`calibration` (of the column of all rows), or `behaviour` (and for scores `discrimination`), float64[ways, S]."""
    fleet = tests.fleet
    found: dict[Family, list[Floats]] = {}
    for number, _way, measured, labelled in _measured(tests, column, masked):
        for kind, one in measured.items():
            values = of_size(kind, one, labelled, fleet.practical)
            few = labelled < fleet.min_rows
            found.setdefault(Family(number, column, kind), []).append(np.where(few, np.nan, values))
    return {family: np.stack(values) for family, values in found.items()}


def outcome_effect(tests: WindowStatistics, family: Family, way: int, segment: int) -> tuple[float, float]:
    """The effect of one test of outcomes and half the width of its 95% interval."""
    for number, at, measured, labelled in _measured(tests, family.column, None):
        if (number, at) == (family.level, way) and family.kind in measured:
            effect = float(measured[family.kind][1][segment])
            return effect, 1.96 / float(np.sqrt(max(labelled[segment], 1.0)))
    raise KeyError(family)


def _measured(
    tests: WindowStatistics, column: int, masked: NDArray[np.bool_] | None
) -> Iterator[tuple[int, int, Measured, Floats]]:
    """Level, way, statistics with effects, and rows with outcome (float64[S]), level by level and way by way."""
    fleet = tests.fleet
    binning = fleet.cells.cube.binning
    bins, where = binning.columns[column], binning.slice(column)
    if bins.kind in ("clock", "duplicates") or bins.name in fleet.cells.cube.axes:
        return
    now: dict[str, Floats] = {}
    before: dict[str, Floats] = {}
    for name, (recent, earlier) in tests.outcome_sums.items():
        keep = 1.0 if masked is None else (~masked)[:, None]
        now[name], before[name] = recent[:, where] * keep, earlier[:, where] * keep
    for number, level in enumerate(fleet.levels):
        mine = {name: level.sum(values) for name, values in now.items()}
        past = {name: level.sum(values) for name, values in before.items()}
        residual, variance, labelled = _residuals(mine, past)
        ways: list[Ints | None] = [None, *(group for _, group in fleet.groups[number])]
        for way, group in enumerate(ways):
            rest = residual if group is None else residual - _peers(residual, variance, labelled, group)
            if bins.kind == "rows":
                measured = {"calibration": _mean(rest[:, 0], variance[:, 0], labelled)}
            elif bins.kind == "score":
                measured = {"discrimination": _slope(rest, variance, labelled, bins.size)}
            else:
                measured = {"behaviour": _shape(rest, variance, labelled)}
            yield number, way, measured, labelled


def _residuals(now: dict[str, Floats], past: dict[str, Floats]) -> tuple[Floats, Floats, Floats]:
    """Residuals beyond history's and the variance that they have, float64[S, B], and rows with outcome, float64[S]."""
    labelled = now["labelled"]
    variance = now["variance"]
    if not variance.any():  # a regression: what its errors were tells
        loss, rows = past["loss"].sum(axis=1), past["labelled"].sum(axis=1)
        whole = loss.sum() / max(rows.sum(), 1e-12)
        variance = labelled * ((loss + PRIOR_ROWS * whole) / (rows + PRIOR_ROWS))[:, None]
        earlier = past["labelled"] * ((loss + PRIOR_ROWS * whole) / (rows + PRIOR_ROWS))[:, None]
    else:
        earlier = past["variance"]
    typical = variance.sum() / max(labelled.sum(), 1e-12)
    rate = (past["outcome"] - past["expected"]) / (earlier + PRIOR_ROWS * typical + 1e-12)
    residual = now["outcome"] - now["expected"] - variance * rate
    return residual, variance, labelled.sum(axis=1)


def _peers(residual: Floats, variance: Floats, labelled: Floats, group: Ints) -> Floats:
    """What the peers of each segment make likely for it, float64[S, B]: their residual per variance."""
    groups = int(group.max()) + 1 if len(group) else 0
    sums, weights = (np.zeros((groups, residual.shape[1])) for _ in range(2))
    np.add.at(sums, group, residual)
    np.add.at(weights, group, variance)
    typical = variance.sum() / max(labelled.sum(), 1e-12)
    rate = (sums[group] - residual) / (
        np.maximum(weights[group] - variance, 0) + PRIOR_ROWS * typical + 1e-12
    )
    out: Floats = variance * rate
    return out


def _mean(residual: Floats, variance: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """The mean residual: its square in units of its spread, and in standard deviations of an outcome."""
    spread = np.sqrt(variance * rows)
    return residual**2 / (variance + 1e-12), residual / np.maximum(spread, 1e-12)


def _flat(residual: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Residuals by bin without their mean, and the variance of all bins."""
    total = variance.sum(axis=1, keepdims=True)
    return residual - variance * residual.sum(axis=1, keepdims=True) / np.maximum(total, 1e-12), total[:, 0]


def _shape(residual: Floats, variance: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """How residuals differ between bins: chi-square, and the root of what is beyond chance per row."""
    flat, total = _flat(residual, variance)
    statistic = (flat**2 / (variance + 0.02 * total[:, None] + 1e-12)).sum(axis=1)
    bins = (variance > 0.02 * total[:, None]).sum(axis=1)
    beyond = np.maximum(statistic - np.maximum(bins - 1, 0), 0.0)
    return statistic, np.sqrt(beyond / np.maximum(rows, 1e-12))


def _slope(residual: Floats, variance: Floats, rows: Floats, bins: int) -> tuple[Floats, Floats]:
    """How residuals lean along the order of the bins: squared in units of its spread, and per row."""
    flat, total = _flat(residual, variance)
    weight = variance[:, :bins] / np.maximum(variance[:, :bins].sum(axis=1, keepdims=True), 1e-12)
    rank = np.cumsum(weight, axis=1) - weight / 2
    rank = rank - (weight * rank).sum(axis=1, keepdims=True)
    spread = (variance[:, :bins] * rank**2).sum(axis=1) + 0.02 * total + 1e-12
    lean = (flat[:, :bins] * rank).sum(axis=1)
    return lean**2 / spread, lean / np.sqrt(spread * np.maximum(rows, 1e-12))
