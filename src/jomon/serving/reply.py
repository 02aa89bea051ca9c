"""Answers on their way out."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

Headers = list[tuple[str, str]]
_COMMON: Headers = [("x-content-type-options", "nosniff"), ("cache-control", "no-store")]
JSON: Headers = [("content-type", "application/json"), *_COMMON]
PLAIN_JSON: Headers = [("content-type", "application/json")]
"""Of answers to POST, which nobody caches, where every header costs."""
CLOSE = ("connection", "close")
"""Of answers while the server goes away: no caller should ask over this connection when it does."""
_encode = msgspec.json.Encoder().encode


class Reply(NamedTuple):
    """Status, headers, body."""

    status: int
    headers: Headers
    body: bytes


def json_reply(document: Any, status: int = 200) -> Reply:
    """A JSON answer."""
    return Reply(status, JSON, _encode(document))


def typed_reply(content_type: str, body: bytes, more: Headers | None = None) -> Reply:
    """An answer of another type."""
    return Reply(200, [("content-type", content_type), *_COMMON, *(more or [])], body)
