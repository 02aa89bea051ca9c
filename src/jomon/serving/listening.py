"""Where a server is to listen, and whether it can: looked at before anything starts, told in a sentence."""

from __future__ import annotations

import errno
import socket
import ssl
import time
from pathlib import Path

from jomon.core.errors import JomonError

PATIENCE_SECONDS = 3.0
"""How long a port may be in use by workers of a server that was killed: they end when they notice."""
_PAUSE, _CONNECT = 0.05, 1.0
_OWN = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class ListenError(JomonError):
    """A place where this server cannot listen."""


def address_of(host: str) -> str:
    """The address that a host name or address means on this machine.

    >>> address_of("127.0.0.1"), address_of("[::1]")
    ('127.0.0.1', '::1')
    """
    name = host.strip().removeprefix("[").removesuffix("]")
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ListenError(
            f"{host!r} is no address of this machine ({error.args[-1]}): name one with --host, such as 127.0.0.1."
        ) from None
    # The older protocol first: `localhost` should be where most clients look.
    return str(min(found, key=lambda one: one[0] != socket.AF_INET)[4][0])


def require_port(address: str, port: int, patience: float = PATIENCE_SECONDS) -> None:
    """See that a server can listen at `address`; raises `ListenError` where it cannot.

    Servers share a port where the system lets them, and then each gets a part of the requests: one that listens
    already is waited for, as long as it may be one that is ending, and then refused.
    """
    with _socket(address) as ours:
        if hasattr(socket, "SO_REUSEPORT"):
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            ours.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise _in_use(address, port) from None
            raise ListenError(
                f"Nothing can listen at {address}, port {port} ({error.strerror or error}): "
                "name another address with --host or another port with --port."
            ) from None
    end = time.monotonic() + patience
    while _listens(address, port):
        if time.monotonic() > end:
            raise _in_use(address, port)
        time.sleep(_PAUSE)


def require_certificate(certificate: Path, key: Path) -> None:
    """See that TLS can begin with a certificate and its key, PEM; raises `ListenError` where it cannot."""
    for path in (certificate, key):
        try:
            path.read_bytes()
        except OSError as error:
            raise ListenError(
                f"{path} cannot be read ({error.strerror}): check its path and permissions."
            ) from None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError):
        raise ListenError(
            f"{certificate} and {key} are no certificate and its key: give both as PEM, the key without a password."
        ) from None


def _no_password() -> str:
    raise ValueError("a key with a password")


def _in_use(address: str, port: int) -> ListenError:
    return ListenError(
        f"Port {port} of {address} is in use: stop what listens there, or name another port with --port."
    )


def _socket(address: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)


def _listens(address: str, port: int) -> bool:
    with _socket(address) as caller:
        caller.settimeout(_CONNECT)
        try:
            caller.connect((_OWN.get(address, address), port))
        except OSError:
            return False
    return True
