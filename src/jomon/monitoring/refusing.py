"""When nothing is estimated: a window unlike all that was learned from, or too little to learn from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from jomon.monitoring.score_table import Floats, Ints, ScoreTable
from jomon.stats.support import excess_distance

if TYPE_CHECKING:
    from jomon.monitoring.estimating import EstimatingRules

LEAST_DRIFT = 0.25
"""A mix of scores nearer than this (chi-square per row) to that of earlier windows is no reason to refuse."""
LEAST_POOR = 20
"""So many known errors must there be to call estimates poor."""


@dataclass(eq=False)
class Refusals:
    """Reasons per window and segment; how far earlier windows' mixes of scores were from those before them is kept."""

    table: ScoreTable
    distances: dict[int, Floats] = field(default_factory=dict)

    def of(
        self, window: int, known: Ints, errors: Floats, truth: Floats, rules: EstimatingRules
    ) -> dict[int, str]:
        """Why segments have no estimate in a window, by segment; `errors` float64[known, S], `truth` float64[W, S]."""
        table, out = self.table, {}
        rows = table.rows[window].sum(axis=1)
        outside = table.outside[window] / np.maximum(rows, 1.0)
        distance, farthest = self._distance(window)
        counted = np.isfinite(errors).sum(axis=0)
        poor = self._poor(known, errors, truth)
        for at in range(table.segments):
            if rows[at] < rules.rows:
                out[at] = f"{int(rows[at])} rows, and {rules.rows} are needed"
            elif len(known) < rules.windows:
                out[at] = (
                    f"outcomes of {len(known)} earlier windows are known, and {rules.windows} are needed"
                )
            elif counted[at] < rules.errors and counted.max() < rules.errors:
                out[at] = f"{counted[at]} earlier estimates can be judged, and {rules.errors} are needed"
            elif outside[at] > rules.outside:
                out[at] = f"{outside[at]:.0%} of rows have values that no earlier window had"
            elif distance[at] > max(rules.drift * farthest[at], LEAST_DRIFT):
                out[at] = "scores are farther from those of earlier windows than those ever were"
            elif poor[at] > rules.poor:
                out[at] = "earlier estimates erred more than the mean of earlier windows would have"
        return out

    def _distance(self, window: int) -> tuple[Floats, Floats]:
        """How far the window's mix of scores is from that of all before it, and the farthest that earlier ones were."""
        if window not in self.distances:
            before = self.table.rows[:window].sum(axis=0)
            found = excess_distance(self.table.rows[window], before)
            self.distances[window] = np.nan_to_num(found) if window else np.zeros(self.table.segments)
        # The first few windows have next to nothing before them.
        past = [self.distances[h] for h in range(2, window)]
        farthest = np.max(past, axis=0) if past else np.full(self.table.segments, np.inf)
        return self.distances[window], farthest

    def _poor(self, known: Ints, errors: Floats, truth: Floats) -> Floats:
        """Mean squared error over that of the mean of the windows before, float64[S]; 0 where too few tell."""
        if len(known) < LEAST_POOR:
            return np.zeros(self.table.segments)
        real = truth[known]
        have = np.isfinite(real)
        total, count = np.cumsum(np.where(have, real, 0.0), axis=0), np.cumsum(have, axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            before = np.concatenate([np.full((1, real.shape[1]), np.nan), (total / count)[:-1]])
            both = np.isfinite(errors) & np.isfinite(real - before)
            mine = np.where(both, errors**2, 0.0).sum(axis=0)
            plain = np.where(both, (real - before) ** 2, 0.0).sum(axis=0)
            ratio = np.where((both.sum(axis=0) >= LEAST_POOR) & (plain > 0), mine / plain, 0.0)
        return np.asarray(ratio, np.float64)
