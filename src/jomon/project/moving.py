"""Wiring of the mover: which logs a home has, what its projects declare of them, one pass or one after the other."""

from __future__ import annotations

import json
import select
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jomon.core.errors import JomonError, StoreError, UnknownNameError
from jomon.core.spec import ProjectSpec
from jomon.data.log_upkeep import VACUUM_HOURS, Upkeep
from jomon.data.mover import Moved, Mover, MoveRules
from jomon.oci import media

if TYPE_CHECKING:
    from jomon.project.home import Home

LOG = "log"


@dataclass(frozen=True)
class Pace:
    """How often a watching mover does what, in seconds."""

    look: float = 0.2  # at the sizes of files: what tells that there is something to move
    move: float = 1.0  # at most: each pass is a commit, and a file in the table
    settle: float = 10.0  # at least: a file whose writer died grows no more, and can go
    upkeep: float = 60.0
    vacuum: float = 3600.0
    again: float = 10.0  # after a pass that failed


@dataclass(frozen=True)
class MoveReport:
    """What was moved of one fleet's log, and what was done for its tables."""

    fleet: str
    moved: Moved
    upkeep: Upkeep = field(default_factory=Upkeep)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"fleet": self.fleet, **self.moved.document(), "upkeep": vars(self.upkeep)}


Told = Callable[[MoveReport], None]


def log_folder(home: Home, fleet: str) -> Path:
    """Where the journal of a fleet is."""
    return home.root / LOG / fleet


def fleets_with_log(home: Home) -> tuple[str, ...]:
    """The fleets that have a journal in `home`, in order."""
    folder = home.root / LOG
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_dir())) if folder.is_dir() else ()


def rules_of(home: Home, fleet: str) -> MoveRules:
    """What is declared of a fleet's log: by the project that `home` belongs to, else by the fleet's latest image.

    Where neither tells, every row stays and no outcome is late.
    """
    spec = _project_spec(home, fleet) or _image_spec(home, fleet)
    if spec is None:
        return MoveRules()
    serving = spec.serving
    return MoveRules(serving.log.retention, serving.outcomes.late_after, spec.data.time)


def move_once(home: Home, fleet: str) -> MoveReport:
    """Move all that the journal of `fleet` has, and keep the tables up.

    Raises `UnknownNameError` where there is no journal, `StoreError` where another mover is at work, and `DataError`
    where the tables cannot be written; the journal keeps what was not moved.
    """
    folder = log_folder(home, fleet)
    if not folder.is_dir():
        raise UnknownNameError(
            f"There is no log of {fleet} in {home.root}: it is made when the fleet is served."
        )
    with Mover.open(folder, home.tables, fleet, rules_of(home, fleet)) as mover:
        return MoveReport(fleet, mover.move(), mover.keep_up(datetime.now(UTC)))


def watch(
    home: Home,
    fleets: Sequence[str],
    stop: threading.Event,
    *,
    lifeline: int | None = None,
    moved: Told = lambda report: None,
    failed: Callable[[str], None] = lambda sentence: None,
    pace: Pace = Pace(),
) -> None:
    """Move the journals of `fleets` (all of `home`, also those to come, if none is named) as they grow.

    Ends after one last pass when `stop` is set or when the other end of the pipe `lifeline` (a descriptor) is closed.
    `moved` hears of each pass that moved something, `failed` of what keeps it from moving, which is tried again; in
    the last pass that is raised. Where another mover is at work a watch with a `lifeline` waits for its end (of the
    mover of a server that was killed, as a rule), and tells of one that goes on; without one, raises `StoreError`.
    """
    watched: dict[str, _Watched] = {}
    patience = time.monotonic() + pace.again
    with ExitStack() as open_movers:
        while True:
            last = stop.is_set() or _closed(lifeline)
            for fleet in fleets or fleets_with_log(home):
                if fleet not in watched and log_folder(home, fleet).is_dir():
                    opened = Mover.open(log_folder(home, fleet), home.tables, fleet, rules_of(home, fleet))
                    try:
                        mover = open_movers.enter_context(opened)
                    except StoreError as error:
                        if lifeline is None:
                            raise
                        if time.monotonic() > patience:
                            failed(str(error))
                            patience = float("inf")
                        continue
                    watched[fleet] = _Watched(home, mover, moved, failed, pace)
            for one in watched.values():
                one.turn(time.monotonic(), last=last)
            if last:
                return
            stop.wait(pace.look)


