"""Why: the raw rows behind the findings of a check, and the causes that they show."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from jomon.core.findings import Cause, Finding, Span
from jomon.core.incidents import Trouble
from jomon.core.segments import Segment
from jomon.core.spec import ProjectSpec
from jomon.project.fleet import Fleet
from jomon.project.home import Home
from jomon.project.monitor_calendar import CalendarOfWindows
from jomon.project.monitor_inputs import Inputs, answered_gold

if TYPE_CHECKING:
    import polars as pl

    from jomon.monitoring.check import Checked
    from jomon.monitoring.explaining import Explanation

REFERENCE_WINDOWS = 42
"""So many earlier windows are read to look for a cause."""


class Rows:
    """Raw rows of a fleet with answers and outcomes, read once for all findings of a check."""

    def __init__(self, home: Home, fleet: Fleet, spec: ProjectSpec, inputs: Inputs, window: int) -> None:
        import polars as pl

        self.spec = spec
        starts = inputs.cube.windows
        begin = int(starts[max(0, window - REFERENCE_WINDOWS)])
        start, end = int(starts[window]), int(inputs.ends[window])
        served_from = int(starts[np.argmax(inputs.served)]) if inputs.served.any() else end
        self.now = _served(home, spec, start, end)
        parts = [_served(home, spec, max(begin, served_from), start)] if served_from < start else []
        if begin < served_from:
            gold = answered_gold(home, fleet, spec, begin, min(served_from, start))
            if gold is not None:
                parts.insert(0, gold.with_columns(image=pl.lit(str(fleet.digest))))
        shared = [name for name in self.now.columns if all(name in part.columns for part in parts)]
        kept = [
            part.select(shared).cast({n: self.now.schema[n] for n in shared}, strict=False) for part in parts
        ]
        self.before = pl.concat(kept) if kept else self.now.clear()

    def within(self, frame: pl.DataFrame, segment: Segment) -> pl.DataFrame:
        """The rows of a segment."""
        import polars as pl

        for axis, value in segment.items:
            name = axis if axis in frame.columns else f"axis_{axis}"
            frame = frame.filter(pl.col(name).cast(pl.String) == value)
        return frame

    def beside(self, frame: pl.DataFrame, segment: Segment) -> pl.DataFrame:
        """The rows of the same last axis outside a segment, all other rows where that leaves none."""
        import polars as pl

        if not segment.items:
            return frame.clear()
        other = ~pl.all_horizontal(
            pl.col(axis if axis in frame.columns else f"axis_{axis}").cast(pl.String) == value
            for axis, value in segment.items
        )
        rest = frame.filter(other.fill_null(value=True))
        if len(segment.items) > 1:
            near = self.within(rest, Segment(segment.items[-1:]))
            if near.height:
                return near
        return rest


def _served(home: Home, spec: ProjectSpec, start: int, end: int) -> pl.DataFrame:
    """Answered rows of a span of time, with their outcomes, columns called as in gold."""
    import polars as pl

    from jomon.data.outcomes import VALUE, instant, matches
    from jomon.data.outcomes_table import SCHEMA, outcomes_table
    from jomon.data.predictions import predictions_table, stored_name

    lazy = predictions_table(home.tables, spec.fleet).scan()
    assert lazy is not None
    outcomes = outcomes_table(home.tables, spec.fleet).scan()
    outcomes = pl.LazyFrame(schema=SCHEMA) if outcomes is None else outcomes
    time = stored_name(spec.data.time)
    rows = lazy.filter(
        (pl.col(time) >= instant(start)) & (pl.col(time) < instant(end)), pl.col("role") != "shadow"
    )
    found = matches(rows, outcomes, spec.serving.outcomes).collect()
    named = {
        stored_name(name): name for name in (spec.data.time, *spec.data.key, *spec.data.features.columns)
    }
    renamed = {old: new for old, new in named.items() if old in found.columns and old != new}
    return (
        found.drop([new for new in renamed.values() if new in found.columns])
        .rename(renamed)
        .rename({VALUE: "outcome"})
    )


def troubles(
    fleet: Fleet,
    spec: ProjectSpec,
    checked: Checked,
    rows: Rows,
    span: Span,
    calendar: CalendarOfWindows,
    window: int,
) -> list[Trouble]:
    """The findings of a check by cause, with what each costs."""
    from jomon.core.cubes import watched_levels
    from jomon.monitoring.troubles import troubles_of

    explained = []
    for explanation, findings in _by_place(checked):
        cause = _cause(fleet, spec, checked, explanation, findings, rows, span, calendar, window)
        explained.append((findings, cause))
    cells = {
        segment: round(count)
        for segment, count in zip(
            checked.tests.fleet.cells.cube.segments, checked.tests.cell_rows.tolist(), strict=True
        )
    }
    sources = {name: lookup for lookup, one in spec.lookups.items() for name in one.features}
    found = troubles_of(explained, cells, watched_levels(spec), sources)
    return [_priced(trouble, checked) for trouble in found]


def _by_place(checked: Checked) -> list[tuple[Explanation, tuple[Finding, ...]]]:
    """What was explained, that of one segment together."""
    groups: dict[Segment, tuple[Explanation, tuple[Finding, ...]]] = {}
    for explanation, findings in checked.found:
        segment = findings[0].segment
        known = groups.get(segment)
        groups[segment] = (explanation, findings) if known is None else (known[0], (*known[1], *findings))
    return list(groups.values())


def _cause(
    fleet: Fleet,
    spec: ProjectSpec,
    checked: Checked,
    explanation: Explanation,
    findings: tuple[Finding, ...],
    rows: Rows,
    span: Span,
    calendar: CalendarOfWindows,
    window: int,
) -> Cause:
    from jomon.monitoring.causes import cause_of
    from jomon.monitoring.causes.evidence import CalendarFacts, Evidence, PlaceHistory, ReleaseFacts

    segment = findings[0].segment
    volumes = checked.tests.fleet.window_rows(explanation.place.level)[
        list(checked.numbers), explanation.place.segment
    ]
    members = len({s for s in checked.tests.fleet.cells.cube.segments if set(segment.items) <= set(s.items)})
    evidence = Evidence(
        findings,
        span,
        spec,
        rows.within(rows.now, segment),
        rows.within(rows.before, segment),
        rows.beside(rows.now, segment),
        rows.beside(rows.before, segment),
        CalendarFacts(calendar.occasions[window], calendar.seasons[window], calendar.weekdays[window]),
        ReleaseFacts(_images(rows.now), _images(rows.before)),
        PlaceHistory(1, (), tuple(volumes.tolist()), members, len(checked.tests.fleet.cells.cube.segments)),
        lambda frame: _rescored(fleet, frame),
    )
    return cause_of(evidence)


def _images(frame: pl.DataFrame) -> frozenset[str]:
    return (
        frozenset(frame["image"].drop_nulls().unique().to_list()) if "image" in frame.columns else frozenset()
    )


def _rescored(fleet: Fleet, frame: pl.DataFrame) -> np.ndarray:
    """The margins that the image gives; NaN for rows that another image answered."""
    margin = np.full(frame.height, np.nan)
    own = np.flatnonzero((frame["image"] == str(fleet.digest)).fill_null(value=False).to_numpy())
    if len(own):
        margin[own] = fleet.answer(frame[own.tolist()]).scores.margin
    return margin


def _priced(trouble: Trouble, checked: Checked) -> Trouble:
    """A trouble with the loss that its rows had beyond what their history makes likely."""
    fleet = checked.tests.fleet
    inside = np.array(
        [
            any(set(part.items) <= set(segment.items) for part in trouble.parts)
            for segment in fleet.cells.cube.segments
        ],
        np.bool_,
    )
    at = fleet.cells.cube.binning.slice(fleet.cells.cube.binning.place("", "rows")).start
    (now, past), (rows, earlier) = (checked.tests.outcome_sums[name] for name in ("loss", "labelled"))
    known, before = float(rows[inside, at].sum()), float(earlier[inside, at].sum())
    if known < 1:
        return replace(trouble, loss_reason="no outcome of these rows is known yet")
    if before < 30:
        return replace(trouble, loss_reason="too few earlier outcomes of these rows are known")
    usual = float(past[inside, at].sum()) / before
    extra = float(now[inside, at].sum()) - usual * known
    half = 1.96 * max(usual, 1e-9) * float(np.sqrt(known))
    return replace(trouble, loss=extra, loss_low=extra - half, loss_high=extra + half)
