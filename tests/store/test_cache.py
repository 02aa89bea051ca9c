"""The build cache in its file: damage is noticed, a newer format is refused, and a prune gives bytes back."""

from __future__ import annotations

import os
import pickle
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jomon.core.errors import CorruptError, StoreError
from jomon.oci.digest import Digest
from jomon.oci.ports import CacheItem
from jomon.store.cache import FORMAT, BuildCache


@pytest.fixture
def cache(tmp_path: Path) -> BuildCache:
    return BuildCache(tmp_path / "cache")


def key(name: str) -> Digest:
    return Digest.of(name.encode())


def test_a_damaged_payload_counts_as_missing_and_is_reported(cache: BuildCache) -> None:
    cache.put_many([CacheItem(key("a"), b"good" * 100), CacheItem(key("b"), b"fine" * 100)])
    data = cache.path.read_bytes()
    assert data.count(b"good" * 100) == 1
    cache.path.write_bytes(data.replace(b"good" * 100, b"good" * 99 + b"Good"))
    read = cache.get_many([key("a"), key("b")])
    assert list(read.found) == [key("b")]
    assert read.corrupt == (key("a"),)
    cache.put_many([CacheItem(key("a"), b"good" * 100)])
    assert cache.get_many([key("a")]).corrupt == ()


MEMBERS = {
    key(str(i)): CacheItem(key(str(i)), b"payload %d" % i * 700, {"seconds": i, "what": "a" * i})
    for i in range(6)
}


@pytest.fixture(scope="module")
def cache_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a cache with members and a plan."""
    cache = BuildCache(tmp_path_factory.mktemp("cache"))
    cache.put_many(MEMBERS.values())
    cache.put_plan(key("build"), key("image"))
    return cache.path.read_bytes()


@settings(max_examples=100)
@given(flips=st.lists(st.tuples(st.integers(0, 2**20), st.integers(1, 255)), min_size=1, max_size=3))
def test_a_damaged_file_never_gives_a_wrong_member(cache_file: bytes, flips: list[tuple[int, int]]) -> None:
    data = bytearray(cache_file)
    for position, change in flips:
        data[position % len(data)] ^= change
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "cache.sqlite").write_bytes(data)
        try:
            cache = BuildCache(Path(folder))
            read = cache.get_many(MEMBERS)
            plan = cache.plan(key("build"))
            cache.has_many(MEMBERS)
        except StoreError as error:
            assert str(error).endswith(".")
            return
    assert plan in (None, key("image"))
    for found, member in read.found.items():
        assert (member.payload, member.note) == (MEMBERS[found].payload, MEMBERS[found].note)
        assert found not in read.corrupt


def test_a_missing_payload_counts_as_damaged(cache: BuildCache) -> None:
    cache.put_many([CacheItem(key("a"), b"a")])
    connection = sqlite3.connect(cache.path)
    with connection:
        connection.execute("DELETE FROM payloads")
    connection.close()
    assert cache.get_many([key("a")]).corrupt == (key("a"),)


@pytest.mark.parametrize("column", ["note", "digest", "seal"])
@pytest.mark.parametrize("value", [b"", b"x", b"{", 5, "text"])
def test_a_damaged_note_or_digest_counts_as_missing(cache: BuildCache, column: str, value: object) -> None:
    cache.put_many([CacheItem(key("a"), b"a")])
    connection = sqlite3.connect(cache.path)
    with connection:
        connection.execute(f"UPDATE members SET {column} = ?", (value,))
    connection.close()
    read = cache.get_many([key("a")])
    assert (read.found, read.corrupt) == ({}, (key("a"),))


def test_a_damaged_plan_is_no_plan(cache: BuildCache) -> None:
    cache.put_plan(key("build"), key("image"))
    connection = sqlite3.connect(cache.path)
    with connection:
        connection.execute("UPDATE plans SET image = ?", (b"short",))
    connection.close()
    assert cache.plan(key("build")) is None


def test_a_file_that_is_no_database_is_said_to_be_damaged(cache: BuildCache) -> None:
    cache.path.write_bytes(b"this is not a database at all" * 100)
    with pytest.raises(CorruptError, match=r"is damaged .*: delete the file"):
        cache.get_many([key("a")])
    with pytest.raises(CorruptError, match="delete the file"):
        BuildCache(cache.path.parent)


def test_a_cache_of_a_newer_format_is_refused(cache: BuildCache) -> None:
    connection = sqlite3.connect(cache.path)
    connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    connection.close()
    with pytest.raises(StoreError, match=rf"has format {FORMAT + 1}.*upgrade jomon"):
        BuildCache(cache.path.parent)


def test_a_folder_that_cannot_be_made_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="while making the build cache"):
        BuildCache(tmp_path / "file")
    (tmp_path / "cache" / "cache.sqlite").mkdir(parents=True)
    with pytest.raises(StoreError, match="cannot be used"):
        BuildCache(tmp_path / "cache")


def test_a_prune_gives_the_bytes_back_to_the_disk(cache: BuildCache) -> None:
    cache.put_many(CacheItem(key(str(i)), os.urandom(20_000)) for i in range(100))
    before = cache.path.stat().st_size
    assert cache.prune(200_000) == 90 * 20_000
    assert len(cache) == 10
    assert cache.path.stat().st_size < before / 4


def test_reading_while_another_process_writes_does_not_wait_for_it(cache: BuildCache) -> None:
    cache.put_many([CacheItem(key("a"), b"a")])
    writer = sqlite3.connect(cache.path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    assert cache.get_many([key("a")]).found[key("a")].payload == b"a"
    writer.execute("ROLLBACK")
    writer.close()


def test_a_cache_is_handed_to_other_processes_as_it_is(cache: BuildCache) -> None:
    cache.put_many([CacheItem(key("a"), b"a")])
    assert pickle.loads(pickle.dumps(cache)).has_many([key("a")]) == {key("a")}


def test_a_cache_whose_file_was_deleted_is_empty_and_works(cache: BuildCache) -> None:
    cache.put_many([CacheItem(key("a"), b"a")])
    cache.path.unlink()
    again = BuildCache(cache.path.parent)
    assert len(again) == 0
    again.put_many([CacheItem(key("a"), b"a")])
    assert len(again) == 1
