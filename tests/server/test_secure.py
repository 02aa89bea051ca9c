"""Keys and TLS on a real server: who may do what, and that no key is seen anywhere."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jomon.core.roles import Role
from jomon.store.keys import KeyFile

from .fleets import ride
from .load import calling
from .servers import Server, children_of, lives, running

SECRET = "correct-horse-battery-staple-0123456789"
OUTCOME = {"outcomes": [{"key": {"station": "north", "ride": 1, "booked": "2024-07-04T09:30"}, "value": 1}]}


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


@pytest.fixture(scope="module")
def guarded(fleets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on loopback that asks for keys, its first one from a secret file, with two workers."""
    file = tmp_path_factory.mktemp("secret") / "key"
    file.write_text(SECRET + "\n")
    options = [
        "--require-keys",
        "--key-file",
        file,
        "--host",
        "localhost",
        "--workers",
        2,
        "--access-log",
        "access.log",
    ]
    with running(fleets, ["rides"], options, headers=bearer(SECRET)) as server:
        yield server


def made(server: Server, *roles: Role) -> tuple[str, str]:
    """A new key: its text and its id."""
    key, text = KeyFile(server.home("rides")).add("somebody", roles, datetime.now(UTC))
    return text, key.id


def allowed(server: Server, key: str) -> set[str]:
    """What a key may do, of four things."""
    asked = {
        "predict": server.ask("POST", "/predict", '{"rows":[]}', bearer(key) | JSON),
        "outcomes": server.ask("POST", "/outcomes", '{"outcomes":[]}', bearer(key) | JSON),
        "metrics": server.get("/metrics", bearer(key)),
        "describe": server.get("/v2/models/rides", bearer(key)),
    }
    assert {answer.status for answer in asked.values()} <= {200, 202, 401, 403, 422}
    return {name for name, answer in asked.items() if answer.status not in (401, 403)}


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("roles", "what"),
    [
        ((Role.CALLER,), {"predict", "describe"}),
        ((Role.REPORTER,), {"outcomes", "describe"}),
        ((Role.VIEWER,), {"metrics", "describe"}),
        ((Role.CALLER, Role.REPORTER), {"predict", "outcomes", "describe"}),
        ((Role.ADMIN,), {"predict", "outcomes", "metrics", "describe"}),
    ],
)
def test_a_key_allows_what_its_roles_say(guarded: Server, roles: tuple[Role, ...], what: set[str]) -> None:
    text, _ = made(guarded, *roles)
    guarded.until(lambda: all(allowed(guarded, text) == what for _ in range(4)), "the key in every worker")


def test_without_a_key_only_health_is_told(guarded: Server) -> None:
    for path, status in {
        "/v2/health/live": 200,
        "/v2/health/ready": 200,
        "/metrics": 401,
        "/v2/models/rides": 401,
    }.items():
        answer = guarded.get(path, {"Authorization": ""})
        assert answer.status == status
    assert guarded.get("/metrics", {"Authorization": ""}).headers["www-authenticate"].startswith("Bearer")
    assert guarded.get("/metrics", bearer("jomon_00000000" + 43 * "a")).status == 401


def test_a_revoked_key_is_refused_soon_by_every_worker(guarded: Server) -> None:
    text, number = made(guarded, Role.CALLER)

    def statuses() -> set[int]:
        return {guarded.ask("POST", "/predict", '{"rows":[]}', bearer(text) | JSON).status for _ in range(8)}

    guarded.until(lambda: statuses() == {422}, "the key")
    KeyFile(guarded.home("rides")).remove(number)
    guarded.until(lambda: statuses() == {401}, "the end of the key", seconds=5)


def test_no_key_is_seen_in_logs_output_or_processes(guarded: Server) -> None:
    text, number = made(guarded, Role.CALLER)
    guarded.until(lambda: guarded.post("/predict", {"rows": [ride()]}, bearer(text)).status == 200, "the key")
    log = guarded.folder / "access.log"
    guarded.until(lambda: number in log.read_text(), "the line in the log")  # the id of a key is no secret
    seen = [log.read_bytes(), guarded.out.read_bytes(), guarded.err.read_bytes()]
    for pid in (guarded.pid, *children_of(guarded.pid)):
        seen += [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
    seen += [
        path.read_bytes()
        for path in guarded.home("rides").rglob("*")
        if path.is_file() and "blobs" not in path.parts
    ]
    for key in (SECRET, text, text.rpartition("_")[2]):
        assert not any(key.encode() in data for data in seen)


@pytest.fixture
def certificate(tmp_path: Path, needs: Any) -> Path:
    needs.program("openssl")
    return self_signed(tmp_path)


def self_signed(folder: Path) -> Path:
    """A fresh certificate for this machine, `cert.pem` and `key.pem`."""
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    out = ["-keyout", folder / "key.new", "-out", folder / "cert.new"]
    subprocess.run([*words.split(), *names, *map(str, out)], check=True, capture_output=True)
    for name in ("cert", "key"):
        (folder / f"{name}.new").replace(folder / f"{name}.pem")
    return folder


def trusting(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "cert.pem"))


def shown(server: Server, trusted: ssl.SSLContext) -> Any:
    """The serial number of the certificate that a new connection meets; None where it is not trusted."""
    with (
        suppress(ssl.SSLCertVerificationError),
        server.connect() as bare,
        trusted.wrap_socket(bare, server_hostname="localhost") as caller,
    ):
        found = caller.getpeercert()
        assert found is not None
        return found["serialNumber"]
    return None


def test_a_server_with_a_certificate_answers_over_tls_and_takes_a_new_one_on_sighup(
    fleets: Path, certificate: Path
) -> None:
    options = ["--tls-cert", certificate / "cert.pem", "--tls-key", certificate / "key.pem"]
    first = trusting(certificate)
    with running(fleets, ["rides"], options, tls=first) as server:
        assert server.predict("rides", ride()).status == 200
        with pytest.raises(OSError), server.connect(5) as plain:
            plain.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            assert not plain.recv(1000).startswith(b"HTTP/1.1 200")
            raise OSError("no plain answer")
        (old,) = [
            pid for pid in children_of(server.pid) if b"-fork" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        server.tls = trusting(self_signed(certificate))
        os.kill(server.pid, signal.SIGHUP)
        server.until(lambda: not lives(old), "the end of the old worker")
        assert shown(server, first) is None
        assert server.predict("rides", ride()).status == 200


def test_workers_are_replaced_one_by_one_on_sighup_while_requests_are_answered(fleets: Path) -> None:
    with running(fleets, ["rides"], ["--workers", 2]) as server:
        server.until(lambda: starts(server) == 2, "both workers")
        with calling(server.port, [lambda: ("/predict", {"rows": [ride()]})] * 3, patient=True) as callers:
            os.kill(server.pid, signal.SIGHUP)
            server.until(partial(replaced, server), "four starts in all")
        assert callers.statuses == {200}
        # The system sends back, unanswered, what waited to be taken by a worker that ends.
        assert {failure.partition(":")[0] for failure in callers.failed} <= {"ConnectionResetError"}


def starts(server: Server) -> float:
    with suppress(OSError):
        return server.metrics()["jomon_worker_starts_total"]
    return 0


def replaced(server: Server) -> bool:
    return starts(server) == 4
