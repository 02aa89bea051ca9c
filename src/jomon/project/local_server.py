"""A server of one fleet on this machine, in a process of its own, for as long as a block of code runs."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

from jomon.core.errors import JomonError
from jomon.project.home import Home

START_SECONDS, END_SECONDS = 60.0, 60.0
_LOOK_SECONDS = 0.05
_TRIES = 3
"""Ports that are tried: another program may take a free one before the server does."""
_ENDED = 128  # and the number of a signal: the status of a program that it ended


@contextmanager
def served_locally(home: Home, reference: str) -> Iterator[str]:
    """Run `jomon serve` for an image of `home` on a free port of the loopback interface; gives its URL once ready.

    The server is ended when the block is left, however it is: with an error, by Ctrl-C, or when this process is told to
    end. What it acknowledged is in the tables then. Raises `JomonError` where it does not start.
    """
    with tempfile.TemporaryFile() as said, _told_to_end():
        process, url = _started(home, reference, said.fileno())
        try:
            yield url
        finally:
            _end(process)


def _started(home: Home, reference: str, said: int) -> tuple[subprocess.Popen[bytes], str]:
    for last in (False,) * (_TRIES - 1) + (True,):
        port = _free_port()
        words = [sys.executable, "-m", "jomon.cli.main", "serve", f"{home.root.resolve()}//{reference}"]
        process = subprocess.Popen(
            [*words, "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,  # Ctrl-C is for us, who end it in order
        )
        try:
            if _ready(process, port):
                return process, f"http://127.0.0.1:{port}"
        except BaseException:
            _end(process)
            raise
        _end(process)
        if last:
            break
    raise JomonError(f"The server did not start: {_last_line(said)}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _ready(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether the server came to answer; waits until it does, or ends."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK_SECONDS)
            return False
        if _answers(port) and process.poll() is None:
            return True
    return False


def _answers(port: int) -> bool:
    with (
        suppress(OSError, http.client.HTTPException),
        closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection,
    ):
        connection.request("GET", "/v2/health/ready")
        with connection.getresponse() as response:
            return response.status == http.HTTPStatus.OK
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it in order: what waits is answered, and the mover makes its last pass."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        process.wait(END_SECONDS)
    except BaseException:  # it does not end, or whoever waits does not want to wait
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


def _last_line(said: int) -> str:
    os.lseek(said, 0, os.SEEK_SET)
    lines = os.read(said, 1 << 20).decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("jomon: ") if lines else "it said nothing."


@contextmanager
def _told_to_end() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP leave the block as an exit of the program does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: object) -> None:
        raise SystemExit(_ENDED + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
