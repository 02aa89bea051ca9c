"""The peers on the same worlds: some whole checks of a quiet fleet, and some faults, each seen at one member."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from bench.common import Row, spread
from bench.monitoring.cases import AT_ONCE, Case, draw_cases
from bench.monitoring.faults import inside
from bench.monitoring.peers import TOOLS, Pair, ask, history_of, raised
from bench.monitoring.plan import Half, exchange, judged_windows
from bench.monitoring.score import share
from bench.monitoring.worlds import ALL, World, make

__all__ = ["TOOLS", "rows_of"]


def rows_of(tool: str, jobs: Iterable[Any], half: Half) -> tuple[list[Row], list[Row]]:
    """Rows of T3 and T4 for a tool: `jobs` name the world, folder and seed."""
    quiet: list[Row] = []
    faults: list[Row] = []
    for job in jobs:
        base = make(ALL[job.world], job.folder)
        order = exchange(base, job.seed)
        world = base.exchanged(order)
        some, tests = _quiet(tool, world, order, half)
        quiet += some
        faults += _faults(tool, world, order, job, half, tests)
    return quiet, faults


def _quiet(tool: str, world: World, order: np.ndarray, half: Half) -> tuple[list[Row], int]:
    """Whole checks of the fleet in quiet windows, spread evenly over those that may be judged."""
    windows = judged_windows(world, order, half)
    chosen = [windows[at] for at in np.linspace(0, len(windows) - 1, half.peer_quiet).astype(int)]
    pairs, of = [], []
    for window in chosen:
        rows = world.by_window[window]
        for member in _members(world, window)[: half.peer_members]:
            pairs.append(Pair(history_of(world, window, member), rows.filter(inside(rows, member))))
            of.append(window)
    columns = len(world.numeric) + len(world.categorical) + 3 - len(world.settings.member)
    tests = columns * max(of.count(window) for window in chosen)
    answers = ask(world, tool, pairs, tests)
    out: list[Row] = []
    for setting in dict.fromkeys(answer["setting"] for answer in answers):
        mine = [answer for answer in answers if answer["setting"] == setting]
        what = f"{tool}, {setting}: {world.settings.name}"
        any_in = dict.fromkeys(chosen, False)
        for answer in mine:
            any_in[of[answer["check"]]] |= raised(answer)
        out.append(share(f"{what}, quiet checks that raise anything", sum(any_in.values()), len(any_in)))
        whole = sum(bool(answer.get("dataset")) for answer in mine)
        out.append(share(f"{what}, quiet members that raise anything", sum(map(raised, mine)), len(mine)))
        if tool == "evidently":
            out.append(share(f"{what}, quiet members called drifted as a whole", whole, len(mine)))
        out.append(spread(f"{what}, seconds per member", [answer["seconds"] for answer in mine], "s"))
    return out, tests


def _members(world: World, window: int) -> list[dict[str, str]]:
    """Members with rows enough and a history."""
    names = world.settings.member
    rows = world.by_window[window]
    counted = rows.group_by(names).len().sort("len", *names, descending=[True, *[False] * len(names)]).rows()
    least = world.spec.monitor.min_rows
    found = [dict(zip(names, map(str, values), strict=True)) for *values, n in counted if n >= least]
    return [member for member in found if history_of(world, window, member).height >= 5 * least]


def _faults(tool: str, world: World, order: np.ndarray, job: Any, half: Half, tests: int) -> list[Row]:
    """Faults of medium and large size with enough rows, seen at the largest member that has them."""
    cases = [
        case
        for case in draw_cases(world, order, job.seed, half, drift=False)
        if case.fault.size != "small" and case.affected[0] >= (7 if world.settings.weeks else AT_ONCE)
    ]
    step = max(len(cases) // max(half.peer_faults, 1), 1)
    chosen = [
        (case, pair) for case in cases[::step][: half.peer_faults] if (pair := _pair(world, case)) is not None
    ]
    if not chosen:
        return []
    answers = ask(world, tool, [pair for _, pair in chosen], tests)
    out: list[Row] = []
    for setting in dict.fromkeys(answer["setting"] for answer in answers):
        mine = [answer for answer in answers if answer["setting"] == setting]
        what = f"{tool}, {setting}: {world.settings.name}"
        out.append(share(f"{what}, faults seen at a member that has them", sum(map(raised, mine)), len(mine)))
        if tool == "evidently":
            whole = sum(bool(answer.get("dataset")) for answer in mine)
            out.append(
                share(f"{what}, faults for which a member is called drifted as a whole", whole, len(mine))
            )
    return out


def _pair(world: World, case: Case) -> Pair | None:
    """The largest member in the fault's segment, as it was and as it came."""
    window, rows = case.windows[0], case.frames[0]
    for member in _members(world, window):
        mine = rows.filter(inside(rows, member))
        before = case.before[0].filter(inside(case.before[0], member))
        if mine.height and before.filter(case.fault.covers(before)).height:
            return Pair(history_of(world, window, member), mine)
    return None
