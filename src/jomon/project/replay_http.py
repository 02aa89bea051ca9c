"""A replay answered by a server: one request for each row over connections that stay open, sent in event order.

A request is sent when all earlier ones were, and no row is so far ahead of one without an answer as there are
connections: so far, at most, rows may come out of order. Where one has to be sent again, the later ones wait, and fewer
are on their way for a while if the server was too busy; a report of outcomes waits for the answers to its rows.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from jomon.core.errors import JomonError
from jomon.project.replay_connection import Answer, Connection, Target
from jomon.project.replay_plan import Pace, Tell, texts_of
from jomon.project.replay_process import Told, caller_id, reason_of
from jomon.project.replay_sheet import Sheet

ANSWER_SECONDS = 30.0
PATIENCE = 30.0
"""Seconds for which a request is sent again before the replay gives up."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds before a request is sent again: where the connection broke, doubled each time; and at most."""
_BUSY_PAUSE = 1.0
_GOOD = 50  # answers in a row after which one more request may be on its way
_OK, _ACCEPTED, _MISFIT, _BUSY = 200, 202, 422, 503
_CALLERS_FAULT = (401, 403, 404)


def play(
    target: Target,
    fleet: str,
    sheet: Sheet,
    name: str,
    pace: Pace,
    *,
    connections: int,
    outcomes: bool,
    told: Told,
    patience: float = PATIENCE,
) -> None:
    """Ask the server at `target` about the rows of `sheet`, and report their outcomes.

    Where it does not answer for `patience` seconds the rest is not sent, and `sheet.problem` says why. Raises
    `JomonError` where it cannot be reached at all, wants another key, or does not know the fleet.
    """
    sender = _Sender(target, fleet, sheet, name, pace, outcomes=outcomes, told=told, patience=patience)
    with asyncio.Runner(loop_factory=_fast_loop()) as runner:
        runner.run(sender.run(connections))


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


class _Predicted(msgspec.Struct):
    request_id: str
    image: str
    answers: list[float]


class _Refused(msgspec.Struct):
    error: str


class _Sent(NamedTuple):
    """A request on its way: the row it asks about, or the rows whose outcomes it reports."""

    request: bytes
    row: int
    told: list[int]
    began: float


