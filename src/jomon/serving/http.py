"""The HTTP server of one worker, as an RSGI application: bodies in, answers out, each counted and logged.

The two routes that carry the traffic are handled here without a framework; the others go through the table of routes,
from which the OpenAPI document is made too.
"""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections.abc import Mapping
from typing import Any

import msgspec

from jomon.core.errors import JomonError
from jomon.serving.bodies import Bodies
from jomon.serving.errors import RequestError
from jomon.serving.explaining import explained
from jomon.serving.image import RequestIds
from jomon.serving.lane import Lane
from jomon.serving.reply import JSON, Reply, json_reply
from jomon.serving.routes import Route, match
from jomon.serving.handlers import Handlers
from jomon.serving.worker import Worker

_encode = msgspec.json.Encoder().encode
Headers = list[tuple[str, str]]


class Exchange:
    """One request on its way: what handlers need to know, and what the access log tells of it."""

    __slots__ = (
        "body", "caller_id", "fleet", "image", "key_id", "method", "params", "path", "proto", "received_us",
        "request_id", "route", "rows", "scope", "started",
    )  # fmt: skip

    def __init__(self, scope: Any, proto: Any, request_id: str, received_us: int) -> None:
        self.scope, self.proto, self.request_id, self.received_us = scope, proto, request_id, received_us
        self.started = time.perf_counter()
        self.method, self.path, self.route = scope.method, scope.path, ""
        self.params: Mapping[str, str] = {}
        self.rows = 0
        self.caller_id: str | None = None
        self.key_id: str | None = None
        self.fleet = self.image = ""
        self.body = b""


class App:
    """Answers requests with what a `Worker` holds."""

    def __init__(self, worker: Worker, version: str) -> None:
        self.worker = worker
        self._ids = RequestIds()
        self._bodies = Bodies(worker.limits.body_bytes, worker.limits.seconds)
        self._handlers = Handlers(worker, version)
        self._predict: dict[str, tuple[Lane, str]] = {}
        self._in_flight = 0

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
        exchange = Exchange(scope, proto, self._ids.new(), self.worker.now_us())
        self.worker.in_flight += 1
        try:
            hot = self._predict.get(exchange.path) if exchange.method == "POST" else None
            try:
                if hot is not None:
                    exchange.route = hot[1]
                    reply = await self._answer(exchange, hot[0])
                else:
                    reply = await self._routed(exchange)
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
            proto.response_bytes(reply.status, reply.headers, reply.body)
            self.worker.finished(exchange, reply.status)
        finally:
            self.worker.in_flight -= 1

    async def _answer(self, exchange: Exchange, lane: Lane) -> Reply:
        """`POST /predict`."""
        worker = self.worker
        if worker.authority is not None:
            exchange.key_id = worker.authority.allow(exchange.scope.headers, "predict", lane.fleet)
        body = await self._bodies.read(exchange.scope, exchange.proto)
        image = lane.image
        sent = image.decoder.decode(body)
        exchange.rows, exchange.fleet, exchange.image, exchange.caller_id = (
            len(sent.rows), image.fleet, image.digest, sent.id,
        )  # fmt: skip
        if exchange.rows > worker.limits.rows:
            raise worker.too_many_rows(exchange.rows)
        rows, scored = await lane.batcher.answer(
            image, exchange.request_id, sent.id, exchange.received_us, sent.rows
        )
        if sent.explain or sent.id is not None:
            document: dict[str, Any] = {
                "request_id": exchange.request_id,
                "id": sent.id,
                **image.names,
                "answers": scored.answers,
            }
            if sent.explain:
                document["explanations"] = explained(image, rows)
            return json_reply(document)
        text = f'{{"request_id":"{exchange.request_id}",{image.reply_head}{scored.answers!r}}}'
        return Reply(200, JSON, text.encode())

    async def _routed(self, exchange: Exchange) -> Reply:
        """Any other route."""
        found = match(exchange.method, exchange.path)
        if isinstance(found, RequestError):
            exchange.route = "unmatched"
            raise found
        route, exchange.params = found
        exchange.route = route.name
        await self._allowed(exchange, route)
        if route.has_body:
            exchange.body = await self._bodies.read(exchange.scope, exchange.proto)
        return await self._handlers.handle(exchange)

    async def _allowed(self, exchange: Exchange, route: Route) -> None:
        authority = self.worker.authority
        if authority is not None and route.permission is not None:
            fleet = exchange.params.get("fleet")
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
