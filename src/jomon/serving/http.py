"""The HTTP server of one worker, as an RSGI application: bodies in, answers out, each counted and logged.

The two routes that carry the traffic are handled here without a framework; the others go through the table of routes,
from which the OpenAPI document is made too.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Mapping
from time import perf_counter_ns
from types import MappingProxyType
from typing import Any

import msgspec

from jomon.core.errors import JomonError
from jomon.serving.batcher import LARGE
from jomon.serving.bodies import Bodies
from jomon.serving.decoding import raw_row
from jomon.serving.errors import RequestError
from jomon.serving.explaining import explained
from jomon.serving.handlers import Handlers
from jomon.serving.image import RequestIds
from jomon.serving.lane import Lane
from jomon.serving.reply import JSON, Headers, Reply, json_reply
from jomon.serving.routes import Route, match
from jomon.serving.worker import Worker

_encode = msgspec.json.Encoder().encode
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
        self._bodies = Bodies(worker.limits.body_bytes, worker.limits.seconds)
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
        try:
            reply: tuple[int, Headers, bytes]
            hot = self._predict.get(exchange.path) if exchange.method == "POST" else None
            try:
                if hot is not None:
                    exchange.route = hot[1]
                    reply = await self._answer(exchange, hot[0], proto)
                else:
                    reply = await self._routed(exchange, proto)
            except RequestError as error:
                reply = self._refusal(exchange, error)
            except JomonError as error:
                reply = self._refusal(exchange, RequestError(422, str(error), "invalid"))
            except asyncio.CancelledError:
                if not self._bodies.timed_out():
                    raise
                reply = self._refusal(
                    exchange,
                    RequestError(408, "The request took too long to arrive: send it faster.", "slow"),
                )
            except Exception:  # a defect: the caller learns its id, the operator reads the rest
                sys.stderr.write(f"request {exchange.request_id} failed:\n{traceback.format_exc()}")
                reply = self._refusal(
                    exchange,
                    RequestError(500, "This is a defect of the server: tell its operator the id.", "defect"),
                )
            status, headers, body = reply
            proto.response_bytes(status, headers, body)
            worker.finished(exchange, status)
        finally:
            worker.in_flight -= 1

    async def _answer(self, exchange: Exchange, lane: Lane, proto: Any) -> tuple[int, Headers, bytes]:
        """`POST /predict`."""
        worker, request_id = self.worker, exchange.request_id
        if worker.authority is not None:
            exchange.key_id = worker.authority.allow(exchange.scope.headers, "predict", lane.fleet)
        body = await self._bodies.read(exchange.scope, proto)
        image = lane.image
        exchange.fleet, exchange.image = image.fleet, image.digest
        sent = image.decoder.decode(body)
        exchange.caller_id = sent.id
        exchange.rows = count = len(sent.rows)
        if count > worker.limits.rows:
            raise worker.too_many_rows(count)
        raw = [raw_row(row) for row in sent.rows]
        batcher = lane.batcher
        if count <= LARGE:
            waiting = batcher.submit(image, request_id, sent.id, exchange.received_us, raw)
            rows, scored = waiting.rows, await waiting.done  # type: ignore[misc]
        else:
            rows, scored = await batcher.answer(image, request_id, sent.id, exchange.received_us, raw)
        if not sent.explain and sent.id is None:
            text = f'{{"request_id":"{request_id}",{image.reply_head}{scored.answers!r}}}'
            return 200, JSON, text.encode()
        document: dict[str, Any] = {
            "request_id": request_id,
            "id": sent.id,
            **image.names,
            "answers": scored.answers,
        }
        if sent.explain:
            document["explanations"] = explained(image, rows)
        return json_reply(document)

    async def _routed(self, exchange: Exchange, proto: Any) -> Reply:
        """Any other route."""
        found = match(exchange.method, exchange.path)
        if isinstance(found, RequestError):
            exchange.route = "unmatched"
            raise found
        route, exchange.params = found
        exchange.route = route.name
        await self._allowed(exchange, route)
        if route.has_body:
            exchange.body = await self._bodies.read(exchange.scope, proto)
        return await self._handlers.handle(exchange)

    async def _allowed(self, exchange: Exchange, route: Route) -> None:
        authority = self.worker.authority
        if authority is not None and route.permission is not None:
            lanes = self.worker.lanes
            fleet = exchange.params.get("fleet") or (next(iter(lanes)) if len(lanes) == 1 else None)
            exchange.key_id = authority.allow(exchange.scope.headers, route.permission, fleet)

    def _refusal(self, exchange: Exchange, error: RequestError) -> Reply:
        self.worker.refused(exchange, error)
        headers = JSON
        if error.retry_after is not None:
            headers = [*headers, ("retry-after", str(error.retry_after))]
        if error.status == 401:
            headers = [*headers, ("www-authenticate", 'Bearer realm="jomon"')]
        if error.allow:
            headers = [*headers, ("allow", error.allow)]
        body = _encode({"error": str(error), "request_id": exchange.request_id})
        return Reply(error.status, headers, body)
