"""What the routes beside `/predict` do: the Open Inference Protocol, outcomes, metadata, metrics, the page."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from jomon.core.journal import Kind
from jomon.core.moments import TimeReader
from jomon.core.outcome_values import OutcomeReader
from jomon.serving import v2
from jomon.serving.batcher import RETRY_AFTER
from jomon.serving.describing import describe
from jomon.serving.errors import RequestError
from jomon.serving.explaining import explained_beside
from jomon.serving.image import Scored, ServedImage
from jomon.serving.journal import JournalFull, payload
from jomon.serving.lane import Lane
from jomon.serving.messages import FleetsResponse, OutcomesRequest, OutcomesResponse, ServedFleet, ServerLinks
from jomon.serving.metrics import CONTENT_TYPE, render
from jomon.serving.openapi import document
from jomon.serving.page import page
from jomon.serving.reply import JSON, Reply, json_reply, typed_reply
from jomon.serving.routes import BY_NAME
from jomon.serving.rowpath import Row

if TYPE_CHECKING:
    from jomon.serving.http import Exchange
    from jomon.serving.worker import Worker

Handler = Callable[["Exchange"], Awaitable[Reply]]
_INFER_HEADER = "inference-header-content-length"


class Handlers:
    """Handles what is not on the hot path, for one worker."""

    def __init__(self, worker: Worker, version: str) -> None:
        self._worker, self._version = worker, version
        self._outcomes = msgspec.json.Decoder(OutcomesRequest)
        self._readers: dict[str, OutcomeReader] = {}
        self._document = b""
        self._document_of: tuple[str, ...] = ()
        self._by_name: dict[str, Handler] = {
            "predict": self._which,
            "predict_fleet": self._which,
            "outcomes": self._report,
            "outcomes_fleet": self._report,
            "fleets": self._fleets,
            "index": self._index,
            "metrics": self._metrics,
            "openapi": self._openapi,
            "docs": self._docs,
            "v2_server": self._v2_server,
            "v2_live": self._v2_live,
            "v2_ready": self._v2_ready,
            "v2_model": self._v2_model,
            "v2_model_version": self._v2_model,
            "v2_model_ready": self._v2_model_ready,
            "v2_model_version_ready": self._v2_model_ready,
            "v2_infer": self._v2_infer,
            "v2_infer_version": self._v2_infer,
        }
        assert set(self._by_name) == set(BY_NAME)

    async def handle(self, exchange: Exchange) -> Reply:
        """The reply to a request whose route, parameters and body are known."""
        return await self._by_name[exchange.route](exchange)

    async def _which(self, exchange: Exchange) -> Reply:
        """A prediction for a fleet that is not served: found ones go the hot way."""
        self._worker.lane(exchange.params.get("fleet"))
        raise RequestError(404, "This path is not served.", "no_route")

    # Outcomes.

    async def _report(self, exchange: Exchange) -> Reply:
        lane = self._worker.lane(exchange.params.get("fleet"))
        exchange.fleet = lane.fleet
        try:
            sent = self._outcomes.decode(exchange.body)
        except msgspec.ValidationError as error:
            raise RequestError(
                422, f"The body does not fit: {error}; /docs shows what is sent.", "invalid"
            ) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            raise RequestError(
                400, f"The body is no JSON that can be read ({error}): correct it.", "malformed"
            ) from None
        exchange.rows = len(sent.outcomes)
        if exchange.rows > self._worker.limits.rows:
            raise self._worker.too_many_rows(exchange.rows)
        documents = [msgspec.structs.asdict(item) for item in sent.outcomes]
        for one in documents:
            for name in [name for name, value in one.items() if value is msgspec.UNSET]:
                del one[name]
            if "key" in one:
                one.pop("row")
        items = self._reader(lane).read(documents, exchange.received_us)
        record = payload(Kind.OUTCOME, [exchange.received_us, exchange.request_id, items])
        loop = asyncio.get_running_loop()
        try:
            mark = lane.journal.write([record], wait=False)
            if lane.batcher.sync_first:
                await loop.run_in_executor(None, lane.journal.synced, mark)
        except JournalFull as error:
            lane.batcher.journal_works = False
            lane.tally.journal_failed()
            raise RequestError(
                503, "The log takes no more: no outcome was recorded; try again.", "journal", RETRY_AFTER
            ) from error
        lane.tally.add("jomon_outcomes_total", n=exchange.rows)
        return json_reply(OutcomesResponse(exchange.rows, exchange.request_id), 202)

    def _reader(self, lane: Lane) -> OutcomeReader:
        reader = self._readers.get(lane.image.digest)
        if reader is None:
            runtime = lane.image.runtime
            spec = runtime.spec
            times = TimeReader(spec.data, runtime.context.local)
            reader = OutcomeReader(
                spec.data, times.read, hash_columns=spec.serving.log.hash, hashed=lane.image.hashed
            )
            if len(self._readers) > len(self._worker.lanes):
                self._readers.clear()
            self._readers[lane.image.digest] = reader
        return reader

    # Metadata.

    async def _fleets(self, exchange: Exchange) -> Reply:
        fleets = [
            ServedFleet(
                name, lane.image.reference, lane.image.digest, lane.versions, lane.image.members,
                lane.image.runtime.spec.question,
            )
            for name, lane in self._worker.lanes.items()
        ]  # fmt: skip
        return json_reply(FleetsResponse(fleets))

    async def _index(self, exchange: Exchange) -> Reply:
        links = {
            "docs": "/docs",
            "openapi": "/openapi.json",
            "metrics": "/metrics",
            "ready": "/v2/health/ready",
        }
        return json_reply(ServerLinks("jomon", self._version, links))

    async def _metrics(self, exchange: Exchange) -> Reply:
        self._worker.flush()
        loop = asyncio.get_running_loop()
        text = await loop.run_in_executor(None, render, self._worker.run.metrics, self._worker.checks)
        return typed_reply(CONTENT_TYPE, text)

    async def _openapi(self, exchange: Exchange) -> Reply:
        """The document, made again when an image was swapped."""
        lanes = self._worker.lanes.values()
        made_for = tuple(lane.image.digest for lane in lanes)
        if made_for != self._document_of:
            loop = asyncio.get_running_loop()
            self._document = await loop.run_in_executor(None, self._make_document)
            self._document_of = made_for
        return Reply(200, JSON, self._document)

    def _make_document(self) -> bytes:
        fleets = [
            describe(lane.image.runtime, lane.image.reference, lane.image.digest, lane.versions)
            for lane in self._worker.lanes.values()
        ]
        worker = self._worker
        return msgspec.json.encode(
            document(fleets, self._version, keys=worker.keys_required, max_rows=worker.limits.rows)
        )

    async def _docs(self, exchange: Exchange) -> Reply:
        return page()

    # The Open Inference Protocol.

    async def _v2_server(self, exchange: Exchange) -> Reply:
        return Reply(200, JSON, v2.server_metadata(self._version))

    async def _v2_live(self, exchange: Exchange) -> Reply:
        return Reply(200, JSON, v2.server_live())

    async def _v2_ready(self, exchange: Exchange) -> Reply:
        self._need_ready()
        return Reply(200, JSON, v2.server_ready(ready=True))

    def _need_ready(self) -> None:
        if not self._worker.ready:
            raise RequestError(
                503, "The server is not ready: " + self._worker.why_not + ".", "not_ready", RETRY_AFTER
            )

    async def _v2_model(self, exchange: Exchange) -> Reply:
        lane, image = self._image(exchange)
        body = v2.model_metadata(lane.fleet, lane.versions, image.columns, image.runtime.spec.question)
        return Reply(200, JSON, body)

    async def _v2_model_ready(self, exchange: Exchange) -> Reply:
        lane, _ = self._image(exchange)
        self._need_ready()
        return Reply(200, JSON, v2.model_ready(lane.fleet, ready=True))

    def _image(self, exchange: Exchange) -> tuple[Lane, ServedImage]:
        lane = self._worker.lane(exchange.params["fleet"])
        image = lane.version(exchange.params.get("version"))
        exchange.fleet, exchange.image = lane.fleet, image.digest
        return lane, image

    async def _v2_infer(self, exchange: Exchange) -> Reply:
        lane, image = self._image(exchange)
        headers = exchange.scope.headers
        asked = v2.parse_request(
            exchange.body,
            image.columns,
            header_length=headers.get(_INFER_HEADER),
            content_type=headers.get("content-type"),
            ignore_unknown=image.ignores_unknown,
            max_rows=self._worker.limits.rows,
        )
        exchange.rows, exchange.caller_id = asked.rows, asked.id
        raw = image.rows_of(asked.columns, asked.rows)
        waiting = lane.batcher.submit(image, exchange.request_id, asked.id, exchange.received_us, raw)
        scored = await waiting.done
        rows = waiting.rows
        encoded = v2.encode_response(
            asked.outputs,
            await _outputs(image, rows, scored, {output.name for output in asked.outputs}),
            model_name=lane.fleet,
            model_version=image.digest,
            request_id=asked.id,
            parameters={"request_id": exchange.request_id, "reference": image.reference},
        )
        return Reply(200, list(encoded.headers), encoded.body)


async def _outputs(image: ServedImage, rows: list[Row], scored: Scored, wanted: set[str]) -> dict[str, Any]:
    out: dict[str, Any] = {"answer": scored.answers, "margin": scored.margins}
    if "member" in wanted:
        out["member"] = [row.variant.chain[-1] for row in rows]
    if "chain" in wanted:
        out["chain"] = [" > ".join(row.variant.chain) for row in rows]
    if "explanation" in wanted:
        told = await explained_beside(image, rows)
        out["explanation"] = [msgspec.json.encode(one).decode() for one in told]
    return out
