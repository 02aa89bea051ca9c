"""HTTP to one server: connections that stay open, one per thread, and calls that are tried again where that is safe."""

from __future__ import annotations

import http.client
import os
import random
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from jomon.core.errors import JomonError

FIRST_WAIT = 0.1
"""Seconds before a call is tried again after its connection broke; doubled each time."""
_DEFAULT_WAIT = 1.0
_JITTER = 0.25
_UNAVAILABLE = 503


class CallError(JomonError):
    """A call that was not answered: the server's own sentence, or why there is none.

    `status` is None where nothing came back. `request_id` finds the request in the server's access log.
    """

    def __init__(self, sentence: str, status: int | None = None, request_id: str | None = None) -> None:
        super().__init__(sentence)
        self.status, self.request_id = status, request_id


class Answer(NamedTuple):
    """A response, read as a whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Retries:
    """How often a call is tried again, and the longest wait (seconds) that the server may ask for."""

    times: int = 2
    longest_wait: float = 5.0


class _Held:
    """A thread's connection, closed when the thread ends."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self.connection, self.process = connection, os.getpid()

    def __del__(self) -> None:
        self.connection.close()


class Connection:
    """Calls to the server at `url`; may be used by several threads."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout: float, ca_file: str | None) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        try:
            port = parts.port
        except ValueError:
            port = 0
        if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or parts.username:
            raise CallError(f"{url!r} is not the URL of a server: write it as http://host:8080.")
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._host, self._port, self._prefix = parts.hostname, port, parts.path.rstrip("/")
        self._headers, self._timeout = dict(headers), timeout
        self._tls = ssl.create_default_context(cafile=ca_file) if parts.scheme == "https" else None
        self._local = threading.local()
        self._open: weakref.WeakSet[http.client.HTTPConnection] = weakref.WeakSet()
        self._lock = threading.Lock()

    def call(self, method: str, path: str, body: bytes | None, retries: Retries) -> Answer:
        """The answer to a request, whatever its status; raises `CallError` where none came.

        It is sent again, up to `retries.times` times, if the connection broke or the server answered 503, after the
        time that the server asks for; a wait beyond `retries.longest_wait` is not waited, and a call that timed out is
        not sent again.
        """
        wait = FIRST_WAIT
        for left in range(retries.times, -1, -1):
            try:
                answer = self._once(method, path, body)
            except TimeoutError:
                raise CallError(f"{self.url} did not answer within {self._timeout:g} s.") from None
            except ssl.SSLCertVerificationError as error:
                raise CallError(
                    f"The certificate of {self.url} does not hold ({error.verify_message})."
                ) from None
            except (OSError, http.client.HTTPException) as error:
                if not left:
                    reason = str(error) or type(error).__name__
                    raise CallError(f"{self.url} does not answer ({reason}): is it running?") from None
                pause, wait = wait, 2 * wait
            else:
                pause = _asked_wait(answer)
                if answer.status != _UNAVAILABLE or not left or pause > retries.longest_wait:
                    return answer
            time.sleep(pause * (1 + _JITTER * random.random()))
        raise AssertionError("every path above returns or raises")

    def close(self) -> None:
        """Close all connections; a later call opens a new one."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            connection.close()

    def _once(self, method: str, path: str, body: bytes | None) -> Answer:
        connection = self._connection()
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        try:
            connection.request(method, self._prefix + path, body, headers)
            response = connection.getresponse()
            data = response.read()
        except BaseException:
            connection.close()  # what is left of the answer must not be taken for the next one
            raise
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, data)

    def _connection(self) -> http.client.HTTPConnection:
        """This thread's connection, a new one if the server closed it or the process was forked."""
        held: _Held | None = getattr(self._local, "held", None)
        if held is None or held.process != os.getpid():
            held = self._local.held = _Held(self._made())
            with self._lock:
                self._open.add(held.connection)
        elif held.connection.sock is not None and _has_ended(held.connection.sock, self._timeout):
            held.connection.close()
        return held.connection

    def _made(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=self._tls)


def _has_ended(sock: socket.socket, timeout: float) -> bool:
    """Whether an idle connection is at its end: nothing is awaited, so nothing but the end can be read."""
    sock.settimeout(0)
    try:
        sock.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        sock.settimeout(timeout)
        return False
    except OSError:
        return True
    return True


def _asked_wait(answer: Answer) -> float:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else _DEFAULT_WAIT
