"""Rows, outcomes and losses by window, segment and bin of the score: all that estimating performance needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jomon.core.cubes import Cube
from jomon.monitoring.cells import Level
from jomon.stats.links import Kind
from jomon.stats.losses import absolute_error, poisson_deviance, squared_error
from jomon.stats.measure import mean_response
from jomon.stats.recalibration import log_odds

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BINS = 32
LOSSES: dict[str, tuple[str, ...]] = {
    "binary": (),
    "regression": ("squared_error", "absolute_error"),
    "count": ("poisson_deviance", "absolute_error"),
}
"""The losses per row that are summed for each kind of target; a binary one needs no more than outcomes."""


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """W windows in order, S segments, B bins in order of the margin.

    `margin` float64[S, B]: the typical margin of a segment's rows in a bin; `rows`, `labelled`, `outcome` and each of
    `losses` float64[W, S, B]: rows, those whose outcome is known, and sums over the latter. `outside` float64[W, S]:
    rows outside the reference, if anyone counted them. The first segment is the whole fleet.
    """

    kind: Kind
    margin: Floats
    rows: Floats
    labelled: Floats
    outcome: Floats
    losses: Mapping[str, Floats]
    outside: Floats

    @property
    def windows(self) -> int:
        """How many windows."""
        return len(self.rows)

    @property
    def segments(self) -> int:
        """How many segments, the fleet included."""
        return int(self.rows.shape[1])

    def take(self, segments: ArrayLike) -> ScoreTable:
        """Some of the segments."""
        at = np.asarray(segments)
        return replace(
            self,
            margin=self.margin[at],
            rows=self.rows[:, at],
            labelled=self.labelled[:, at],
            outcome=self.outcome[:, at],
            losses={name: sums[:, at] for name, sums in self.losses.items()},
            outside=self.outside[:, at],
        )


def score_edges(margin: ArrayLike, bins: int = BINS) -> Floats:
    """Edges that put about equally many of the reference's margins into each of at most `bins` bins."""
    m = np.asarray(margin, np.float64)
    if not len(m):
        return np.zeros(0)
    return np.unique(np.quantile(m, np.arange(1, bins) / bins, method="higher"))


def score_table(
    kind: Kind,
    margin: ArrayLike,
    target: ArrayLike,
    window: ArrayLike,
    levels: Sequence[Ints],
    edges: ArrayLike,
    *,
    windows: int | None = None,
    outside: ArrayLike | None = None,
) -> ScoreTable:
    """A table from rows: `margin` and `target` float64[n] (NaN: not known), `window` int64[n] from 0.

    `levels` are codes int64[n] each, from 0, -1 where a row has no segment of that level; the segments of one level
    follow those of the one before, after the fleet's. `outside` bool[n]: rows outside the reference.
    """
    m, y, w = np.asarray(margin, np.float64), np.asarray(target, np.float64), np.asarray(window, np.int64)
    count = int(w.max()) + 1 if windows is None else windows
    cuts = np.asarray(edges, np.float64)
    bins = np.searchsorted(cuts, m, side="right")
    size = len(cuts) + 1
    known = ~np.isnan(y)
    measured: dict[str, Floats] = {"rows": np.ones(len(m)), "labelled": known.astype(np.float64), "margin": m}
    measured["outcome"] = np.where(known, y, 0.0)
    for name in LOSSES[kind]:
        measured[name] = np.where(known, _loss(name, np.where(known, y, 0.0), m, kind), 0.0)
    away = np.zeros(len(m)) if outside is None else np.asarray(outside, np.float64)
    parts: dict[str, list[Floats]] = {name: [] for name in measured}
    aside = []
    for codes in [np.zeros(len(m), np.int64), *levels]:
        inside = codes >= 0
        many = int(codes.max(initial=-1)) + 1
        place = (w[inside] * many + codes[inside]) * size + bins[inside]
        for name, values in measured.items():
            sums = np.bincount(place, values[inside], count * many * size).astype(np.float64)
            parts[name].append(sums.reshape(count, many, size))
        aside.append(
            np.bincount(w[inside] * many + codes[inside], away[inside], count * many).reshape(count, many)
        )
    whole = {name: np.concatenate(found, axis=1) for name, found in parts.items()}
    rows = whole["rows"].sum(axis=0)
    sums = whole["margin"].sum(axis=0)
    fleet = sums[:1] / np.maximum(rows[:1], 1.0)
    typical = (sums + 5.0 * fleet) / (rows + 5.0)
    return ScoreTable(
        kind,
        typical,
        whole["rows"],
        whole["labelled"],
        whole["outcome"],
        {name: whole[name] for name in LOSSES[kind]},
        np.concatenate(aside, axis=1),
    )


def _loss(name: str, y: Floats, m: Floats, kind: Kind) -> Floats:
    if name == "poisson_deviance":
        return poisson_deviance(y, m)
    answer = mean_response(m, kind)
    return squared_error(y, answer) if name == "squared_error" else absolute_error(y, answer)


def score_table_of_cube(kind: Kind, cube: Cube, levels: Sequence[Level]) -> ScoreTable:
    """A table from profiles: the bins of the score column, the fleet and then the segments of `levels` in order.

    Profiles hold the loss that decides and no other. Margins are what answers on average mean, so that few wide bins
    make log losses a little too small, of estimates and realised ones alike. Nothing is said of rows outside.
    """
    column = next(at for at, bins in enumerate(cube.binning.columns) if bins.kind == "score")
    size = cube.binning.columns[column].size
    start = int(cube.binning.starts[column])
    mine = (cube.at[:, 3] >= start) & (cube.at[:, 3] < start + size)
    at, count = cube.at[mine], len(cube.windows)
    parts: dict[str, list[Floats]] = {
        name: [] for name in ("rows", "labelled", "outcome", "expected", "loss")
    }
    whole = np.zeros(len(cube.segments), np.int64)
    for of_cell in [whole, *(level.of_cell for level in levels)]:
        owner = of_cell[at[:, 1]]
        inside = owner >= 0
        many = int(of_cell.max(initial=-1)) + 1
        place = (at[inside, 0] * many + owner[inside]) * size + at[inside, 3] - start
        for name, found in parts.items():
            each = np.bincount(place, cube.measure(name)[mine][inside], count * many * size)
            found.append(each.astype(np.float64).reshape(count, many, size))
    sums = {name: np.concatenate(found, axis=1) for name, found in parts.items()}
    labelled, answers = sums["labelled"].sum(axis=0), sums["expected"].sum(axis=0)
    fleet = answers[:1] / np.maximum(labelled[:1], 1e-12)
    return ScoreTable(
        kind,
        _margin((answers + 5.0 * fleet) / (labelled + 5.0), kind),
        sums["rows"],
        sums["labelled"],
        sums["outcome"],
        {} if kind == "binary" else {LOSSES[kind][0]: sums["loss"]},
        np.zeros(sums["rows"].shape[:2]),
    )


def _margin(answer: Floats, kind: Kind) -> Floats:
    """Margins of mean answers."""
    if kind == "binary":
        return log_odds(answer)
    return np.log(np.maximum(answer, 1e-12)) if kind == "count" else answer
