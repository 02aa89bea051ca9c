"""What a mover does beside moving, in threads of its own: lookups read again, fast parts refreshed, as declared."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jomon.project.lookup_refreshing import sentence, watch_lookups
from jomon.project.moving import fleets_with_log
from jomon.project.refresh_schedule import RefreshState, refresh_if_due

if TYPE_CHECKING:
    from jomon.project.home import Home
    from jomon.project.refreshing import RefreshReport

LOOK_SECONDS = 2.0
Failed = Callable[[str], None]
Refreshed = Callable[["RefreshReport"], None]


@contextmanager
def beside(home: Home, references: Sequence[str], refreshed: Refreshed, failed: Failed) -> Iterator[None]:
    """Run the chores of `home` while the body runs; they end with it.

    The fast parts of `references` (of the latest image of each fleet with a log, if none is given) are refreshed as
    `serving.refresh` of their images says, lookups are read as `serving.lookups` of the project says. `refreshed`
    hears of each refresh, `failed` of what went wrong, once until it changes.
    """
    stop = threading.Event()
    threads = [
        threading.Thread(target=watch_lookups, args=(home, stop), kwargs={"failed": failed}, name="lookups"),
        threading.Thread(target=_refresh, args=(home, references, stop, refreshed, failed), name="refresh"),
    ]
    for thread in threads:
        thread.daemon = True  # a source that hangs must not keep the process
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(LOOK_SECONDS)


def _refresh(
    home: Home, references: Sequence[str], stop: threading.Event, refreshed: Refreshed, failed: Failed
) -> None:
    states: dict[str, RefreshState] = {}
    problems: dict[str, str] = {}
    while not stop.wait(LOOK_SECONDS):
        for reference in references or [f"{fleet}:latest" for fleet in fleets_with_log(home)]:
            try:
                report = refresh_if_due(
                    home, reference, time.time_ns() // 1000, states.setdefault(reference, RefreshState())
                )
                problems.pop(reference, None)
            except (
                Exception
            ) as error:  # a full disk, a defect: the next time may go well, and the others go on
                said = sentence(error)
                if problems.get(reference) != said:
                    failed(f"{reference} was not refreshed: {said}")
                problems[reference] = said
                continue
            if report is not None:
                refreshed(report)
