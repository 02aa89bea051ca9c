"""A server starts nowhere where it would let in anybody, or let keys be read on the way."""

from __future__ import annotations

from itertools import product

import pytest

from jomon.serving.binding import Binding, BindingError, decide, is_loopback

HERE = ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LOCALHOST", "::ffff:127.0.0.1", " 127.0.0.1 "]
ELSEWHERE = [
    "0.0.0.0", "::", "", "10.0.0.1", "192.168.1.5", "example.org", "localhost.example.org", "127.0.0.1.nip.io",
    "128.0.0.1", "::ffff:10.0.0.1", "127.1", "0", "fe80::1", "2130706433",
]  # fmt: skip
FLAGS = list(product([False, True], repeat=5))


@pytest.mark.parametrize("host", HERE)
def test_loopback_is_known_by_every_way_to_write_it(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_what_others_may_reach_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("has_keys", [False, True])
def test_on_loopback_no_key_is_needed(has_keys: bool) -> None:
    assert decide("127.0.0.1", has_keys=has_keys) == Binding(keys_required=False)


def test_on_loopback_keys_are_asked_for_if_wanted_and_there() -> None:
    assert decide("::1", has_keys=True, require_keys=True) == Binding(keys_required=True)
    with pytest.raises(BindingError, match="jomon keys add"):
        decide("::1", has_keys=False, require_keys=True)


@pytest.mark.parametrize("tls", [False, True])
def test_elsewhere_without_keys_is_refused(tls: bool) -> None:
    with pytest.raises(BindingError, match=r"0\.0\.0\.0 without keys.*--insecure"):
        decide("0.0.0.0", has_keys=False, tls=tls)


def test_elsewhere_with_keys_and_without_tls_is_refused() -> None:
    with pytest.raises(BindingError, match=r"Keys could be read.*--proxy"):
        decide("10.0.0.1", has_keys=True)


@pytest.mark.parametrize(("tls", "proxy"), [(True, False), (False, True), (True, True)])
def test_elsewhere_with_keys_and_tls_of_its_own_or_of_a_proxy_keys_are_needed(tls: bool, proxy: bool) -> None:
    assert decide("0.0.0.0", has_keys=True, tls=tls, proxy=proxy) == Binding(keys_required=True)


def test_behind_a_proxy_loopback_is_open_to_others_and_needs_keys() -> None:
    assert decide("127.0.0.1", has_keys=True, proxy=True) == Binding(keys_required=True)
    with pytest.raises(BindingError, match="behind a proxy"):
        decide("127.0.0.1", has_keys=False, proxy=True)


def test_who_takes_the_risk_is_told_of_it() -> None:
    nobody = decide("0.0.0.0", has_keys=False, insecure=True)
    plain = decide("0.0.0.0", has_keys=True, insecure=True)
    assert (nobody.keys_required, plain.keys_required) == (False, True)
    assert "there are no keys" in nobody.warnings[0]
    assert "there is no TLS" in plain.warnings[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("flags", FLAGS)
def test_no_combination_lets_anybody_in_unasked(host: str, flags: tuple[bool, ...]) -> None:
    has_keys, tls, proxy, insecure, require_keys = flags
    try:
        binding = decide(
            host, has_keys=has_keys, tls=tls, proxy=proxy, insecure=insecure, require_keys=require_keys
        )
    except BindingError as error:
        assert str(error).endswith(".")
        assert not insecure or require_keys
        return
    reached = host == "0.0.0.0" or proxy
    if not binding.keys_required:
        assert not require_keys
        assert insecure or not reached
        assert bool(binding.warnings) == reached
    else:
        assert has_keys
        assert tls or proxy or insecure or not reached
