"""Where a server may listen is known before it starts."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jomon.serving.listening import ListenError, address_of, require_certificate, require_port


@pytest.fixture
def port() -> Iterator[int]:
    """Bound by a socket that does not listen, and shares it."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("0.0.0.0", "0.0.0.0"),
        ("::1", "::1"),
        ("[::]", "::"),
    ],
)
def test_a_name_or_an_address_is_an_address(host: str, address: str) -> None:
    assert address_of(host) == address


@pytest.mark.parametrize("host", ["no.such.host.invalid", "256.1.1.1.1", "a b", "x" * 300])
def test_what_is_no_address_is_told(host: str) -> None:
    with pytest.raises(ListenError, match=r"is no address of this machine \(.*\): name one with --host"):
        address_of(host)


def test_a_port_that_nobody_listens_at_can_be_had(port: int) -> None:
    require_port("127.0.0.1", port)
    require_port("0.0.0.0", port)


def test_a_port_that_is_given_back_is_waited_for(port: int) -> None:
    """Workers of a server that was killed listen until they notice."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        closing = threading.Thread(target=lambda: (other.accept()[0].close(), other.close()))
        closing.start()
        require_port("127.0.0.1", port, patience=60)
        closing.join()


def test_a_port_that_stays_in_use_is_refused(port: int) -> None:
    """Also where the system would let two servers share it."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(ListenError, match=f"Port {port} of 127.0.0.1 is in use"):
            require_port("127.0.0.1", port, patience=0)
    with socket.socket() as alone:
        alone.bind(("127.0.0.1", 0))
        with pytest.raises(ListenError, match="is in use"):
            require_port("127.0.0.1", alone.getsockname()[1], patience=0)


def test_an_address_of_another_machine_is_refused(port: int) -> None:
    with pytest.raises(
        ListenError, match=r"Nothing can listen at 203\.0\.113\.7, port \d+ \(.*\): name another"
    ):
        require_port("203.0.113.7", port)


def test_what_is_no_certificate_is_told(tmp_path: Path) -> None:
    file = tmp_path / "file.pem"
    with pytest.raises(ListenError, match=r"file\.pem cannot be read \(No such file or directory\)"):
        require_certificate(file, file)
    file.write_text("-----BEGIN CERTIFICATE-----\n")
    with pytest.raises(ListenError, match="are no certificate and its key"):
        require_certificate(file, file)
