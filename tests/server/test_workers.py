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
from .servers import Server, children_of, lives, refused, reserved, running

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
        # They began as fresh processes: a copy of the supervisor would hold the locks of its threads.
        assert all(b"spawn_main" in words(pid) for pid in workers(server))
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


def test_a_server_whose_workers_cannot_start_says_why_and_ends(fleets: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(fleets, tmp_path / "fleets")
    log = folder / "rides" / ".jomon" / "log"
    shutil.rmtree(log, ignore_errors=True)
    log.mkdir()
    (log / "rides").write_text("no folder")
    with reserved() as port:
        assert "cannot be opened" in refused(folder, "rides", "--port", port)


def test_a_server_whose_workers_die_on_the_way_gives_up(fleets: Path, tmp_path: Path) -> None:
    """For a reason that no sentence of ours explains: a trace, and the end."""
    folder = shutil.copytree(fleets, tmp_path / "fleets")
    (folder / "rides" / ".jomon" / "hash.key").unlink(missing_ok=True)
    (folder / "rides" / ".jomon" / "hash.key").mkdir()
    with reserved() as port:
        command = [sys.executable, "-m", "jomon.cli.main", "serve", "rides", "--port", str(port)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert done.stderr.count("Process granian-worker:") == 3
    assert "IsADirectoryError" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("jomon: The workers died 3 times in a row")
