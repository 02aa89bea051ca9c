"""Cases: faults drawn over windows, members, axis values and the fleet, and what a side says of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from bench.monitoring.faults import DRIFT_DAYS, SHARE, Fault, inside, make_fault
from bench.monitoring.plan import KINDS, SCOPES, SIZES, Half, following, judged_windows, usable_segment
from bench.monitoring.profiles import UNKNOWN
from bench.monitoring.row_faults import EVENT_WINDOWS
from bench.monitoring.sides import Said, Session, Spoken
from bench.monitoring.worlds import Bools, Ints, World
from jomon.core.segments import Segment

AT_ONCE, WITHIN_THREE = 50, 15
"""Affected rows of the first window from which a fault has to be found in it, or within three windows."""
SEASON_WINDOWS = 21
"""Earlier windows at which a season is known (as told in the documentation)."""


@dataclass(frozen=True, eq=False)
class Case:
    """A fault in the windows that it lasts: the rows of each, how many were affected, and the rows without it."""

    fault: Fault
    scope: str
    windows: tuple[int, ...]
    frames: tuple[pl.DataFrame, ...]
    affected: tuple[int, ...]
    before: tuple[pl.DataFrame, ...]
    season_known: bool


@dataclass(frozen=True)
class Outcome:
    """What became of a case: plain values, so that processes can hand it on.

    `found`: after how many windows something in the right place was found (None: not); `inside`, `outside`: findings of
    all its checks in and off the right place; `incidents` of the check that found it, and `cause`: that of the incident
    with most right findings; `elsewhere`: some wrong findings in words; `unknown`: the side could not judge the last
    window that it checked.
    """

    world: str
    seed: int
    kind: str
    size: str
    scope: str
    segment: str
    columns: tuple[str, ...]
    causes: tuple[str, ...]
    window: int
    affected: int
    season_known: bool
    checks: int
    found: int | None
    inside: int
    outside: int
    incidents: int
    cause: str | None
    seconds: float
    elsewhere: tuple[str, ...] = ()
    unknown: bool = False
    oracle: int | None = None


def draw_cases(world: World, order: Ints, seed: int, half: Half, *, drift: bool) -> Iterator[Case]:
    """Cases of every kind, size and scope, `half.repeats` of each; of gradual drift only if asked for."""
    windows = judged_windows(world, order, half)
    for kind in KINDS:
        if kind == "gradual_drift" and not drift:
            continue
        for scope in SCOPES:
            if kind == "special_event" and scope != "fleet":
                continue  # an event is everybody's
            for size in SIZES:
                for repeat in range(half.repeats):
                    text = f"{world.settings.name} {seed} {kind} {scope} {size} {repeat}"
                    found = draw_case(world, windows, kind, scope, size, half, _draw(text))
                    if found is not None:
                        yield found


def _draw(text: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little"))


def draw_case(
    world: World,
    windows: Sequence[int],
    kind: str,
    scope: str,
    size: str,
    half: Half,
    draw: np.random.Generator,
) -> Case | None:
    """One case; None where no member of this half has a row in the window."""
    last = len(world.days) - lasting(world, kind)
    known = [w for w in windows if w < last]
    first = int(known[draw.integers(len(known))])
    rows = world.by_window[first]
    segment = _segment(world, rows, scope, size, half, draw)
    if segment is None:
        return None
    fault = make_fault(world, kind, size, segment, rows, draw)
    affected, frames, before = [], [], []
    lasts = following(world, first, lasting(world, kind))
    for since, window in enumerate(lasts):
        frame, count = fault.apply(world.by_window[window], since, draw)
        frames.append(frame)
        before.append(world.by_window[window])
        affected.append(count)
    season = world.season[first]
    earlier = int(((world.season[:first] == season) & (world.occasion[:first] == 0)).sum())
    return Case(
        fault, scope, tuple(lasts), tuple(frames), tuple(affected), tuple(before), earlier >= SEASON_WINDOWS
    )


def lasting(world: World, kind: str) -> int:
    """For how many windows a fault of this kind is followed."""
    if kind == "gradual_drift":
        return DRIFT_DAYS // (7 if world.settings.weeks else 1)
    if kind == "special_event":
        return 1 if world.settings.weeks else EVENT_WINDOWS
    return 3


def _segment(
    world: World, rows: pl.DataFrame, scope: str, size: str, half: Half, draw: np.random.Generator
) -> Segment | None:
    """A member or axis value of this half; half of the time one that is large enough to be found at once, where there
    is one, else one that is large enough to be found within three windows."""
    if scope == "fleet":
        return Segment()
    settings = world.settings
    levels = [settings.member] if scope == "member" else [(axis,) for axis in settings.groups]
    counted = []
    for level in levels:
        for *values, count in rows.group_by(level).len().sort(*level).rows():
            segment = Segment(tuple(zip(level, (str(v) for v in values), strict=True)))
            if usable_segment(segment.text, half) and count >= world.spec.monitor.min_rows:
                counted.append((segment, count))
    needed = (AT_ONCE if draw.random() < 0.5 else WITHIN_THREE) / SHARE[size]
    for least in (needed, WITHIN_THREE / SHARE[size], 0):
        choices = [segment for segment, count in counted if count >= least]
        if choices:
            return choices[int(draw.integers(len(choices)))]
    return None


def tried(session: Session, case: Case, world: str, seed: int) -> Outcome:
    """Let a side check the windows of a case one after another until it finds the fault."""
    fault = case.fault
    right, wrong, seconds, checks = 0, 0, 0.0, 0
    elsewhere: list[str] = []
    found, said = None, None
    limit = len(case.windows)
    if fault.kind not in ("gradual_drift", "special_event") and case.affected[0] >= AT_ONCE:
        limit = 1
    for last in range(limit):
        said = session.check(case.windows[: last + 1], case.frames[: last + 1])
        good = [is_right(fault, one, case.before[last]) for one in said.findings]
        checks, seconds = checks + 1, seconds + said.seconds
        right, wrong = right + sum(good), wrong + len(good) - sum(good)
        elsewhere += [_words(one) for one, ok in zip(said.findings, good, strict=True) if not ok][:2]
        if any(good):
            found = last + 1
            break
    incidents, cause = _incidents(fault, said, case.before[checks - 1]) if found else (0, None)
    return Outcome(
        world, seed, fault.kind, fault.size, case.scope, fault.scope.text, fault.columns, fault.causes,
        case.windows[0], case.affected[0], case.season_known, checks, found, right, wrong, incidents, cause,
        seconds, tuple(elsewhere[:4]), said is not None and said.unknown,
    )  # fmt: skip


def _incidents(fault: Fault, said: Said | None, rows: pl.DataFrame) -> tuple[int, str | None]:
    """How many incidents a check told, and the cause of the one with most right findings."""
    if said is None or not said.incidents:
        return 0, None
    right = [sum(is_right(fault, one, rows) for one in told.findings) for told in said.incidents]
    return len(said.incidents), said.incidents[int(np.argmax(right))].cause


def _words(one: Spoken) -> str:
    where = " ".join(f"{axis}={value}" for axis, value in one.segment.items()) or "(all)"
    return f"{where} {one.column or 'rows'} {one.kind}"


def is_right(fault: Fault, one: Spoken, rows: pl.DataFrame) -> bool:
    """Whether a finding is of the fault: of a column (or kind) that it changes, in a segment at least half of whose
    rows (as they would be without it) lie in the fault's, or which loses or gains rows by it."""
    score = one.column in ("margin", "score", "answer") and "score" in fault.kinds
    moved = one.kind == "volume" or one.column in fault.columns
    for axis, value in fault.also:
        if moved and axis in one.segment and (value is None or one.segment[axis] in (value, UNKNOWN)):
            return True
    if not (fault.any_column or one.column in fault.columns or one.kind in fault.kinds or score):
        return False
    own: Bools = inside(rows, one.segment)
    return bool(own.any() and (own & fault.covers(rows)).sum() >= 0.5 * own.sum())
