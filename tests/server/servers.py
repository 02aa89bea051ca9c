"""Runs the real `jomon serve` in a process of its own, and asks it over sockets as any caller does."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

START_SECONDS, END_SECONDS = 60.0, 40.0
PAUSE = 0.02


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The sentence of a refusal, which is JSON with a request id, one line, and no trace or path."""
        document = self.json
        sentence = document["error"]
        assert self.headers["content-type"] == "application/json"
        assert isinstance(sentence, str)
        assert sentence
        assert "\n" not in sentence
        assert "Traceback" not in sentence
        assert ".py" not in sentence
        return sentence


@dataclass
class Server:
    """A running server: where it listens, its process, the folder it was started in, what it wrote."""

    port: int
    process: subprocess.Popen[bytes]
    folder: Path
    out: Path
    err: Path
    headers: Mapping[str, str]
    expected: tuple[str, ...] = ()
    """Parts of lines that may be on its standard error; any other line is a failure."""
    status: int = 0
    """What it ends with."""
    tls: ssl.SSLContext | None = None
    """What callers trust, where it speaks TLS."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The supervisor's."""
        return self.process.pid

    def home(self, fleet: str) -> Path:
        """The store of a fleet that `fleets.py` made."""
        return self.folder / fleet / ".jomon"

    def children(self) -> list[int]:
        """Ids of the processes that the supervisor started: workers and movers."""
        return children_of(self.pid)

    def connect(self, seconds: float = 30.0) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), seconds)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = 30.0,
    ) -> Answer:
        """One request over a connection of its own."""
        connection: http.client.HTTPConnection
        if self.tls is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        else:
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=seconds, context=self.tls
            )
        try:
            connection.request(method, path, body, {**self.headers, **(headers or {})})
            response = connection.getresponse()
            told = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, told, response.read())
        finally:
            connection.close()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self.ask("GET", path, None, headers)

    def post(self, path: str, document: Any, headers: Mapping[str, str] | None = None) -> Answer:
        """A JSON body."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        return self.ask("POST", path, json.dumps(document), sent)

    def predict(self, fleet: str, *rows: Mapping[str, Any], **more: Any) -> Answer:
        """`POST /predict/{fleet}`."""
        return self.post(f"/predict/{fleet}", {"rows": list(rows), **more})

    def ready(self) -> bool:
        with suppress(OSError, http.client.HTTPException):
            return self.ask("GET", "/v2/health/ready", seconds=5).status == 200
        return False

    def until(self, holds: Any, what: str, seconds: float = 20.0) -> None:
        """Wait until `holds()`; fails where the server ends, or the time does."""
        end = time.monotonic() + seconds
        while not holds():
            assert self.process.poll() is None, f"the server ended: {self.said()}"
            assert time.monotonic() < end, f"{what} did not come about: {self.said()}"
            time.sleep(PAUSE)

    def metrics(self) -> dict[str, float]:
        """Samples by name and labels, as they stand on the page."""
        answer = self.get("/metrics")
        assert answer.status == 200
        lines = [line for line in answer.body.decode().splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def said(self) -> str:
        """What it wrote to its standard error."""
        return self.err.read_text(encoding="utf-8", errors="replace")

    def end(self) -> None:
        """SIGTERM, and wait; fails unless it ends with its status, leaves no process, and said nothing unexpected."""
        kept = self.children() if self.process.poll() is None else []
        self.process.terminate()
        try:
            status = self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the server does not end: {self.said()}") from None
        said = self.said()
        assert status == self.status, f"it ended with status {status}: {said}"
        assert "Traceback" not in said, said
        assert "panicked" not in said, said
        lines = [line for line in said.splitlines() if not any(part in line for part in self.expected)]
        assert lines == [], said
        end = time.monotonic() + 5  # what follows the supervisor by a moment
        while (alive := [pid for pid in kept if lives(pid)]) and time.monotonic() < end:
            time.sleep(PAUSE)
        assert alive == [], f"processes {alive} are left"
        assert list(self.folder.glob("*/.jomon/run/serve-*")) == []

    def kill(self) -> None:
        """End everything at once, where a test failed."""
        with suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(END_SECONDS)


def children_of(pid: int) -> list[int]:
    """Ids of the processes that any thread of a process started; none if it is gone."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(word) for word in path.read_text().split()]
    return found


def lives(pid: int) -> bool:
    """Whether a process is there, and is no more than a status that nobody asked for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


@contextmanager
def running(
    made: Path,
    fleets: Sequence[str] = ("rides",),
    options: Sequence[object] = (),
    *,
    headers: Mapping[str, str] | None = None,
    expected: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    copy: bool = True,
    tls: ssl.SSLContext | None = None,
    terminal: int | None = None,
) -> Iterator[Server]:
    """A server of `fleets` (words as `jomon serve` takes them, of projects in `made`), ready, in a copy of `made`.

    `options` are further words of the command; `headers` go with every request that `Server` makes; `expected` are
    parts of lines that the server may write to its standard error. When the block ends without an exception the server
    is ended with SIGTERM and checked (see `Server.end`). `copy=False` serves `made` itself; `tls`: what callers trust;
    `terminal`: a descriptor of one that it is started in.
    """
    with tempfile.TemporaryDirectory(prefix="jomon-serve-") as place:
        folder = made
        if copy:
            folder = Path(place) / "fleets"
            shutil.copytree(made, folder)
        with reserved() as port:
            words = [*fleets, "--port", port, *options]
            process = _started(Path(place), folder, words, environment or {}, terminal)
            out, err = (Path(place) / name for name in ("out", "err"))
            server = Server(port, process, folder, out, err, headers or {}, tuple(expected))
            server.tls = tls
            try:
                server.until(server.ready, "readiness", START_SECONDS)
                yield server
                server.end()
            finally:
                server.kill()


def refused(folder: Path, *words: object) -> str:
    """The last sentence of a `jomon serve` that does not start, and leaves nothing behind."""
    before = set(folder.glob("*/.jomon/run/serve-*"))
    command = [sys.executable, "-m", "jomon.cli.main", "serve", *map(str, words)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    *warnings, sentence = done.stderr.splitlines()
    assert len(warnings) <= 1
    assert sentence.startswith("jomon: ")
    assert "defect" not in sentence
    assert set(folder.glob("*/.jomon/run/serve-*")) == before
    return sentence.removeprefix("jomon: ")


def _started(
    place: Path,
    folder: Path,
    words: Sequence[object],
    environment: Mapping[str, str],
    terminal: int | None,
) -> subprocess.Popen[bytes]:
    inherited = {name: value for name, value in os.environ.items() if name != "JOMON_STORE"}
    with (place / "out").open("wb") as out, (place / "err").open("wb") as err:
        return subprocess.Popen(
            [sys.executable, "-m", "jomon.cli.main", "serve", *map(str, words)],
            cwd=folder,
            env={**inherited, **environment},
            stdin=subprocess.DEVNULL if terminal is None else terminal,
            stdout=out,
            stderr=err,
            start_new_session=True,
            preexec_fn=None if terminal is None else partial(fcntl.ioctl, terminal, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )


@contextmanager
def reserved() -> Iterator[int]:
    """A free port that no other test is given: held by a socket that does not listen."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
