"""The access log: whole JSON lines, of bounded size, and never a reason to wait."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jomon.serving import access_log
from jomon.serving.access_log import AccessLog
from jomon.serving.log_files import RotatedFile, Stream, pieces


@dataclass
class Scope:
    client: str = "192.0.2.7:50123"


@dataclass
class Request:
    received_us: int = 1_760_000_000_123_456
    request_id: str = "ab" * 16
    caller_id: str | None = None
    method: str = "POST"
    route: str = "predict_fleet"
    rows: int = 1
    fleet: str = "flights"
    image: str = "sha256:" + "0123456789abcdef" * 4
    key_id: str | None = "k7"
    scope: Any = None


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_line_tells_of_a_request_what_an_operator_needs(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "access.log")
    log.append(Request(caller_id='order "7"\n'), 200, 0.0012345)
    log.close()
    assert lines(tmp_path / "access.log") == [
        {
            "time": "2025-10-09T08:53:20.123456Z",
            "request_id": "ab" * 16,
            "method": "POST",
            "route": "predict_fleet",
            "status": 200,
            "ms": 1.234,
            "rows": 1,
            "fleet": "flights",
            "image": "0123456789ab",
            "id": 'order "7"\n',
            "key": "k7",
        }
    ]


def test_what_a_request_has_not_is_left_out(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "access.log")
    log.append(Request(method="GET", route="v2_live", rows=0, fleet="", image="", key_id=None), 200, 0.0)
    log.close()
    (line,) = lines(tmp_path / "access.log")
    assert set(line) == {"time", "request_id", "method", "route", "status", "ms"}


def test_an_address_is_recorded_only_where_that_is_asked_for(tmp_path: Path) -> None:
    for remote in (False, True):
        log = AccessLog(tmp_path / f"{remote}.log", remote=remote)
        log.append(Request(scope=Scope()), 200, 0.0)
        log.close()
    assert "remote" not in lines(tmp_path / "False.log")[0]
    assert lines(tmp_path / "True.log")[0]["remote"] == "192.0.2.7:50123"


def test_what_a_caller_makes_long_is_cut(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "access.log")
    log.append(Request(caller_id="x" * 100_000, method="M" * 5000), 400, 0.0)
    log.close()
    assert (tmp_path / "access.log").stat().st_size < 1000


def test_requests_come_in_order_and_none_is_missing(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "access.log")
    for number in range(3000):
        log.append(Request(rows=number + 1), 200, 0.0)
        if number % 700 == 0:
            log.flush()
    log.close()
    assert [line["rows"] for line in lines(tmp_path / "access.log")] == list(range(1, 3001))
    assert log.dropped == 0


def test_a_file_is_rotated_and_a_bounded_number_of_old_ones_stays(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "access.log", max_bytes=20_000, keep=2)
    for number in range(1000):
        log.append(Request(rows=number + 1), 200, 0.0)
        if number % 20 == 0:
            log.flush()
    log.close()
    names = ["access.log.2", "access.log.1", "access.log"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert all((tmp_path / name).stat().st_size <= 20_000 for name in names)
    rows = [line["rows"] for name in names for line in lines(tmp_path / name)]
    assert rows == list(range(1001 - len(rows), 1001))


WRITER = """
import json, sys
from pathlib import Path
from jomon.serving.log_files import RotatedFile
file = RotatedFile(Path(sys.argv[1]), 5_000, 50)
for number in range(300):
    file.write([json.dumps({"worker": sys.argv[2], "number": number}).encode() + b"\\n"])
"""


def test_several_processes_share_a_file_and_rotate_it_together(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*command, str(worker)]) for worker in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    found = [line for name in tmp_path.iterdir() for line in lines(name)]
    assert len(found) == len({(line["worker"], line["number"]) for line in found}) == 900
    assert len(list(tmp_path.iterdir())) > 1  # nobody waits for who is about to rename, so the files may grow


def test_a_file_that_another_program_renames_is_left_to_it(tmp_path: Path) -> None:
    file = RotatedFile(tmp_path / "access.log", 10**6, 1)
    file.write([b"1\n"])
    (tmp_path / "access.log").rename(tmp_path / "moved")
    file.write([b"2\n"])
    assert (tmp_path / "moved").read_bytes() == b"1\n"
    assert (tmp_path / "access.log").read_bytes() == b"2\n"


def test_a_disk_that_is_full_drops_lines_counts_them_and_ends_the_torn_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = RotatedFile(tmp_path / "access.log", 10**6, 1)
    room, write = 0, os.write

    def full(descriptor: int, data: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken, room = min(room, len(data)), max(room - len(data), 0)
        return write(descriptor, data[:taken])

    monkeypatch.setattr(os, "write", full)
    room = 7
    assert file.write([b"one\n", b"two\n", b"three\n"]) == 2
    assert file.write([b"four\n"]) == 1
    room = 100
    assert file.write([b"five\n"]) == 0
    assert (tmp_path / "access.log").read_bytes() == b"one\ntwo\nfive\n"
    assert file.problem == "No space left on device"


def test_a_log_that_cannot_be_written_says_so_once_and_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = AccessLog(tmp_path / "no such folder" / "access.log")
    for _ in range(3):
        log.append(Request(), 200, 0.0)
        log.flush()
    log.close()
    assert log.dropped == 3
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "No such file or directory" in told


def test_a_pipe_that_nobody_reads_makes_no_caller_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "WAITING_LINES", 2000)
    monkeypatch.setattr(access_log, "CLOSE_SECONDS", 0.0)
    reads, writes = os.pipe()
    log = AccessLog(None)
    log._target = Stream(writes)
    for _ in range(3):
        for _ in range(2000):
            log.append(Request(), 200, 0.0)
        log.flush()  # the thread is stuck in the full pipe by now, or about to be
    log.close()
    assert log.dropped >= 2000
    got = bytearray()

    def drain() -> None:
        while data := os.read(reads, 65536):
            got.extend(data)

    reader = threading.Thread(target=drain)
    reader.start()
    (writer,) = [thread for thread in threading.enumerate() if thread.name == "access-log"]
    writer.join()
    os.close(writes)
    reader.join()
    os.close(reads)
    assert got.count(b"\n") == 6000 - log.dropped
    assert all(json.loads(line)["status"] == 200 for line in got.splitlines())


def test_pieces_are_whole_lines_within_the_limit() -> None:
    given = [b"a" * size + b"\n" for size in (1, 2000, 2000, 100, 5000, 1)]
    groups = pieces(given, 4096)
    assert [line for group in groups for line in group] == given
    assert all(sum(map(len, group)) <= 4096 or len(group) == 1 for group in groups)


def test_a_stream_that_is_closed_loses_lines_and_nothing_else() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    stream = Stream(writes)
    assert stream.write([b"1\n", b"2\n"]) == 2
    os.close(writes)
    assert stream.problem == "Broken pipe"
