"""Servers to be measured and the load on them: started, asked, driven by wrk, weighed and stopped (Linux).

Every server and all processes that it starts run on the same cores, and wrk on another one, where the machine has more
than one. wrk is a package of Debian and Ubuntu (`apt-get install wrk`).
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import TracebackType

from bench.common import environment
from bench.memory import family

HERE = Path(__file__).parent
PATIENCE = 120.0  # seconds that a server may take to its first answer
PAUSE = 0.002  # seconds between questions to a server that starts
TOGETHER = 20  # requests over one connection where all are sent once
JSON = {"Content-Type": "application/json"}
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cores:
    """Where servers run and where wrk does, as `taskset -c` reads it; None leaves it to the kernel."""

    server: str | None
    load: str | None

    @classmethod
    def apart(cls) -> Cores:
        """One core for the server and another for wrk."""
        usable = sorted(os.sched_getaffinity(0))
        if len(usable) < 2 or shutil.which("taskset") is None:
            return cls(None, None)
        return cls(str(usable[0]), str(usable[1]))

    def __str__(self) -> str:
        if self.server is None:
            return "nothing pinned"
        return "all processes of a server on one core, wrk on another"


FREE = Cores(None, None)


def pinned(cores: str | None, command: Sequence[str | Path]) -> list[str]:
    """A command that runs on these cores only."""
    prefix = [] if cores is None else ["taskset", "-c", cores]
    return [*prefix, *(str(word) for word in command)]


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@dataclass(frozen=True)
class Answer:
    """What a server said to one request."""

    status: int
    body: bytes


@dataclass(frozen=True)
class Usage:
    """Bytes of one process: resident, proportional (shared pages divided by their users) and its own alone."""

    role: str
    rss: int
    pss: int
    uss: int


@dataclass
class Server:
    """A program that serves on a port of 127.0.0.1, ready when it answers the first of `requests` with 200.

    It runs in the folder `at`; what it says goes to a file in `folder`. `ready` is a path that is asked first, for
    programs that answer for some models before they have loaded all. `start_seconds` is the time from starting the
    program to its first answer. Processes have roles by the words of their command lines: the first of `roles` that is
    found there, `supervisor` for the program itself, else `worker`.
    """

    name: str
    command: Sequence[str | Path]
    port: int
    requests: Path
    folder: Path
    ready: str | None = None
    at: Path | None = None
    cores: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    roles: tuple[str, ...] = ("mover", "resource_tracker")
    grace: float = 30.0
    start_seconds: float = 0.0
    process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        log = self._log.open("wb")
        started = time.perf_counter()
        self.process = subprocess.Popen(
            pinned(self.cores, self.command),
            cwd=self.at or self.folder,
            env=environment(self.env),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        log.close()
        try:
            self._await_answer(started)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def _log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def _await_answer(self, started: float) -> None:
        assert self.process is not None
        line = next(lines(self.requests, 1))
        while time.perf_counter() - started < PATIENCE:
            if self.process.poll() is not None:
                break
            try:
                loaded = self.ready is None or self.ask(self.ready).status == 200
                if loaded and self.ask(*line).status == 200:
                    self.start_seconds = time.perf_counter() - started
                    return
            except OSError:
                pass
            time.sleep(PAUSE)
        raise SystemExit(f"{self.name} gave no answer; it said:\n{self.said()}")

    def ask(self, path: str, body: str | None = None) -> Answer:
        """Send one request (POST with a body, GET without) and wait for its answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            method = "GET" if body is None else "POST"
            connection.request(method, path, body, JSON)
            response = connection.getresponse()
            return Answer(response.status, response.read())
        except http.client.HTTPException as error:
            raise OSError(str(error)) from None
        finally:
            connection.close()

    def ask_all(self) -> None:
        """Send every request of its file, some over each connection, so that all workers get their share."""
        asked = lines(self.requests)
        while some := list(islice(asked, TOGETHER)):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            for path, body in some:
                connection.request("POST", path, body, JSON)
                response = connection.getresponse()
                said = response.read()
                if response.status != 200:
                    raise SystemExit(f"{self.name} answered {response.status}: {said[:500]!r}")
            connection.close()

    def said(self) -> str:
        """The end of what it wrote to stdout and stderr."""
        return self._log.read_text(errors="replace")[-4000:]

    def stop(self) -> None:
        """Ask it to end; after `grace` seconds, end it and all that it started."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(self.grace)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def processes(self) -> dict[int, str]:
        """Its processes by id, each with its role."""
        assert self.process is not None
        return {pid: self._role(pid) for pid in family(self.process.pid)}

    def _role(self, pid: int) -> str:
        assert self.process is not None
        if pid == self.process.pid:
            return "supervisor"
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            return "gone"
        return next((role for role in self.roles if role in words), "worker")

    def usage(self) -> list[Usage]:
        """The memory of each of its processes, now."""
        return [usage_of(pid, role) for pid, role in self.processes().items() if role != "gone"]

    def cpu(self) -> dict[str, float]:
        """Seconds of processor time that the processes of each role have used so far."""
        out: dict[str, float] = {}
        for pid, role in self.processes().items():
            out[role] = out.get(role, 0.0) + cpu_seconds(pid)
        return out


def usage_of(pid: int, role: str) -> Usage:
    """Memory of one process from `/proc/PID/smaps_rollup`."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kib = {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in lines)}
    own = kib["Private_Clean"] + kib["Private_Dirty"]
    return Usage(role, kib["Rss"] * 1024, kib["Pss"] * 1024, own * 1024)


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used; 0 if it is gone."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / TICKS


