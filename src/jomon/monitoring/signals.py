"""Signals of a check: what every segment showed, found or not, and what cannot be said of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from jomon.core.cubes import Cube
from jomon.core.findings import Signal, SignalKind, Span
from jomon.core.spec import ProjectSpec
from jomon.monitoring.check import Checked
from jomon.monitoring.explaining import OUTCOMES
from jomon.monitoring.quality import QualityRules, quality
from jomon.monitoring.quality_time import Clock
from jomon.monitoring.statistics import column_statistics

UNITS = {"drift": "share of rows", "clock": "share of rows", "shift": "standard deviations"}
SOURCE = "profiles"


def signals_of(
    checked: Checked, span: Span, cube: Cube, window: int, spec: ProjectSpec, clock: Clock
) -> Iterator[Signal]:
    """Drift, shift and score of every segment and column, and the data quality of the window.

    Intervals of drift and shift are the value plus and minus what chance moves in so many rows.
    """
    yield from _moves(checked, span)
    rules = QualityRules(
        spec.monitor.rate,
        min_rows=spec.monitor.min_rows,
        practical=spec.monitor.practical,
        contract=spec.data.contract,
    )
    yield from quality(cube, checked.tests.fleet.levels, window, span, clock, rules)


def _moves(checked: Checked, span: Span) -> Iterator[Signal]:
    tests, fleet = checked.tests, checked.tests.fleet
    found = {(f.segment, f.column, f.kind) for _, findings in checked.found for f in findings}
    reference = f"{len(checked.numbers)} earlier windows, tilted by peers"
    for family, values in checked.statistics.items():
        bins = fleet.cells.cube.binning.columns[family.column]
        if family.kind not in UNITS or family.kind in OUTCOMES:
            continue
        way = checked.past.ways.get(family, 0)
        seen, before = tests.level_counts(family.level, family.column)
        expected = tests.expectations(family.level, bins, seen, before)[way]
        effects = column_statistics(bins, seen.sum(axis=1), expected.sum(axis=1), before.sum(axis=1))
        effect, rows = effects[family.kind][1], seen.sum(axis=(1, 2))
        kind: SignalKind = "score" if bins.kind == "score" else family.kind  # type: ignore[assignment]
        for at, segment in enumerate(fleet.levels[family.level].segments):
            n = int(rows[at])
            if not n:
                continue
            unit = UNITS[family.kind]
            if np.isnan(values[way][at]) or checked.reason:
                reason = checked.reason or "too few rows, or too few in its history"
                yield Signal(span, segment, kind, bins.name, None, None, None, unit, n, reference, SOURCE, "unknown",
                             reason)  # fmt: skip
                continue
            value, half = float(effect[at]), 1.96 / float(np.sqrt(n))
            low = max(value - half, 0.0) if family.kind != "shift" else value - half
            status: Literal["quiet", "finding"] = (
                "finding" if (segment, bins.name, kind) in found else "quiet"
            )
            yield Signal(
                span, segment, kind, bins.name, value, low, value + half, unit, n, reference, SOURCE, status
            )
