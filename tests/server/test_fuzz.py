"""The OpenAPI document, fuzzed by a tool that we did not write: the server does what the document says, and no more.

Schemathesis sends requests that fit the document and ones that do not: every answer has a status, headers and a body
that the document lists, what does not fit is refused, and nothing is a server's error.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .fleets import ride
from .servers import Server, running

EXAMPLES, SEED = 12, 20_240_311
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,negative_data_rejection,missing_required_header,unsupported_method,"
    "allow_header_conformance"
)
PHASES = "examples,coverage,fuzzing"
SECRET = "correct-horse-battery-staple-0123456789"
KEY = f"Authorization: Bearer {SECRET}"


def fuzz(server: Server, document: Path, *words: str, checks: str = CHECKS, phases: str = PHASES) -> int:
    """How many requests were sent; fails with what the tool tells where one was answered in another way."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(document), "--url", server.url]
    command += ["--phases", phases, "--max-examples", str(EXAMPLES), "--seed", str(SEED)]
    command += ["--checks", checks, "--continue-on-failure", "--warnings", "off", "--no-color"]
    command += ["--generation-database", "none", *words]
    done = subprocess.run(
        command, cwd=document.parent, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-20_000:]}\n{done.stderr[-2000:]}"
    told = re.search(r"(\d+) generated, \1 passed", done.stdout)
    assert told is not None, done.stdout[-2000:]
    return int(told[1])


def saved(server: Server, folder: Path) -> Path:
    """The document as a file: one that needs a key is not read again without one."""
    path = folder / "openapi.json"
    path.write_bytes(server.get("/openapi.json").body)
    return path


def statuses(server: Server) -> set[int]:
    """The statuses of all answers so far."""
    return {
        int(re.search(r'status="(\d+)"', name)[1])  # type: ignore[index]
        for name, n in server.metrics().items()
        if n and name.startswith("jomon_requests_total")
    }


def test_a_server_without_keys_does_what_its_document_says(fleets: Path, tmp_path: Path) -> None:
    with running(fleets, ("rides", "calls")) as server:
        assert fuzz(server, saved(server, tmp_path)) > 700
        assert statuses(server) >= {200, 202, 400, 404, 405, 415, 422}
        assert not {500, 503} & statuses(server)
        assert server.predict("rides", ride()).status == 200


@pytest.fixture(scope="module")
def guarded(fleets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of one fleet that asks for keys."""
    file = tmp_path_factory.mktemp("secret") / "key"
    file.write_text(SECRET)
    name, _, value = KEY.partition(": ")
    with running(fleets, ("rides",), ("--require-keys", "--key-file", file), headers={name: value}) as server:
        yield server


def test_a_server_with_keys_does_what_its_document_says_for_a_caller_with_one(
    guarded: Server, tmp_path: Path
) -> None:
    assert fuzz(guarded, saved(guarded, tmp_path), "-H", KEY, checks=f"{CHECKS},ignored_auth") > 500
    assert statuses(guarded) >= {200, 202, 400, 401, 404, 405, 422}
    assert not {500, 503} & statuses(guarded)


def test_a_caller_without_a_key_learns_nothing(guarded: Server, tmp_path: Path) -> None:
    """Only what anybody may ask is answered: every other request is refused before it is looked at."""
    before = guarded.metrics()
    assert fuzz(guarded, saved(guarded, tmp_path), phases="coverage") > 400
    after = guarded.metrics()
    more = {
        name: n - before.get(name, 0)
        for name, n in after.items()
        if name.startswith("jomon_requests_total") and n > before.get(name, 0)
    }
    answered = {
        re.search(r'route="(\w+)"', name)[1]  # type: ignore[index]
        for name in more
        if 'status="2' in name
    }
    assert answered <= {
        "index",
        "docs",
        "v2_live",
        "v2_ready",
        "v2_model_ready",
        "v2_model_version_ready",
        "metrics",
        "openapi",
    }
    assert more['jomon_requests_total{method="POST",route="predict",status="401"}'] > 10
    assert not {500, 503} & statuses(guarded)
