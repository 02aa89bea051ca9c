"""A check: one window of a fleet judged by its history, and what stands out explained and measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jomon.core.findings import Finding, Severity, Span
from jomon.core.segments import Segment
from jomon.monitoring.cells import Floats
from jomon.monitoring.explaining import OUTCOMES, Explanation, Standing, explained
from jomon.monitoring.family import Family
from jomon.monitoring.judging import Judged, Past, Statistics, judge
from jomon.monitoring.outcome_statistics import outcome_effect
from jomon.monitoring.statistics import column_statistics
from jomon.monitoring.window_statistics import Fleet, WindowStatistics
from jomon.stats.history import windows_needed

CHOOSING = 50
"""The first windows, by which the ways to explain away are chosen for all."""
DRAWS = 200
MEDIUM = 0.2
"""Findings that so small a share of the permitted false alarms would raise are of medium severity."""


@dataclass(frozen=True, eq=False)
class Checked:
    """A window checked: its statistics, how they were judged, and findings with what explains them, strongest first.

    `past` are the earlier windows that judged, `numbers` which these are; `reason` says why nothing could be judged.
    """

    tests: WindowStatistics
    statistics: Statistics
    judged: Judged
    past: Past
    numbers: tuple[int, ...]
    new_season: bool
    found: tuple[tuple[Explanation, tuple[Finding, ...]], ...]
    reason: str = ""


def check(
    fleet: Fleet,
    window: int,
    span: Span,
    earlier: Mapping[int, Statistics],
    level: float,
    sequence_level: float = 0.0,
    now: Statistics | None = None,
) -> Checked:
    """Check window number `window` of `fleet`, which took place in `span`, at `level`.

    `earlier`: the statistics of windows before it; those comparable with it judge. `sequence_level`: the level at which
    a false-discovery procedure over the stream of checks tests this one (0: none does): findings that pass it are of
    high severity. `now`: the statistics of the window, if they are known.
    """
    tests = WindowStatistics(fleet, window)
    statistics = tests.all() if now is None else now
    facts = fleet.facts
    new = facts.new_season(window)
    comparable = facts.comparable(window, window)
    numbers = tuple(
        w for w in sorted(earlier) if w < window and comparable[w] and (new or not facts.new_season(w))
    )
    if not new and len(numbers) < windows_needed(level):
        numbers = tuple(w for w in sorted(earlier) if w < window and comparable[w])
    first = [earlier[w] for w in sorted(w for w in earlier if w < window)[:CHOOSING]]
    ways = Past.of(first).ways if first else {}
    whole = Past.of([earlier[w] for w in numbers]) if numbers else Past({}, {})
    past = Past(whole.families, {key: ways.get(key, way) for key, way in whole.ways.items()})
    judged = judge(statistics, past, level, new_season=new)
    reason = _reason(round(float(tests.cell_observed.sum())), fleet.min_rows, numbers, judged, level)
    found = []
    if not reason:
        for one in explained(tests, statistics, judged, past):
            place = fleet.levels[one.place.level].segments[one.place.segment]
            found.append((one, _findings(tests, one, place, span, judged, past, level, sequence_level)))
    return Checked(tests, statistics, judged, past, numbers, new, tuple(found), reason)


def _reason(rows: int, least: int, numbers: Sequence[int], judged: Judged, level: float) -> str:
    if rows == 0:
        return "no row came: nothing was asked in this window, or the log has a gap"
    if rows < least:
        return f"{rows} {'row' if rows == 1 else 'rows'} came, and less than {least} say nothing"
    if len(numbers) < windows_needed(level):
        return (
            f"{len(numbers)} earlier windows can be compared with this one, and a check at {level:g} "
            f"needs {windows_needed(level)}"
        )
    if not np.isfinite(judged.verdict.surprise).any():
        return "no segment has enough rows in this window and in its history"
    return ""


def _findings(
    tests: WindowStatistics,
    explanation: Explanation,
    place: Segment,
    span: Span,
    judged: Judged,
    past: Past,
    level: float,
    sequence_level: float,
) -> tuple[Finding, ...]:
    """One finding for each column and kind that stands out, of the place that explains."""
    strongest: dict[tuple[int, str], Standing] = {}
    for one in explanation.tests:
        key = (one.key.column, one.key.kind)
        own = one.place == explanation.place
        known = strongest.get(key)
        if known is None or (own, one.surprise) > (known.place == explanation.place, known.surprise):
            strongest[key] = one
    ordered = sorted(strongest.values(), key=lambda one: -one.surprise)
    return tuple(
        _finding(tests, explanation, one, place, span, judged, past, level, sequence_level) for one in ordered
    )


def _finding(
    tests: WindowStatistics,
    explanation: Explanation,
    one: Standing,
    place: Segment,
    span: Span,
    judged: Judged,
    past: Past,
    level: float,
    sequence_level: float,
) -> Finding:
    number, segment = explanation.place.level, explanation.place.segment
    family = Family(number, one.key.column, one.key.kind)
    if family not in past.ways:  # the place itself is not tested so: speak of the part that stands out
        number, segment, family = one.key.level, one.segment, one.key
    way = past.ways[family]
    bins = tests.fleet.cells.cube.binning.columns[family.column]
    observed, expected, usual = _counts(tests, family, way, segment)
    if family.kind in OUTCOMES:
        effect, half = outcome_effect(tests, family, way, segment)
        low, high = effect - half, effect + half
        observed, expected = _outcomes(tests, family, segment)
    else:
        effect, low, high = _effect(tests, family, observed, expected, usual)
    surprise = max(test.surprise for test in explanation.tests if test.key.kind == family.kind)
    rare = judged.verdict.tail(surprise)
    severity: Severity = "high" if rare <= sequence_level else "medium" if rare <= MEDIUM * level else "low"
    statistic = float(np.nan_to_num(tests.of_column(family.column)[family][way][segment]))
    adjusted = judged.adjusted(one.key)[one.segment]
    return Finding(
        span,
        place,
        _signal_kind(bins.kind, family.kind),  # type: ignore[arg-type]
        bins.name,
        statistic,
        surprise,
        float(adjusted) if np.isfinite(adjusted) else level,
        effect,
        low,
        high,
        int(np.sign(effect)) if family.kind not in ("drift", "clock", "behaviour") else 0,
        int(tests.place_rows(explanation.place.level, explanation.place.segment)),
        float(tests.place_expected(explanation.place.level, explanation.place.segment)),
        severity,
        tuple(bins.label(at) for at in range(bins.width)),
        tuple(float(value) for value in observed),
        tuple(float(value) for value in expected),
    )


def _signal_kind(column: str, kind: str) -> str:
    return "score" if column == "score" and kind in ("drift", "shift") else kind


def _counts(tests: WindowStatistics, family: Family, way: int, segment: int) -> tuple[Floats, Floats, Floats]:
    """Rows by bin of a segment: observed, expected, and those of its history; float64[B] each."""
    seen, before = tests.level_counts(family.level, family.column)
    bins = tests.fleet.cells.cube.binning.columns[family.column]
    expected = tests.expectations(family.level, bins, seen, before)[way]
    return seen[segment].sum(axis=0), expected[segment].sum(axis=0), before[segment].sum(axis=0)


def _outcomes(tests: WindowStatistics, family: Family, segment: int) -> tuple[Floats, Floats]:
    """Outcomes by bin of a segment, and what was answered, float64[B] each."""
    where = tests.fleet.cells.cube.binning.slice(family.column)
    level = tests.fleet.levels[family.level]
    sums = tests.outcome_sums
    outcome, answer = (level.sum(sums[name][0][:, where])[segment] for name in ("outcome", "expected"))
    return outcome, answer


def _effect(
    tests: WindowStatistics, family: Family, observed: Floats, expected: Floats, usual: Floats
) -> tuple[float, float, float]:
    """The effect of counts with its 95% interval, by drawing them again: multinomially, their number by Poisson."""
    bins = tests.fleet.cells.cube.binning.columns[family.column]
    total = round(float(observed.sum()))
    generator = np.random.default_rng(total + family.column)
    if family.kind == "volume":
        draws = np.zeros((DRAWS, len(observed)))
        draws[:, 0] = generator.poisson(total, DRAWS)
    else:
        draws = generator.multinomial(total, observed / max(observed.sum(), 1e-12), DRAWS).astype(np.float64)
    both = np.vstack([observed[None], draws])
    repeated = [np.repeat(values[None], len(both), axis=0) for values in (expected, usual)]
    effects = column_statistics(bins, both, *repeated)[family.kind][1]
    low, high = np.quantile(effects[1:], [0.025, 0.975])
    value = float(effects[0])
    return value, min(float(low), value), max(float(high), value)
