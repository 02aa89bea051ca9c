"""A key is one text; what is kept of it does not give it back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jomon.core.keys import Key, KeyFormatError, digest_of, parse_key, proves, write_key
from jomon.core.roles import Role

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TEXT = write_key(bytes.fromhex("00c0ffee"), bytes(range(32)))
KEY = Key(
    "00c0ffee", "web shop", (Role.CALLER,), ("flights",), digest_of(TEXT[15:]), NOW, NOW + timedelta(days=9)
)


@given(st.binary(min_size=4, max_size=4), st.binary(min_size=32, max_size=32))
def test_a_written_key_is_read_as_its_id_and_its_secret(number: bytes, secret: bytes) -> None:
    text = write_key(number, secret)
    assert len(text) == 58
    found = parse_key(text)
    assert found is not None
    assert found[0] == number.hex()
    assert text == f"jomon_{found[0]}_{found[1]}"


@pytest.mark.parametrize("sizes", [(3, 32), (4, 31), (4, 33)])
def test_a_key_of_too_few_or_too_many_random_bits_is_never_written(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="4 and 32 bytes"):
        write_key(bytes(sizes[0]), bytes(sizes[1]))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "jomon_",
        TEXT[:-1],
        TEXT + "x",
        TEXT + "\n",
        " " + TEXT,
        TEXT.replace("_", "-"),
        TEXT.upper(),
        TEXT[:-1] + "é",
    ],
)
def test_any_other_text_is_no_key(text: str) -> None:
    assert parse_key(text) is None


@given(st.text(max_size=80))
def test_only_the_secret_itself_proves_a_key(other: str) -> None:
    secret = TEXT[15:]
    assert proves(digest_of(secret), secret)
    assert proves(digest_of(secret), other) == (other == secret)


def test_a_text_that_is_not_unicode_proves_nothing_and_breaks_nothing() -> None:
    assert not proves(digest_of("x"), "\udcff")


def test_what_is_kept_reads_back_and_holds_no_secret() -> None:
    for key in (KEY, replace(KEY, fleets=None, expires=None, roles=tuple(Role))):
        text = json.dumps(key.document())
        assert Key.from_document(json.loads(text)) == key
        assert TEXT[15:] not in text + repr(key)
    assert "sha256" not in KEY.public()


def test_a_key_allows_what_its_roles_allow_until_it_expires() -> None:
    assert replace(KEY, roles=(Role.CALLER, Role.REPORTER)).permissions == {"predict", "outcomes", "describe"}
    assert not KEY.expired(NOW + timedelta(days=9) - timedelta(seconds=1))
    assert KEY.expired(NOW + timedelta(days=9))
    assert not replace(KEY, expires=None).expired(datetime.max.replace(tzinfo=UTC))


def test_times_of_other_zones_are_kept_in_utc() -> None:
    there = timezone(timedelta(hours=5))
    key = replace(KEY, created=datetime(2026, 3, 1, 5, tzinfo=there))
    assert key.document()["created"] == "2026-03-01T00:00:00Z"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "cannot name a key"),
        ({"name": "  "}, "cannot name a key"),
        ({"name": "a\nb"}, "cannot name a key"),
        ({"name": "x" * 65}, "1 to 64"),
        ({"roles": ()}, "has no role"),
        ({"fleets": ()}, "limited to no fleet"),
        ({"fleets": ("flights:latest",)}, "without a tag"),
        ({"created": datetime(2026, 1, 1)}, "without a zone"),
        ({"expires": NOW}, "before it begins"),
    ],
)
def test_a_key_that_cannot_be_is_refused_in_one_sentence(change: dict[str, Any], words: str) -> None:
    with pytest.raises(KeyFormatError, match=words):
        replace(KEY, **change)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "00C0FFEE"},
        {"id": 7},
        {"id": "00c0ffee0"},
        {"name": 7},
        {"name": ""},
        {"roles": []},
        {"roles": ["boss"]},
        {"roles": "caller"},
        {"fleets": []},
        {"fleets": [7]},
        {"fleets": "flights"},
        {"sha256": "00"},
        {"sha256": "zz" * 32},
        {"sha256": None},
        {"created": "yesterday"},
        {"created": "2026-03-01"},
        {"created": None},
        {"expires": 7},
        {"expires": "2020-01-01T00:00:00Z"},
        {"more": 1},
    ],
)
def test_a_document_that_was_changed_by_hand_into_nonsense_is_no_key(change: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, KeyFormatError)):
        Key.from_document(KEY.document() | change)


@pytest.mark.parametrize("name", ["id", "name", "roles", "fleets", "created", "expires", "sha256"])
def test_a_document_without_one_of_its_parts_is_no_key(name: str) -> None:
    document = KEY.document()
    del document[name]
    with pytest.raises(ValueError, match="no key"):
        Key.from_document(document)
