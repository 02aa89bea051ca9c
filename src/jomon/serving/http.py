"""The HTTP server of one worker, as an RSGI application: bodies in, answers out, each counted and logged.

The two routes that carry the traffic are handled here without a framework; the others go through the table of routes,
from which the OpenAPI document is made too.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Mapping
from time import perf_counter_ns
from types import MappingProxyType
from typing import Any

import msgspec

from jomon.core.errors import JomonError
from jomon.serving.batcher import Waiting
from jomon.serving.bodies import UNREAD, Bodies, coded, cut
from jomon.serving.decoding import raw_row
from jomon.serving.errors import RequestError
from jomon.serving.explaining import explained_beside
from jomon.serving.handlers import Handlers
from jomon.serving.image import RequestIds, Scored
from jomon.serving.lane import Lane
from jomon.serving.reply import CLOSE, JSON, PLAIN_JSON, Headers, Reply, json_reply
from jomon.serving.routes import Route, match
from jomon.serving.telling import to_stderr
from jomon.serving.worker import Worker

_encode = msgspec.json.Encoder().encode
SENTENCE = 500
"""Characters of a refusal, at most."""
NO_PARAMS: Mapping[str, str] = MappingProxyType({})


class Exchange(msgspec.Struct, eq=False):
    """One request on its way: what handlers need to know, and what the access log tells of it."""

    scope: Any
    method: str
    path: str
    request_id: str
    received_us: int
    started: int
    """Of the clock that only runs forward, nanoseconds."""
    route: str = ""
    params: Mapping[str, str] = NO_PARAMS
    rows: int = 0
    caller_id: str | None = None
    key_id: str | None = None
    fleet: str = ""
    image: str = ""
    body: bytes = b""


class App:
    """Answers requests with what a `Worker` holds."""

    def __init__(self, worker: Worker, version: str) -> None:
        self.worker = worker
        self._ids = RequestIds()
        self._bodies = Bodies(worker.limits.body_bytes, worker.limits.seconds, worker.hosts)
        self._handlers = Handlers(worker, version)
        self._predict: dict[str, tuple[Lane, str]] = {}

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start what runs beside the requests; Granian calls it before the first one."""
        self.worker.start(loop)
        self._bodies.start(loop)
        lanes = self.worker.lanes
        self._predict = {f"/predict/{name}": (lane, "predict_fleet") for name, lane in lanes.items()}
        if len(lanes) == 1:
            self._predict["/predict"] = (next(iter(lanes.values())), "predict")

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """End in order: everything that was acknowledged is synced."""
        self.worker.stop(loop)

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        """Answer one request."""
        worker = self.worker
        exchange = Exchange(
            scope, scope.method, scope.path, self._ids.new(), worker.now_us(), perf_counter_ns()
        )
        worker.in_flight += 1
        reply: tuple[int, Headers, bytes]
        try:
            try:
                hot = self._predict.get(exchange.path) if exchange.method == "POST" else None
                if hot is None:
                    reply = await self._routed(exchange, proto)
                else:
                    lane, exchange.route = hot
                    if worker.authority is not None:
                        exchange.key_id = worker.authority.allow(scope.headers, "predict", lane.fleet)
                    bodies = self._bodies
                    task = bodies.begin()
                    try:
                        body = await bodies.read(scope, proto)
                    except (RequestError, asyncio.CancelledError):
                        raise
                    except Exception as error:
                        raise cut(error) from error
                    finally:
                        bodies.end(task)
                    image = lane.image
                    exchange.fleet, exchange.image = image.fleet, image.digest
                    sent = image.decoder.decode(body)
                    exchange.caller_id, exchange.rows = sent.id, len(sent.rows)
                    if exchange.rows > worker.limits.rows:
                        raise worker.too_many_rows(exchange.rows)
                    waiting = lane.batcher.submit(
                        image,
                        exchange.request_id,
                        sent.id,
                        exchange.received_us,
                        [raw_row(row) for row in sent.rows],
                    )
                    scored = await waiting.done
                    if sent.explain or sent.id is not None:
                        reply = await self._told_all(exchange, waiting, scored, explain=sent.explain)
                    else:
                        text = (
                            f'{{"request_id":"{exchange.request_id}",{image.reply_head}{scored.answers!r}}}'
                        )
                        reply = 200, PLAIN_JSON, text.encode()
            except Exception as error:
                reply = self._refused(exchange, error)
                if reply.status in UNREAD and not await self._bodies.discard(proto):
                    reply = Reply(reply.status, [*reply.headers, CLOSE], reply.body)
            except asyncio.CancelledError:
                if not self._bodies.timed_out():
                    raise
                reply = self._refusal(
                    exchange,
                    RequestError(408, "The request took too long to arrive: send it faster.", "slow"),
                )
            status, headers, data = reply
            if worker.closing:
                headers = [*headers, CLOSE]
            proto.response_bytes(status, headers, data)
            worker.finished(exchange, status)
        finally:
            worker.in_flight -= 1

    async def _told_all(
        self, exchange: Exchange, waiting: Waiting, scored: Scored, *, explain: bool
    ) -> Reply:
        """An answer with more than numbers."""
        document: dict[str, Any] = {
            "request_id": exchange.request_id,
            "id": exchange.caller_id,
            **waiting.image.names,
            "answers": scored.answers,
        }
        if explain:
            document["explanations"] = await explained_beside(waiting.image, waiting.rows)
        return json_reply(document)

    def _refused(self, exchange: Exchange, error: Exception) -> Reply:
        """The reply to a request that raised; a defect is told to the operator, the caller learns its id."""
        if isinstance(error, RequestError):
            return self._refusal(exchange, coded(error, exchange.scope.headers))
        if isinstance(error, JomonError):
            return self._refusal(exchange, RequestError(422, str(error), "invalid"))
        text = "".join(traceback.format_exception(error))
        to_stderr(f"request {exchange.request_id} failed:\n{text}")
        return self._refusal(
            exchange, RequestError(500, "This is a defect of the server: tell its operator the id.", "defect")
        )

    async def _routed(self, exchange: Exchange, proto: Any) -> Reply:
        """Any other route."""
        found = match(exchange.method, exchange.path)
        if isinstance(found, RequestError):
            exchange.route = "unmatched"
            try:
                raise found
            finally:
                # Else the request would hold itself, and its connection, until garbage is collected.
                del found
        route, exchange.params = found
        exchange.route = route.name
        await self._allowed(exchange, route)
        if route.has_body:
            exchange.body = await self._bodies.receive(exchange.scope, proto)
        return await self._handlers.handle(exchange)

    async def _allowed(self, exchange: Exchange, route: Route) -> None:
        authority = self.worker.authority
        if authority is not None and route.permission is not None:
            lanes = self.worker.lanes
            fleet = exchange.params.get("fleet") or (next(iter(lanes)) if len(lanes) == 1 else None)
            exchange.key_id = authority.allow(exchange.scope.headers, route.permission, fleet)
        elif self.worker.hosts is not None and route.permission is not None:
            self.worker.hosts.check(exchange.scope.headers)

    def _refusal(self, exchange: Exchange, error: RequestError) -> Reply:
        self.worker.refused(exchange, error)
        headers = JSON
        if error.retry_after is not None:
            headers = [*headers, ("retry-after", str(error.retry_after))]
        if error.status == 401:
            headers = [*headers, ("www-authenticate", 'Bearer realm="jomon"')]
        if error.allow:
            headers = [*headers, ("allow", error.allow)]
        sentence = str(error)
        if len(sentence) > SENTENCE:  # it repeats what was sent
            sentence = f"{sentence[:SENTENCE]}..."
        body = _encode({"error": sentence, "request_id": exchange.request_id})
        return Reply(error.status, headers, body)
