"""Lookups of a running server kept fresh: their sources are read again on a schedule, gold is not touched.

The rows go the way they go at an ingest: what is new into the lookup's table, all of it into the copy that servers
use. A source that fails, or rows that cannot be joined as declared, leave the copy before in use.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from jomon.core.errors import JomonError
from jomon.core.lookup_arrays import DeclaredLookup
from jomon.core.spec import ProjectSpec
from jomon.project.home import Home
from jomon.project.opened import OpenProject

LOOK_SECONDS = 5.0
"""How often it is looked whose turn it is: as late as this a lookup may be, beside the duration declared for it."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class LookupRefresh:
    """One turn of one lookup: rows in its table and how many of them are new, or what kept it from being read."""

    name: str
    seconds: float
    rows: int | None = None
    new: int | None = None
    problem: str | None = None

    def document(self) -> dict[str, Any]:
        """The turn as JSON."""
        return {**vars(self), "seconds": round(self.seconds, 3)}


@dataclass(frozen=True)
class LookupSchedule:
    """When each lookup was last tried, as far as this process knows."""

    tried: Mapping[str, datetime] = field(default_factory=dict)


def refresh_due(
    home: Home, spec: ProjectSpec, folder: Path, now: datetime, state: LookupSchedule
) -> tuple[LookupSchedule, tuple[LookupRefresh, ...]]:
    """Read the sources of the lookups whose turn has come at `now` (UTC), and write their copies.

    `spec` is that of the project in `folder`. A lookup of `serving.lookups` has its turn when its copy was read longer
    ago than declared, or was made by another declaration; one that failed waits as long again. While an ingest runs,
    which reads all lookups, none has its turn. Returns the schedule to come back with, and what was done.
    """
    turns = [name for name in spec.serving.lookups if _due(home, spec, name, now, state)]
    if not turns:
        return state, ()
    from jomon.data.ingest import LOCK
    from jomon.data.locks import exclusive

    done = []
    try:
        with exclusive(folder / LOCK, _give_way):
            for name in turns:
                done.append(_refreshed(home, spec, folder, name, now))
    except _Busy:
        pass
    tried = {**state.tried, **{turn.name: now for turn in done}}
    return LookupSchedule(tried), tuple(done)


def watch_lookups(
    home: Home,
    stop: threading.Event,
    refreshed: Callable[[LookupRefresh], None] = lambda turn: None,
    failed: Callable[[str], None] = lambda sentence: None,
    look: float = LOOK_SECONDS,
) -> None:
    """`refresh_due` every `look` seconds for the project that `home` belongs to, until `stop` is set.

    Made for a thread of its own: a source may take long. `refreshed` hears of each turn that went well, `failed` of
    what went wrong, once until it changes. A home without a project has nothing to read; the file is read each time.
    """
    state, problems = LookupSchedule(), dict[str, str]()
    while True:
        try:
            project = _project_of(home)
            if project is not None:
                state, done = refresh_due(home, project.spec, project.folder, datetime.now(UTC), state)
                for turn in done:
                    if turn.problem is None:
                        refreshed(turn)
                    elif turn.problem != problems.get(turn.name):
                        failed(f"The lookup {turn.name} was not refreshed: {turn.problem}")
                    problems[turn.name] = turn.problem or ""
            problems.pop("", None)
        except Exception as error:  # a full disk, a defect: the next time may go well
            said = sentence(error)
            if said != problems.get(""):
                failed(said)
            problems[""] = said
        if stop.wait(look):
            return


def sentence(error: Exception) -> str:
    """What to tell of an error: its own sentence, or what it is."""
    return str(error) if isinstance(error, JomonError) else f"{type(error).__name__}: {error}"


def _project_of(home: Home) -> OpenProject | None:
    from jomon.project.project import FILE, open_project

    folder = home.root.parent
    return open_project(folder, home.root) if (folder / FILE).is_file() else None


def _refreshed(home: Home, spec: ProjectSpec, folder: Path, name: str, now: datetime) -> LookupRefresh:
    from jomon.data.ingest import ingest_id
    from jomon.data.lookup_run import LookupRun

    began = time.perf_counter()
    try:
        now_us = (now - _EPOCH) // _MICROSECOND
        run = LookupRun.read(folder, home.tables, spec, name, ingest_id(), now_us)
        run.write(home.lookups, spec)
    except JomonError as error:
        return LookupRefresh(name, time.perf_counter() - began, problem=str(error))
    rows = run.table.state.rows if run.table.state else 0
    return LookupRefresh(name, time.perf_counter() - began, rows, run.new.rows.height)


def _due(home: Home, spec: ProjectSpec, name: str, now: datetime, state: LookupSchedule) -> bool:
    from jomon.data.lookup_copy import read_pointer

    every, tried = spec.serving.lookups[name], state.tried.get(name)
    if tried is not None and tried <= now < tried + every:
        return False
    pointer = read_pointer(home.lookups, name)
    if pointer is None or pointer.declaration != DeclaredLookup.of(spec, name).digest:
        return True
    read = _EPOCH + timedelta(microseconds=pointer.written_us)
    return not read <= now < read + every


class _Busy(Exception):  # noqa: N818 - a sign between two functions, not an error
    """An ingest is at work."""


def _give_way() -> None:
    raise _Busy
