"""Whether a request may do what it asks: its key, the permission that the route needs, and the fleet it is about.

The keys come through a port, `KeySource`, and are read again when its stamp changes: a revoked key is refused no later
than `CHECK_SECONDS` after, an expired one at once. While the keys cannot be read nobody passes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from jomon.core.errors import JomonError
from jomon.core.keys import Key, parse_key, proves
from jomon.core.roles import roles_with
from jomon.serving.errors import RequestError
from jomon.serving.telling import to_stderr

CHECK_SECONDS = 0.5
"""How long a look at the keys' stamp counts; half of the second within which a revoked key has to stop working."""
LONGEST = 1024
"""Characters of a key that are looked at: none is longer, and nobody makes the server hash a megabyte."""
_NOTHING = bytes(32)
_HOW = "send it as 'Authorization: Bearer KEY' or as 'X-Api-Key: KEY'"
_UNKNOWN = "The key is unknown or revoked: check it, or ask for a new one."


class KeySource(Protocol):
    """Where the keys are kept; `store.keys.KeyFile` is one."""

    def entries(self) -> Sequence[Key]:
        """All keys; raises `JomonError` where they cannot be read."""

    def stamp(self) -> Hashable:
        """What changes whenever the keys change; cheap; raises `OSError` where it cannot be told."""


class Headers(Protocol):
    """The headers of a request."""

    def get(self, key: str) -> str | None:
        """The value of a header; None where it was not sent."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """Seconds since 1970, by which keys expire, and seconds that never run backwards, by which stamps age."""

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic


def presented(headers: Headers) -> str | None:
    """The key that a request shows: `X-Api-Key`, or else the token of `Authorization: Bearer`."""
    own = headers.get("x-api-key")
    if own is not None:
        return own.strip()
    sent = headers.get("authorization")
    if sent is None or sent[:7].lower() != "bearer ":
        return None
    return sent[7:].strip()


class Authority:
    """Decides for the worker of a server.

    `source` holds the keys, `extra` are held in memory alone (the first key of a secret file: its `digest` is of the
    whole text). Unless `required`, everybody may do everything, and a key only tells who asks.
    """

    def __init__(
        self,
        source: KeySource,
        *,
        required: bool,
        extra: Iterable[Key] = (),
        clocks: Clocks = Clocks(),
        log: Callable[[str], Any] = to_stderr,
    ) -> None:
        self.required = required
        self._source, self._clocks, self._log = source, clocks, log
        self._extra = tuple(extra)
        self._keys: Mapping[str, Key] | None = None
        self._stamp: Hashable = object()
        self._look_again = float("-inf")
        self._told = ""

    def allow(self, headers: Headers, permission: str, fleet: str | None) -> str | None:
        """The id of the key by which a request may have `permission` for `fleet`; None where it needs none.

        `fleet` None means that the request is about no single one: a key that is limited to some fleets may then
        only describe. Raises `RequestError`: 401 without a key that counts, 403 where it does not allow this, 503
        while the keys cannot be read.
        """
        return self.allow_key(presented(headers), permission, fleet)

    def allow_key(self, text: str | None, permission: str, fleet: str | None) -> str | None:
        """The same for the text of a key; None where the request shows none."""
        if not self.required:
            return self._who(text)
        if text is None:
            raise RequestError(401, f"This needs a key: {_HOW}.", "no_key")
        key = self._find(text)
        if key is None:
            raise RequestError(401, _UNKNOWN, "wrong_key")
        if self._clocks.wall() >= key.expires_at:
            day = f"{datetime.fromtimestamp(key.expires_at, UTC):%Y-%m-%d %H:%M} UTC"
            raise RequestError(
                401, f"The key {key.name!r} expired at {day}: ask for a new one.", "expired_key"
            )
        if permission not in key.permissions:
            needed = " or ".join(roles_with(permission))
            raise RequestError(
                403,
                f"The key {key.name!r} does not allow {str(permission)!r}: use one with the role {needed}.",
                "role",
            )
        if (
            key.fleets is not None
            and fleet not in key.fleets
            and (fleet is not None or permission != "describe")
        ):
            raise RequestError(403, _other_fleet(key, key.fleets, fleet), "fleet")
        return key.id

    def check(self) -> None:
        """Read the keys now, if they changed; raises `JomonError` where they cannot be read."""
        self._look_again = float("-inf")
        self._current()
        if self._keys is None:
            raise JomonError(self._told)

    def _who(self, text: str | None) -> str | None:
        key = None if text is None else self._find(text, optional=True)
        return None if key is None or self._clocks.wall() >= key.expires_at else key.id

    def _find(self, text: str, *, optional: bool = False) -> Key | None:
        """The key that a text proves; as slow for a wrong secret as for an unknown id."""
        keys = self._current()
        if keys is None:
            if optional:
                return None
            raise RequestError(
                503, "The server cannot read its keys now: tell its operator.", "keys", retry_after=5
            )
        if len(text) > LONGEST:
            return None
        number, secret = parse_key(text) or ("", text)
        key = keys.get(number)
        if proves(_NOTHING if key is None else key.digest, secret) and key is not None:
            return key
        return next((one for one in self._extra if proves(one.digest, text)), None)

    def _current(self) -> Mapping[str, Key] | None:
        """The keys by id, read again if they changed; None while they cannot be read."""
        now = self._clocks.steady()
        if now < self._look_again:
            return self._keys
        try:
            stamp = self._source.stamp()  # taken first: what changes after it is read again next time
            if self._keys is None or stamp != self._stamp:
                self._keys = {key.id: key for key in self._source.entries()}
                self._stamp = stamp
            self._told = ""
        except (JomonError, OSError) as error:
            self._keys = None
            if str(error) != self._told:
                self._told = str(error)
                self._log(f"keys cannot be read: {self._told}\n")
        self._look_again = now + CHECK_SECONDS
        return self._keys


def _other_fleet(key: Key, fleets: Sequence[str], fleet: str | None) -> str:
    limited = " and ".join(fleets)
    if fleet is None:
        return f"The key {key.name!r} is for {limited} alone: name a fleet in the path."
    return f"The key {key.name!r} is for {limited} alone, not for {fleet}: use another key."
