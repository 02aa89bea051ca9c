"""A process that runs beside the workers of a server: started again when it ends, ended after them."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jomon.serving.backoff import Backoff
from jomon.serving.config import Command

END_SECONDS = 30.0
"""How long it may take to end when it is asked to."""


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Processes that are started inside never hear of a terminal, whose Ctrl-C and end go to all: one is to decide."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Kept:
    """Keeps one command running, from `start` to `stop`.

    The process holds one end of a pipe (the option `--lifeline`); when that closes, because `stop` was called or this
    process died, it does what is left to do, and ends.
    """

    def __init__(self, command: Command, told: Callable[[str], None]) -> None:
        self._command, self._told = command, told
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._theirs, self._ours = os.pipe()

    def start(self) -> None:
        """Start it, and watch it."""
        threading.Thread(target=self._keep, args=(self._launched(),), name="mover", daemon=True).start()

    def _launched(self) -> subprocess.Popen[bytes]:
        with without_interrupts():
            self._process = subprocess.Popen(
                [*self._command.words, "--lifeline", str(self._theirs)],
                env={**os.environ, **self._command.environment},
                pass_fds=(self._theirs,),
                stdin=subprocess.DEVNULL,
            )
        return self._process

    def _keep(self, process: subprocess.Popen[bytes]) -> None:
        backoff = Backoff(first=1.0)
        while True:
            began = time.monotonic()
            status = process.wait()
            delay = max(backoff.after(time.monotonic() - began), backoff.first)
            if self._stop.is_set():
                return
            self._told(f"the mover {ended(status)}; it is started again in {delay:.0f} s")
            again = None
            while again is None:
                if self._stop.wait(delay):
                    return
                again, delay = self._again(), backoff.most
            process = again

    def _again(self) -> subprocess.Popen[bytes] | None:
        """The process started anew; None where the machine has no room for another now."""
        with self._lock:
            if self._stop.is_set():
                return None
            try:
                return self._launched()
            except OSError as error:
                self._told(
                    f"the mover cannot be started ({error.strerror or error}); it is tried again later"
                )
                return None

    def stop(self) -> None:
        """Let it make its last pass, and end."""
        with self._lock:
            self._stop.set()
        os.close(self._ours)
        process = self._process
        if process is not None:
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._told(
                    "the mover takes too long to end and is killed; the log keeps what it did not move"
                )
                process.kill()
                process.wait()
        os.close(self._theirs)

    def kill(self) -> None:
        """End it now: what it did not move stays in the log."""
        self._stop.set()
        if self._process is not None:
            self._process.kill()


def ended(status: int | None) -> str:
    """How a process ended, by its status: the negative number of a signal, or what it said itself.

    >>> ended(-9), ended(2)
    ('was ended by SIGKILL', 'ended with status 2')
    """
    if status is not None and status < 0:
        try:
            return f"was ended by {signal.Signals(-status).name}"
        except ValueError:
            return f"was ended by signal {-status}"
    return f"ended with status {status}"
