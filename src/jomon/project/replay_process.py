"""A replay answered in this process, by the plane that a server answers with: the same rows, records and journal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from jomon.core.errors import PredictError
from jomon.core.journal import Kind
from jomon.core.moments import TimeReader
from jomon.core.outcome_values import OutcomeReader
from jomon.project.moving import log_folder
from jomon.project.replay_plan import Ask, Pace, plain
from jomon.project.replay_sheet import Sheet
from jomon.serving.decoding import ABSENT
from jomon.serving.errors import RequestError
from jomon.serving.image import RequestIds, Scored, ServedImage
from jomon.serving.journal import Journal, payload
from jomon.serving.rowpath import Row

if TYPE_CHECKING:
    from jomon.project.home import Home

BATCH_ROWS = 1_024
Told = Callable[[int], None]
"""Hears of the moment (microseconds UTC) that event time has come to."""


def play(
    home: Home,
    image: ServedImage,
    sheet: Sheet,
    name: str,
    pace: Pace,
    *,
    outcomes: bool,
    told: Told,
    wait: Callable[[float], object] | None = None,
) -> None:
    """Answer the rows of `sheet` with `image`, each as a request of its own, and report their outcomes; all of it goes
    to the fleet's journal, in a slot of its own, batch after batch.

    `wait` waits so many seconds. Raises `StoreError` where the journal takes no more.
    """
    wait = wait or threading.Event().wait
    sync = image.runtime.spec.serving.log.sync.total_seconds()
    with Journal.open(log_folder(home, image.fleet), sync=sync) as journal:
        player = _Player(image, journal, sheet, name)
        for step in sheet.recorded.steps():
            if isinstance(step, Ask):
                for first, stop in _batches(sheet.recorded.times, step, pace, wait):
                    player.ask(first, stop)
                    told(int(sheet.recorded.times[stop - 1]))
            elif outcomes:
                wait_for(pace, step.moment, wait)
                player.tell(step.first, step.stop, step.moment)
                told(step.moment)


def wait_for(pace: Pace, moment_us: int, wait: Callable[[float], object]) -> None:
    """Wait until a moment of event time comes."""
    while (seconds := pace.due_in(moment_us)) > 0:
        wait(seconds)


def _batches(times: Any, step: Ask, pace: Pace, wait: Callable[[float], object]) -> Any:
    """The rows of a step in batches, each when its first row is due, with all that are due by then."""
    first = step.first
    while first < step.stop:
        wait_for(pace, int(times[first]), wait)
        due = max(int(times.searchsorted(pace.reached(), "right")), first + 1)
        stop = min(step.stop, first + BATCH_ROWS, due)
        yield first, stop
        first = stop


class _Player:
    """Answers and records the rows of a replay."""

    def __init__(self, image: ServedImage, journal: Journal, sheet: Sheet, name: str) -> None:
        self._image, self._journal, self._sheet, self._name = image, journal, sheet, name
        self._ids = RequestIds()
        self._header = journal.declare(image.header())
        self._number = sheet.image(image.digest)
        self._raw = sheet.recorded.raw(image.columns, ABSENT)
        self._reports = sheet.recorded.outcomes(plain)
        spec = image.runtime.spec
        times = TimeReader(spec.data, image.runtime.context.local)
        self._outcomes = OutcomeReader(
            spec.data, times.read, hash_columns=spec.serving.log.hash, hashed=image.hashed
        )

    def ask(self, first: int, stop: int) -> None:
        """Answer rows, and record them before they count as answered."""
        began, sheet = time.perf_counter(), self._sheet
        received_us = time.time_ns() // 1000
        raw = self._raw.take(first, stop)
        sheet.asked += stop - first
        places, rows, scored = self._scored(raw, first)
        ids = [self._ids.new() for _ in rows]
        recorder, journal = self._image.recorder, self._journal
        latency_us = round((time.perf_counter() - began) * 1e6)
        numbers = sheet.recorded.numbers[places].tolist()
        records = [
            recorder.payload(
                self._header,
                request_id,
                caller_id(self._name, number),
                received_us,
                latency_us,
                (row,),
                (answer,),
                (margin,),
            )
            for request_id, number, row, answer, margin in zip(
                ids, numbers, rows, scored.answers, scored.margins, strict=True
            )
            if recorder.sampled(request_id)
        ]
        if records:
            journal.write(records)
        sheet.answers[places] = scored.answers
        sheet.levels[places] = [row.variant.tally[0] for row in rows]
        sheet.image_of[places] = self._number
        sheet.latencies[places] = time.perf_counter() - began
        sheet.reached(int(sheet.recorded.times[stop - 1]))
        if isinstance(places, slice):
            sheet.request_ids[places] = ids
        else:
            for at, request_id in zip(places, ids, strict=True):
                sheet.request_ids[at] = request_id
        for row in rows:
            if row.missed:
                sheet.missed.update(row.missed)

    def _scored(self, raw: Sequence[Any], first: int) -> tuple[slice | list[int], list[Row], Scored]:
        """Positions, rows and answers of those that are not refused: all at once or, where one is, each alone."""
        image = self._image
        try:
            rows = image.ready(raw, 0)
            return slice(first, first + len(rows)), rows, image.score(rows)
        except (PredictError, RequestError):
            pass
        places, rows, answers, margins = list[int](), list[Row](), list[float](), list[float]()
        for at, values in enumerate(raw, first):
            try:
                ready = image.ready([values], 0)
                scored = image.score(ready)
            except (PredictError, RequestError) as error:
                self._sheet.refuse(reason_of(str(error)))
                continue
            places.append(at)
            rows += ready
            answers += scored.answers
            margins += scored.margins
        return places, rows, Scored(answers, margins)

    def tell(self, first: int, stop: int, moment_us: int) -> None:
        """Report the outcomes of rows that were answered."""
        sheet = self._sheet
        places = sheet.to_tell(first, stop)
        if not places:
            return
        received_us = time.time_ns() // 1000
        reports = self._reports.take(first, stop)
        items = self._outcomes.read([reports[at - first] for at in places], received_us)
        self._journal.write([payload(Kind.OUTCOME, [received_us, self._ids.new(), items])])
        sheet.told[places] = True
        sheet.reports += 1
        sheet.reached(moment_us)


def caller_id(name: str, number: int) -> str:
    """The caller's id of one row of the replay `name`: `number` is that of the row in bronze."""
    return f"replay:{name}:{number}"


def reason_of(sentence: str) -> str:
    """A refusal without the number of the row, so that equal ones are counted together.

    >>> reason_of("Row 0: column 'x' is infinite.")
    "column 'x' is infinite."
    """
    head, colon, rest = sentence.partition(": ")
    return rest if colon and head.startswith("Row ") and head[4:].isdigit() else sentence
