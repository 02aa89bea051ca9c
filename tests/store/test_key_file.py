"""The key file keeps who may use a server: privately, as a whole, and never as "nobody" by mistake."""

from __future__ import annotations

import itertools
import json
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jomon.core.errors import CorruptError, StoreError, UnknownNameError
from jomon.core.keys import KeyFormatError, parse_key, proves
from jomon.core.roles import Role
from jomon.store.keys import FORMAT, KeyFile

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CALLER = [Role.CALLER]
EACH = 8

WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from jomon.core.roles import Role
from jomon.store.keys import KeyFile

file, me = KeyFile(Path(sys.argv[1])), sys.argv[2]
for i in range(int(sys.argv[3])):
    kept, _ = file.add(f"{me}-{i}", [Role.CALLER], datetime(2026, 3, 1, tzinfo=UTC))
    gone, _ = file.add(f"{me}-{i}-gone", [Role.CALLER], datetime(2026, 3, 1, tzinfo=UTC))
    file.remove(gone.id)
    print(kept.id)
"""

ADDER_TO_BE_KILLED = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from jomon.core.roles import Role
from jomon.store.keys import KeyFile

file, now = KeyFile(Path(sys.argv[1])), datetime(2026, 3, 1, tzinfo=UTC)
while True:
    print(file.add("x", [Role.CALLER], now)[0].id, flush=True)
"""


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "home")


def test_where_there_is_no_file_there_are_no_keys_and_nothing_is_made_by_looking(file: KeyFile) -> None:
    assert file.entries() == ()
    assert file.stamp() is None
    assert not file.path.parent.exists()


def test_a_key_is_made_with_its_text_which_is_kept_nowhere(file: KeyFile) -> None:
    key, text = file.add(
        "web", [Role.REPORTER, Role.CALLER], NOW, ["flights", "flights"], NOW + timedelta(days=1)
    )
    assert file.entries() == (key,)
    assert (key.roles, key.fleets, key.expires) == (
        (Role.CALLER, Role.REPORTER),
        ("flights",),
        NOW + timedelta(days=1),
    )
    number, secret = parse_key(text) or ("", "")
    assert number == key.id
    assert proves(key.digest, secret)
    assert all(
        secret.encode() not in path.read_bytes() for path in file.path.parent.rglob("*") if path.is_file()
    )


def test_two_keys_of_one_name_are_two_keys(file: KeyFile) -> None:
    (one, first), (two, second) = (file.add("web", CALLER, NOW) for _ in range(2))
    assert one.id != two.id
    assert first[-43:] != second[-43:]


def test_only_the_owner_can_read_the_file(file: KeyFile) -> None:
    for name in ("a", "b"):
        file.add(name, CALLER, NOW)
        assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_a_revoked_key_is_gone_and_others_stay(file: KeyFile) -> None:
    (one, _), (two, _) = file.add("a", CALLER, NOW), file.add("b", CALLER, NOW)
    assert file.remove(one.id) == one
    assert file.entries() == (two,)
    with pytest.raises(UnknownNameError, match=f"no key '{one.id}'"):
        file.remove(one.id)


def test_a_key_that_cannot_be_changes_nothing(file: KeyFile) -> None:
    key, _ = file.add("a", CALLER, NOW)
    stamp = file.stamp()
    with pytest.raises(KeyFormatError):
        file.add("b", CALLER, NOW, [])
    assert (file.entries(), file.stamp()) == ((key,), stamp)


def test_the_stamp_changes_with_every_change(file: KeyFile) -> None:
    stamps = [file.stamp()]
    for _ in range(5):
        key, _ = file.add("a", CALLER, NOW)
        stamps.append(file.stamp())
        file.remove(key.id)
        stamps.append(file.stamp())
    assert all(one != other for one, other in itertools.pairwise(stamps))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"7",
        b"null",
        b"\xff",
        b'{"format": 1}',
        b'{"format": 1, "keys": null}',
        b'{"format": 1, "keys": [1]}',
        b'{"format": 1, "keys": [{}]}',
        b'{"format": 0, "keys": []}',
        b'{"format": "1", "keys": []}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_file_is_an_error_and_never_no_keys(file: KeyFile, data: bytes) -> None:
    file.add("a", CALLER, NOW)
    file.path.write_bytes(data)
    for act in (file.entries, lambda: file.add("b", CALLER, NOW), lambda: file.remove("00000000")):
        with pytest.raises(CorruptError, match=r"damaged: restore it"):
            act()
    assert file.path.read_bytes() == data


def test_every_cut_of_a_file_is_an_error(file: KeyFile) -> None:
    file.add("a", CALLER, NOW)
    whole = file.path.read_bytes()
    for size in range(len(whole)):
        file.path.write_bytes(whole[:size])
        with pytest.raises(CorruptError):
            file.entries()


@pytest.mark.parametrize("change", [{"roles": ["boss"]}, {"id": "x"}, {"sha256": ""}, {"expires": "soon"}])
def test_one_wrong_key_makes_the_file_damaged(file: KeyFile, change: dict[str, Any]) -> None:
    file.add("a", CALLER, NOW)
    document = json.loads(file.path.read_bytes())
    document["keys"][0] |= change
    file.path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(CorruptError):
        file.entries()


def test_two_keys_with_one_id_make_the_file_damaged(file: KeyFile) -> None:
    file.add("a", CALLER, NOW)
    document = json.loads(file.path.read_bytes())
    document["keys"] *= 2
    file.path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(CorruptError):
        file.entries()


def test_a_file_of_a_newer_program_asks_for_an_upgrade(file: KeyFile) -> None:
    file.path.parent.mkdir(parents=True)
    file.path.write_text(json.dumps({"format": FORMAT + 1, "keys": "other"}), encoding="utf-8")
    with pytest.raises(StoreError, match="upgrade jomon"):
        file.entries()


def test_a_file_that_cannot_be_read_is_an_error(file: KeyFile) -> None:
    file.path.mkdir(parents=True)
    with pytest.raises(StoreError, match="cannot be read"):
        file.entries()


def test_a_home_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file", encoding="utf-8")
    with pytest.raises(StoreError, match="changing the keys"):
        KeyFile(tmp_path / "home").add("a", CALLER, NOW)


def test_many_processes_lose_no_key_of_one_another(file: KeyFile) -> None:
    commands = [[sys.executable, "-c", WRITER, str(file.path.parent), str(me), str(EACH)] for me in range(3)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    made = [line for process in running for line in process.communicate(timeout=120)[0].split()]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert sorted(key.id for key in file.entries()) == sorted(made)
    assert len(made) == 3 * EACH


def test_a_killed_writer_leaves_a_whole_file_with_every_key_it_told_of(file: KeyFile) -> None:
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", ADDER_TO_BE_KILLED, str(file.path.parent)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        told = [process.stdout.readline().strip() for _ in range(3)]
        process.kill()
        told += process.stdout.read().split()
        process.stdout.close()
        process.wait()
        assert set(told) <= {key.id for key in file.entries()}
    file.add("after", CALLER, NOW)
    assert [path.name for path in (file.path.parent / "run").iterdir()] == ["keys.lock"]
