"""What is to be expected of a window: rates or losses by score, at the level that recent windows make likely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from jomon.monitoring.score_table import Floats, Ints, ScoreTable
from jomon.stats.expected_performance import Expected, expected_binary, expected_mean
from jomon.stats.forecast_shares import forecast_shares
from jomon.stats.level_forecast import forecast_level
from jomon.stats.recalibration import (
    isotonic_rates,
    log_odds,
    logistic_rates,
    probability,
    rate_offsets,
    ratio_offsets,
)
from jomon.stats.segment_offsets import segment_offsets

SHAPE_HALF_LIFE = 26.0
"""Windows after which a window counts half in the curve of rates or losses over scores, and in what is long known of a
segment; SHORT_HALF_LIFE in what is recently known of it."""
SHORT_HALF_LIFE = 4.0
MOST_WINDOWS = 104
"""So many of the latest known windows are looked at."""
PRIOR_ROWS = 20.0
LEAST_JUDGED = 4
"""From so many earlier forecasts on, the ways to place a segment are weighed by their errors."""
CURVES = ("logistic", "isotonic")


def realised(table: ScoreTable) -> dict[str, Expected]:
    """Realised performance of every window and segment, arrays float64[W, S], from rows whose outcome is known."""
    shape = table.rows.shape
    flat = table.labelled.reshape(-1, shape[2])
    if table.kind == "binary":
        rate = table.outcome.reshape(flat.shape) / np.maximum(flat, 1e-12)
        found = expected_binary(flat, rate, np.broadcast_to(table.margin, shape).reshape(flat.shape))
    else:
        found = {
            name: expected_mean(flat, sums.reshape(flat.shape) / np.maximum(flat, 1e-12))
            for name, sums in table.losses.items()
        }
    return {
        name: Expected(each.value.reshape(shape[:2]), each.variance.reshape(shape[:2]))
        for name, each in found.items()
    }


@dataclass(eq=False)
class Expecting:
    """Expectations of one window after another; what earlier ones turned out to be worth decides how.

    A curve over the score is common to the fleet: of rates (the better of a logistic and an isotonic one on held-out
    windows) or of a loss (means by bin). A segment's place on it is an offset of log-odds or of logarithms, a mix of
    three: the fleet's level as forecast from recent windows plus the segment's usual distance from its peers; its own
    level of long; its own level of late. The mix is what earlier forecasts of the three were worth.
    """

    table: ScoreTable
    curves: dict[int, dict[str, Floats]] = field(default_factory=dict)
    prices: dict[int, dict[str, float]] = field(default_factory=dict)
    placed: dict[tuple[str, int], tuple[Floats, Floats]] = field(default_factory=dict)
    squares: dict[tuple[str, int], Floats] = field(default_factory=dict)

    def of(self, window: int, known: Ints) -> Mapping[str, Expected]:
        """Metrics of a window, float64[S] each, from the windows `known` (int64, in order) before it."""
        table, known = self.table, known[-MOST_WINDOWS:]
        old = np.exp2(-(window - known).astype(np.float64) / SHAPE_HALF_LIFE)[:, None]
        rows = (old * table.labelled[known, 0]).sum(axis=0)
        if table.kind == "binary":
            events = (old * table.outcome[known, 0]).sum(axis=0)
            self.curves[window] = {
                "logistic": log_odds(logistic_rates(events, rows, table.margin[0], PRIOR_ROWS)),
                "isotonic": log_odds(isotonic_rates(events, rows, PRIOR_ROWS)),
            }
            curve = self.curves[window][self._better(known)]
            offset = self._offset("rate", curve, table.outcome, window, known)
            return expected_binary(table.rows[window], probability(curve + offset[:, None]), table.margin)
        found = {}
        for name, sums in table.losses.items():
            loss = (old * sums[known, 0]).sum(axis=0)
            mean = loss.sum() / max(rows.sum(), 1e-12)
            curve = np.log((loss + PRIOR_ROWS * mean) / (rows + PRIOR_ROWS) + 1e-12)
            offset = self._offset(name, curve, sums, window, known)
            found[name] = expected_mean(table.rows[window], np.exp(curve + offset[:, None]))
        return found

    def _better(self, known: Ints) -> str:
        """The kind of curve with the smaller log loss in known windows, each made before its window, at its level."""
        for h in known.tolist():
            if h in self.curves and h not in self.prices:
                n, y = self.table.labelled[h, 0], self.table.outcome[h, 0]
                self.prices[h] = {}
                for name, curve in self.curves[h].items():
                    p = probability(curve + rate_offsets(curve, [y.sum()], n[None])[0])
                    self.prices[h][name] = -float((y * np.log(p) + (n - y) * np.log(1.0 - p)).sum())
        judged = [self.prices[h] for h in known.tolist() if h in self.prices]
        return min(CURVES, key=lambda name: sum(price[name] for price in judged))

    def _offset(self, name: str, curve: Floats, sums: Floats, window: int, known: Ints) -> Floats:
        """Where each segment lies on the curve, float64[S]; `sums` float64[W, S, B] are events or losses."""
        rows, seen = self.table.labelled[known], sums[known].sum(axis=2)
        ways = self._ways(name, curve, rows, seen, window - known)
        self.placed[name, window] = curve, ways
        for h in known.tolist():
            if (name, h) in self.placed and (name, h) not in self.squares:
                self.squares[name, h] = self._judged(name, h, sums[h].sum(axis=1))
        judged = [self.squares[name, h] for h in known.tolist() if (name, h) in self.squares]
        if len(judged) < LEAST_JUDGED:
            mixed: Floats = ways.mean(axis=0)
            return mixed
        errors = np.stack(judged)
        count = np.isfinite(errors[:, 0]).sum(axis=0).astype(np.float64)
        mean = np.nansum(errors, axis=0) / np.maximum(count, 1.0)
        out: Floats = (forecast_shares(mean, count) * ways).sum(axis=0)
        return out

    def _judged(self, name: str, window: int, seen: Floats) -> Floats:
        """Squared errors of the ways to place segments in a window now known, float64[ways, S], NaN without rows."""
        curve, ways = self.placed[name, window]
        rows = self.table.labelled[window]
        total = rows.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            said = np.einsum("sb,wsb->ws", rows, self._at(curve + ways[:, :, None])) / total
            found: Floats = (said - seen / total) ** 2
        return found

    def _ways(self, name: str, curve: Floats, rows: Floats, seen: Floats, age: Ints) -> Floats:
        """Three offsets of each segment, float64[3, S], from known windows; the fleet's is its forecast level."""
        binary = self.table.kind == "binary"
        plain = rows @ self._at(curve)
        levels = (
            rate_offsets(curve, seen[:, 0], rows[:, 0]) if binary else ratio_offsets(plain[:, 0], seen[:, 0])
        )
        gap = max(int(age.min()), 1)
        level = forecast_level(levels, age, gap).value
        ways = np.full((3, seen.shape[1]), level)
        if seen.shape[1] == 1:
            return ways
        then = self._at(curve + levels[:, None])
        beside = np.einsum("hsb,hb->hs", rows, then)
        scale, steep = beside, plain
        if binary:
            scale = np.einsum("hsb,hb->hs", rows, then * (1.0 - then))
            steep = rows @ (self._at(curve) * (1.0 - self._at(curve)))
        old, late = (np.exp2(-age / half) for half in (SHAPE_HALF_LIFE, SHORT_HALF_LIFE))
        for way, (expected, slope, weight) in enumerate(
            ((beside, scale, old), (plain, steep, old), (plain, steep, late))
        ):
            own = segment_offsets((seen - expected)[:, 1:], slope[:, 1:], weight)
            if not binary:
                own = np.log(np.maximum(1.0 + own, 0.05))
            ways[way, 1:] = own + (level if way == 0 else 0.0)
        return ways

    def _at(self, offset: Floats) -> Floats:
        """Rates of log-odds, or losses of logarithms."""
        if self.table.kind == "binary":
            return probability(offset)
        found: Floats = np.exp(offset)
        return found
