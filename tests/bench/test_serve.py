"""Servers are loaded and weighed the same way on both sides; nothing here asserts a time."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from bench.http_load import Server, free_ports, lines, usage_of
from bench.serve_fleet import FEATURES, Shape, each_member, requests

SHAPE = Shape(carriers=3, origins=4, rows=10)

ECHO = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200 if body == b"well" else 500)
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_both_sides_get_the_same_members_and_numbers_in_the_same_order(tmp_path: Path) -> None:
    found = requests(tmp_path, SHAPE, 50)
    for (path, ours), (their_path, theirs) in zip(lines(found.ours), lines(found.mlserver), strict=True):
        row = json.loads(ours)["rows"][0]
        tensor = json.loads(theirs)["inputs"][0]
        member = int(row["carrier"][1:]) * SHAPE.origins + int(row["origin"][1:])
        assert (path, their_path) == ("/predict", f"/v2/models/member-{member:04d}/infer")
        assert tensor["shape"] == [1, len(FEATURES)]
        assert tensor["data"][FEATURES.index("distance")] == row["distance"]
        assert tensor["data"][FEATURES.index("hour")] == int(row["scheduled_departure"][11:13])


def test_every_member_is_asked_equally_often(tmp_path: Path) -> None:
    asked = [path for path, _ in lines(each_member(tmp_path, SHAPE, 3 * SHAPE.members).mlserver)]
    assert {asked.count(path) for path in asked} == {3}
    assert len(set(asked)) == SHAPE.members


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's /proc")
def test_what_a_process_has_to_itself_is_part_of_what_is_resident() -> None:
    found = usage_of(os.getpid(), "worker")
    assert 0 < found.uss <= found.pss <= found.rss


def server(folder: Path, bodies: list[str]) -> Server:
    (port,) = free_ports(1)
    file = folder / "requests"
    file.write_text("".join(f"/\t{body}\n" for body in bodies))
    return Server("echo", [sys.executable, "-c", ECHO, str(port)], port, file, folder)


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's /proc")
def test_a_server_is_started_asked_weighed_and_stopped(tmp_path: Path) -> None:
    with server(tmp_path, ["well"] * 50) as running:
        running.ask_all()
        assert running.start_seconds > 0
        assert [each.role for each in running.usage()] == ["supervisor"]
        process = running.process
    assert process is not None
    assert process.returncode is not None


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's /proc")
def test_an_answer_that_is_not_200_ends_the_benchmark(tmp_path: Path) -> None:
    with server(tmp_path, ["well", "badly"]) as running, pytest.raises(SystemExit, match="500"):
        running.ask_all()


def test_a_server_that_ends_before_it_answers_is_told_with_what_it_said(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    file = tmp_path / "requests"
    file.write_text("/\twell\n")
    dead = Server("dead", [sys.executable, "-c", "raise SystemExit('oh dear')"], port, file, tmp_path)
    with pytest.raises(SystemExit, match="oh dear"), dead:
        pass
