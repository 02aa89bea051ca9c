"""What this protocol refuses: the sentences and the body that carries them.

The protocol asks for an HTTP error status (it says: typically 400) and a body with the one field `error`.
"""

from __future__ import annotations

import msgspec

from jomon.serving.errors import RequestError

_SHOWN = 60
"""Characters of a caller's own words that a sentence repeats."""


_REASONS = {400: "malformed", 413: "too_large", 415: "media_type", 422: "invalid"}
"""What is counted for each status."""


class ProtocolError(RequestError):
    """A v2 request that cannot be read (400), or rows in it that no fleet takes (422); one sentence."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(status, sentence, _REASONS[status])


class ErrorBody(msgspec.Struct, frozen=True):
    """The body of every v2 error: `error` says what is wrong in one sentence."""

    error: str


def error_body(sentence: str) -> bytes:
    """The body of a v2 error as JSON."""
    return msgspec.json.encode(ErrorBody(sentence))


def shown(value: object) -> str:
    """What a caller sent, as a sentence repeats it: in quotes and cut where it is long.

    >>> shown("carrier"), len(shown("x" * 1000))
    ("'carrier'", 65)
    """
    text = repr(value[: _SHOWN + 1] if isinstance(value, str | list | tuple) else value)
    return text if len(text) <= _SHOWN + 2 else f"{text[: _SHOWN + 2]}..."
