"""A digest is a value of its own type, never bare hex text."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """The SHA-256 of some bytes.

    >>> Digest.of(b"").short
    'e3b0c44298fc'
    >>> Digest.parse(str(Digest.of(b"x"))) == Digest.of(b"x")
    True
    """

    hex: str

    def __post_init__(self) -> None:
        if not _HEX.fullmatch(self.hex):
            raise ValueError(f"{self.hex!r} is not the hexadecimal form of a SHA-256")

    @classmethod
    def of(cls, data: bytes | bytearray | memoryview) -> Digest:
        """The digest of `data`."""
        return cls(hashlib.sha256(data).hexdigest())

    @classmethod
    def of_json(cls, document: Any) -> Digest:
        """The digest of `document` in its canonical JSON form."""
        return cls.of(canonical_json(document))

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read `sha256:<hex>`; raises `ValueError` where it is anything else."""
        algorithm, _, hexadecimal = text.partition(":")
        if algorithm != "sha256":
            raise ValueError(f"{text!r} is not a sha256 digest")
        return cls(hexadecimal)

    @property
    def short(self) -> str:
        """The first twelve characters, as tables show it."""
        return self.hex[:12]

    def __str__(self) -> str:
        return f"sha256:{self.hex}"


def canonical_json(document: Any) -> bytes:
    """JSON with sorted keys, no blanks, UTF-8 and no NaN: equal documents give equal bytes."""
    return json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()
