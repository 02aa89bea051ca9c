"""The part of the demo that monitors: an ordinary week, then a day on which two things are broken."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from jomon.cli.console import say
from jomon.cli.monitor import checked_one_by_one
from jomon.cli.monitor_blocks import tell_checks
from jomon.cli.options import shown_path
from jomon.cli.replay import run_replay
from jomon.cli.steps import Steps

if TYPE_CHECKING:
    from jomon.core.checks import CheckResult
    from jomon.project.project import Project

WEEK = ("2013-10-16", "2013-10-23")
"""Seven ordinary days behind the afternoon that was served."""
BROKEN = ("2013-10-23", "2013-10-24")
FAULTS = ("scale distance 1.609344 in carrier=UA origin=EWR", "flip in carrier=DL origin=LGA")
NEEDED = "msgspec"


def run_monitor(project: Project, *, shown: bool) -> dict[str, Any]:
    """Replay the week and check it; replay the broken day and check that."""
    if importlib.util.find_spec(NEEDED) is None:
        if shown:
            say(f"Left out: replaying needs the package {NEEDED}, pip install 'jomon[serve]' brings it.")
        return {"left_out": f"{NEEDED} is not installed"}
    with Steps(shown) as steps:
        _replay(project, WEEK, (), steps, shown=shown)
        quiet, page = _check(project, WEEK, steps)
    if shown:
        say(
            f"{WEEK[0]} to {WEEK[1]}, as it happened; each day beside earlier ones and its peers.",
            style="dim",
        )
        tell_checks(quiet, project.spec.data.zone)
        say()
        say("The next day, with two things broken: " + "; ".join(FAULTS) + ".", style="bold")
    with Steps(shown) as steps:
        _replay(project, BROKEN, FAULTS, steps, shown=shown)
        found, page = _check(project, BROKEN, steps)
    if shown:
        tell_checks(found, project.spec.data.zone)
        say(f"The page of that day: {shown_path(page)}")
    return {
        "week": [result.document() for result in quiet],
        "faults": list(FAULTS),
        "broken": [result.document() for result in found],
        "page": str(page),
    }


def _replay(
    project: Project, days: tuple[str, str], faults: tuple[str, ...], steps: Steps, *, shown: bool
) -> None:
    """Play the days once: a second run of the demo finds them recorded."""
    from jomon.project.replaying import Wish, count_between

    if count_between(project.home, project.spec, *days):
        steps.begin(f"replaying {days[0]} to {days[1]}")
        steps.end(f"replayed {days[0]} to {days[1]}", cached=True)
        return
    run_replay(project.home, Wish(project.latest, *days, faults=faults), shown=shown, among=steps)


def _check(project: Project, days: tuple[str, str], steps: Steps) -> tuple[list[CheckResult], Any]:
    from jomon.project.monitoring import moment_of, open_monitor

    with steps.step("counted what came since, and earlier days of the data"):
        monitor = open_monitor(project.home, project)
    since, until = (moment_of(project.home, project, None, day) for day in days)
    windows = monitor.closed(since, until, again=True)
    results = list(checked_one_by_one(monitor, windows, steps))
    page = project.folder / "monitor.html"
    if results:
        monitor.write_report(results[-1], page, "en")
    return results, page
