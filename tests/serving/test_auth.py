"""Who may do what: the key, the permission and the fleet decide, and a revoked key stops working within a second."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jomon.core.errors import CorruptError, JomonError
from jomon.core.keys import Key, digest_of, parse_key, write_key
from jomon.core.roles import PERMISSIONS, Permission, Role
from jomon.serving.auth import CHECK_SECONDS, Authority, Clocks, presented
from jomon.serving.errors import RequestError
from jomon.store.first_key import first_key
from jomon.store.keys import KeyFile

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TEXTS = [write_key(bytes([i] * 4), bytes([i] * 32)) for i in range(8)]


def key_of(text: str, *roles: Role, fleets: Sequence[str] | None = None, days: int | None = None) -> Key:
    number, secret = parse_key(text) or ("", "")
    return Key(
        number,
        f"key {number[:2]}",
        roles or (Role.CALLER,),
        None if fleets is None else tuple(fleets),
        digest_of(secret),
        NOW - timedelta(days=100),
        None if days is None else NOW + timedelta(days=days),
    )


@dataclass
class Hand:
    """A source of keys and two clocks, moved by hand."""

    keys: list[Key] = field(default_factory=list)
    broken: Exception | None = None
    version: int = 0
    reads: int = 0
    seconds: float = 0.0
    told: list[str] = field(default_factory=list)

    def entries(self) -> Sequence[Key]:
        self.reads += 1
        if self.broken is not None:
            raise self.broken
        return tuple(self.keys)

    def stamp(self) -> Hashable:
        return self.version

    def change(self, *keys: Key) -> None:
        self.keys, self.version = list(keys), self.version + 1

    def authority(self, *, required: bool = True, extra: Sequence[Key] = ()) -> Authority:
        clocks = Clocks(lambda: NOW.timestamp() + self.seconds, lambda: self.seconds)
        return Authority(self, required=required, extra=extra, clocks=clocks, log=self.told.append)


def refused(
    authority: Authority, text: str | None, permission: str = "predict", fleet: str | None = "flights"
) -> RequestError:
    with pytest.raises(RequestError) as caught:
        authority.allow_key(text, permission, fleet)
    assert str(caught.value).endswith(".")
    assert str(caught.value).count(". ") == 0, "one sentence"
    return caught.value


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("permission", Permission)
def test_a_key_allows_what_the_table_says_of_its_role_and_nothing_else(
    role: Role, permission: Permission
) -> None:
    key = key_of(TEXTS[0], role)
    authority = Hand([key]).authority()
    if permission in PERMISSIONS[role]:
        assert authority.allow_key(TEXTS[0], permission.value, "flights") == key.id
    else:
        error = refused(authority, TEXTS[0], permission.value)
        assert error.status == 403
        assert "admin" in str(error)


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({"authorization": "Bearer K"}, "K"),
        ({"authorization": "bearer  K "}, "K"),
        ({"x-api-key": " K "}, "K"),
        ({"authorization": "Basic eA==", "x-api-key": "K"}, "K"),
        ({"authorization": "Bearer of a proxy", "x-api-key": "K"}, "K"),
        ({"authorization": "Basic eA=="}, None),
        ({"authorization": "Bearer"}, None),
        ({"authorization": ""}, None),
        ({"x-api-key": ""}, ""),
        ({}, None),
    ],
)
def test_the_key_is_taken_from_either_header(headers: dict[str, str], text: str | None) -> None:
    assert presented(headers) == text


def test_without_a_key_the_answer_says_how_to_send_one() -> None:
    error = refused(Hand([key_of(TEXTS[0])]).authority(), None)
    assert (error.status, error.reason) == (401, "no_key")
    assert "Authorization: Bearer KEY" in str(error)


@settings(max_examples=60)
@given(st.text(max_size=70) | st.integers(0, 57).map(lambda cut: TEXTS[0][:cut]))
def test_whatever_is_not_a_key_is_refused(text: str) -> None:
    assert refused(Hand([key_of(TEXTS[0])]).authority(), text).status == 401


@pytest.mark.parametrize("position", range(15, 58))
def test_a_secret_with_one_wrong_character_is_refused_as_an_unknown_key_is(position: int) -> None:
    authority = Hand([key_of(TEXTS[0])]).authority()
    wrong = TEXTS[0][:position] + ("B" if TEXTS[0][position] != "B" else "C") + TEXTS[0][position + 1 :]
    assert str(refused(authority, wrong)) == str(refused(authority, TEXTS[7]))


def test_the_secret_of_one_key_does_not_prove_another() -> None:
    authority = Hand([key_of(TEXTS[0]), key_of(TEXTS[1], Role.ADMIN)]).authority()
    mixed = TEXTS[1][:15] + TEXTS[0][15:]
    assert refused(authority, mixed).status == 401


def test_no_refusal_shows_the_text_of_a_key() -> None:
    authority = Hand([key_of(TEXTS[0], fleets=["births"], days=1), key_of(TEXTS[1], days=-1)]).authority()
    for text in (*TEXTS[:3], "s" * 40):
        assert text[-20:] not in str(refused(authority, text))


def test_a_text_of_a_megabyte_is_refused_like_any_other() -> None:
    assert refused(Hand([key_of(TEXTS[0])]).authority(), "x" * 2**20).status == 401


def test_a_key_of_one_fleet_is_refused_for_another_and_for_all() -> None:
    authority = Hand([key_of(TEXTS[0], Role.ADMIN, fleets=["flights"])]).authority()
    assert authority.allow_key(TEXTS[0], "predict", "flights") == "00000000"
    other, every = refused(authority, TEXTS[0], fleet="births"), refused(authority, TEXTS[0], "view", None)
    assert (other.status, every.status) == (403, 403)
    assert "not for births" in str(other)
    assert "name a fleet" in str(every)
    assert authority.allow_key(TEXTS[0], "describe", None) == "00000000"


def test_a_key_stops_at_the_moment_it_expires() -> None:
    hand = Hand([key_of(TEXTS[0], days=1)])
    authority = hand.authority()
    hand.seconds = 86_400 - 0.001
    assert authority.allow_key(TEXTS[0], "predict", "flights")
    hand.seconds = 86_400
    error = refused(authority, TEXTS[0])
    assert (error.status, error.reason) == (401, "expired_key")
    assert "2026-03-02 00:00 UTC" in str(error)


def test_a_revoked_key_is_refused_within_a_second_and_a_new_one_accepted() -> None:
    hand = Hand([key_of(TEXTS[0])])
    authority = hand.authority()
    assert authority.allow_key(TEXTS[0], "predict", "flights")
    hand.change(key_of(TEXTS[1]))
    assert CHECK_SECONDS < 1
    hand.seconds = CHECK_SECONDS
    assert refused(authority, TEXTS[0]).status == 401
    assert authority.allow_key(TEXTS[1], "predict", "flights")


def test_a_role_that_is_taken_away_and_given_again_under_one_id_counts_at_once() -> None:
    hand = Hand([key_of(TEXTS[0], Role.ADMIN)])
    authority = hand.authority()
    assert authority.allow_key(TEXTS[0], "keys", None)
    hand.change(key_of(TEXTS[0], Role.VIEWER))
    hand.seconds = CHECK_SECONDS
    assert refused(authority, TEXTS[0], "keys", None).status == 403


def test_keys_are_read_again_only_when_they_changed() -> None:
    hand = Hand([key_of(TEXTS[0])])
    authority = hand.authority()
    for _ in range(10):
        authority.allow_key(TEXTS[0], "predict", "flights")
        hand.seconds += CHECK_SECONDS
    assert hand.reads == 1


def test_while_the_keys_cannot_be_read_nobody_passes_and_the_operator_is_told_once() -> None:
    hand = Hand([key_of(TEXTS[0])])
    authority = hand.authority(extra=[replace(key_of(TEXTS[1]), digest=digest_of(TEXTS[1]))])
    assert authority.allow_key(TEXTS[0], "predict", "flights")
    hand.broken = CorruptError("The key file /secret/place is damaged.")
    hand.change()
    for _ in range(3):
        hand.seconds += CHECK_SECONDS
        for text in TEXTS[:2]:
            error = refused(authority, text)
            assert (error.status, error.retry_after) == (503, 5)
            assert "/secret/place" not in str(error)
    assert len(hand.told) == 1
    assert "/secret/place" in hand.told[0]
    hand.broken = None
    hand.change(key_of(TEXTS[0]))
    hand.seconds += CHECK_SECONDS
    assert authority.allow_key(TEXTS[0], "predict", "flights")


def test_keys_that_cannot_be_read_at_the_start_can_be_told_before_listening() -> None:
    hand = Hand(broken=CorruptError("The key file is damaged."))
    with pytest.raises(JomonError, match="is damaged"):
        hand.authority().check()
    hand.broken = None
    hand.authority().check()


def test_the_first_key_is_the_whole_secret_of_its_file_also_if_it_looks_like_another_key(
    tmp_path: Path,
) -> None:
    for text in ("q7Zt0vB2mXr9LkP4sWd8Jc6Hy1Gn5FaE", write_key(b"abcd", bytes(range(32)))):
        (tmp_path / "secret").write_text(text + "\n", encoding="utf-8")
        authority = Hand([key_of(TEXTS[0])]).authority(extra=[first_key(tmp_path / "secret", NOW)])
        assert authority.allow_key(text, "keys", None) == "first"
        assert refused(authority, text[:-1]).status == 401
        assert authority.allow_key(TEXTS[0], "predict", "flights") == "00000000"


def test_where_no_key_is_required_everybody_passes_and_a_good_key_tells_who_asks() -> None:
    hand = Hand([key_of(TEXTS[0]), key_of(TEXTS[1], days=-1)])
    authority = hand.authority(required=False)
    assert authority.allow_key(None, "keys", None) is None
    assert authority.allow_key(TEXTS[0], "keys", None) == "00000000"
    assert authority.allow_key(TEXTS[1], "predict", "flights") is None
    assert authority.allow_key("nonsense", "predict", "flights") is None
    hand.broken = CorruptError("damaged")
    hand.change()
    hand.seconds = CHECK_SECONDS
    assert authority.allow_key(TEXTS[0], "predict", "flights") is None


def test_the_key_file_of_a_home_is_a_source_and_a_removed_file_lets_nobody_in(tmp_path: Path) -> None:
    file, hand = KeyFile(tmp_path), Hand()
    clocks = Clocks(NOW.timestamp, lambda: hand.seconds)
    authority = Authority(file, required=True, clocks=clocks)
    assert refused(authority, TEXTS[0]).status == 401
    key, text = file.add("web", [Role.CALLER], NOW)
    hand.seconds += CHECK_SECONDS
    assert authority.allow({"authorization": f"Bearer {text}"}, "predict", "flights") == key.id
    file.path.unlink()
    hand.seconds += CHECK_SECONDS
    assert refused(authority, text).status == 401
