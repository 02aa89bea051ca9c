"""What the prediction log keeps of a row: the values as answered, less what is left out, personal ones hashed."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from jomon.core.columns import as_text
from jomon.core.journal import Kind
from jomon.core.segments import Segment
from jomon.core.spec_serving import LogSpec
from jomon.serving.rowpath import Row, RowPath

_PREDICTION = bytes([Kind.PREDICTION])
_ALL = 2.0**32
_HASH_CHARACTERS = 32
CHAINS_KEPT = 100_000
LEFT_OUT = "*"
"""What stands in a chain for the value of an axis that is left out of the log."""
Value = float | str | None


def keyed_hash(secret: bytes) -> Callable[[str], str]:
    """HMAC-SHA-256 of a text under `secret`, as 32 hex digits: equal texts stay equal, and none can be guessed back
    without the secret."""

    def hashed(text: str) -> str:
        return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()[:_HASH_CHARACTERS]

    return hashed


class Recorder:
    """Writes the prediction records of one image.

    `columns`: name and kind ("number" or "text") of each recorded value; a hashed column is text. `hashed` hashes the
    text of a personal value.
    """

    def __init__(self, path: RowPath, log: LogSpec, hashed: Callable[[str], str]) -> None:
        dropped, secret = set(log.leave_out), set(log.hash)
        self._dropped_names, self._secret_names = dropped, secret
        axes = {axis for stage in path.spec.stages for axis in stage.level}
        self._hide_chain = bool(axes & (dropped | secret))
        self._chains: dict[tuple[str, ...], tuple[str, ...]] = {}
        kept = [at for at, (name, _) in enumerate(path.recorded) if name not in dropped]
        self.columns = tuple(
            (name, "text" if name in secret else kind) for name, kind in (path.recorded[at] for at in kept)
        )
        self._kept = None if len(kept) == len(path.recorded) else kept
        self._secret = [at for at, (name, _) in enumerate(self.columns) if name in secret]
        self._hashed = hashed
        self._hides = self._kept is not None or bool(self._secret) or self._hide_chain
        self._share = log.sample
        self._encode = msgspec.msgpack.Encoder().encode

    def sampled(self, request_id: str) -> bool:
        """Whether a request is recorded: by its id, so that a request is kept or left out as a whole."""
        if self._share >= 1.0:
            return True
        digest = hashlib.blake2b(request_id.encode(), digest_size=4).digest()
        return int.from_bytes(digest, "little") < self._share * _ALL

    def payload(
        self,
        header: int,
        request_id: str,
        caller_id: str | None,
        received_us: int,
        latency_us: int,
        rows: Sequence[Row],
        answers: Sequence[float],
        margins: Sequence[float],
    ) -> bytes:
        """The record of one request with n rows."""
        recorded: Sequence[Any]
        if len(rows) == 1 and not self._hides:
            row = rows[0]
            recorded = ((0, row.time_us, answers[0], margins[0], row.variant.chain, row.values, row.missed),)
        else:
            recorded = self._recorded(rows, answers, margins)
        return _PREDICTION + self._encode((header, request_id, caller_id, received_us, latency_us, recorded))

    def _recorded(
        self, rows: Sequence[Row], answers: Sequence[float], margins: Sequence[float]
    ) -> list[tuple[Any, ...]]:
        return [
            (number, row.time_us, answer, margin, self._chain(row), self._values(row), row.missed)
            for number, (row, answer, margin) in enumerate(zip(rows, answers, margins, strict=True))
        ]

    def _chain(self, row: Row) -> tuple[str, ...]:
        """The chain, with the values of hidden axes hashed, or struck where they are left out."""
        chain = row.variant.chain
        if not self._hide_chain:
            return chain
        hidden = self._chains.get(chain)
        if hidden is None:
            if len(self._chains) >= CHAINS_KEPT:
                self._chains.clear()
            hidden = self._chains[chain] = tuple(self._hidden(Segment.parse(text)).text for text in chain)
        return hidden

    def _hidden(self, segment: Segment) -> Segment:
        return Segment(tuple((axis, self._shown(axis, value)) for axis, value in segment.items))

    def _shown(self, axis: str, value: str) -> str:
        if axis in self._secret_names:
            return self._hashed(value)
        return LEFT_OUT if axis in self._dropped_names else value

    def _values(self, row: Row) -> Sequence[Value]:
        if self._kept is None and not self._secret:
            return row.values
        values = list(row.values) if self._kept is None else [row.values[at] for at in self._kept]
        for at in self._secret:
            value = values[at]
            if value is not None:
                values[at] = self._hashed(as_text(value))
        return values
