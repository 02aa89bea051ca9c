"""One kept-alive HTTP connection for many small requests: what a replay sends thousands of each second."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from jomon.core.errors import JomonError

HEAD_BYTES = 64 * 1024
_NO_BODY = 204


class Answer(NamedTuple):
    """A response: its status, the seconds after which it wants to be asked again (None: it does not say), its body."""

    status: int
    retry_after: float | None
    body: bytes


@dataclass(frozen=True)
class Target:
    """Where a server listens, and what goes with each request."""

    url: str
    host: str
    port: int
    prefix: str
    headers: str
    tls: ssl.SSLContext | None

    @classmethod
    def of(cls, url: str, key: str | None) -> Target:
        """The server at `url` (`http://host:8080`), asked with an API key if there is one; raises `JomonError`."""
        parts = urlsplit(url if "://" in url else f"http://{url}")
        try:
            port = parts.port or {"http": 80, "https": 443}[parts.scheme]
            host = (parts.hostname or "").encode("ascii").decode()
        except (ValueError, KeyError):
            host, port = "", 0
        if not host or parts.username or not url.isascii() or any(ord(c) <= 32 for c in url):
            raise JomonError(f"{url!r} is not the URL of a server: write it as http://host:8080.")
        headers = f"Host: {parts.netloc}\r\nUser-Agent: jomon-replay\r\nAccept: application/json\r\n"
        if key is not None:
            if not key.isascii() or not key.isprintable() or not key.strip():
                raise JomonError("The API key holds characters that no key has: check --key or JOMON_KEY.")
            headers += f"Authorization: Bearer {key.strip()}\r\n"
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        prefix = parts.path.rstrip("/")
        return cls(f"{parts.scheme}://{parts.netloc}{prefix}", host, port, prefix, headers, tls)

    def post(self, path: str, body: bytes) -> bytes:
        """The bytes of a request with a JSON body."""
        head = (
            f"POST {self.prefix}{path} HTTP/1.1\r\n{self.headers}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode("ascii") + body


class Connection:
    """Sends one request after another; connects when there is something to send and no connection stands.

    What breaks a connection is raised as `OSError` or `EOFError`; the next request makes a new one.
    """

    def __init__(self, target: Target, seconds: float) -> None:
        self._target, self._seconds = target, seconds
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def connect(self) -> None:
        """Stand ready to send; raises `OSError`."""
        if self._reader is not None and not self._reader.at_eof():
            return
        self.close()
        target = self._target
        async with asyncio.timeout(self._seconds):
            self._reader, self._writer = await asyncio.open_connection(
                target.host, target.port, ssl=target.tls, limit=HEAD_BYTES
            )

    def send(self, request: bytes) -> None:
        """Hand a request over; nothing else is in between."""
        assert self._writer is not None
        self._writer.write(request)

    async def receive(self) -> Answer:
        """The response to what was sent last."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._receive()
        except BaseException:
            self.close()  # what is left of this answer must not be taken for the next one
            raise

    async def _receive(self) -> Answer:
        reader = self._reader
        if reader is None:
            raise ConnectionError("no connection")
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError as error:
            raise ConnectionError("the answer is no HTTP") from error
        first, *lines = head[:-4].split(b"\r\n")
        words = first.split(b" ", 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
            raise ConnectionError("the answer is no HTTP")
        status = int(words[1])
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        body = await self._body(reader, fields, status)
        if fields.get(b"connection", b"").lower() == b"close":
            self.close()
        return Answer(status, _seconds(fields.get(b"retry-after")), body)

    async def _body(self, reader: asyncio.StreamReader, fields: dict[bytes, bytes], status: int) -> bytes:
        if fields.get(b"transfer-encoding", b"").lower() == b"chunked":
            return await _chunks(reader)
        length = fields.get(b"content-length", b"")
        if length.isdigit():
            return await reader.readexactly(int(length))
        return b"" if status == _NO_BODY else await reader.read()

    def close(self) -> None:
        """Close the connection, if there is one."""
        writer, self._reader, self._writer = self._writer, None, None
        if writer is not None:
            writer.close()


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int((await reader.readline()).split(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readline()
    while (await reader.readline()).strip():
        pass
    return b"".join(parts)


def _seconds(text: bytes | None) -> float | None:
    return float(text) if text is not None and text.isdigit() else None
