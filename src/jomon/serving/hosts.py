"""The names under which a server without keys may be called, so that no web page can call it by a name of its own.

A page may let its own name stand for 127.0.0.1 once it is loaded ("DNS rebinding"): the browser then takes a server on
this machine for that of the page, and lets it read the answers. Such a request names the page's host, and is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from jomon.serving.auth import Headers
from jomon.serving.errors import RequestError

KEPT = 1000
"""Texts of the header that are remembered as good."""
_SHOWN = 100


class Hosts:
    """Knows the good ones: localhost, any IP address, and `names`."""

    def __init__(self, names: Iterable[str]) -> None:
        self.seen: set[str | None] = {None}  # HTTP/1.0 names no host, and no browser speaks it
        self._names = frozenset(_bare(name) for name in (*names, "localhost"))

    def check(self, headers: Headers) -> None:
        """See that a request names this server; raises `RequestError` (421). What is in `seen` need not be checked."""
        host = headers.get("host")
        if host is None or host in self.seen:
            return
        if not self._is_good(host):
            raise RequestError(
                421,
                f"This server has no keys and is not called {host[:_SHOWN]!r}: ask it as localhost or by its "
                "address, or start it with --require-keys.",
                "host",
            )
        if len(self.seen) < KEPT:
            self.seen.add(host)

    def _is_good(self, host: str) -> bool:
        name = host.strip()
        if not name.endswith("]"):
            name, colon, port = name.rpartition(":") if ":" in name else (name, "", "")
            if colon and not (port.isascii() and port.isdigit()):
                return False
        return _bare(name) in self._names or _is_address(_bare(name))


def _bare(name: str) -> str:
    return name.strip().lower().removeprefix("[").removesuffix("]").removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
