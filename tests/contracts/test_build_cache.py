"""What every build cache must hold; each implementation inherits these claims."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import pytest

from jomon.oci.digest import Digest
from jomon.oci.ports import BuildCachePort, CachedMember, CacheItem
from jomon.store.cache import BuildCache
from jomon.store.memory import MemoryCache


def key(name: str) -> Digest:
    return Digest.of(name.encode())


class BuildCacheContract(ABC):
    @abstractmethod
    def make(self, folder: Path) -> BuildCachePort:
        """A new, empty cache."""

    @pytest.fixture
    def cache(self, tmp_path: Path) -> BuildCachePort:
        return self.make(tmp_path)

    def test_a_member_comes_back_with_its_digest_and_note(self, cache: BuildCachePort) -> None:
        note = {"seconds": 0.25, "rows": 512, "unicode": "ø", "none": None}
        cache.put_many([CacheItem(key("a"), b"payload", note)])
        read = cache.get_many([key("a"), key("absent")])
        assert read.found == {key("a"): CachedMember(b"payload", Digest.of(b"payload"), note)}
        assert read.corrupt == ()

    def test_members_come_in_the_order_asked(self, cache: BuildCachePort) -> None:
        names = [str(i) for i in range(1200)]
        cache.put_many(CacheItem(key(name), name.encode()) for name in names)
        asked = [key(name) for name in reversed(names)]
        found = cache.get_many(asked).found
        assert list(found) == asked
        assert found[key("7")].payload == b"7"
        assert cache.has_many([*asked, key("absent")]) == frozenset(asked)

    def test_asking_for_nothing_gives_nothing(self, cache: BuildCachePort) -> None:
        assert cache.get_many([]).found == {}
        assert cache.has_many([]) == frozenset()
        cache.put_many([])
        assert cache.size_bytes() == 0

    def test_an_empty_payload_is_a_payload(self, cache: BuildCachePort) -> None:
        cache.put_many([CacheItem(key("a"), b"")])
        assert cache.get_many([key("a")]).found[key("a")].payload == b""

    def test_a_later_item_replaces_an_earlier_one(self, cache: BuildCachePort) -> None:
        cache.put_many([CacheItem(key("a"), b"old", {"n": 1})])
        cache.put_many([CacheItem(key("a"), b"newer", {"n": 2})])
        member = cache.get_many([key("a")]).found[key("a")]
        assert (member.payload, member.note) == (b"newer", {"n": 2})
        assert cache.size_bytes() == 5

    def test_a_batch_that_fails_leaves_nothing(self, cache: BuildCachePort) -> None:
        def items() -> Iterator[CacheItem]:
            yield CacheItem(key("a"), b"a")
            raise RuntimeError("interrupted")

        with pytest.raises(RuntimeError, match="interrupted"):
            cache.put_many(items())
        assert cache.has_many([key("a")]) == frozenset()

    def test_a_plan_is_remembered_and_replaced(self, cache: BuildCachePort) -> None:
        assert cache.plan(key("build")) is None
        cache.put_plan(key("build"), key("image"))
        cache.put_plan(key("build"), key("later"))
        assert cache.plan(key("build")) == key("later")
        assert cache.plan(key("image")) is None

    def test_prune_drops_what_was_used_longest_ago(self, cache: BuildCachePort) -> None:
        for name in "abcd":
            cache.put_many([CacheItem(key(name), name.encode() * 10)])
        cache.get_many([key("a")])
        assert cache.prune(40) == 0
        assert cache.prune(25) == 20
        assert cache.has_many(map(key, "abcd")) == {key("a"), key("d")}
        assert cache.prune(0) == 20
        assert cache.size_bytes() == 0


class TestBuildCacheInSqlite(BuildCacheContract):
    def make(self, folder: Path) -> BuildCachePort:
        return BuildCache(folder / "cache")


class TestMemoryCache(BuildCacheContract):
    def make(self, folder: Path) -> BuildCachePort:
        return MemoryCache()
