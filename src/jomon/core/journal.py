"""The frames of a journal: length, checksum, payload, one after the other; what is whole, torn or damaged.

A frame is a little-endian u32 length, a u32 CRC-32 of the payload, and the payload, whose first byte is its kind and
whose rest is MessagePack. A writer appends whole frames; a crash leaves at most one torn frame, at the end of a file.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from zlib import crc32

_HEAD = struct.Struct("<II")
HEAD = _HEAD.size
"""Bytes before the payload of a frame."""
LIMIT = 2**28
"""The longest payload in bytes: a length above it is damage, not a frame still being written."""


class Kind(IntEnum):
    """What a payload is: its first byte."""

    HEADER = 0
    """What the predictions that name it share: fleet, image, columns."""
    PREDICTION = 1
    """One answered request."""
    OUTCOME = 2
    """One report of outcomes."""
    FILE = 3
    """The first frame of every file: which life of a writer, slot and sequence it belongs to."""


class Fault(StrEnum):
    """Why a scan ended before the end of the buffer."""

    TORN = "torn"
    """The last frame is not all there: still being written, or its writer died."""
    DAMAGED = "damaged"
    """A length that no frame has, or a payload that its checksum does not fit."""


@dataclass(frozen=True, slots=True)
class Scan:
    """The whole frames from some offset on: where each payload begins and ends, in order.

    `end` is the offset behind the last whole frame; `fault` says why nothing is read beyond it, None at the end of
    the buffer.
    """

    spans: list[tuple[int, int]]
    end: int
    fault: Fault | None


def frame(payload: bytes) -> bytes:
    """One payload as a frame.

    >>> frame(b"\\x02x").hex()
    '020000007389312d0278'
    """
    return framed((payload,))


def framed(payloads: Iterable[bytes]) -> bytes:
    """Payloads (1 to `LIMIT` bytes each) as frames, one after the other; raises ValueError for another length."""
    pack = _HEAD.pack
    parts: list[bytes] = []
    for payload in payloads:
        size = len(payload)
        if not 0 < size <= LIMIT:
            raise ValueError(f"a payload of {size} bytes is no frame: 1 to {LIMIT} bytes are")
        parts += (pack(size, crc32(payload)), payload)
    return b"".join(parts)


def scan(buffer: bytes | memoryview, offset: int = 0) -> Scan:
    """The whole frames of `buffer` from `offset` (a frame boundary) on."""
    view, size = memoryview(buffer), len(buffer)
    unpack = _HEAD.unpack_from
    spans: list[tuple[int, int]] = []
    while offset < size:
        start = offset + HEAD
        if start > size:
            return Scan(spans, offset, Fault.TORN)
        length, checksum = unpack(view, offset)
        if not 0 < length <= LIMIT:
            return Scan(spans, offset, Fault.DAMAGED)
        end = start + length
        if end > size:
            return Scan(spans, offset, Fault.TORN)
        if crc32(view[start:end]) != checksum:
            return Scan(spans, offset, Fault.DAMAGED)
        spans.append((start, end))
        offset = end
    return Scan(spans, offset, None)


_START = re.compile(rb"[\x00-\x03][\x80-\x9f\xdc-\xdf]")
"""How every payload begins: its kind, then an array or a map."""


def next_frame(buffer: bytes | memoryview, offset: int) -> int | None:
    """The first offset behind `offset` (a frame that is not whole) where a whole frame begins; None without one.

    Every place that looks like the beginning of a payload is tried: it is one if a length and a checksum that fit
    stand before it. A wrong place passes once in 2**32. The damaged frame's own length is not believed: it may be
    what is damaged, and point beyond frames that are whole.
    """
    view = memoryview(buffer)
    for found in _START.finditer(view, offset + HEAD + 1):
        place = found.start() - HEAD
        if _whole_at(view, place):
            return place
    return None


def _whole_at(view: memoryview, offset: int) -> bool:
    if offset + HEAD > len(view):
        return False
    length: int
    length, checksum = _HEAD.unpack_from(view, offset)
    start = offset + HEAD
    end = start + length
    return 0 < length <= LIMIT and end <= len(view) and crc32(view[start:end]) == checksum
