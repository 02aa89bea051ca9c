"""Fast parts over a stretch of history: run the filter of one stage, and choose how it forgets.

Nothing is chosen by rule of thumb: half-life, prior strength, slope, daily saturation and what survives a new model
below are picked by the loss of the answers that the filter would have given, one day ahead. What is answered in a block
of time is chosen from the blocks before it, so that every block but the first is evidence: the prequential approach of
Dawid (1984), "Statistical theory: the prequential approach", JRSS A 147.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jomon.core.table import Codes, Floats
from jomon.stats.links import Link
from jomon.training.filter import run_filter
from jomon.training.rows import Days, Positions
from jomon.training.served import Served

FOREVER = 1e5  # days: a half-life after which nothing is forgotten
GRID: dict[str, tuple[float, ...]] = {
    "half_life": (3.5, 7.0, 14.0, 28.0, 56.0, FOREVER),
    "prior_rows": (25.0, 100.0, 400.0, 1600.0, 6400.0),
    "saturation_rows": (0.0, 10.0, 30.0, 100.0, 300.0),
    "slope_rows": (0.0, 1000.0),
    "carry": (0.0, 1.0),
}
CAUTION = 1.0  # standard errors by which a setting must beat the one it replaces
_ROUNDS = 2  # of going through the settings one by one; a third changes nothing on any data set tried


@dataclass(frozen=True, slots=True)
class FastParams:
    """How a stage's fast parts learn.

    `half_life` in days; `prior_rows`: rows' worth of belief that the chain before is right; `slope_rows`: the same for
    the slope, 0 to leave it out; `saturation_rows`: a day never counts as more than this many rows of a segment, since
    the rows of a day share what the day brings (0: no limit); `carry`: what is kept when a model below is fitted anew;
    `center` and `unit`: margin around which the slope turns, and the mean curvature of a row, both from the data.

    The defaults lost least, in most blocks of time, among a grid of 450 on the flights before 2013-09-25 and the births
    before 1987. To choose others, repeat that on spans of data that no benchmark counts, and never on a hold-out.
    """

    half_life: float = 14.0
    prior_rows: float = 400.0
    saturation_rows: float = 300.0
    slope_rows: float = 1000.0
    carry: float = 0.0
    center: float = 0.0
    unit: float = 1.0

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> FastParams:
        """The inverse of `document`."""
        return cls(**{name: float(document[name]) for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class FilterState:
    """m segments: `linear` float64[m, 2], `precision` float64[m, 3], `theta` float64[m, 2] (offset, slope)."""

    linear: Floats
    precision: Floats
    theta: Floats

    @classmethod
    def fresh(cls, m: int) -> FilterState:
        """Nothing learned: the chain before answers."""
        return cls(np.zeros((m, 2)), np.zeros((m, 3)), np.zeros((m, 2)))


@dataclass(frozen=True)
class Stretch:
    """The rows of a stretch of days as one stage sees them: n rows in time order.

    `segment` int32[n], -1 for none; `served`: margins that enter the fast part; days as in `TrainingRows`; the filter
    runs from `first_day` to `last_day`, and models below change on `resets`.
    """

    link: Link
    segment: Codes
    segments: int
    y: Floats
    serve_day: Days
    learn_day: Days
    served: Served
    first_day: int
    last_day: int
    resets: tuple[int, ...]

    def run(self, params: FastParams, state: FilterState | None = None) -> tuple[Served, FilterState]:
        """Margins with the fast part, NaN where none entered, and the state after the last day; `state` is kept."""
        state = FilterState.fresh(self.segments) if state is None else state
        linear, precision, theta = state.linear.copy(), state.precision.copy(), state.theta.copy()
        answer, learn = self.served.answer.copy(), self.served.learn.copy()
        queue = self._queue
        out_serve = queue.answer.copy()
        run_filter(
            self.link.code,
            self.first_day,
            self.last_day,
            queue.serve_day,
            queue.serve_segment,
            queue.answer,
            queue.learn_day,
            queue.known,
            queue.known_segment,
            self.served.learn,
            self.y,
            np.array(self.resets, np.int32),
            0.5 ** (1.0 / params.half_life),
            params.carry,
            params.prior_rows * params.unit,
            params.slope_rows * params.unit,
            params.center,
            params.saturation_rows * params.unit,
            linear,
            precision,
            theta,
            out_serve,
            learn,
        )
        answer[queue.serve] = out_serve
        return Served(answer, learn), FilterState(linear, precision, theta)

    @cached_property
    def _queue(self) -> _Queue:
        serve = np.flatnonzero(self.served.present)
        known = np.flatnonzero(~np.isnan(self.y) & ~np.isnan(self.served.learn))
        known = known[np.argsort(self.learn_day[known], kind="stable")]
        return _Queue(
            serve,
            self.serve_day[serve],
            self.segment[serve],
            self.served.answer[serve],
            known,
            self.learn_day[known],
            self.segment[known],
        )


@dataclass(frozen=True, slots=True)
class _Queue:
    """The rows in the order in which the filter meets them: to answer, and to learn from."""

    serve: Positions
    serve_day: Days
    serve_segment: Codes
    answer: Floats
    known: Positions
    learn_day: Days
    known_segment: Codes


class Chooser:
    """Finds the settings whose one-day-ahead answers lose least, block after block, running each candidate once.

    A setting leaves its default only for an improvement of more than `CAUTION` standard errors, taken over
    weeks: what a
    few stormy weeks would choose is seldom what the next ones need. The rule is the one-standard-error rule of Breiman,
    Friedman, Olshen and Stone (1984), "Classification and regression trees", section 3.4.3.

    `known_block` int16[n] as in `TrainingRows`; `counted` bool[n]: the rows whose loss counts; `half_life` in days
    fixes that one.
    """

    def __init__(
        self,
        stretch: Stretch,
        known_block: NDArray[np.int16],
        counted: NDArray[np.bool_],
        half_life: float | None,
        scale: bool,
    ) -> None:
        self._stretch, self._known, self._counted = stretch, known_block, counted
        self._grid = dict(GRID) if half_life is None else {**GRID, "half_life": (half_life,)}
        if not scale:
            self._grid["slope_rows"] = (0.0,)
        self._half_life = half_life
        cell = (stretch.serve_day[counted].astype(np.int64) // 7) * 1000 + known_block[counted]
        cells, self._cell = np.unique(cell, return_inverse=True)
        self._cell_known, self._cell_week = cells % 1000, cells // 1000
        self._seen: dict[FastParams, Floats] = {}
        self._without = self._by_cell(stretch.served)

    def choose(self, for_block: int) -> FastParams | None:
        """The settings by the rows whose outcomes were known when `for_block` began; None where having no fast part
        loses less."""
        rows = self._counted & (self._known <= for_block)
        if not rows.any():
            return None
        entering = self._stretch.served.answer[rows]
        _, curvature = self._stretch.link.derivatives(entering, self._stretch.y[rows])
        start = FastParams(center=_rounded(np.mean(entering)), unit=_rounded(np.mean(curvature)))
        params = start if self._half_life is None else replace(start, half_life=self._half_life)
        cells = self._cell_known <= for_block
        weeks = np.unique(self._cell_week[cells], return_inverse=True)[1]

        def losses(candidate: FastParams) -> Floats:
            if candidate not in self._seen:
                self._seen[candidate] = self._by_cell(self._stretch.run(candidate)[0])
            found: Floats = self._seen[candidate][cells]
            return found

        for _ in range(_ROUNDS):
            last = params
            for name, values in self._grid.items():
                best = min(
                    (replace(params, **{name: v}) for v in values), key=lambda c: float(losses(c).sum())
                )
                gain: Floats = np.bincount(weeks, losses(best) - losses(params)).astype(np.float64)
                if _clearly_less(gain):
                    params = best
            if params == last:
                break
        return params if float(losses(params).sum()) < float(self._without[cells].sum()) else None

    def _by_cell(self, served: Served) -> Floats:
        """Summed loss in each week, rows that other blocks may use first apart."""
        rows = self._counted
        losses = self._stretch.link.losses(served.answer[rows], self._stretch.y[rows])
        return np.bincount(self._cell, losses).astype(np.float64)


def _clearly_less(difference: Floats) -> bool:
    """Whether the sum of `difference` float64[weeks] is below zero by more than `CAUTION` standard errors."""
    m = len(difference)
    if m < 2:
        return False
    error = float(np.sqrt(m * np.var(difference, ddof=1)))
    return float(difference.sum()) < -CAUTION * error


def _rounded(value: np.floating[Any]) -> float:
    """One significant digit: blocks then share candidates, and nothing depends on the digits left out."""
    return float(f"{value:.0e}") if value else 0.0
