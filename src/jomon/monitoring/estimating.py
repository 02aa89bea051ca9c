"""Performance of every segment and window before its outcomes are known: with an interval, or the reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from jomon.monitoring.expecting import SHAPE_HALF_LIFE, Expecting, realised
from jomon.monitoring.refusing import Refusals
from jomon.monitoring.score_table import Floats, Ints, ScoreTable
from jomon.stats.error_history import error_spread
from jomon.stats.estimate import Estimate
from jomon.stats.level_forecast import forecast_level
from jomon.stats.segment_offsets import segment_offsets

METHOD = "estimated without outcomes, recalibrated on earlier windows"
PACE = 0.15
"""How fast intervals widen when realised values lie outside, as a share of the width for a window of which all do."""
NARROWEST, WIDEST = -0.3, 0.7
"""Logarithms of the factors between which that can go."""
BOUNDED = ("roc_auc", "tp", "fp", "fn", "tn")
"""Metrics between 0 and 1; all others are not negative."""


@dataclass(frozen=True)
class EstimatingRules:
    """What is asked of the inputs of an estimate.

    `level` of its interval; at least `rows` in the window, `windows` earlier ones whose outcomes are known, and
    `errors` earlier estimates whose errors are known; at most a share `outside` of rows outside what earlier windows
    had; a mix of scores at most `drift` times as far from the earlier one as any earlier window's; and errors whose
    mean square is at most `poor` times that of saying the mean of the windows before.
    """

    level: float = 0.95
    rows: int = 30
    windows: int = 4
    errors: int = 6
    outside: float = 0.1
    drift: float = 2.0
    poor: float = 2.0


@dataclass(frozen=True, eq=False)
class Estimated:
    """Estimates of all windows and segments as arrays float64[W, S] by metric: `value`, `low`, `high` (NaN: refused),
    and `realised` as far as outcomes are known; `reasons`: why a window and segment has none."""

    value: Mapping[str, Floats]
    low: Mapping[str, Floats]
    high: Mapping[str, Floats]
    realised: Mapping[str, Floats]
    rows: Floats
    earlier: Ints
    reasons: Mapping[tuple[str, int, int], str]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that are estimated."""
        return tuple(self.value)

    def at(self, metric: str, window: int, segment: int) -> Estimate:
        """One estimate; `blocks` are the earlier windows behind it."""
        rows = int(self.rows[window, segment])
        value, low, high = (float(a[metric][window, segment]) for a in (self.value, self.low, self.high))
        if not np.isfinite([value, low, high]).all():
            return Estimate.unknown(
                rows, self.reasons.get((metric, window, segment), "not defined on these rows")
            )
        return Estimate(value, low, high, rows, int(self.earlier[window]), METHOD)


def estimate_performance(
    table: ScoreTable, known_from: Ints, rules: EstimatingRules | None = None
) -> Estimated:
    """Estimate every window of a table from what was known at its end.

    `known_from` int64[W]: the first window at whose end all outcomes of a window are known; windows before a first few
    are refused. Costs some milliseconds a window; a window's estimates do not depend on later ones.
    """
    return _Run(table, np.asarray(known_from, np.int64), rules or EstimatingRules()).all()


