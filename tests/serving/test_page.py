"""The page at /docs works by itself under the policy that it is sent with, and shows texts as texts."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from jomon.core.row_columns import RowColumn
from jomon.serving.describing import FleetDescription
from jomon.serving.openapi import document
from jomon.serving.page import page

EVIL = "<img src=x onerror=document.title='run'>"
FLEET = FleetDescription(
    fleet="sales",
    reference="sales:latest",
    image="sha256:" + "9a3f" * 16,
    question=f"How many? {EVIL}",
    kind="count",
    zone="UTC",
    columns=(RowColumn("day", "time", required=True), RowColumn(EVIL, "text", required=True)),
    key=("day",),
    known={EVIL: (EVIL,)},
    example={"day": "2024-09-24T12:00:00", EVIL: EVIL},
)
CHROMIUM = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--virtual-time-budget=5000", "--dump-dom",
)  # fmt: skip


def parts(kind: str) -> list[str]:
    """What stands between the tags of a kind."""
    return re.findall(rf"<{kind}>(.*?)</{kind}>", page().body.decode(), re.DOTALL)


def test_the_policy_allows_this_script_and_this_style_by_their_hashes_and_nothing_else() -> None:
    policy = dict(page().headers)["content-security-policy"]
    for kind, name in (("script", "script-src"), ("style", "style-src")):
        (text,) = parts(kind)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")


def test_the_page_loads_nothing_from_elsewhere_and_writes_no_html() -> None:
    text = page().body.decode()
    assert not re.findall(r"(?:src|href)=[\"']?(?:https?:)?//", text)
    code = re.sub(r"^ *//.*$", "", parts("script")[0], flags=re.MULTILINE)
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", code)
    assert "style=" not in text
    assert not re.findall(r"\son\w+=", text)


def test_every_field_of_the_page_has_a_label() -> None:
    text = page().body.decode()
    labelled = set(re.findall(r'for="([\w-]+)"', text))
    assert set(re.findall(r'<(?:input|select|textarea) id="([\w-]+)"', text)) == labelled
    assert '<html lang="en">' in text


@pytest.fixture
def server() -> Iterator[str]:
    """A server of the page and of a document, and of nothing else."""
    told = json.dumps(document([FLEET], "1.2.3", keys=False, max_rows=9)).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = {
                "/docs": tuple(page()),
                "/openapi.json": (200, [("content-type", "application/json")], told),
            }.get(self.path, (404, [], b""))
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/docs"
        http.shutdown()
        thread.join()


def test_a_browser_shows_the_fleet_its_columns_and_the_routes(
    server: str, tmp_path: Path, needs: Any
) -> None:
    chromium = needs.program("chromium")
    command = [chromium, *CHROMIUM, f"--user-data-dir={tmp_path}", server]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    body = done.stdout.partition("<body>")[2].partition("<script>")[0]
    assert "How many? &lt;img" in body
    assert "<img" not in body
    assert "<title>jomon: try a fleet</title>" in done.stdout
    assert re.search(r'<p id="problem"[^>]*hidden', body)
    for shown in ('<option value="sales">', "sales:latest", "2024-09-24T12:00:00", "/predict/sales", "1.2.3"):
        assert shown in body
    assert "Content Security Policy" not in done.stderr
