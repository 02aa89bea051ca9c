"""The supervisor: starts the workers that answer and the mover beside them, replaces those that die, ends all in order.

It follows what its workers are, not what it was told of them: a few times a second it looks which of them live. A
worker that dies is replaced while the others go on answering; one that keeps dying is replaced ever more slowly.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings

from jomon.core.errors import JomonError
from jomon.core.processes import without_main
from jomon.serving.backoff import Backoff
from jomon.serving.config import ServerConfig, WorkerConfig
from jomon.serving.kept import Kept, ended, without_interrupts
from jomon.serving.listening import address_of, require_certificate, require_port
from jomon.serving.open_files import connections, raised_limit
from jomon.serving.run_folder import RunFolder, held

HEADER_BYTES = 64 * 1024
BACKLOG = 2048
TRIES = 3
"""Times that a worker may die before any of this server ever answered."""
LOOK_SECONDS = 0.5
AWAKE_SECONDS = 3.0
"""Between two looks; where more went by all processes may have slept, and nobody's silence means anything."""
AGAIN_SECONDS = 5.0
"""How long after the machine had no room for a worker another is tried."""
RENEW_SECONDS = 120.0
"""How long a new worker may take to answer before the old one that it was to replace stays."""
KILL_SECONDS = 20
"""How long workers may take to answer what is in flight; longer than a body may take to arrive."""
SAME_SIGNAL_SECONDS = 0.2
"""Two signals so close are one: a terminal and a program in between may both send it."""


def serve(config: ServerConfig) -> None:
    """Answer until SIGTERM or SIGINT; a second one ends it at once. SIGHUP replaces the workers one by one, except in a
    terminal, where it ends the server.

    Raises `JomonError` where nothing can listen at the place, the workers cannot start, or a second signal came.
    """
    if config.tls_cert is not None and config.tls_key is not None:
        require_certificate(config.tls_cert, config.tls_key)
    require_port(address_of(config.host), config.port)
    with held(config.worker.run) as run:
        _Supervisor(config, run).serve()


class _Supervisor:
    """One server: its workers, its movers, and how it ends."""

    def __init__(self, config: ServerConfig, run: RunFolder) -> None:
        self._config, self._run = config, run
        self._movers = [Kept(command, config.told) for command in config.movers]
        self._server = _Server(config, run.path, self._signalled)
        self._first: float | None = None
        self._hurried = False

    def serve(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._signalled)
        try:
            for mover in self._movers:
                mover.start()
            with without_main():
                self._server.serve(target_loader=partial(load_or_say, self._config.worker), wrap_loader=False)
        finally:
            for mover in self._movers:
                mover.stop()
        if self._hurried:
            raise JomonError(
                "The server was ended at once: requests in flight were not answered; what was answered is in the log."
            )

    def _signalled(self, *args: Any) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now
            self._run.drain()
            timer = threading.Timer(self._config.grace, self._server.interrupt)
            timer.daemon = True
            timer.start()
        elif now - self._first > SAME_SIGNAL_SECONDS:
            self._hurried = True
            self._server.kill()
            for mover in self._movers:
                mover.kill()


def load_or_say(config: WorkerConfig) -> Any:
    """The application of a worker; what the user can mend goes to a file that the supervisor reads."""
    from jomon.serving.app import load

    try:
        return load(config)
    except JomonError as error:
        RunFolder(config.run).say_failed(str(error))
        raise SystemExit(2) from None