@dataclass(eq=False)
class _Run:
    """The windows one after another, and what was said of them."""

    table: ScoreTable
    known_from: Ints
    rules: EstimatingRules
    reasons: dict[tuple[str, int, int], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.expecting = Expecting(self.table)
        self.refusals = Refusals(self.table)
        self.truth = {name: found.value for name, found in realised(self.table).items()}
        shape = self.table.windows, self.table.segments
        self.raw, self.value, self.chance, self.low, self.high = (
            {name: np.full(shape, np.nan) for name in self.truth} for _ in range(5)
        )
        # A segment is judged beside others of its kind: the fleet for itself, members together.
        self.groups = [part for part in (slice(0, 1), slice(1, shape[1])) if part.start < shape[1]]

    def all(self) -> Estimated:
        """Every window, then arrays without what is refused."""
        earlier = np.zeros(self.table.windows, np.int64)
        for window in range(self.table.windows):
            before = np.arange(window)
            known = before[self.known_from[:window] <= window]
            earlier[window] = len(known)
            if len(known) >= self.rules.windows:
                self._window(window, known)
            self._refuse(window, known)
        held = {}
        for name, values in (("value", self.value), ("low", self.low), ("high", self.high)):
            held[name] = {metric: found.copy() for metric, found in values.items()}
        for metric, window, segment in self.reasons:
            for found in held.values():
                found[metric][window, segment] = np.nan
        rows = self.table.rows.sum(axis=2)
        known_rows = self.table.labelled.sum(axis=2) > 0
        truth = {name: np.where(known_rows, value, np.nan) for name, value in self.truth.items()}
        return Estimated(held["value"], held["low"], held["high"], truth, rows, earlier, self.reasons)

    def _window(self, window: int, known: Ints) -> None:
        gap = max(window - int(known.max()), 1)
        for name, found in self.expecting.of(window, known).items():
            self.raw[name][window], self.chance[name][window] = found.value, found.variance
            issued = known[np.isfinite(self.raw[name][known, 0])]
            value = found.value.copy()
            if name == "roc_auc" and len(issued) >= 2:
                value += self._missed_area(window, issued, gap)
            self.value[name][window] = value
            errors = (self.truth[name] - self.value[name])[issued]
            if len(issued) < self.rules.errors:
                continue
            most = 1.0 if name in BOUNDED else np.inf
            for part in self.groups:
                spread = error_spread(errors[:, part], self.chance[name][issued, part], found.variance[part])
                down, up = spread.reach(self.rules.level)
                factor = self._factor(name, known, part)
                self.low[name][window, part] = np.maximum(value[part] - down * factor, 0.0)
                self.high[name][window, part] = np.minimum(value[part] + up * factor, most)

    def _missed_area(self, window: int, issued: Ints, gap: int) -> Floats:
        """What estimates of the area missed in the windows `issued`, float64[S], to be added: of late for the fleet,
        on the whole for a member, drawn to what members have in common.

        Levels do not move an area, so nothing else would learn of it.
        """
        missed = (self.truth["roc_auc"] - self.raw["roc_auc"])[issued]
        out = np.zeros(self.table.segments)
        age = window - issued
        fleet = np.isfinite(missed[:, 0])
        out[0] = forecast_level(missed[fleet, 0], age[fleet], gap).value
        if self.table.segments > 1:
            chance = self.chance["roc_auc"][issued, 1:]
            sure = np.isfinite(missed[:, 1:]) & (chance > 0)
            scale = np.where(sure, 1.0 / np.where(sure, chance, 1.0), 0.0)
            residual = np.where(sure, missed[:, 1:], 0.0) * scale
            out[1:] = segment_offsets(residual, scale, np.exp2(-age / SHAPE_HALF_LIFE))
        return out

    def _factor(self, name: str, known: Ints, part: slice) -> float:
        """By how much intervals are wider than errors' spread alone would make them.

        Wider after each known window whose realised values lay outside more often than they may, else a little
        narrower: adaptive conformal inference (Gibbs & Candès 2021) on the width, which holds the rate in the long run
        whatever the days do.
        """
        truth, low, high = (a[name][known, part] for a in (self.truth, self.low, self.high))
        judged = np.isfinite(low) & np.isfinite(high) & np.isfinite(truth)
        missed = judged & ((truth < low) | (truth > high))
        some = judged.any(axis=1)
        log_factor = 0.0
        for share in missed[some].sum(axis=1) / np.maximum(judged[some].sum(axis=1), 1):
            moved = log_factor + PACE * (float(share) - (1.0 - self.rules.level))
            log_factor = min(max(moved, NARROWEST), WIDEST)
        return float(np.exp(log_factor))

    def _refuse(self, window: int, known: Ints) -> None:
        for name in self.truth:
            errors = (self.truth[name] - self.value[name])[known]
            why = self.refusals.of(window, known, errors, self.truth[name], self.rules)
            self.reasons.update({(name, window, at): reason for at, reason in why.items()})
