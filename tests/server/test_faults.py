"""Callers that are slow, rude, broken or gone: each is answered as documented, and the others are served meanwhile."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from .fleets import call, ride
from .load import calling
from .raw import JSON, answer, answers, chunked, received, request, rows_of, sent
from .servers import Answer, Server, running

TIMEOUT = 1.0
GOOD = rows_of(ride())
CLOSE = {"Connection": "close"}
PATH = "/predict/rides"
MANY = 80
"""Requests whose answers fill all buffers between a server and a caller that does not read."""


@pytest.fixture(scope="module")
def server(fleets: Path) -> Iterator[Server]:
    """A server that waits a second for a request to arrive."""
    with running(fleets, ("rides", "calls"), ("--timeout", TIMEOUT)) as impatient:
        yield impatient


@contextmanager
def others(server: Server) -> Iterator[None]:
    """Two callers that ask all the while; every request of theirs is answered, more than one at the end."""

    def ask() -> tuple[str, Any]:
        return PATH, {"rows": [ride()]}

    with calling(server.port, [ask, ask]) as callers:
        server.until(lambda: callers.answered, "a first answer")
        yield
        before = len(callers.answered)
        server.until(lambda: len(callers.answered) > before + 4, "answers to the others")
    assert callers.failed == []
    assert callers.statuses == {200}


# Time.


def test_a_body_that_dribbles_in_is_refused_in_time(server: Server) -> None:
    with others(server), ExitStack() as stack:
        slow = [stack.enter_context(server.connect()) for _ in range(20)]
        for connection in slow:
            connection.sendall(request(PATH, headers={"Content-Length": "500"}))
        end = time.monotonic() + 10
        while time.monotonic() < end:  # a byte at a time, for as long as anybody takes it
            try:
                for connection in slow:
                    connection.sendall(b" ")
            except OSError:
                break
            time.sleep(0.05)
        for connection in slow:
            (one,) = answers(received(connection))
            assert one.status == 408
            assert one.error == "The request took too long to arrive: send it faster."
            assert one.headers["connection"] == "close"


def test_a_head_that_dribbles_in_is_closed(server: Server) -> None:
    with others(server), server.connect() as connection:
        for byte in request(PATH, GOOD):
            try:
                connection.sendall(bytes([byte]))
            except OSError:
                break
            time.sleep(0.05)
        else:
            pytest.fail("a head took ten seconds")
        assert received(connection) == b""


def test_connections_that_say_nothing_are_closed(server: Server) -> None:
    """New ones, and ones that were used, so that nobody can hold them all."""
    with others(server), ExitStack() as stack:
        silent = [stack.enter_context(server.connect()) for _ in range(50)]
        for connection in silent[::2]:
            connection.sendall(request("/v2/health/live", method="GET"))
        for at, connection in enumerate(silent):
            assert [one.status for one in answers(received(connection))] == ([] if at % 2 else [200])


def test_a_caller_that_reads_nothing_holds_up_nobody_and_gets_all_its_answers(server: Server) -> None:
    many = request(PATH, rows_of(*[ride()] * 200, explain=True) + b" " * 300_000) * MANY
    with others(server), server.connect() as connection:
        connection.settimeout(0.2)
        left = memoryview(many)
        with suppress(TimeoutError):
            while left:
                left = left[connection.send(left) :]
        assert len(left) > 0, "all was taken: the test does not fill the buffers"
        connection.settimeout(20)
        with others(server):
            pass
        rest = threading.Thread(target=connection.sendall, args=(left,))
        rest.start()
        got = received(connection)
        rest.join()
        assert [len(one.json["answers"]) for one in answers(got)] == [200] * MANY


def test_more_connections_than_files_may_be_open_wait(fleets: Path, tmp_path: Path) -> None:
    """Those that say nothing are closed in time; meanwhile logs, images and lookups can be opened as ever."""
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))\n"
    (tmp_path / "sitecustomize.py").write_text(limit)
    small = running(fleets, ("rides",), ("--timeout", TIMEOUT), environment={"PYTHONPATH": str(tmp_path)})
    with small as server, ExitStack() as stack:
        before = server.predict("rides", ride()).json["answers"]
        for _ in range(250):
            stack.enter_context(server.connect())
        assert server.predict("rides", ride()).json["answers"] == before


# Connections that break.


def test_a_caller_that_stops_sending_in_the_middle_is_told_so(server: Server) -> None:
    (one,) = answers(sent(server, request(PATH, GOOD)[:-5], half_close=True))
    assert (one.status, one.error) == (400, "The body did not arrive whole: send it again.")
    assert sent(server, request(PATH, GOOD)[:40], half_close=True) == b""
    assert sent(server, b"", half_close=True) == b""


def test_a_caller_that_closes_its_side_counts_as_gone(server: Server) -> None:
    """Its request may be answered and recorded, and the answer may still reach it."""
    with others(server):
        for _ in range(20):
            got = answers(sent(server, request(PATH, GOOD), half_close=True))
            assert [one.status for one in got] in ([], [200])


def test_callers_that_vanish_leave_nothing_behind(server: Server) -> None:
    """With a reset: while they send, while a large request is worked on, while the answer is on its way."""
    large = request(PATH, rows_of(*[ride()] * 5000, explain=True))
    with others(server):
        for data in (request(PATH, GOOD)[:-5], request(PATH, GOOD), large, large[: len(large) // 2]) * 3:
            connection = server.connect()
            connection.sendall(data)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
    server.until(lambda: server.metrics()["jomon_in_flight"] == 1, "an end of all that was begun")


# Bodies that are no JSON, or not what it should be.

BAD: list[tuple[str, int, str | bytes, str]] = [
    ("nothing", 400, "", "was truncated"),
    ("blank", 400, "  ", "was truncated"),
    ("cut", 400, GOOD[:-3], "was truncated"),
    ("cut behind a truth value", 400, GOOD.replace(b"4.5", b"true")[:-3], "was truncated"),
    ("two documents", 400, GOOD * 2, "trailing characters"),
    ("a byte order mark", 400, b"\xef\xbb\xbf" + GOOD, "invalid character"),
    ("utf-16", 400, GOOD.decode().encode("utf-16"), "invalid character"),
    ("latin-1", 400, GOOD.replace(b"north", b"n\xf6rd"), "utf-8"),
    ("half a surrogate", 400, GOOD.replace(b"north", rb"\ud800"), "surrogate"),
    ("NaN", 400, GOOD.replace(b"4.5", b"NaN"), "invalid character"),
    ("Infinity", 400, GOOD.replace(b"4.5", b"Infinity"), "invalid character"),
    ("a list", 422, "[]", "Expected `object`, got `array`"),
    ("brackets", 422, "[" * 200_000, "Expected `object`, got `array`"),
    ("nested rows", 422, '{"rows":' + "[" * 200_000, "Row 0: Expected `object`, got `array`"),
    ("a nested value", 422, '{"rows":[{"distance":' + '[{"a":' * 50_000, "holds a list where it needs a number"),
    ("nested and unknown", 422, '{"x":' + '[{"a":' * 50_000, "unknown field `x`"),
    ("no rows", 422, "{}", "missing required field `rows`"),
    ("null for rows", 422, '{"rows":null}', "Expected `array`, got `null`"),
    ("an empty list", 422, '{"rows":[]}', "There are no rows"),
    ("a row of null", 422, '{"rows":[null]}', "Row 0: Expected `object`, got `null`"),
    ("a row that is a list", 422, '{"rows":[[1,2]]}', "Row 0: Expected `object`, got `array`"),
    ("an id of a number", 422, '{"rows":[],"id":5}', "at id"),
    ("a further field", 422, '{"rows":[],"model":"x"}', "unknown field `model`"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "part"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_a_body_that_cannot_be_read_or_does_not_fit(
    server: Server, status: int, body: str | bytes, part: str
) -> None:
    one = server.ask("POST", PATH, body, JSON)
    assert one.status == status
    assert part in one.error


DEEP: list[tuple[str, int, str]] = [
    ("/outcomes/rides", 422, '{"outcomes":[{"key":{"a":' + "[" * 100_000),
    ("/outcomes/rides", 422, "[" * 200_000),
    ("/v2/models/rides/infer", 400, "[" * 200_000),
    ("/v2/models/rides/infer", 400, '{"inputs":[{"name":"x","datatype":"FP64","shape":[1],"data":' + "[" * 100_000),
    ("/v2/models/rides/infer", 400, '{"inputs":[],"parameters":{"a":' + '{"a":' * 100_000),
]  # fmt: skip


@pytest.mark.parametrize(("path", "status", "body"), DEEP, ids=[f"{d[0]} {d[2][:30]}" for d in DEEP])
def test_depth_costs_the_server_nothing(server: Server, path: str, status: int, body: str) -> None:
    one = server.ask("POST", path, body, JSON)
    assert one.status == status
    assert one.error


VALUES: list[tuple[str, str, str]] = [
    ("distance", "1e999", "a number beyond what a float can hold"),
    ("distance", "-1e999", "a number beyond what a float can hold"),
    ("distance", "1" + "0" * 400, "a number beyond what a float can hold"),
    ("distance", '"4.5"', "text where it needs a number"),
    ("distance", "[1]", "a list where it needs a number"),
    ("distance", '{"km": 1}', "an object where it needs a number"),
    ("door", "1" + "0" * 400, "is no whole number"),
    ("door", "1e300", "is no whole number"),
    ("door", "2.5", "is no whole number"),
    ("door", '"two"', "is no whole number"),
    ("station", "[]", "a list where it needs text"),
    ("booked", "null", "has no value"),
    ("booked", "1720085400", "a number where it needs text"),
    ("booked", '"yesterday"', "is no time"),
    ("booked", '"1850-01-01"', "outside the years 1900 to 2100"),
    ("booked", '"2024-03-10T02:30"', "the clocks skipped this time"),
]


@pytest.mark.parametrize(("column", "value", "part"), VALUES)
def test_a_value_of_the_wrong_kind_is_named_with_its_row_and_column(
    server: Server, column: str, value: str, part: str
) -> None:
    text = json.dumps({"rows": [ride(), ride(**{column: "@"})]}).replace('"@"', value)
    one = server.ask("POST", PATH, text, JSON)
    assert one.status == 422
    assert one.error.startswith(f"Row 1: column {column!r} ")
    assert part in one.error


def test_columns_that_are_renamed_or_left_out_are_named(server: Server) -> None:
    renamed = ride(Distance=4.5)
    del renamed["distance"]
    one = server.predict("rides", renamed)
    assert (one.status, one.error) == (
        422,
        "Row 0: the fleet has no column 'Distance'; did you mean 'distance'?",
    )
    del renamed["Distance"]
    one = server.predict("rides", renamed)
    assert (one.status, one.error) == (
        422,
        "Row 0: column 'distance' is missing: send it, null if it has no value.",
    )
    long = server.predict("rides", ride(**{"x" * 1_000_000: 1}))
    assert long.status == 422
    assert len(long.error) < 600


def test_numbers_so_large_that_no_answer_comes_of_them_are_refused_alone(server: Server) -> None:
    """A request beside it in one batch is answered."""
    with others(server):
        for _ in range(20):
            one = server.predict("calls", call(load=0.01), call(load=1.5e308))
            assert one.status == 422
            assert one.error.startswith("Row 1: its numbers are so large")


# Size.


def test_a_million_rows_are_refused_by_bytes_or_by_rows(server: Server) -> None:
    """Whether the caller tells the length or sends chunks; it gets to read why, the others are served meanwhile."""
    one = json.dumps(ride()).encode()
    million = b'{"rows":[' + b",".join([one] * 1_000_000) + b"]}"
    tiny = b'{"rows":[' + b",".join([b"{}"] * 1_000_000) + b"]}"
    with others(server):
        told = server.ask("POST", PATH, million, JSON)
        assert (told.status, told.error) == (
            413,
            "The body is larger than 16,000,000 bytes: send fewer rows at a time.",
        )
        pieces = chunked([million[at : at + 2**20] for at in range(0, len(million), 2**20)])
        head = request(PATH, headers={"Content-Length": "", "Transfer-Encoding": "chunked", **CLOSE})
        assert answer(server, head + pieces).status == 413
        assert server.ask("POST", PATH, tiny, JSON).error.startswith("Row 0: column 'booked' is missing")
        many = b'{"rows":[' + b",".join([one] * 100_000) + b"]}"
        told = server.ask("POST", PATH, many, JSON)
        assert (told.status, told.error) == (
            413,
            "The request has 100,000 rows; send at most 10,000 at a time.",
        )


@pytest.mark.parametrize(
    "extra",
    ["X-Large: " + "x" * 200_000, "\r\n".join(f"X-{n}: 1" for n in range(120))],
    ids=["200 kB", "120 headers"],
)
def test_a_head_that_is_too_large_is_refused_and_closed(server: Server, extra: str) -> None:
    one = answer(
        server, request(PATH, GOOD).replace(b"Host: localhost", f"Host: localhost\r\n{extra}".encode())
    )
    assert (one.status, one.body, one.headers["connection"]) == (431, b"", "close")
    assert answer(server, b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n").status in (
        414,
        431,
    )


# Lengths and encodings.


def test_a_body_in_chunks_is_answered(server: Server) -> None:
    head = request(PATH, headers={"Content-Length": "", "Transfer-Encoding": "chunked", **CLOSE})
    assert answer(server, head + chunked([GOOD[:7], GOOD[7:]])).status == 200
    broken = answer(server, head + b"7\r\n" + GOOD[:7] + b"\r\nzz\r\n")
    assert (broken.status, broken.headers["connection"]) == (400, "close")


LENGTHS: list[tuple[str, dict[str, str], int]] = [
    ("none", {"Content-Length": ""}, 400),
    ("too short", {"Content-Length": str(len(GOOD) - 9)}, 400),
    ("too long", {"Content-Length": str(len(GOOD) + 9)}, 408),
    ("a word", {"Content-Length": "many"}, 400),
    ("below zero", {"Content-Length": "-1"}, 400),
    ("two", {"Content-Length": f"5\r\nContent-Length: {len(GOOD)}"}, 400),
    ("beyond all numbers", {"Content-Length": "9" * 40}, 400),
    ("a petabyte", {"Content-Length": "1" + "0" * 15}, 413),
]


@pytest.mark.parametrize(("headers", "status"), [one[1:] for one in LENGTHS], ids=[one[0] for one in LENGTHS])
def test_a_wrong_length_is_refused_and_the_connection_closed(
    server: Server, headers: dict[str, str], status: int
) -> None:
    """What follows a body that was told too short is no request: it is refused too, and that is the end."""
    first, *rest = answers(sent(server, request(PATH, GOOD, headers)))
    assert first.status == status
    assert [one.status for one in rest] in ([], [400])


def test_a_compressed_body_is_refused_by_its_kind(server: Server) -> None:
    squeezed = gzip.compress(GOOD)
    for path in (PATH, "/outcomes/rides", "/v2/models/rides/infer"):
        one = server.ask("POST", path, squeezed, {**JSON, "Content-Encoding": "gzip"})
        assert one.status == 415
        assert one.error == "A body with the content-encoding 'gzip' is not read: send it as it is."
    assert server.ask("POST", PATH, GOOD, {**JSON, "Content-Encoding": "identity"}).status == 200


def test_requests_sent_in_one_go_are_answered_in_their_order(server: Server) -> None:
    bodies = [rows_of(ride(), id=str(n)) for n in range(30)]
    data = b"".join(request(PATH, body) for body in bodies)
    data += request(PATH, b"{") + request("/v2/health/live", method="GET", headers=CLOSE)
    *predicted, bad, live = answers(sent(server, data))
    assert [one.json["id"] for one in predicted] == [str(n) for n in range(30)]
    assert (bad.status, live.status) == (400, 200)


def test_a_caller_that_waits_to_be_asked_for_its_body_is_asked(server: Server) -> None:
    first, second = answers(sent(server, request(PATH, GOOD, {"Expect": "100-continue", **CLOSE})))
    assert (first.status, second.status) == (100, 200)


NO_HTTP: list[bytes] = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 32 + b"\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
    b"GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
    b"\r\n\r\n\r\n",
]


@pytest.mark.parametrize("data", NO_HTTP, ids=["TLS", "HTTP/2", "a version", "a blank", "NUL", "blanks"])
def test_what_is_no_request_is_closed(server: Server, data: bytes) -> None:
    assert [one.status for one in answers(sent(server, data))] in ([], [400])


def test_a_wish_for_another_protocol_is_passed_over(server: Server) -> None:
    wish = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    data = request("/v2/health/live", method="GET", headers={**wish, "Sec-WebSocket-Key": "dGhlIHNhbXBsZQ=="})
    assert [one.status for one in answers(sent(server, data))] == [200]


UNREAD: list[tuple[int, bytes]] = [
    (404, request("/nowhere", GOOD)),
    (408, request("/predict/none", GOOD)),
    (405, request("/metrics", GOOD)),
    (413, request(PATH, GOOD, {"Content-Length": "99999999"})),
    (415, request(PATH, GOOD, {"Content-Type": "text/csv"})),
    (415, request("/outcomes/rides", GOOD, {"Content-Type": "text/csv"})),
    (421, request(PATH, GOOD, {"Host": "evil.example"})),
    (421, request("/outcomes/rides", GOOD, {"Host": "evil.example"})),
]


@pytest.mark.parametrize(("status", "data"), UNREAD)
def test_a_body_that_is_refused_and_never_comes_whole_holds_no_connection(
    server: Server, status: int, data: bytes
) -> None:
    """However many: each is answered when time is over, and closed."""
    with ExitStack() as stack:
        waiting = [stack.enter_context(server.connect()) for _ in range(40)]
        for connection in waiting:
            connection.sendall(data[:-3])
        for connection in waiting:
            (one,) = answers(received(connection))
            assert (one.status, one.headers["connection"]) == (status, "close")


def test_a_refusal_of_a_large_body_is_read_by_its_sender(server: Server) -> None:
    """Most clients read an answer only after they sent all they have."""
    large = b" " * 8_000_000
    for path, kind, status in ((PATH, "text/csv", 415), ("/predict/none", JSON["Content-Type"], 404)):
        one: Answer = server.ask("POST", path, large, {"Content-Type": kind})
        assert one.status == status
        assert one.error
