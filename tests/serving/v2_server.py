"""A small server of the Open Inference Protocol: the protocol with a wire, and a fleet that is a function of a row."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from jomon.core.row_columns import RowColumns
from jomon.serving.v2 import (
    ProtocolError,
    encode_response,
    error_body,
    model_metadata,
    model_ready,
    parse_request,
    server_live,
    server_metadata,
    server_ready,
)

DIGEST = f"sha256:{'ab' * 32}"
VERSIONS = ["latest", DIGEST]
Answer = Callable[[dict[str, Any]], float]


@contextmanager
def running(columns: RowColumns, answer: Answer) -> Iterator[str]:
    """The address of a server of the fleet `flights`, whose rows bring `columns`, while it runs."""
    handler = type("FleetHandler", (Handler,), {"columns": columns, "answer": staticmethod(answer)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    columns: RowColumns
    answer: Answer

    def do_GET(self) -> None:
        path = self.path.strip("/").split("/")
        if path == ["v2"]:
            self.reply(200, server_metadata("1.0"))
        elif path == ["v2", "health", "live"]:
            self.reply(200, server_live())
        elif path == ["v2", "health", "ready"]:
            self.reply(200, server_ready(True))
        elif (ending := self.ending(path)) is None:
            self.reply(404, error_body("There is no such model."))
        else:
            ready = ending == ["ready"]
            self.reply(
                200,
                model_ready("flights", True) if ready else model_metadata("flights", VERSIONS, self.columns),
            )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.ending(self.path.strip("/").split("/")) != ["infer"]:
            self.reply(404, error_body("There is no such model."))
            return
        try:
            request = parse_request(
                body,
                self.columns,
                header_length=self.headers["Inference-Header-Content-Length"],
                content_type=self.headers["Content-Type"],
            )
        except ProtocolError as error:
            self.reply(error.status, error_body(str(error)))
            return
        rows = zip(*request.columns.values(), strict=True)
        answer = [self.answer(dict(zip(request.columns, row, strict=True))) for row in rows]
        chains = [f"<all> > carrier={carrier}" for carrier in request.columns["carrier"]]
        answers = {
            "answer": answer,
            "margin": answer,
            "chain": chains,
            "member": [chain.partition(" > ")[2] for chain in chains],
            "explanation": [json.dumps([chain]) for chain in chains],
        }
        reply = encode_response(
            request.outputs, answers, model_name="flights", model_version=DIGEST, request_id=request.id
        )
        self.reply(200, reply.body, reply.headers)

    def ending(self, path: list[str]) -> list[str] | None:
        """What follows model and version in a path; None where they are not served."""
        if path[:3] != ["v2", "models", "flights"]:
            return None
        rest = path[3:]
        if rest[:1] == ["versions"]:
            return rest[2:] if rest[1] in VERSIONS else None
        return rest

    def reply(self, status: int, body: bytes, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
