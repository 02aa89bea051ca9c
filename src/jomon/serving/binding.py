"""Whether a server may listen where it is told to, and whether it asks for keys there.

On the loopback interface nobody else can call, so no key is needed unless asked for. Everywhere else, and behind a
proxy, keys are needed, and TLS for them to stay secret: the server's own, or that of a proxy in front.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from jomon.core.errors import JomonError


class BindingError(JomonError):
    """A place to listen at that would let in anybody, or let keys be read on the way."""


@dataclass(frozen=True, slots=True)
class Binding:
    """Whether requests need keys, and what the operator should know, as sentences."""

    keys_required: bool
    warnings: tuple[str, ...] = ()


def is_loopback(host: str) -> bool:
    """Whether only this machine can call `host`: 127.0.0.0/8, ::1 or localhost; any other name may be anywhere.

    >>> is_loopback("127.0.0.53"), is_loopback("[::1]"), is_loopback("0.0.0.0"), is_loopback("localhost")
    (True, True, False, True)
    """
    name = host.strip().lower()
    if name == "localhost":
        return True
    try:
        address = ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    inner = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (inner or address).is_loopback


def decide(
    host: str,
    *,
    has_keys: bool,
    tls: bool = False,
    proxy: bool = False,
    insecure: bool = False,
    require_keys: bool = False,
) -> Binding:
    """How to listen at `host`; raises `BindingError` where one should not.

    `has_keys`: there is a key, of the key file or of a secret file. `tls`: the server has a certificate. `proxy`: a
    proxy that ends TLS stands in front, so callers come from elsewhere also on loopback. `insecure`: the operator
    takes the risk.
    """
    if require_keys and not has_keys:
        raise BindingError(
            "Keys are required and there is none: make one with `jomon keys add`, "
            "or name a secret file with --key-file."
        )
    if is_loopback(host) and not proxy:
        return Binding(require_keys)
    place = f"{host or 'every address'}{' behind a proxy' if proxy else ''}"
    if not has_keys:
        if not insecure:
            raise BindingError(
                f"Anybody could use a server at {place} without keys: make one with `jomon keys add`, "
                "name a secret file with --key-file, or take the risk with --insecure."
            )
        return Binding(False, (f"Anybody who reaches {place} may use this server: there are no keys.",))
    if tls or proxy:
        return Binding(True)
    if not insecure:
        raise BindingError(
            f"Keys could be read on their way to {place}: give a certificate (--tls-cert, --tls-key), "
            "say that a proxy in front ends TLS with --proxy, or take the risk with --insecure."
        )
    return Binding(True, (f"Keys can be read on their way to {place}: there is no TLS.",))
