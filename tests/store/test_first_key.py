"""The first key comes from a secret file and lives in memory alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from jomon.core.keys import proves
from jomon.core.roles import Permission
from jomon.store.first_key import SecretFileError, first_key

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SECRET = "q7Zt0vB2mXr9LkP4sWd8Jc6Hy1Gn5FaE"


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_the_content_of_the_file_without_its_line_end_is_the_key_of_an_admin(
    tmp_path: Path, ending: str
) -> None:
    path = tmp_path / "jomon_key"
    path.write_bytes((SECRET + ending).encode())
    key = first_key(path, NOW)
    assert proves(key.digest, SECRET)
    assert key.permissions == set(Permission)
    assert (key.fleets, key.expires, key.created) == (None, None, NOW)
    assert [other.name for other in tmp_path.iterdir()] == ["jomon_key"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "weak"),
        (b"\n", "weak"),
        (SECRET[:31].encode(), "weak"),
        (b"a" * 64, "weak"),
        (b"abcabcabc" * 8, "weak"),
        (SECRET.encode() + b" x", "header"),
        (SECRET.encode() + b"\nsecond line", "header"),
        (SECRET.encode() + "é".encode(), "header"),
        (b"\xff" * 64, "header"),
        (SECRET.encode() + b"\0", "header"),
        (SECRET.encode() * 100, "longer than"),
    ],
)
def test_a_weak_or_unusable_secret_is_refused_and_never_shown(
    tmp_path: Path, data: bytes, words: str
) -> None:
    path = tmp_path / "jomon_key"
    path.write_bytes(data)
    with pytest.raises(SecretFileError, match=words) as caught:
        first_key(path, NOW)
    assert SECRET[:8] not in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(SecretFileError, match="cannot be read"):
            first_key(path, NOW)
