"""The client against a server that does as it is told: refusals, retries, broken connections, threads."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import jomon
from jomon.client import CallError, Client, Prediction, ServedFleet
from jomon.core.errors import DataError, JomonError, PredictError, UnknownNameError

Reply = tuple[int, dict[str, str], bytes] | None
"""What the server answers; None: it closes the connection without a word."""
IMAGE = "sha256:" + "9a3f" * 16


def told(status: int, document: Any, **headers: str) -> Reply:
    return (
        status,
        {name.replace("_", "-"): value for name, value in headers.items()},
        json.dumps(document).encode(),
    )


def answered(request: Request) -> Reply:
    """As a fleet whose answers are the rows' `x`."""
    answers = [row["x"] for row in request.body["rows"]]
    document = {
        "request_id": "r1",
        "id": request.body["id"],
        "fleet": "flights",
        "reference": "flights:latest",
    }
    return told(200, {**document, "image": IMAGE, "answers": answers})


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: Any
    peer: tuple[str, int]


@dataclass
class Server:
    """Answers with `replies` in order, then always with the last; remembers what it was asked."""

    replies: list[Callable[[Request], Reply]]
    seen: list[Request] = field(default_factory=list)
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reply(self, request: Request) -> Reply:
        with self.lock:
            at = min(len(self.seen), len(self.replies) - 1)
            self.seen.append(request)
        return self.replies[at](request)


Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that gives the replies in order."""
    running: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(*replies: Callable[[Request], Reply] | Reply) -> Server:
        made = [reply if callable(reply) else (lambda _, fixed=reply: fixed) for reply in replies]
        server = Server(made)  # type: ignore[arg-type]

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do(self) -> None:
                data = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = json.loads(data) if data else None
                reply = server.reply(Request(self.command, self.path, headers, body, self.client_address))
                if reply is None:
                    self.close_connection = True
                    return
                status, headers, body = reply
                self.send_response(status)
                for name, value in {"content-length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = headers.get("connection") == "close"

            do_GET = do_POST = do  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                """A client that hung up is what some tests are about."""

        http = Quiet(("127.0.0.1", 0), Handler)
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        running.append((http, thread))
        server.url = f"http://127.0.0.1:{http.server_port}"
        return server

    yield start
    for http, thread in running:
        http.shutdown()
        http.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jomon.client.connection.FIRST_WAIT", 0.001)


def test_rows_are_sent_and_answers_come_back_as_values(serve: Serve) -> None:
    server = serve(answered)
    with Client(server.url, key="jk_secret") as client:
        found = client.predict([{"x": 0.5}, {"x": float("nan")}], "fl ights/ü", request_id="mine")
    assert found == Prediction([0.5, None], "r1", "mine", "flights", "flights:latest", IMAGE)  # type: ignore[list-item]
    (request,) = server.seen
    assert (request.method, request.path) == ("POST", "/predict/fl%20ights%2F%C3%BC")
    assert request.headers["authorization"] == "Bearer jk_secret"
    assert request.headers["content-type"] == "application/json"
    assert request.body == {"rows": [{"x": 0.5}, {"x": None}], "id": "mine", "explain": False}
    assert "secret" not in repr(client)


def test_a_call_without_an_id_gets_one_of_its_own(serve: Serve) -> None:
    server = serve(answered)
    with Client(server.url) as client:
        ids = {client.predict({"x": 1.0}).id for _ in range(3)}
    assert ids == {request.body["id"] for request in server.seen}
    assert len(ids) == 3
    assert server.seen[0].path == "/predict"


def test_explanations_come_if_they_are_asked_for(serve: Serve) -> None:
    def explained(request: Request) -> Reply:
        assert request.body["explain"] is True
        reply = answered(request)
        assert reply is not None
        return told(200, {**json.loads(reply[2]), "explanations": [{"segment": "a=b"}]})

    with Client(serve(explained).url) as client:
        assert client.predict({"x": 1.0}, explain=True).explanations == [{"segment": "a=b"}]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (422, PredictError),
        (404, UnknownNameError),
        (401, CallError),
        (403, CallError),
        (413, CallError),
        (500, CallError),
    ],
)
def test_a_refusal_is_an_error_with_the_sentence_of_the_server(
    serve: Serve, status: int, kind: type[JomonError]
) -> None:
    server = serve(told(status, {"error": "Row 0: column 'x' is missing: send it.", "request_id": "r9"}))
    with (
        Client(server.url) as client,
        pytest.raises(kind, match=r"Row 0: column 'x' is missing: send it\.") as caught,
    ):
        client.predict({})
    assert len(server.seen) == 1
    if isinstance(caught.value, CallError):
        assert (caught.value.status, caught.value.request_id) == (status, "r9")


def test_outcomes_are_reported_and_refused_ones_are_an_error_of_data(serve: Serve) -> None:
    server = serve(told(202, {"accepted": 2, "report_id": "p1"}), told(422, {"error": "Outcome 0: no."}))
    with Client(server.url) as client:
        report = client.outcomes(
            [{"key": {"a": 1}, "value": 1}, {"request_id": "r1", "value": None}], "flights"
        )
        assert (report.accepted, report.report_id) == (2, "p1")
        with pytest.raises(DataError, match=r"Outcome 0: no\."):
            client.outcomes({"request_id": "r1", "value": 1})
        with pytest.raises(DataError, match="infinite"):
            client.outcomes({"request_id": "r1", "value": float("inf")})
    assert [request.path for request in server.seen] == ["/outcomes/flights", "/outcomes"]
    assert server.seen[0].body["outcomes"] == [
        {"value": 1, "key": {"a": 1}},
        {"request_id": "r1", "value": None},
    ]


def test_a_server_that_is_busy_is_asked_again_after_the_time_it_names(serve: Serve) -> None:
    busy = told(503, {"error": "The queue is full: try again."}, retry_after="0")
    server = serve(busy, busy, answered)
    with Client(server.url) as client:
        assert client.predict({"x": 1.0}).answers == [1.0]
    assert len(server.seen) == 3
    assert len({request.body["id"] for request in server.seen}) == 1


def test_a_server_that_stays_busy_is_left_alone_after_the_retries(serve: Serve) -> None:
    server = serve(told(503, {"error": "The queue is full: try again."}, retry_after="0"))
    with Client(server.url, retries=1) as client, pytest.raises(CallError, match="queue is full") as caught:
        client.predict({"x": 1.0})
    assert caught.value.status == 503
    assert len(server.seen) == 2


def test_a_wait_longer_than_the_longest_is_not_waited(serve: Serve) -> None:
    server = serve(told(503, {"error": "Not now."}, retry_after="3600"))
    with Client(server.url, longest_wait=1) as client, pytest.raises(CallError, match="Not now"):
        client.predict({"x": 1.0})
    assert len(server.seen) == 1


def test_a_broken_connection_is_tried_again_with_the_same_id(serve: Serve) -> None:
    server = serve(None, answered)
    with Client(server.url) as client:
        assert client.predict({"x": 1.0}).answers == [1.0]
    assert len({request.body["id"] for request in server.seen}) == 1


def test_with_no_retries_nothing_is_sent_twice(serve: Serve) -> None:
    server = serve(None, answered)
    with Client(server.url, retries=0) as client, pytest.raises(CallError, match="does not answer"):
        client.predict({"x": 1.0})
    assert len(server.seen) == 1


def test_an_answer_that_breaks_off_is_no_answer(serve: Serve) -> None:
    server = serve((200, {"content-length": "1000", "connection": "close"}, b'{"answers":'), answered)
    with Client(server.url) as client:
        assert client.predict({"x": 1.0}).answers == [1.0]
    assert len(server.seen) == 2


def test_a_connection_stays_open_and_one_that_the_server_closed_is_replaced_without_a_retry(
    serve: Serve,
) -> None:
    def last(request: Request) -> Reply:
        reply = answered(request)
        assert reply is not None
        return reply[0], {"connection": "close"}, reply[2]

    server = serve(answered, answered, last, answered)
    with Client(server.url, retries=0) as client:
        for _ in range(4):
            client.predict({"x": 1.0})
            if len(server.seen) == 3:
                time.sleep(0.05)  # until the end of the connection is here
    ports = [request.peer[1] for request in server.seen]
    assert ports[0] == ports[1] == ports[2] != ports[3]


def test_an_idle_connection_that_ended_is_noticed_before_it_is_used() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        body = json.dumps({"fleets": []}).encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body)
        ended = threading.Event()

        def answer() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                connection.recv(65536)
                connection.sendall(head + body)
                connection.close()
                ended.set()

        thread = threading.Thread(target=answer)
        thread.start()
        with Client(f"127.0.0.1:{listener.getsockname()[1]}", retries=0) as client:
            assert client.fleets() == []
            ended.wait()
            time.sleep(0.05)
            assert client.fleets() == []
        thread.join()


def test_threads_share_a_client_and_each_has_a_connection(serve: Serve) -> None:
    server = serve(answered)
    begin = threading.Barrier(4)

    def ask(number: int) -> list[float]:
        begin.wait()
        return [client.predict({"x": float(number)}).answers[0] for _ in range(20)]

    with Client(server.url) as client, ThreadPoolExecutor(4) as threads:
        assert list(threads.map(ask, range(4))) == [[float(number)] * 20 for number in range(4)]
    assert len({request.peer for request in server.seen}) == 4


def test_a_call_that_takes_too_long_is_not_sent_again(serve: Serve) -> None:
    over = threading.Event()

    def slow(request: Request) -> Reply:
        over.wait(10)
        return answered(request)

    server = serve(slow)
    with (
        Client(server.url, timeout=0.1) as client,
        pytest.raises(CallError, match=r"did not answer within 0\.1 s"),
    ):
        client.predict({"x": 1.0})
    over.set()
    assert len(server.seen) == 1


def test_a_server_that_is_not_there_is_not_live_and_not_ready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}", retries=1) as client:
        assert not client.live()
        assert not client.ready()
        with pytest.raises(CallError, match="is it running") as caught:
            client.predict({"x": 1.0})
    assert caught.value.status is None


def test_health_is_asked_once_and_told_by_the_status(serve: Serve) -> None:
    server = serve(
        told(200, {"live": True}), told(503, {"error": "Draining."}, retry_after="0"), told(200, {})
    )
    with Client(server.url) as client:
        assert (client.live(), client.ready(), client.ready("flights")) == (True, False, True)
    assert [request.path for request in server.seen] == [
        "/v2/health/live", "/v2/health/ready", "/v2/models/flights/ready",
    ]  # fmt: skip


def test_what_a_server_tells_of_itself_is_read(serve: Serve) -> None:
    one = {
        "fleet": "flights",
        "reference": "flights:latest",
        "image": IMAGE,
        "versions": ["latest"],
        "members": 3,
    }
    server = serve(
        told(200, {"fleets": [{**one, "new": 1}]}),
        told(200, {"name": "flights", "versions": ["latest"]}),
        told(200, {"name": "flights"}),
        (200, {"content-type": "text/plain"}, b"jomon_ready 1.0\n"),
        told(403, {"error": "The key does not allow 'view'."}),
    )
    with Client(server.url + "/behind/a/proxy/") as client:
        assert client.fleets() == [ServedFleet("flights", "flights:latest", IMAGE, ("latest",), 3)]
        assert client.metadata("flights")["versions"] == ["latest"]
        assert client.metadata("flights", "sha256:0123")["name"] == "flights"
        assert client.metrics() == "jomon_ready 1.0\n"
        with pytest.raises(CallError, match="does not allow"):
            client.metrics()
    assert [request.path.removeprefix("/behind/a/proxy") for request in server.seen[:4]] == [
        "/fleets", "/v2/models/flights", "/v2/models/flights/versions/sha256:0123", "/metrics",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "reply",
    [
        (200, {}, b"<html>hello</html>"),
        (200, {}, b"[]"),
        (200, {}, b"{}"),
        (502, {}, b"<html>bad gateway</html>"),
        (302, {}, b""),
    ],
)
def test_what_is_no_jomon_server_is_said_to_be_none(serve: Serve, reply: Reply) -> None:
    with Client(serve(reply).url) as client, pytest.raises(CallError, match=r"no jomon server|no reason"):
        client.predict({"x": 1.0})


@pytest.mark.parametrize(
    "url", ["ftp://host", "http://", "http://user:key@host", "http://host:99999", "http://host:0", ""]
)
def test_a_url_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(CallError, match="is not the URL of a server"):
        Client(url)


def test_the_public_name_is_the_client() -> None:
    assert jomon.Client is Client