class _Watched:
    """One journal under watch."""

    def __init__(
        self, home: Home, mover: Mover, moved: Told, failed: Callable[[str], None], pace: Pace
    ) -> None:
        self._home, self._mover, self._moved, self._failed, self._pace = home, mover, moved, failed, pace
        self._seen: frozenset[tuple[str, int]] = frozenset()
        self._next, self._settle = 0.0, 0.0
        self._upkeep = self._vacuum = time.monotonic() + pace.upkeep
        self._problem = ""

    def turn(self, now: float, *, last: bool) -> None:
        """Move if it is time to."""
        if now < self._next and not last:
            return
        seen = _sizes(self._mover.folder)
        due = last or seen != self._seen or (now >= self._settle and seen)
        try:
            if due:
                self._next, self._settle = now + self._pace.move, now + self._pace.settle
                report = MoveReport(self._mover.fleet, self._mover.move())
                self._seen = seen
                if report.moved != replace(Moved(), stuck=report.moved.stuck):
                    self._moved(report)
                self._problem = self._tell(_stuck(self._mover.folder, report.moved.stuck))
            if now >= self._upkeep and not last:
                self._keep_up(now)
        except JomonError as error:
            if last:
                raise
            self._problem = self._tell(str(error))
            self._next = now + self._pace.again

    def _keep_up(self, now: float) -> None:
        self._upkeep = now + self._pace.upkeep
        self._mover.rules = rules_of(self._home, self._mover.fleet)
        hours = None
        if now >= self._vacuum:
            hours, self._vacuum = VACUUM_HOURS, now + self._pace.vacuum
        done = self._mover.keep_up(datetime.now(UTC), hours)
        if done != Upkeep():
            self._moved(MoveReport(self._mover.fleet, Moved(), done))

    def _tell(self, problem: str) -> str:
        if problem and problem != self._problem:
            self._failed(problem)
        return problem


def _sizes(folder: Path) -> frozenset[tuple[str, int]]:
    found = set()
    for path in folder.glob("w*.log"):
        try:
            found.add((path.name, path.stat().st_size))
        except FileNotFoundError:
            continue
    return frozenset(found)


def _stuck(folder: Path, names: tuple[str, ...]) -> str:
    if not names:
        return ""
    return (
        f"{folder / names[0]} is damaged: what comes after the damage is moved when the server has gone on to "
        "another file, or was started again; check the disk."
    )


def _closed(lifeline: int | None) -> bool:
    """Whether nobody holds the other end any more: then there is something to read, the end."""
    return lifeline is not None and bool(select.select([lifeline], [], [], 0)[0])


def _project_spec(home: Home, fleet: str) -> ProjectSpec | None:
    from jomon.project.project import FILE, open_project

    if not (home.root.parent / FILE).is_file():
        return None
    try:
        spec = open_project(home.root.parent).spec
    except JomonError:
        return None
    return spec if spec.fleet == fleet else None


def _image_spec(home: Home, fleet: str) -> ProjectSpec | None:
    if not (home.root / "images" / "oci-layout").exists():
        return None
    store = home.images
    try:
        (layer,) = store.manifest(store.resolve(f"{fleet}:latest")).layers_of(media.FLEET)
        return ProjectSpec.from_canonical(json.loads(store.read_blob(layer))["spec"])
    except (JomonError, ValueError, KeyError):
        return None
