"""More than a server takes: its queue, its memory, its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .fleets import ride
from .load import Callers, calling
from .servers import Server, refused, reserved, running

LARGE, QUEUE = 10_000, 5_000
FIGURE = re.compile(
    r"needs? ([\d,]+) MB \((\d) x ([\d,]+) MB and packs of ([\d.,]+) MB for 31 members\), measured"
)


def test_what_the_queue_does_not_take_is_refused_and_the_others_are_served(fleets: Path) -> None:
    """A large request fills the queue: small ones are told when to come back, and are answered then."""
    large, small = {"rows": [ride()] * LARGE}, {"rows": [ride()]}
    asks = [lambda: ("/predict", large)] * 2 + [lambda: ("/predict", small)] * 4
    with running(fleets, ["rides"], ["--queue", QUEUE]) as server:
        with calling(server.port, asks) as callers:
            server.until(lambda: seen(callers) >= {(1, 200), (1, 503), (LARGE, 200)}, "an overload")
        assert callers.failed == []
        for one in callers.answered:
            if one.status == 503:
                assert one.headers["retry-after"] == "1"
                assert one.document["error"] == "The queue is full: try again."
        assert server.predict("rides", ride()).status == 200
        server.until(lambda: told(server) == [one.status for one in callers.answered].count(503), "the count")
        server.until(lambda: server.metrics()['jomon_queue_rows{fleet="rides"}'] == 0, "an empty queue")


def seen(callers: Callers) -> set[tuple[int, int]]:
    """Rows and statuses of requests that were answered."""
    return {(len(one.sent["rows"]), one.status) for one in list(callers.answered)}


def told(server: Server) -> float:
    return server.metrics().get('jomon_refused_total{fleet="rides",reason="overload"}', 0)


def test_fleets_that_need_more_memory_than_they_may_have_are_refused_with_the_figure(fleets: Path) -> None:
    """What was measured is what a worker then takes."""
    sentence = refused(fleets, "rides", "--memory", "1MB", "--workers", 2)
    found = FIGURE.search(sentence)
    assert found, sentence
    total, workers, each, packs = (float(text.replace(",", "")) for text in found.groups())
    assert workers == 2
    assert total == pytest.approx(workers * each + packs, abs=2)
    with running(fleets, ["rides"], ["--memory", f"{total + 10:.0f}MB", "--workers", 2]) as server:
        assert FIGURE.search(server.out.read_text())
        server.until(lambda: len(resident(server)) == 2, "both workers")
        server.predict("rides", ride())
        for bytes_ in resident(server):
            assert bytes_ == pytest.approx(each * 1e6, rel=0.25)


def resident(server: Server) -> list[float]:
    """Bytes in memory of each worker that answers."""
    name = re.compile("process_resident_memory_bytes{.*}")
    return [value for key, value in server.metrics().items() if name.fullmatch(key)]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--host", "203.0.113.7", "--insecure"], "Nothing can listen at 203.0.113.7"),
        (["--host", "no.such.host.invalid", "--insecure"], "'no.such.host.invalid' is no address"),
        (["--host", "0.0.0.0"], "Anybody could use a server at 0.0.0.0 without keys"),
        (["--require-keys"], "Keys are required and there is none"),
        (["--tls-cert", "nothing.pem", "--tls-key", "nothing.pem"], "nothing.pem cannot be read"),
        (
            ["--tls-cert", "rides/jomon.yaml", "--tls-key", "rides/jomon.yaml"],
            "are no certificate and its key",
        ),
    ],
)
def test_a_place_where_it_cannot_or_should_not_listen_is_refused(
    fleets: Path, words: list[str], sentence: str
) -> None:
    with reserved() as port:
        assert sentence in refused(fleets, "rides", "--port", port, *words)


def test_a_port_where_somebody_listens_is_refused(fleets: Path) -> None:
    """Two servers would share it, and each answer a part of the requests."""
    with running(fleets) as server:
        assert f"Port {server.port} of 127.0.0.1 is in use" in refused(
            server.folder, "rides", "--port", server.port
        )
        assert server.ready()