def lines(requests: Path, count: int | None = None) -> Iterator[tuple[str, str]]:
    """The first requests of a file, all where no count is given: path and body."""
    with requests.open() as file:
        for line in islice(file, count):
            path, _, body = line.rstrip("\n").partition("\t")
            yield path, body


@dataclass(frozen=True)
class Load:
    """What wrk measured in one run: answered requests a second, and milliseconds of their latencies."""

    rate: float
    p50: float
    p90: float
    p99: float
    largest: float
    requests: int
    cpu: Mapping[str, float]

    @property
    def cpu_per_request(self) -> dict[str, float]:
        """Microseconds of processor time a request, by the role of the process."""
        return {role: seconds / self.requests * 1e6 for role, seconds in self.cpu.items()}


def wrk() -> str:
    """The program wrk; raises SystemExit where it is not installed."""
    found = shutil.which("wrk")
    if found is None:
        raise SystemExit("This benchmark needs wrk; install it (Debian, Ubuntu: apt-get install wrk).")
    return found


def wrk_version() -> str:
    """What wrk says of itself."""
    done = subprocess.run([wrk(), "--version"], capture_output=True, text=True, check=False)
    return done.stdout.split()[1]


def drive(server: Server, connections: int, seconds: float, cores: str | None = None) -> Load:
    """Load a server through one thread of wrk for so long; an answer that is not 2xx ends the benchmark."""
    command = [wrk(), "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"]
    words = pinned(cores, [*command, "-s", HERE / "load.lua", server.url, "--", server.requests])
    before = server.cpu()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    after = server.cpu()
    if done.returncode:
        raise SystemExit(f"wrk ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    if found["refused"] or found["broken"] or found["timeouts"] or not found["requests"]:
        raise SystemExit(f"{server.name} did not answer every request as it should: {found}\n{server.said()}")
    return Load(
        rate=found["requests"] / found["duration_us"] * 1e6,
        p50=found["p50_us"] / 1e3,
        p90=found["p90_us"] / 1e3,
        p99=found["p99_us"] / 1e3,
        largest=found["max_us"] / 1e3,
        requests=found["requests"],
        cpu={role: used - before.get(role, 0.0) for role, used in after.items()},
    )
