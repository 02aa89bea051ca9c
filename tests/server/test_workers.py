"""What becomes of workers that die, hang, or lose their supervisor."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

from .fleets import ride
from .servers import Server, children_of, lives, reserved, running

IMPATIENT = """
import sys
from dataclasses import replace
from jomon.cli.door import told
from jomon.project.serve_setup import Wishes, configured
from jomon.serving.config import Limits
from jomon.serving.server import serve
config, _ = configured(Wishes(("rides",), "127.0.0.1", int(sys.argv[1]), 1, Limits()), told)
serve(replace(config, silence=3.0))
"""
"""A server as `jomon serve rides` is, which waits less long for a sign of life."""
ROWS = 'jomon_rows_total{fleet="rides"}'


def workers(server: Server) -> list[int]:
    """The processes that answer."""
    return [pid for pid in children_of(server.pid) if b"multiprocessing-fork" in words(pid)]


def words(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def holds(server: Server, name: str, value: float) -> bool:
    with suppress(OSError):
        return server.metrics().get(name) == value
    return False


def test_a_worker_that_replaces_a_dead_one_goes_on_from_its_counts_and_in_its_slot(fleets: Path) -> None:
    with running(fleets, expected=["a worker was ended by SIGKILL; another one is started"]) as server:
        for _ in range(3):
            assert server.predict("rides", ride(), ride()).status == 200
        server.until(partial(holds, server, ROWS, 6), "the count")
        (worker,) = workers(server)
        os.kill(worker, signal.SIGKILL)
        server.until(partial(holds, server, "jomon_worker_starts_total", 2), "another worker")
        assert server.predict("rides", ride()).status == 200
        server.until(partial(holds, server, ROWS, 7), "the count of both")
        log = server.home("rides") / "log" / "rides"
        assert [path.name for path in log.glob("slot-*")] == ["slot-00.lock"]


def test_workers_begin_as_fresh_processes(fleets: Path) -> None:
    """A copy of the supervisor would hold the locks of its threads, and what they had not written yet."""
    with running(fleets, ["rides"], ["--workers", 2]) as server:
        server.until(lambda: len(workers(server)) == 2, "both workers")
        assert all(b"spawn_main" in words(pid) for pid in workers(server))


def test_a_worker_that_hangs_is_killed_and_replaced(fleets: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(fleets, tmp_path / "fleets")
    with reserved() as port:
        process = subprocess.Popen(
            [sys.executable, "-c", IMPATIENT, str(port)], cwd=folder, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        server = Server(port, process, folder, folder, folder, {})  # type: ignore[arg-type]
        with process:
            try:
                while not server.ready():
                    assert process.poll() is None
                (worker,) = workers(server)
                os.kill(worker, signal.SIGSTOP)
                assert process.stderr.readline() == "jomon: a worker has been silent for 3 s and is killed\n"
                assert "a worker was ended by SIGKILL" in process.stderr.readline()
                while not server.ready():
                    assert process.poll() is None
                assert workers(server) != [worker]
                process.terminate()
                assert process.wait(60) == 0
            finally:
                process.kill()


def test_what_a_killed_supervisor_leaves_ends_by_itself_and_the_next_server_takes_its_place(
    fleets: Path,
) -> None:
    """Workers answer what is in flight first; their folder goes when the next server starts."""
    with running(fleets, ["rides"], ["--workers", 2]) as server:
        server.until(lambda: len(workers(server)) == 2, "both workers")
        left = children_of(server.pid)
        assert len(left) >= 4  # two workers, a mover, and what Python tracks shared things with
        server.process.kill()
        server.process.wait()
        folder = server.folder
        (stale,) = folder.glob("*/.jomon/run/serve-*")
        with running(folder, ["rides"], copy=False) as after:
            assert after.predict("rides", ride()).status == 200
            after.until(lambda: not any(lives(pid) for pid in left), "the end of all that was left")
            assert not stale.exists()
        server.status = -signal.SIGKILL
