"""A server without keys and the pages of strangers: a browser on this machine is no way in for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jomon.core.errors import JomonError
from jomon.serving.hosts import KEPT, Hosts

from .fleets import ride
from .raw import answer, request, rows_of
from .servers import Answer, Server, running

GOOD = rows_of(ride())
PATHS = [("POST", "/predict"), ("POST", "/predict/rides"), ("POST", "/outcomes/rides"), ("GET", "/metrics"),
         ("POST", "/v2/models/rides/infer"), ("GET", "/openapi.json"), ("GET", "/fleets")]  # fmt: skip
ANYBODY = ["/", "/docs", "/v2/health/live", "/v2/health/ready", "/v2/models/rides/ready"]


@pytest.fixture(scope="module")
def server(fleets: Path) -> Iterator[Server]:
    with running(fleets, ("rides",)) as alone:
        yield alone


def asked(server: Server, host: str, path: str = "/predict", method: str = "POST", **headers: str) -> Answer:
    body = GOOD if method == "POST" else b""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return answer(server, request(path, body, {"Host": host, "Connection": "close", **more}, method))


NAMES = ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "evil", "127.1",
         "127.0.0.1:x", "localhost:8080@evil.example", "[::1].evil.example", "0x7f000001"]  # fmt: skip


@pytest.mark.parametrize("host", NAMES)
def test_a_request_for_another_name_is_refused(server: Server, host: str) -> None:
    """As a page sends it that has its own name stand for this machine."""
    one = asked(server, host)
    assert one.status == 421
    assert "localhost" in one.error


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_every_route_that_tells_or_takes_something_refuses_it(server: Server, method: str, path: str) -> None:
    assert asked(server, "evil.example", path, method).status == 421
    assert asked(server, "localhost", path, method).status != 421


def test_what_tells_nothing_is_told_to_anybody(server: Server) -> None:
    for path in ANYBODY:
        assert asked(server, "balancer.example", path, "GET").status == 200


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost:1",
        "127.0.0.1",
        "127.0.0.1:8080",
        "10.1.2.3",
        "[::1]",
        "[::1]:8080",
        "",
    ],
)
def test_localhost_and_addresses_are_good_names(server: Server, host: str) -> None:
    """No page has an address for its name without being served from there. HTTP/1.0 names no host at all."""
    assert asked(server, host).status == 200


def test_the_name_that_the_server_was_started_with_is_good_and_others_are_not_remembered() -> None:
    hosts = Hosts(["workstation"])
    hosts.check({"host": "workstation:8080"})
    for number in range(KEPT + 10):
        with pytest.raises(JomonError, match="is not called"):
            hosts.check({"host": f"{number}.example"})
        hosts.check({"host": f"localhost:{number}"})
    assert len(hosts.seen) == KEPT
    hosts.check({"host": "localhost:99999"})


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "",
    ],
)
def test_what_a_page_may_send_without_asking_is_refused(server: Server, kind: str) -> None:
    """Types that need no preflight, and none: a page tells its origin, other callers do not."""
    for path in ("/predict", "/outcomes/rides", "/v2/models/rides/infer"):
        one = asked(server, "localhost", path, Origin="https://evil.example", Content_Type=kind)
        assert one.status == 415
        assert "send application/json" in one.error


def test_a_preflight_allows_nothing(server: Server) -> None:
    one = asked(server, "localhost", method="OPTIONS", Origin="https://evil.example",
                Access_Control_Request_Method="POST", Access_Control_Request_Headers="content-type")  # fmt: skip
    assert one.status == 405
    answered = asked(server, "localhost", Origin="https://evil.example")
    for headers in (one.headers, answered.headers):
        assert not [name for name in headers if name.startswith("access-control-")]


def test_a_server_with_keys_is_called_by_any_name(fleets: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("correct-horse-battery-staple-0123456789")
    key = {"X-Api-Key": "correct-horse-battery-staple-0123456789"}
    with running(
        fleets, ("rides",), ("--require-keys", "--key-file", tmp_path / "key"), headers=key
    ) as server:
        assert asked(server, "models.example", **key).status == 200
        assert asked(server, "models.example").status == 401
