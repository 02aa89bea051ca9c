"""Bytes as they are, over bare sockets: what no client library would send, and what comes back."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from .servers import Answer, Server

JSON = {"Content-Type": "application/json"}


def request(
    path: str, body: bytes = b"", headers: Mapping[str, str] | None = None, method: str = "POST"
) -> bytes:
    """One request; `headers` replace or add to the usual ones, an empty value leaves one out."""
    usual = {"Host": "localhost", **JSON, "Content-Length": str(len(body))} | dict(headers or {})
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in usual.items() if value)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def rows_of(*rows: Mapping[str, Any], **more: Any) -> bytes:
    """A body of rows."""
    return json.dumps({"rows": list(rows), **more}).encode()


def chunked(parts: Iterable[bytes]) -> bytes:
    """A body in chunks, whole."""
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def sent(server: Server, data: bytes, *, half_close: bool = False, seconds: float = 20.0) -> bytes:
    """All that comes back until the server closes the connection."""
    with server.connect(seconds) as connection:
        with suppress(OSError):
            connection.sendall(data)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        return received(connection)


def received(connection: socket.socket) -> bytes:
    """What comes over a connection until it is closed."""
    parts = []
    with suppress(ConnectionResetError):
        while part := connection.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


def answers(data: bytes) -> list[Answer]:
    """The answers in what came back, one after the other; fails where something is left over."""
    found = []
    while data:
        head, blank, data = data.partition(b"\r\n\r\n")
        assert blank, head
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", 0))
        assert len(data) >= length
        found.append(Answer(int(first.split()[1]), headers, data[:length]))
        data = data[length:]
    return found


def answer(server: Server, data: bytes, **more: Any) -> Answer:
    """The one answer to a request, after which the connection is closed (the request asks for it)."""
    (one,) = answers(sent(server, data, **more))
    return one
