"""API keys as values: how one is written, what is kept of it, and whether a text is one.

A key is `jomon_<id>_<secret>`: eight hex digits that name it, and 256 random bits that prove it. Only the SHA-256 of
the secret is kept; the bits are random, so no salt and no slow hash would make guessing harder.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from jomon.core.errors import JomonError
from jomon.core.roles import Permission, Role, permissions_of

PREFIX = "jomon_"
ID_BYTES = 4
SECRET_BYTES = 32
LONGEST_NAME = 64
_ID_AT, _SECRET_AT = len(PREFIX), len(PREFIX) + 2 * ID_BYTES + 1
_WRITTEN = re.compile(r"jomon_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", re.ASCII)
_ID = re.compile(r"[0-9a-f]{8}", re.ASCII)
_FLEET = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*", re.ASCII)


class KeyFormatError(JomonError):
    """What was given for a key cannot be one: its name, its fleets, its dates."""


@dataclass(frozen=True)
class Key:
    """What is kept of one key.

    `digest` is the SHA-256 (32 bytes) of its secret; `fleets` are those it is limited to (None: all); `created` and
    `expires` (None: never) are in UTC. Raises `KeyFormatError` for what cannot be.
    """

    id: str
    name: str
    roles: tuple[Role, ...]
    fleets: tuple[str, ...] | None
    digest: bytes
    created: datetime
    expires: datetime | None = None

    def __post_init__(self) -> None:
        if not self.name.isprintable() or not 0 < len(self.name.strip()) <= len(self.name) <= LONGEST_NAME:
            raise KeyFormatError(
                f"{self.name!r} cannot name a key: write 1 to {LONGEST_NAME} visible characters."
            )
        if not self.roles:
            raise KeyFormatError(f"The key {self.name!r} has no role: give one, such as caller.")
        if self.fleets is not None:
            _check_fleets(self.fleets)
        if self.created.tzinfo is None or (self.expires is not None and self.expires.tzinfo is None):
            raise KeyFormatError(f"The key {self.name!r} has a time without a zone: give times in UTC.")
        if self.expires is not None and self.expires <= self.created:
            raise KeyFormatError(f"The key {self.name!r} would expire before it begins: give a later time.")

    @cached_property
    def permissions(self) -> frozenset[Permission]:
        """All that its roles allow."""
        return permissions_of(self.roles)

    @cached_property
    def expires_at(self) -> float:
        """Seconds since 1970 at which it expires; infinite where it never does."""
        return float("inf") if self.expires is None else self.expires.timestamp()

    def expired(self, now: datetime) -> bool:
        """Whether it is too late to use it."""
        return now.timestamp() >= self.expires_at

    def document(self) -> dict[str, Any]:
        """The JSON form, with the digest in hex."""
        return {**self.public(), "sha256": self.digest.hex()}

    def public(self) -> dict[str, Any]:
        """The JSON form for people: all but the digest."""
        return {
            "id": self.id,
            "name": self.name,
            "roles": [str(role) for role in self.roles],
            "fleets": None if self.fleets is None else list(self.fleets),
            "created": _written_time(self.created),
            "expires": None if self.expires is None else _written_time(self.expires),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Key:
        """The inverse of `document`; raises `ValueError`, `TypeError` or `KeyFormatError` for anything else."""
        if set(document) != {"id", "name", "roles", "fleets", "created", "expires", "sha256"}:
            raise ValueError("no key")
        roles, fleets, expires = document["roles"], document["fleets"], document["expires"]
        texts = [document["id"], document["name"], document["sha256"], document["created"]]
        if not isinstance(roles, list) or not isinstance(fleets, list | None):
            raise TypeError("no key")
        if not all(isinstance(text, str) for text in (*texts, *(fleets or ()))):
            raise TypeError("no key")
        digest = bytes.fromhex(document["sha256"])
        if not _ID.fullmatch(document["id"]) or len(digest) != hashlib.sha256().digest_size:
            raise ValueError("no key")
        return cls(
            document["id"],
            document["name"],
            tuple(Role(role) for role in roles),
            None if fleets is None else tuple(fleets),
            digest,
            datetime.fromisoformat(document["created"]),
            None if expires is None else datetime.fromisoformat(expires),
        )


def write_key(number: bytes, secret: bytes) -> str:
    """The text of a key from 4 and 32 random bytes.

    >>> write_key(bytes(4), bytes(32))
    'jomon_00000000_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
    """
    if len(number) != ID_BYTES or len(secret) != SECRET_BYTES:
        raise ValueError("a key is made of 4 and 32 bytes")
    return f"{PREFIX}{number.hex()}_{urlsafe_b64encode(secret).decode().rstrip('=')}"


def parse_key(text: str) -> tuple[str, str] | None:
    """The id and the secret of the text of a key; None for any other text.

    >>> parse_key("jomon_00000000_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")[0]
    '00000000'
    """
    if not _WRITTEN.fullmatch(text):
        return None
    return text[_ID_AT : _SECRET_AT - 1], text[_SECRET_AT:]


def digest_of(secret: str) -> bytes:
    """The SHA-256 of a secret: 32 bytes, all that is kept of it."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def proves(digest: bytes, secret: str) -> bool:
    """Whether `secret` is the one of this digest, in a time that does not depend on how much of it is right."""
    return hmac.compare_digest(digest, digest_of(secret))


def _check_fleets(fleets: tuple[str, ...]) -> None:
    if not fleets:
        raise KeyFormatError(
            "A key that is limited to no fleet allows nothing: name one, or limit it to none."
        )
    for fleet in fleets:
        if not _FLEET.fullmatch(fleet):
            raise KeyFormatError(
                f"{fleet!r} is not the name of a fleet: write it as the project file does, without a tag."
            )


def _written_time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