class _Sender:
    """Sends a replay; all its state is of one event loop."""

    def __init__(
        self,
        target: Target,
        fleet: str,
        sheet: Sheet,
        name: str,
        pace: Pace,
        *,
        outcomes: bool,
        told: Told,
        patience: float,
    ) -> None:
        self._target, self._sheet, self._name, self._pace = target, sheet, name, pace
        self._outcomes, self._told, self._patience = outcomes, told, patience
        self._predict, self._report = f"/predict/{quote(fleet)}", f"/outcomes/{quote(fleet)}"
        self._encode = msgspec.json.Encoder().encode
        self._predicted = msgspec.json.Decoder(_Predicted).decode
        self._reports = sheet.recorded.outcomes(texts_of)
        self._events = self._rows_and_reports()
        self._in_flight: dict[int, None] = {}  # rows whose answer is awaited, in ascending order
        self._troubled = self._on_their_way = self._good = 0
        self._most = self._allowed = 1  # requests that may be on their way: half as many after a 503
        self._error: JomonError | None = None

    async def run(self, connections: int) -> None:
        """Send everything."""
        self._most = self._allowed = connections
        self._turn, self._again_turn = asyncio.Lock(), asyncio.Lock()
        self._clear, self._settled, self._over = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._clear.set()
        opened = [Connection(self._target, ANSWER_SECONDS) for _ in range(connections)]
        try:
            try:
                await opened[0].connect()
            except OSError as error:
                raise JomonError(
                    f"{self._target.url} does not answer ({_why(error)}): is the server running?"
                ) from None
            await asyncio.gather(*(self._work(connection) for connection in opened))
        finally:
            for connection in opened:
                connection.close()
        if self._error is not None:
            raise self._error

    def _rows_and_reports(self) -> Iterator[tuple[int, dict[str, Any]] | Tell]:
        """Each row with what is sent of it, and each report, in event order."""
        documents = self._sheet.recorded.documents()
        for step in self._sheet.recorded.steps():
            if isinstance(step, Tell):
                if self._outcomes:
                    yield step
                continue
            for row in range(step.first, step.stop):
                yield from enumerate(documents.take(row, row + 1), start=row)

    async def _work(self, connection: Connection) -> None:
        """Send what is next over one connection, until nothing is left."""
        while not self._over.is_set():
            async with self._turn:
                sent = await self._next(connection)
            if sent is None:
                return
            self._on_their_way += 1
            answer = await self._answer(connection, sent)
            self._on_their_way -= 1
            if sent.row >= 0:
                if answer is None:
                    self._sheet.fail("it was not answered")
                else:
                    self._take_answer(sent, answer)
                del self._in_flight[sent.row]
            elif answer is None:
                self._sheet.outcomes_failed["it was not answered"] += len(sent.told)
            else:
                self._take_receipt(sent, answer)
            self._settled.set()

    async def _next(self, connection: Connection) -> _Sent | None:
        """Send the next request when its moment has come; None where there is none."""
        sheet = self._sheet
        for event in self._events:
            if isinstance(event, Tell):
                moment, answered = event.moment, event.stop
            else:
                moment, answered = int(sheet.recorded.times[event[0]]), event[0] - self._most + 1
            if not await self._may_send(moment, answered):
                return None
            if isinstance(event, Tell):
                places = sheet.to_tell(event.first, event.stop)
                if not places:
                    continue
                reports = self._reports.take(event.first, event.stop)
                body = self._encode({"outcomes": [reports[at - event.first] for at in places]})
                sent = _Sent(self._target.post(self._report, body), -1, places, time.perf_counter())
            else:
                row, document = event
                own = caller_id(self._name, int(sheet.recorded.numbers[row]))
                body = self._encode({"rows": (document,), "id": own})
                sheet.asked += 1
                self._in_flight[row] = None
                sent = _Sent(self._target.post(self._predict, body), row, [], time.perf_counter())
            sheet.reached(moment)
            self._told(moment)
            try:
                await connection.connect()
                connection.send(sent.request)
            except OSError:
                connection.close()  # `_answer` finds it closed, and tries again
                self._clear.clear()
            return sent
        return None

    async def _may_send(self, moment_us: int, answered: int) -> bool:
        """Wait for the moment, until no earlier request is in trouble, and until all rows before `answered` have their
        answer; false where all is over."""
        while not self._over.is_set():
            seconds = self._pace.due_in(moment_us)
            if seconds > 0:
                try:
                    await asyncio.wait_for(self._over.wait(), seconds)
                except TimeoutError:
                    continue
            if not self._clear.is_set():
                await self._clear.wait()
            elif self._on_their_way >= self._allowed or next(iter(self._in_flight), answered) < answered:
                self._settled.clear()
                await self._settled.wait()
            else:
                return True
        return False

    async def _answer(self, connection: Connection, sent: _Sent) -> Answer | None:
        """The answer to what was sent, sent again where it was not taken; None where patience ends."""
        try:
            answer = await connection.receive()
            if answer.status != _BUSY:
                self._went_well()
                return answer
            pause, why = _asked(answer), "it is too busy"
            self._slow_down()
        except (OSError, EOFError, ValueError) as error:
            pause, why = FIRST_PAUSE, _why(error)
        self._troubled += 1
        self._clear.clear()
        try:
            return await self._again(connection, sent.request, pause, why)
        finally:
            self._troubled -= 1
            if not self._troubled:
                self._clear.set()

    def _went_well(self) -> None:
        self._good += 1
        if self._good >= _GOOD and self._allowed < self._most:
            self._allowed, self._good = self._allowed + 1, 0

    def _slow_down(self) -> None:
        """Have fewer on their way; those that are refused at the same time count once."""
        if not self._troubled:
            self._allowed = max(self._allowed // 2, 1)
        self._good = 0

    async def _again(self, connection: Connection, request: bytes, pause: float, why: str) -> Answer | None:
        until, broken = time.monotonic() + self._patience, FIRST_PAUSE
        while time.monotonic() + pause < until and not self._over.is_set():
            try:
                await asyncio.wait_for(self._over.wait(), pause)
                return None
            except TimeoutError:
                pass
            try:
                async with self._again_turn:  # not all at the same moment: that is what it was too busy for
                    self._sheet.retried += 1
                    await connection.connect()
                    connection.send(request)
                    answer = await connection.receive()
                if answer.status != _BUSY:
                    return answer
                pause, why = _asked(answer), "it is too busy"
            except (OSError, EOFError, ValueError) as error:
                broken = min(broken * 2, LONGEST_PAUSE)
                pause, why = broken, _why(error)
        self._end(f"{self._target.url} did not answer for {self._patience:g} s ({why})")
        return None

    def _end(self, problem: str = "", error: JomonError | None = None) -> None:
        """Send nothing more."""
        self._sheet.problem = self._sheet.problem or problem
        self._error = self._error or error
        self._over.set()
        self._clear.set()

    def _take_answer(self, sent: _Sent, answer: Answer) -> None:
        sheet = self._sheet
        if answer.status == _OK:
            try:
                found = self._predicted(answer.body)
                value = found.answers[0]
            except (msgspec.MsgspecError, IndexError):
                self._end(error=self._stranger())
                return
            row = sent.row
            sheet.latencies[row] = time.perf_counter() - sent.began
            sheet.answers[row] = value
            sheet.image_of[row] = sheet.image(found.image)
            sheet.request_ids[row] = found.request_id
            return
        sentence = self._sentence(answer)
        if answer.status == _MISFIT:
            sheet.refuse(reason_of(sentence))
        else:
            sheet.fail(f"status {answer.status}: {sentence}")

    def _take_receipt(self, sent: _Sent, answer: Answer) -> None:
        if answer.status == _ACCEPTED:
            self._sheet.told[sent.told] = True
            self._sheet.reports += 1
        else:
            self._sheet.outcomes_failed[self._sentence(answer)] += len(sent.told)

    def _sentence(self, answer: Answer) -> str:
        """What the server said; the replay ends where it would say it to every request."""
        try:
            sentence = msgspec.json.decode(answer.body, type=_Refused).error
        except msgspec.MsgspecError:
            sentence = "no reason was given"
            if answer.status in (_MISFIT, *_CALLERS_FAULT):
                self._end(error=self._stranger())
        else:
            if answer.status in _CALLERS_FAULT:
                self._end(error=JomonError(f"{self._target.url} refuses: {sentence}"))
        return sentence

    def _stranger(self) -> JomonError:
        return JomonError(f"What answers at {self._target.url} is no jomon server: check the URL.")


def _asked(answer: Answer) -> float:
    """The pause that a busy server asks for."""
    asked = _BUSY_PAUSE if answer.retry_after is None else answer.retry_after
    return min(max(asked, FIRST_PAUSE), LONGEST_PAUSE)


def _why(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, EOFError):
        return "it closed the connection"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate does not hold: {error.verify_message}"
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    reason = str(said).rstrip(".").lower()
    return "connection refused" if _REFUSED.search(reason) else reason


_REFUSED = re.compile("refused|connect call failed")  # asyncio's own loop says it in its own words
