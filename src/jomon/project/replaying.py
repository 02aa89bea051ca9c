"""Replay: recorded rows played as live traffic in event time, answered in this process or by a server.

Rows are asked about in order of their time, without what lookups bring; the outcome of a row is reported when it became
known, `data.target.known_after` later, and never before its prediction was acknowledged. Event time is the time of the
rows; `received_at` in the tables is the clock of the machine, as for any other request.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from jomon.core.errors import JomonError, StoreError
from jomon.core.localtime import LocalTime
from jomon.project.inspecting import open_image
from jomon.project.replay_faults import broken, parse_fault
from jomon.project.replay_plan import SECOND, Pace, Recorded, read_moment, read_recorded
from jomon.project.replay_sheet import Replayed, Sheet, latencies_of, levels_of, local_text, loss_of

if TYPE_CHECKING:
    from jomon.core.spec import ProjectSpec
    from jomon.oci.digest import Digest
    from jomon.project.home import Home
    from jomon.serving.image import ServedImage


@dataclass(frozen=True)
class Wish:
    """What is to be replayed, and how.

    `since` (included) and `until` (excluded) are times as text; without them it is the held-out time of the image, to
    the end of the data. `speed`: times real time, None as fast as it goes. `url`: the server to ask, None to answer
    here; `key`: its API key; `connections`: requests on their way at once. `faults` are put into the rows before they
    are sent, see `jomon.project.replay_faults`.
    """

    reference: str
    since: str | None = None
    until: str | None = None
    speed: float | None = None
    url: str | None = None
    key: str | None = None
    connections: int = 8
    outcomes: bool = True
    patience: float = 30.0
    faults: tuple[str, ...] = ()


class Replay:
    """One replay: rows read, ready to be played once. Raises `JomonError` where the span is none, or data lack what
    the image needs."""

    def __init__(self, home: Home, wish: Wish) -> None:
        self.home, self.wish = home, wish
        self.reference = (
            wish.reference if ":" in wish.reference or "@" in wish.reference else f"{wish.reference}:latest"
        )
        self.digest, self.spec, end_day = _image(home, self.reference)
        self._zone = self.spec.data.zone
        self.since_us = (
            LocalTime(self._zone).day_start(end_day)
            if wish.since is None
            else read_moment(wish.since, "--from", self.spec)
        )
        until_us = None if wish.until is None else read_moment(wish.until, "--to", self.spec)
        if until_us is not None and until_us <= self.since_us:
            raise JomonError(
                f"The span from {self.local(self.since_us)} to {self.local(until_us)} is empty: --to has to be later "
                "than --from."
            )
        faults = tuple(parse_fault(text) for text in wish.faults)
        self.recorded: Recorded = broken(read_recorded(home, self.spec, self.since_us, until_us), faults)
        if until_us is None:
            last = int(self.recorded.times[-1]) if len(self.recorded) else self.since_us
            until_us = last + SECOND
        self.until_us = until_us
        self.sheet = Sheet(self.recorded)
        self.name = secrets.token_hex(4)
        self._seconds = 0.0
        self._moved: dict[str, Any] | None = None
        self._refreshed: dict[str, Any] | None = None
        self._levels: dict[str, tuple[str, ...]] = {}

    @property
    def fleet(self) -> str:
        """The name of the fleet."""
        return self.spec.fleet

    @property
    def last_us(self) -> int:
        """The moment at which the last of it is due: of a row, or of an outcome."""
        if not len(self.recorded):
            return self.since_us
        last = int(self.recorded.times[-1])
        return last + (self.recorded.known_after_us if self.wish.outcomes else 0)

    def play(
        self,
        told: Callable[[int], None] = lambda moment_us: None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        """Play it; `told` hears of the moment that event time has come to. What was sent stays, whatever happens.

        `clock` tells seconds, by which `speed` is kept; `wait` waits so many of them where this process answers.
        """
        if not len(self.recorded):
            return
        self._prepare()
        began = time.perf_counter()
        try:
            self._play(Pace(self.wish.speed, int(self.recorded.times[0]), clock), told, wait)
        finally:
            self._seconds = time.perf_counter() - began

    def _prepare(self) -> None:
        if self.wish.url is None:
            self._levels[self._served.digest] = self._served.levels

    def _play(self, pace: Pace, told: Callable[[int], None], wait: Callable[[float], object] | None) -> None:
        wish = self.wish
        if wish.url is None:
            from jomon.project.replay_process import play

            home, sheet, name = self.home, self.sheet, self.name
            play(home, self._served, sheet, name, pace, outcomes=wish.outcomes, told=told, wait=wait)
            return
        from jomon.project import replay_http
        from jomon.project.replay_connection import Target

        replay_http.play(
            Target.of(wish.url, wish.key),
            self.fleet,
            self.sheet,
            self.name,
            pace,
            connections=wish.connections,
            outcomes=wish.outcomes,
            told=told,
            patience=wish.patience,
        )

    @cached_property
    def _served(self) -> ServedImage:
        return _served(self.home, self.reference, str(self.digest))

    def finish(self) -> None:
        """Bring what was answered here into the tables and refresh the image, as declared, unless a mover is at work,
        which does both; or see by which levels a server answered, by routing the rows as its images do, where these are
        in this store."""
        if not len(self.recorded):
            return
        if self.wish.url is None:
            self._move()
            return
        for digest, number in self.sheet.images.items():
            try:
                image = _served(self.home, self.reference, digest)
            except JomonError:
                continue
            self._levels[digest] = image.levels
            _route(image, number, self.sheet)

    def _move(self) -> None:
        """One pass of the mover, and what the image declares to come after it (`serving.refresh`)."""
        from jomon.project.moving import move_once
        from jomon.project.refresh_schedule import RefreshState, refresh_if_due

        try:
            self._moved = move_once(self.home, self.fleet).document()
        except StoreError:  # the mover of a running server is at work
            return
        if self.spec.serving.refresh == "off" or "@" in self.reference:
            return
        try:
            done = refresh_if_due(self.home, self.reference, time.time_ns() // 1000, RefreshState())
        except JomonError as error:
            self._refreshed = {"digest": None, "outcomes": 0, "problem": str(error)}
        else:
            if done is not None:
                self._refreshed = {"digest": str(done.digest), "outcomes": done.outcomes, "problem": ""}

    def report(self) -> Replayed:
        """What it did."""
        sheet, recorded = self.sheet, self.recorded
        levels, unknown = levels_of(sheet, self._levels)
        by_image = {digest: int((sheet.image_of == number).sum()) for digest, number in sheet.images.items()}
        told = int(sheet.told.sum())
        first = int(recorded.times[0]) if sheet.asked else None
        known = int((~np.isnan(recorded.targets[sheet.image_of >= 0])).sum())
        return Replayed(
            replay=self.name,
            fleet=self.fleet,
            reference=self.reference,
            url=self.wish.url,
            images=by_image,
            since=self.local(self.since_us),
            until=self.local(self.until_us),
            rows=len(recorded),
            answered=sheet.answered,
            refused=dict(sheet.refused),
            failed=dict(sheet.failed),
            unsent=len(recorded) - sheet.asked,
            retried=sheet.retried,
            outcomes=told,
            outcomes_failed=dict(sheet.outcomes_failed),
            outcomes_unsent=known - told - sum(sheet.outcomes_failed.values()) if self.wish.outcomes else 0,
            without_outcome=sheet.answered - known,
            reports=sheet.reports,
            first_event=None if first is None else self.local(first),
            last_event=None if sheet.last_us is None else self.local(sheet.last_us),
            seconds=self._seconds,
            latency_ms=latencies_of(sheet),
            levels=levels or dict.fromkeys(_level_names(self.spec), 0),
            unknown_level=unknown,
            missed=dict(sheet.missed),
            loss=loss_of(sheet),
            problem=sheet.problem,
            moved=self._moved,
            refreshed=self._refreshed,
        )

    def local(self, moment_us: int) -> str:
        """A moment in the zone of the project: 2013-10-15T12:00:00-04:00."""
        return local_text(moment_us, self._zone)


def _image(home: Home, reference: str) -> tuple[Digest, ProjectSpec, int]:
    """The digest of an image, what it was built of, and the first local day that its slow parts did not see."""
    from jomon.core.spec import ProjectSpec

    image = open_image(home, reference)
    return image.digest, ProjectSpec.from_canonical(image.fleet["spec"]), int(image.fleet["end_day"])


def count_recorded(home: Home, fleet: str, name: str) -> int:
    """How many rows of the replay `name` are in the table of predictions."""
    import polars as pl

    from jomon.data.predictions import predictions_table

    lazy = predictions_table(home.tables, fleet).scan()
    if lazy is None:
        return 0
    mine = pl.col("caller_id").str.starts_with(f"replay:{name}:")
    found: int = lazy.filter(mine).select(pl.len()).collect().item()
    return found


def count_between(home: Home, spec: ProjectSpec, since: str, until: str) -> int:
    """How many rows of a span of event time (local dates or times) are in the table of predictions."""
    import polars as pl

    from jomon.data.outcomes import instant
    from jomon.data.predictions import predictions_table, stored_name

    lazy = predictions_table(home.tables, spec.fleet).scan()
    if lazy is None:
        return 0
    time = pl.col(stored_name(spec.data.time))
    start, end = (instant(read_moment(text, "the span", spec)) for text in (since, until))
    found: int = lazy.filter((time >= start) & (time < end)).select(pl.len()).collect().item()
    return found


def _served(home: Home, reference: str, digest: str) -> ServedImage:
    from jomon.project.serving import StoreSource, fleet_of
    from jomon.serving.tally import Tally

    return StoreSource(home, Tally(fleet_of(reference))).load(reference, digest)


def _level_names(spec: ProjectSpec) -> tuple[str, ...]:
    return tuple(stage.name or "(all)" for stage in spec.stages)


def _route(image: ServedImage, number: int, sheet: Sheet) -> None:
    """Note by which level the rows that `image` answered were answered, and which lookups had nothing for them."""
    from jomon.core.errors import PredictError
    from jomon.serving.decoding import ABSENT

    raw = sheet.recorded.raw(image.columns, ABSENT)
    for at in np.flatnonzero(sheet.image_of == number).tolist():
        try:
            row = image.path.row(raw.take(at, at + 1)[0])
        except PredictError:
            continue
        sheet.levels[at] = row.variant.tally[0]
        sheet.missed.update(row.missed)
