"""How a server ends: what is in flight is answered, what was answered is in the tables, nothing is left behind."""

from __future__ import annotations

import http.client
import json
import os
import pty
import signal
import socket
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from jomon.data.predictions import read_predictions
from jomon.serving.server import SAME_SIGNAL_SECONDS

from .fleets import ride
from .load import Callers, calling
from .servers import Server, running

BODY = json.dumps({"rows": [ride()]}).encode()
HEAD = (
    "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    f"Content-Length: {len(BODY)}\r\n\r\n"
)


def begun(server: Server) -> socket.socket:
    """A request whose body is not all there yet."""
    caller = server.connect()
    caller.sendall(HEAD.encode() + BODY[:10])
    return caller


def finished(caller: socket.socket) -> str:
    """Send the rest of the body; the id of the answer."""
    caller.sendall(BODY[10:])
    response = http.client.HTTPResponse(caller)
    response.begin()
    document = json.loads(response.read())
    assert response.status == 200, document
    caller.close()
    return document["request_id"]


def refuses(server: Server) -> bool:
    """Whether nobody listens any more."""
    with suppress(ConnectionRefusedError), server.connect():
        return False
    return True


def leaves(server: Server) -> bool:
    """Whether a request is answered with the word that its connection is of no further use."""
    answer = server.predict("rides", ride())
    assert answer.status == 200
    return answer.headers.get("connection") == "close"


def not_ready(server: Server) -> bool:
    """Whether every worker says that it is not ready (each question meets any of them)."""
    with suppress(OSError):
        return all(server.get("/v2/health/ready").status == 503 for _ in range(6))
    return False


def moved(server: Server) -> Counter[str]:
    """The requests in the table, each with its number of rows."""
    return Counter(read_predictions(server.home("rides") / "tables", "rides")["request_id"].to_list())


def check_kept(server: Server, callers: Callers, *more: str) -> None:
    """All that was answered is in the table once, and nothing is left in the log."""
    assert callers.statuses == {200}
    kept = moved(server)
    assert set(callers.acknowledged(200, "request_id")) | set(more) <= set(kept)
    assert set(kept.values()) == {1}
    assert list((server.home("rides") / "log" / "rides").glob("w*")) == []


ASKS = [lambda: ("/predict", {"rows": [ride()]})] * 4


@pytest.mark.parametrize(
    ("number", "group"),
    [(signal.SIGTERM, False), (signal.SIGINT, True)],
    ids=["SIGTERM", "Ctrl-C"],
)
def test_a_server_that_ends_says_so_first_and_answers_all_that_came(
    fleets: Path, number: signal.Signals, group: bool
) -> None:
    """Ctrl-C reaches workers and mover too, as a terminal sends it; they leave it to the supervisor."""
    with running(fleets, ["rides"], ["--workers", 2, "--grace", 2]) as server:
        slow = [begun(server) for _ in range(4)]
        with calling(server.port, ASKS, patient=True) as callers:
            server.until(lambda: len(callers.answered) > 50, "answers")
            (os.killpg if group else os.kill)(server.pid, number)
            server.until(partial(not_ready, server), "the end of readiness")
            server.until(partial(leaves, server), "answers that close their connection")
            before = len(callers.answered)
            assert callers.failed == []
            server.until(partial(refuses, server), "the end of listening")
            assert len(callers.answered) > before
            late = [finished(caller) for caller in slow]
            assert server.process.wait(30) == 0
        check_kept(server, callers, *late)


def test_a_group_that_is_told_to_end_ends_in_order(fleets: Path) -> None:
    """Some managers of services send SIGTERM to every process: the mover is the last to end all the same."""
    with running(fleets, ["rides"], ["--workers", 2]) as server:
        with calling(server.port, ASKS, patient=True) as callers:
            server.until(lambda: len(callers.answered) > 50, "answers")
            os.killpg(server.pid, signal.SIGTERM)
            assert server.process.wait(30) == 0
        check_kept(server, callers)


def test_a_second_signal_ends_it_at_once_and_what_was_answered_is_kept(fleets: Path) -> None:
    with running(fleets, ["rides"], ["--grace", 600], expected=["ended at once"]) as server:
        slow = begun(server)
        answered = server.predict("rides", ride()).json["request_id"]
        server.process.terminate()
        server.until(partial(not_ready, server), "the end of readiness")
        time.sleep(SAME_SIGNAL_SECONDS)  # one that comes with the first is taken for it
        os.kill(server.pid, signal.SIGINT)
        assert server.process.wait(30) == 2
        with slow, suppress(ConnectionResetError):
            assert slow.recv(1) == b""
        (sentence,) = server.said().splitlines()
        assert sentence.startswith("jomon: The server was ended at once: ")
        log = server.home("rides") / "log" / "rides"
        assert list(log.glob("w*")) or answered in moved(server)
        server.status = 2


def test_a_server_whose_terminal_is_closed_ends_in_order(fleets: Path) -> None:
    """Its processes all hear of it; the supervisor decides."""
    ours, theirs = pty.openpty()
    try:
        with running(fleets, ["rides"], ["--workers", 2], terminal=theirs) as server:
            os.close(theirs)
            with calling(server.port, ASKS, patient=True) as callers:
                server.until(lambda: len(callers.answered) > 50, "answers")
                os.close(ours)
                assert server.process.wait(30) == 0
            check_kept(server, callers)
    finally:
        with suppress(OSError):
            os.close(ours)
