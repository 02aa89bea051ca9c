"""Volume, freshness and schema: do rows and outcomes still come, as many as usual, with all their columns?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jomon.core.cubes import Cube
from jomon.core.findings import Signal, Span
from jomon.core.segments import Segment
from jomon.monitoring.cells import Level
from jomon.stats.quantiles import t_quantile

Floats = NDArray[np.float64]
SOURCE = "predictions"
HOUR = 3_600_000_000
WEEK = 7 * 24 * HOUR
LEAST_ALIKE = 4
"""Earlier windows of the same time of the week that a volume is held against."""


@dataclass(frozen=True)
class Clock:
    """When the check is made (`now`) and when the last row and the last outcome were received, in microseconds since
    1970-01-01 UTC; None: never. `known_after`: how long after a row its outcome is known, in microseconds."""

    now: int
    last_row: int | None
    last_outcome: int | None
    known_after: int = 0


def volumes(
    level: Level,
    rows: Floats,
    starts: NDArray[np.int64],
    span: Span,
    allowed: float,
    practical: float,
    sure: float,
) -> list[Signal]:
    """Signals `volume` of the last of the windows beside earlier ones of the same time of the week.

    `rows` float64[W, S], `starts` int64[W]. The value is rows; its interval what is expected of a window like these: t
    of the logarithms of their rows, whose spread is at least Poisson's. A finding is outside that at the level
    `allowed` and differs by the share `practical`.
    """
    ago = (starts[-1] - starts[:-1]) % WEEK
    alike = np.flatnonzero(np.minimum(ago, WEEK - ago) <= 2 * HOUR)  # clocks may have changed meanwhile
    logs = np.log(rows[:-1][alike] + 0.5)
    out = []
    for at, segment in enumerate(level.segments):
        count = float(rows[-1, at])
        if len(alike) < LEAST_ALIKE:
            reason = (
                f"only {len(alike)} earlier windows of the same time of the week: {LEAST_ALIKE} are needed"
            )
            out.append(Signal(span, segment, "volume", "", None, None, None, "rows", int(count), "", SOURCE,
                              "unknown", reason))  # fmt: skip
            continue
        mean = float(logs[:, at].mean())
        usual = float(np.exp(mean))
        variance = float(logs[:, at].var(ddof=1)) + 1.0 / max(usual, 0.5)
        spread, freedom = float(np.sqrt(variance * (1.0 + 1.0 / len(alike)))), np.array([len(alike) - 1.0])
        reach = float(t_quantile(0.5 + sure / 2.0, freedom)[0]) * spread
        limit = float(t_quantile(1.0 - allowed / 2.0, freedom)[0]) * spread
        far = abs(np.log(count + 0.5) - mean) > limit and abs(count / usual - 1.0) >= practical
        low, high = (float(max(np.exp(mean + sign * reach) - 0.5, 0.0)) for sign in (-1.0, 1.0))
        reference = f"{usual:.4g} rows in {len(alike)} earlier windows of the same time of the week"
        out.append(Signal(span, segment, "volume", "", count, low, high, "rows", int(count), reference, SOURCE,
                          "finding" if far else "quiet"))  # fmt: skip
    return out


def schema(cube: Cube, window: int, span: Span) -> list[Signal]:
    """Signals `schema` of the fleet, one for each number and category that the reference has: 1 where any row of the
    window has a value of it, else 0, which is a finding."""
    rows, at = cube.measure("rows"), cube.at
    out = []
    for number, column in enumerate(cube.binning.columns):
        if column.kind not in ("number", "category"):
            continue
        start = int(cube.binning.starts[number])
        inside = (at[:, 3] >= start) & (at[:, 3] < start + column.width)
        there = inside & (at[:, 3] != start + column.null) & (rows > 0)
        now, before = at[:, 0] == window, at[:, 0] < window
        count = int(rows[inside & now].sum())
        if not count and not _any_rows(cube, window):
            out.append(Signal(span, Segment(), "schema", column.name, None, None, None, "column recorded", 0, "",
                              SOURCE, "unknown", "no rows"))  # fmt: skip
            continue
        recorded = bool((there & now).any())
        windows = len(np.unique(at[there & before, 0]))
        reference = f"recorded in {windows} of {window} earlier windows"
        value = float(recorded)
        out.append(Signal(span, Segment(), "schema", column.name, value, value, value, "column recorded", count,
                          reference, SOURCE, "quiet" if recorded else "finding"))  # fmt: skip
    return out


def _any_rows(cube: Cube, window: int) -> bool:
    return bool(((cube.at[:, 0] == window) & (cube.measure("rows") > 0)).any())


def freshness(cube: Cube, window: int, span: Span, clock: Clock, rows: int) -> list[Signal]:
    """Signals `freshness` of the fleet: hours since the last row, and since the last outcome (column `outcome`).

    A row is missed when the pause is longer than any between two hours with rows in the windows before; an outcome
    when it is also longer than outcomes take. Pauses are counted in hours, or in windows where these are no days.
    """
    pause = _longest_pause(cube, window)
    out = []
    for column, last, extra in (("", clock.last_row, 0), ("outcome", clock.last_outcome, clock.known_after)):
        what = "outcome" if column else "row"
        if last is None or pause is None:
            reason = (
                f"no {what} has come yet" if last is None else "no earlier rows tell how long a pause may be"
            )
            out.append(Signal(span, Segment(), "freshness", column, None, None, None, "hours", rows, "", SOURCE,
                              "unknown", reason))  # fmt: skip
            continue
        hours = max(clock.now - last, 0) / HOUR
        most = pause + 1.0 + extra / HOUR
        reference = f"the longest pause before was {pause:.0f} hours" + (
            f", and an outcome is known after {extra / HOUR:g}" if extra else ""
        )
        out.append(Signal(span, Segment(), "freshness", column, hours, hours, hours, "hours", rows, reference, SOURCE,
                          "finding" if hours > most else "quiet"))  # fmt: skip
    return out


def _longest_pause(cube: Cube, window: int) -> float | None:
    """Hours between two hours with rows, the most in the windows before one; None: there are not two of them."""
    own = (cube.at[:, 3] == cube.binning.starts[cube.binning.place("", "rows")]) & (cube.at[:, 0] < window)
    own &= cube.measure("rows") > 0
    hours = cube.windows[cube.at[own, 0]] // HOUR
    if len(cube.windows) < 2 or np.diff(cube.windows).min() > 12 * HOUR:  # windows of days begin at midnight
        hours = hours + cube.at[own, 2]
    hours = np.unique(hours)
    return float(np.diff(hours).max()) if len(hours) > 1 else None
