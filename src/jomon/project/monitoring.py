"""`monitor`: every closed window of what a fleet answered, checked once, with incidents in the ledger."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np

from jomon.core.checks import CheckResult
from jomon.core.cubes import watched_levels
from jomon.core.durations import parse_duration
from jomon.core.findings import Severity, Signal, Span
from jomon.core.incidents import Incident
from jomon.core.spec import ProjectSpec
from jomon.monitoring.cells import Cells
from jomon.monitoring.check import Checked, check
from jomon.monitoring.judging import Statistics
from jomon.monitoring.matching import SEASON_WINDOWS
from jomon.monitoring.quality_time import Clock
from jomon.monitoring.window_statistics import Fleet as Watched
from jomon.project.fleet import Fleet
from jomon.project.home import Home
from jomon.project.incidents import ledger_of
from jomon.project.monitor_calendar import CalendarOfWindows, calendar_of
from jomon.project.monitor_causes import Rows, troubles
from jomon.project.monitor_inputs import Inputs, bring_up
from jomon.project.monitor_statistics import kept_statistics
from jomon.project.outcomes import fleet_and_spec
from jomon.stats.online import LordPlus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jomon.project.opened import OpenProject
    from jomon.store.sql.ledger import Ledger

WARMUP = 14
"""Windows that only serve as history: the statistics of those before cannot be had."""


def open_monitor(
    home: Home, project: OpenProject | None, reference: str | None = None, window: str | None = None
) -> Monitor:
    """The fleet of a project, or of an image of a store, under watch; `window` in place of the declared one.

    Raises `UnknownNameError`, and `DataError` where nothing was answered yet.
    """
    fleet, spec = _meant(home, project, reference)
    if window is not None:
        span = parse_duration(window)
        spec = spec.model_copy(update={"monitor": spec.monitor.model_copy(update={"window": span})})
    return Monitor(home, fleet, spec)


def moment_of(home: Home, project: OpenProject | None, reference: str | None, text: str) -> int:
    """A date or time, local where it has no zone, in microseconds since 1970-01-01 UTC."""
    from jomon.project.replay_plan import read_moment

    return read_moment(text, "--since", _meant(home, project, reference)[1])


def _meant(home: Home, project: OpenProject | None, reference: str | None) -> tuple[Fleet, ProjectSpec]:
    name = None if reference is None else reference.partition(":")[0].partition("@")[0]
    fleet_name, spec = fleet_and_spec(home, name, project)
    fleet = Fleet.load(home, reference or f"{fleet_name}:latest")
    return fleet, spec


class Monitor:
    """A fleet under watch: profiles, statistics of every window so far, and the ledger."""

    def __init__(
        self,
        home: Home,
        fleet: Fleet,
        spec: ProjectSpec,
        now_us: int | None = None,
        told: Callable[[str], None] = lambda step: None,
    ) -> None:
        self.home, self.fleet, self.spec, self.told = home, fleet, spec, told
        self.now_us = time.time_ns() // 1000 if now_us is None else now_us
        self._last: Checked | None = None
        self.ledger: Ledger = ledger_of(home)
        told("profiling what came since")
        started = time.perf_counter()
        self.inputs: Inputs = bring_up(home, fleet, spec, self.now_us)
        self._profiled = time.perf_counter() - started
        cells = Cells.of(self.inputs.cube)
        self.calendar: CalendarOfWindows = calendar_of(
            spec, self.inputs.cube.windows, self.inputs.ends, self._events()
        )
        self.watched = Watched(
            cells,
            Watched.of(cells, watched_levels(spec), self.calendar.facts).levels,
            self.calendar.facts,
            spec.monitor.min_rows,
            spec.monitor.practical,
        )

    def _events(self) -> np.ndarray:
        """Windows without rows, and those of known trouble: no other one is compared with them."""
        cube = self.inputs.cube
        starts = cube.windows
        first = cube.at[:, 3] == self._rows_at
        rows = np.bincount(cube.at[first, 0], cube.measure("rows")[first], len(starts))
        left_out: np.ndarray = rows < self.spec.monitor.min_rows
        for incident in self.ledger.incidents(self.spec.fleet):
            if _stands(incident):
                for trouble in self.ledger.troubles(incident.name):
                    left_out |= starts == trouble.window.start
        return left_out

    def closed(
        self, since_us: int | None = None, until_us: int | None = None, *, again: bool = False
    ) -> list[int]:
        """The numbers of windows to check: closed, of predictions, that begin from `since_us` to before `until_us`.

        Unless `again`, only those that were not checked before or of which something came since. A first window of
        which the fleet was served only a part is none.
        """
        closed_after = round(self.spec.monitor.closed_after.total_seconds() * 1e6)
        done = {span.start for span, _ in self.ledger.checked(self.spec.fleet)}
        out = []
        first = int(np.argmax(self.inputs.served)) if self._began_late() else -1
        for at, start in enumerate(self.inputs.cube.windows.tolist()):
            if (
                at == first
                or not self.inputs.served[at]
                or int(self.inputs.ends[at]) + closed_after > self.now_us
            ):
                continue
            if (since_us is not None and start < since_us) or (until_us is not None and start >= until_us):
                continue
            if again or start in self.inputs.changed or start not in done:
                out.append(at)
        return out

    def _began_late(self) -> bool:
        """Whether the fleet was served first when a tenth of the rows of an ordinary day had come already."""
        cube, served = self.inputs.cube, self.inputs.served
        if not served.any():
            return False
        first = int(np.argmax(served))
        rows = cube.measure("rows")
        hours = np.bincount(cube.at[:, 2], rows * (cube.at[:, 0] < first), 24)
        now = np.flatnonzero(np.bincount(cube.at[:, 2], rows * (cube.at[:, 0] == first), 24))
        return bool(len(now) and hours.sum() > 0 and hours[: now[0]].sum() > 0.1 * hours.sum())

    def worst_open(self) -> Severity | None:
        """The severity of the worst incident that nobody acknowledged or closed."""
        found = [one.severity for one in self.ledger.incidents(self.spec.fleet) if one.state == "open"]
        order: tuple[Severity, ...] = ("high", "medium", "low")
        return next((severity for severity in order if severity in found), None)

    def write_report(self, result: CheckResult, path: Path, language: str) -> Path:
        """A page of the window that was checked last."""
        from jomon.monitoring.report import write_check_report
        from jomon.monitoring.report_facts import CheckFacts, Test, recent_sizes, seen_segments

        checked = self._last
        assert checked is not None
        names = [column.name for column in self.inputs.cube.binning.columns]
        levels = self.watched.levels
        rows = [level.sum(checked.tests.cell_observed[:, None])[:, 0].tolist() for level in levels]
        segments = seen_segments(levels, names, rows, checked.judged)
        recent: dict[Test, tuple[float | None, ...]] = {}
        for explanation, findings in checked.found:
            for finding in findings:
                for one in explanation.tests:
                    if names[one.key.column] == finding.column and one.place == explanation.place:
                        sizes = recent_sizes(checked.statistics, checked.past, one.key, one.segment)
                        recent[finding.segment, finding.kind, finding.column] = sizes
        facts = CheckFacts.of(
            self.spec, checked.judged.verdict.peaks.tolist(), image=str(self.fleet.digest), recent=recent
        )
        return write_check_report(path, result, facts, segments, language)

    def run(self, windows: Sequence[int]) -> Iterator[CheckResult]:
        """Check windows in order; each is in the ledger when it is given."""
        if not windows:
            return
        self.told("statistics of earlier windows")
        started = time.perf_counter()
        earlier = kept_statistics(
            self.home, self.spec, self.watched, range(WARMUP, windows[0]), self.inputs.changed
        )
        spent = time.perf_counter() - started
        for window in windows:
            result, statistics = self._one(window, earlier)
            earlier[window] = statistics
            seconds = {"profile": round(self._profiled, 3), "history": round(spent, 3), **result.seconds}
            yield replace(result, seconds=seconds)
            self._profiled = spent = 0.0

    def _one(self, window: int, earlier: dict[int, Statistics]) -> tuple[CheckResult, Statistics]:
        spec, level = self.spec, self.spec.monitor.rate
        span = Span(int(self.inputs.cube.windows[window]), int(self.inputs.ends[window]))
        started = time.perf_counter()
        stored = dict(self.ledger.online(spec.fleet) or {})
        last = stored.pop("window", None)
        lord = LordPlus(**stored) if stored else LordPlus(level)
        checked = check(self.watched, window, span, earlier, level, lord.level())
        self._last = checked
        verdict = checked.judged.verdict
        known = ~np.isnan(verdict.surprise)
        peak = float(np.nanmax(verdict.surprise)) if known.any() else None
        status = "unknown" if checked.reason else "findings" if checked.found else "quiet"
        online = None
        if status != "unknown" and peak is not None and (last is None or span.start > last):
            online = {
                **asdict(lord.step(verdict.tail(peak))[1]),
                "window": span.start,
            }  # a window counts once
        judged = time.perf_counter()
        found = []
        if checked.found:
            rows = Rows(self.home, self.fleet, spec, self.inputs, window)
            found = troubles(self.fleet, spec, checked, rows, span, self.calendar, window)
        caused = time.perf_counter()
        result = CheckResult(
            spec.fleet,
            span,
            status,
            checked.reason,
            round(float(checked.tests.cell_observed.sum())),
            round(float(checked.tests.outcome_sums["labelled"][0][:, self._rows_at].sum())),
            level,
            None if status == "unknown" else float(verdict.p),
            peak,
            float(checked.judged.critical) if np.isfinite(checked.judged.critical) else None,
            int(known.sum()),
            int((~known).sum()),
            verdict.windows,
            self._matched(checked, window),
            self._notes(checked, window),
            tuple(finding for _, findings in checked.found for finding in findings),
            tuple(found),
            tuple(self._signals(checked, span, window)),
            (),
            {"check": round(judged - started, 3), "causes": round(caused - judged, 3)},
        )
        incidents = self.ledger.record(spec.fleet, span, found, self.now_us, check=result, online=online)
        if any(_stands(incident) for incident in incidents):
            self.calendar.facts.left_out[window] = True
        self._publish(result, tuple(incidents))
        return replace(result, incidents=tuple(incidents)), checked.statistics

    @property
    def _rows_at(self) -> int:
        binning = self.inputs.cube.binning
        return int(binning.starts[binning.place("", "rows")])

    def _matched(self, checked: Checked, window: int) -> str:
        count = len(checked.numbers)
        name = self.calendar.occasions[window]
        days = "days" if self.spec.monitor.window.days == 1 else "windows"
        if name is not None:
            same = sum(self.calendar.occasions[w] == name for w in checked.numbers)
            return f"{count} earlier {days}, {same} of them {name}"
        same = sum(self.calendar.seasons[w] == self.calendar.seasons[window] for w in checked.numbers)
        return f"{count} earlier ordinary {days}, {same} of them in {self.calendar.seasons[window]}"

    def _notes(self, checked: Checked, window: int) -> tuple[str, ...]:
        notes = list(self.inputs.notes)
        if checked.new_season:
            notes.append(
                f"The season ({self.calendar.seasons[window]}) is new: fewer than {SEASON_WINDOWS} earlier windows are "
                "of it, so all earlier ones judge, and only what is far beyond them is found."
            )
        name = self.calendar.occasions[window]
        if name is not None and not any(self.calendar.occasions[w] == name for w in checked.numbers):
            notes.append(
                f"The window is {name}, of which there is no earlier one: all earlier windows judge."
            )
        return tuple(notes)

    def _signals(self, checked: Checked, span: Span, window: int) -> Iterator[Signal]:
        from jomon.monitoring.signals import signals_of

        known_after = round(self.spec.data.target.known_after.total_seconds() * 1e6)
        clock = Clock(self.now_us, *self.inputs.received, known_after)
        yield from signals_of(checked, span, self.inputs.cube, window, self.spec, clock)

    def _publish(self, result: CheckResult, incidents: tuple[object, ...]) -> None:
        """Signals into their table, gauges into their file, news to the webhook."""
        from jomon.core.gauges_file import gauges_file
        from jomon.data.signals_table import write_signals
        from jomon.monitoring.gauges import write_gauges
        from jomon.project.notifying import deliver

        write_signals(self.home.tables, self.spec.fleet, result.window, result.signals)
        standing = [one for one in self.ledger.incidents(self.spec.fleet) if one.state != "closed"]
        write_gauges(gauges_file(self.home.root, self.spec.fleet), result, standing, self.now_us)
        if self.spec.monitor.webhook is not None:
            deliver(self.ledger, self.spec.fleet, self.spec.monitor.webhook)


def _stands(incident: Incident) -> bool:
    """Whether windows of an incident are no measure of quiet ones: a person said so, or it is beyond doubt."""
    return incident.state == "acknowledged" or (incident.state == "open" and incident.severity == "high")