class _Server(Granian):  # type: ignore[misc, valid-type]
    """Granian's server, with a look of its own after workers that die."""

    reload_signal: bool

    def __init__(self, config: ServerConfig, run: Path, signalled: Callable[..., None] | None = None) -> None:
        self._run, self._told = RunFolder(run), config.told
        self._silence, self._grace = config.silence, config.grace
        self._backoffs = [Backoff(most=10.0, steady=3.0) for _ in range(config.workers)]
        self._due: dict[int, float] = {}
        self._problem: JomonError | None = None
        self._signalled = signalled or self.interrupt
        self._in_terminal = any(os.isatty(number) for number in (0, 1, 2))
        super().__init__(
            "jomon",
            address=address_of(config.host),
            port=config.port,
            interface=Interfaces.RSGI,
            workers=config.workers,
            loop=Loops.auto,
            http=HTTPModes.http1,  # its limits of time and size are those that are set and tested
            websockets=False,
            backlog=BACKLOG,
            backpressure=connections(raised_limit(), len(config.worker.names)),
            http1_settings=HTTP1Settings(
                header_read_timeout=int(config.worker.limits.seconds * 1000), max_buffer_size=HEADER_BYTES
            ),
            ssl_cert=config.tls_cert,
            ssl_key=config.tls_key,
            log_enabled=False,
            workers_kill_timeout=KILL_SECONDS,
        )

    def serve(self, *args: Any, **kwargs: Any) -> None:
        """Answer until `interrupt`; raises `JomonError` where the workers cannot start."""
        # Workers begin as fresh processes: a copy of this one would hold its threads' locks.
        multiprocessing.set_start_method("spawn", force=True)
        resource_tracker.ensure_running()  # it would lift the blocks of signals if it began later
        with suppress(SystemExit):  # a worker that died on the way to the end
            super().serve(*args, **kwargs)
        if self._problem is not None:
            raise self._problem

    def interrupt(self, *args: Any) -> None:
        """Take no more requests; answer those in flight, and end."""
        super().signal_handler_interrupt()

    def kill(self) -> None:
        """End the workers now."""
        self.interrupt()
        for worker in list(self.wrks):
            worker.kill()

    def signal_handler_interrupt(self, *args: Any, **kwargs: Any) -> None:
        """Called for SIGTERM and SIGINT."""
        self._signalled()

    def signal_handler_reload(self, *args: Any, **kwargs: Any) -> None:
        """Called for SIGHUP: the terminal was closed, or workers are to be replaced where there is none."""
        if self._in_terminal:
            self._signalled()
        else:
            super().signal_handler_reload()

    def _spawn_workers(self, spawn_target: Any, target_loader: Any) -> None:
        for at in range(self.workers):
            self.wrks.append(self._started(at, spawn_target, target_loader))

    def _started(self, at: int, spawn_target: Any, target_loader: Any) -> Any:
        worker = self._spawn_worker(idx=at, target=spawn_target, callback_loader=target_loader)
        with without_interrupts():
            worker.start()
        return worker

    def _serve_loop(self, spawn_target: Any, target_loader: Any) -> None:
        start = partial(self._started, spawn_target=spawn_target, target_loader=target_loader)
        looked = time.monotonic()
        while not self.interrupt_signal and self._problem is None:
            self.main_loop_interrupt.wait(LOOK_SECONDS)
            self.main_loop_interrupt.clear()
            before, looked = looked, time.monotonic()
            awake = looked - before < AWAKE_SECONDS
            if self._run.draining:
                continue
            for at, worker in enumerate(self.wrks):
                if not worker.is_alive():
                    self._replace(at, worker, start)
                elif awake and self._run.silence(worker.inner.pid) > self._silence:
                    self._told(f"a worker has been silent for {self._silence:.0f} s and is killed")
                    worker.inner.kill()
            if self.reload_signal:
                self.reload_signal = False
                self._renew(start)

    def _replace(self, at: int, dead: Any, start: Callable[[int], Any]) -> None:
        """Start a worker in the place of one that died, now or when it is due."""
        now = time.monotonic()
        if at not in self._due:
            self._due[at] = now + self._mourned(at, dead, now)
        if self._problem is None and now >= self._due[at]:
            try:
                self.wrks[at] = start(at)
            except OSError as error:  # no room for another process now
                self._told(f"a worker cannot be started ({error.strerror or error}); it is tried again later")
                self._due[at] = now + AGAIN_SECONDS
            else:
                del self._due[at]

    def _mourned(self, at: int, dead: Any, now: float) -> float:
        """Tell of a worker that died; how long to wait for another."""
        backoff = self._backoffs[at]
        delay = backoff.after(now - dead.birth)
        if backoff.soon == 1 and self._run.is_up(dead.inner.pid):
            delay = 0.0  # it did answer: most likely it was killed
        said = self._run.failure(dead.inner.pid)
        if not self._run.is_up():
            if said is not None:
                self._problem = JomonError(said)
                return delay
            if backoff.soon >= TRIES:
                self._problem = JomonError(
                    f"The workers died {TRIES} times in a row: read what they said above."
                )
                return delay
        why = ended(dead.inner.exitcode) if said is None else f"could not start: {said}"
        self._told(f"a worker {why}; another one is started {f'in {delay:.0f} s' if delay >= 1 else 'now'}")
        return delay

    def _renew(self, start: Callable[[int], Any]) -> None:
        """Replace the workers one by one, each when the new one answers: how a new certificate comes into use."""
        for at, old in enumerate(self.wrks):
            new = start(at)
            end = time.monotonic() + RENEW_SECONDS
            while not self._run.is_up(new.inner.pid):
                self.main_loop_interrupt.wait(LOOK_SECONDS / 5)
                self.main_loop_interrupt.clear()
                if self.interrupt_signal or not new.is_alive() or time.monotonic() > end:
                    self._give_up(new, self.interrupt_signal)
                    return
            self.wrks[at] = new
            self._run.let_go(old.inner.pid)
            self._pause(self._grace)
            self._end(old)

    def _pause(self, seconds: float) -> None:
        """Wait, unless the server is to end."""
        end = time.monotonic() + seconds
        while not self.interrupt_signal and (left := end - time.monotonic()) > 0:
            self.main_loop_interrupt.wait(left)
            self.main_loop_interrupt.clear()

    def _give_up(self, new: Any, interrupted: bool) -> None:
        said = self._run.failure(new.inner.pid)
        self._end(new)
        if not interrupted:
            self._told(f"the workers stay as they are: a new one did not answer{f': {said}' if said else ''}")

    def _end(self, worker: Any) -> None:
        worker.terminate()
        worker.join(KILL_SECONDS)
        if worker.is_alive():
            worker.kill()
            worker.join()
