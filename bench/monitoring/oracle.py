"""An oracle for gradual drift: it knows column, segment, day of the beginning and pace, and only waits for evidence.

The mean of the column over the segment is compared with that of all other rows in each window, by the differences of
quiet windows; log likelihood ratios of the known drift add up from its beginning. It speaks when their sum exceeds what
95% of quiet sequences of the same length reach at their peak: one false alarm in twenty sequences.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from bench.monitoring.cases import Case
from bench.monitoring.faults import DRIFT_DAYS, SHARE, inside
from bench.monitoring.worlds import Floats, World

SEQUENCES = 0.95


def oracle_delay(world: World, case: Case) -> int | None:
    """After how many windows the oracle finds the drift; None: not while it lasts."""
    column, segment = case.fault.columns[0], dict(case.fault.scope.items)
    quiet = np.array(
        [
            _difference(world.by_window[w], column, segment)
            for w in range(len(world.days))
            if world.occasion[w] == 0
        ]
    )
    quiet = quiet[~np.isnan(quiet)]
    step = 7 if world.settings.weeks else 1
    since = np.arange(1, len(case.windows) + 1) * step / DRIFT_DAYS
    drift = np.minimum(since, 1.0) * world.spread[column] * SHARE[case.fault.size]
    seen = np.array([_difference(rows, column, segment) for rows in case.frames])
    mean, variance = quiet.mean(), max(quiet.var(), 1e-12)
    length = len(drift)
    if len(quiet) < 2 * length:
        return None
    starts = np.arange(len(quiet) - length + 1)
    peaks = [_evidence(quiet[s : s + length] - mean, drift, variance).max() for s in starts]
    limit = float(np.quantile(peaks, SEQUENCES))
    above = np.flatnonzero(_evidence(seen - mean, drift, variance) > limit)
    return int(above[0]) + 1 if len(above) else None


def _evidence(x: Floats, drift: Floats, variance: float) -> Floats:
    """The log likelihood ratio of the drift so far, after each window."""
    each = np.nan_to_num((drift * x - drift**2 / 2) / variance)
    total: Floats = np.cumsum(each)
    return total


def _difference(rows: pl.DataFrame, column: str, segment: dict[str, str]) -> float:
    """The mean of a column in the segment beside that of all others (of the whole fleet: the mean itself)."""
    values = rows[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    own = inside(rows, segment)
    if not segment:
        return float(np.nanmean(values)) if (~np.isnan(values)).any() else float("nan")
    mine, others = values[own], values[~own]
    if np.isnan(mine).all() or np.isnan(others).all():
        return float("nan")
    return float(np.nanmean(mine) - np.nanmean(others))
