"""The Open Inference Protocol as `tritonclient`, which is not ours, speaks it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jomon.serving.v2 import (
    ProtocolError,
    WantedOutput,
    encode_response,
    error_body,
    model_metadata,
    model_ready,
    parse_request,
    server_live,
    server_metadata,
    server_ready,
)
from jomon.serving.v2.datatypes import DATATYPES

from .v2_samples import COLUMNS

pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed")
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

from .triton_checks import check_with_tritonclient

DIGEST = f"sha256:{'ab' * 32}"
VERSIONS = ["latest", DIGEST]
FIXED = [name for name, datatype in DATATYPES.items() if datatype.size]


@given(st.data(), st.booleans(), st.booleans(), st.text(max_size=5))
def test_what_the_client_serialises_is_read_as_it_was(
    data: Any, binary: bool, two_dimensions: bool, request_id: str
) -> None:
    rows = data.draw(st.integers(0, 4))
    shape = [rows, 1] if two_dimensions else [rows]
    datatype = data.draw(st.sampled_from(FIXED))
    dtype = np.dtype(f"<{DATATYPES[datatype].code}")
    raw = data.draw(st.binary(min_size=8 * rows, max_size=8 * rows))
    numbers = np.frombuffer(raw, np.uint8).astype(dtype) if dtype.kind == "b" else np.frombuffer(raw, dtype)
    numbers = numbers[:rows] if dtype.kind != "f" else np.nan_to_num(numbers[:rows], posinf=1.0, neginf=-1.0)
    texts = data.draw(
        st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), min_size=rows, max_size=rows)
    )
    inputs = [
        InferInput("distance", shape, datatype).set_data_from_numpy(numbers.reshape(shape), binary),
        InferInput("carrier", shape, "BYTES").set_data_from_numpy(
            np.array(texts, object).reshape(shape), binary
        ),
    ]
    wanted = [InferRequestedOutput("chain", binary_data=binary), InferRequestedOutput("answer")]
    body, length = InferenceServerClient.generate_request_body(inputs, outputs=wanted, request_id=request_id)
    request = parse_request(body, COLUMNS, header_length=None if length is None else str(length))
    assert request.rows == rows
    assert request.id == (request_id or None)
    assert request.columns == {"distance": numbers.tolist(), "carrier": [text or None for text in texts]}
    assert request.outputs == (WantedOutput("chain", binary), WantedOutput("answer", True))


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=4),
    st.lists(st.booleans(), min_size=5, max_size=5),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)
def test_the_client_reads_the_answers_that_were_given(
    numbers: list[float], binary: list[bool], text: str
) -> None:
    texts = [text] * len(numbers)
    answers = dict.fromkeys(("answer", "margin"), numbers) | dict.fromkeys(("member", "chain"), texts)
    wanted = [WantedOutput(name, form) for name, form in zip(answers, binary, strict=False)]
    reply = encode_response(wanted, answers, model_name="flights", model_version=DIGEST, request_id=text)
    length = dict(reply.headers).get("inference-header-content-length")
    read = InferenceServerClient.parse_response_body(
        reply.body, header_length=None if length is None else int(length)
    )
    assert read.get_response()["id"] == text
    for output in wanted:
        found = read.as_numpy(output.name)
        assert found.shape == (len(numbers),)
        given_back = [item.decode() if isinstance(item, bytes) else item for item in found.tolist()]
        assert given_back == answers[output.name]


class Handler(BaseHTTPRequestHandler):
    """One small fleet over HTTP, whose answer is made of its columns: the protocol with a wire, and no more."""

    protocol_version = "HTTP/1.1"

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
                200, model_ready("flights", True) if ready else model_metadata("flights", VERSIONS, COLUMNS)
            )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.ending(self.path.strip("/").split("/")) != ["infer"]:
            self.reply(404, error_body("There is no such model."))
            return
        try:
            request = parse_request(
                body,
                COLUMNS,
                header_length=self.headers["Inference-Header-Content-Length"],
                content_type=self.headers["Content-Type"],
            )
        except ProtocolError as error:
            self.reply(error.status, error_body(str(error)))
            return
        answer = [answer_of(dict(zip(request.columns, row, strict=True))) for row in rows_of(request)]
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


def rows_of(request: Any) -> Iterator[tuple[Any, ...]]:
    return zip(*request.columns.values(), strict=True)


def answer_of(row: dict[str, Any]) -> float:
    """A number that every column of a row has a say in."""
    assert row["departure"] in ("2013-10-01T08:00:00Z", 1_380_614_400_000_000)
    seats = 0.0 if row["seats"] is None else row["seats"] / 7
    return float(row["distance"] / 3 + seats + len(row["carrier"]) + int(row["flight"]) / 1000)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Where the small server listens."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("departure", ["2013-10-01T08:00:00Z", 1_380_614_400_000_000])
def test_the_checks_for_a_running_server_hold_for_the_protocol_alone(url: str, departure: str | int) -> None:
    rows = [
        {"departure": departure, "distance": 1400.25, "seats": 150, "carrier": "UA", "flight": 1545},
        {"departure": departure, "distance": 200.1, "seats": None, "carrier": "B6", "flight": 7},
    ]
    check_with_tritonclient(url, "flights", rows, [answer_of(row) for row in rows])


def test_the_checks_find_a_wrong_answer(url: str) -> None:
    row = {
        "departure": "2013-10-01T08:00:00Z",
        "distance": 1.0,
        "seats": 1,
        "carrier": "UA",
        "flight": "1",
    }
    with pytest.raises(AssertionError, match="Not equal"):
        check_with_tritonclient(url, "flights", [row], [0.0])
