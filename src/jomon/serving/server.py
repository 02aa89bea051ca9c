"""The supervisor: starts the workers that answer and the mover beside them, and ends them in order."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from granian import Granian
from granian.constants import Interfaces, Loops
from granian.http import HTTP1Settings

from jomon.core.errors import JomonError
from jomon.serving.config import Command, ServerConfig, WorkerConfig
from jomon.serving.worker import DRAINING, METRICS

HEADER_BYTES = 64 * 1024
BACKLOG = 2048
RESTARTS = 5
"""Times that a server whose workers keep dying is started again before it gives up."""
BACKOFF_SECONDS = 1.0
KILL_SECONDS = 30


def serve(config: ServerConfig) -> None:
    """Answer until SIGTERM or SIGINT; raises `JomonError` where the workers cannot start or keep dying."""
    run = config.worker.run
    run.mkdir(parents=True, exist_ok=True, mode=0o700)
    (run / METRICS).mkdir(exist_ok=True)
    # Workers begin as fresh processes: a copy of this one would hold its threads' locks.
    multiprocessing.set_start_method("spawn", force=True)
    movers = [_Kept(command, config.told) for command in config.movers]
    try:
        for mover in movers:
            mover.start()
        _serve_workers(config, run)
    finally:
        for mover in movers:
            mover.stop()
        shutil.rmtree(run, ignore_errors=True)


def _serve_workers(config: ServerConfig, run: Path) -> None:
    for restart in range(RESTARTS + 1):
        began = time.monotonic()
        server = _Server(config, run)
        with _without_main():
            try:
                server.serve(target_loader=partial(load_or_say, config.worker), wrap_loader=False)
                return
            except SystemExit:
                said = next(run.glob("failed-*"), None)
                if said is not None:
                    raise JomonError(said.read_text()) from None
                if (run / DRAINING).exists():
                    return
        config.told("a worker keeps dying; all are started again")
        if time.monotonic() - began > 60:
            continue
        if restart < RESTARTS:
            time.sleep(BACKOFF_SECONDS * 2**restart)
    raise JomonError(f"The workers died {RESTARTS + 1} times in a row: read what they said above.")


def load_or_say(config: WorkerConfig) -> Any:
    """The application of a worker; what the user can mend goes to a file that the supervisor reads."""
    from jomon.serving.app import load

    try:
        app = load(config)
    except JomonError as error:
        (config.run / f"failed-{os.getpid()}").write_text(str(error))
        raise SystemExit(2) from None
    return app


class _Server(Granian):  # type: ignore[misc, valid-type]
    """Granian, with a moment between being not ready and taking no more requests."""

    def __init__(self, config: ServerConfig, run: Path) -> None:
        self._grace, self._run = config.grace, run
        super().__init__(
            "jomon",
            address=config.host,
            port=config.port,
            interface=Interfaces.RSGI,
            workers=config.workers,
            loop=Loops.auto,
            websockets=False,
            backlog=BACKLOG,
            http1_settings=HTTP1Settings(
                header_read_timeout=int(config.worker.limits.seconds * 1000), max_buffer_size=HEADER_BYTES
            ),
            ssl_cert=config.tls_cert,
            ssl_key=config.tls_key,
            log_enabled=False,
            respawn_failed_workers=True,
            workers_kill_timeout=KILL_SECONDS,
        )

    def signal_handler_interrupt(self, *args: Any, **kwargs: Any) -> None:
        """Say that the server is going away; a second signal, or the end of the grace, ends it."""
        again = (self._run / DRAINING).exists()
        with suppress(OSError):
            (self._run / DRAINING).touch()
        if again or self._grace <= 0:
            super().signal_handler_interrupt(*args, **kwargs)
        else:
            threading.Timer(self._grace, super().signal_handler_interrupt).start()


class _Kept:
    """A process that is kept running: started again when it ends, ended when the supervisor does.

    It holds one end of a pipe; when that closes, whatever the reason, it knows that nobody waits for it.
    """

    def __init__(self, command: Command, told: Callable[[str], None]) -> None:
        self._command, self._told = command, told
        self._stop = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name="mover", daemon=True)
        self._lifeline, self._ours = os.pipe()

    def start(self) -> None:
        """Start it, and watch it."""
        self._launch()
        self._thread.start()

    def _launch(self) -> None:
        self._process = subprocess.Popen(
            [*self._command.words, "--lifeline", str(self._lifeline)],
            env={**os.environ, **self._command.environment},
            pass_fds=(self._lifeline,),
            stdin=subprocess.DEVNULL,
        )

    def _keep(self) -> None:
        delay = BACKOFF_SECONDS
        while not self._stop.is_set():
            assert self._process is not None
            began = time.monotonic()
            status = self._process.wait()
            if self._stop.is_set():
                return
            delay = BACKOFF_SECONDS if time.monotonic() - began > 60 else min(delay * 2, 60)
            self._told(f"the mover ended with status {status}; it is started again in {delay:.0f} s")
            if self._stop.wait(delay):
                return
            self._launch()

    def stop(self) -> None:
        """Let it make its last pass, and end."""
        self._stop.set()
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(KILL_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for end in (self._lifeline, self._ours):
            os.close(end)


@contextmanager
def _without_main() -> Iterator[None]:
    """Let workers start without running the caller's script again: they import what they need, and no more."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
