"""A full disk gets one sentence, nothing is half written, and the store stays whole."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jomon.core.errors import StoreError
from jomon.oci import media
from jomon.oci.digest import Digest
from jomon.oci.manifest import Manifest
from jomon.oci.ports import CacheItem, NewBlob
from jomon.store.cache import BuildCache
from jomon.store.layout import ImageStore

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """Let the system refuse to write beyond `size` bytes of any file (EFBIG), as a full disk refuses."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def publish(store: ImageStore, name: str, weights: bytes) -> Digest:
    config, layer = store.put_blobs(
        [NewBlob(b"{}", media.MODEL_CONFIG), NewBlob(weights, media.MODEL_WEIGHT_RAW)]
    )
    return store.put_manifest(Manifest(config, (layer,), media.MODEL_MANIFEST), [name], NOW)


def test_a_blob_that_does_not_fit_is_refused_and_nothing_is_left_of_it(tmp_path: Path) -> None:
    store = ImageStore.create(tmp_path / "store")
    digest = publish(store, "flights", b"fits")
    before = sorted(path for path in store.root.rglob("*") if path.is_file())
    with (
        files_limited_to(10_000),
        pytest.raises(StoreError, match=r"is full .* free some space, or run `jomon prune`"),
    ):
        store.put_blobs([NewBlob(b"small", "text/plain"), NewBlob(os.urandom(20_000), "text/plain")])
    assert sorted(path for path in store.root.rglob("*") if path.is_file()) == before
    assert store.verify().whole
    assert store.resolve("flights") == digest


def test_an_index_that_does_not_fit_leaves_the_old_one(tmp_path: Path) -> None:
    store = ImageStore.create(tmp_path / "store")
    digest = publish(store, "flights", b"fits")
    before = (store.root / "index.json").read_bytes()
    with files_limited_to(len(before) + 10), pytest.raises(StoreError, match="while changing the index"):
        store.tag("flights", "flights:2")
    assert (store.root / "index.json").read_bytes() == before
    assert store.verify() == store.verify(repair=False)
    assert store.verify().leftovers == ()
    store.tag("flights", "flights:2")
    assert store.resolve("flights:2") == digest


def test_a_cache_that_does_not_fit_is_refused_and_keeps_what_it_had(tmp_path: Path) -> None:
    cache = BuildCache(tmp_path / "cache")
    old = CacheItem(Digest.of(b"old"), b"old" * 10)
    cache.put_many([old])
    items = [CacheItem(Digest.of(bytes([i])), os.urandom(100_000)) for i in range(20)]
    with (
        files_limited_to(500_000),
        pytest.raises(StoreError, match=r"The build cache|The disk of the build cache"),
    ):
        cache.put_many(items)
    assert cache.get_many([old.key]).found[old.key].payload == old.payload
    assert cache.has_many(item.key for item in items) == frozenset()
    cache.put_many(items)
    assert len(cache) == 21


def test_a_store_on_a_disk_that_fills_up_stays_whole_and_goes_on_after_a_prune(small_disk: Path) -> None:
    store = ImageStore.create(small_disk / "store")
    kept = publish(store, "flights", os.urandom(100_000))
    with pytest.raises(StoreError, match=r"is full .No space left on device"):
        for i in range(100):
            publish(store, f"filler:{i}", os.urandom(100_000))
    assert store.verify().whole
    assert store.resolve("flights") == kept
    for entry in store.images():
        if entry.repository == "filler":
            store.remove(f"filler:{entry.tag}")
    assert store.prune(grace=timedelta(0)).blobs > 0
    assert publish(store, "flights:2", os.urandom(100_000))
    assert store.verify().whole


def test_a_disk_without_one_byte_left_keeps_its_names(small_disk: Path) -> None:
    store = ImageStore.create(small_disk / "store")
    digest = publish(store, "flights", b"weights")
    with (small_disk / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError, match="No space"):
        while True:
            filler.write(b"x" * 4096)
    for change in (lambda: store.tag("flights", "flights:2"), lambda: publish(store, "births", b"more")):
        with pytest.raises(StoreError, match="is full"):
            change()
    assert store.resolve("flights") == digest
    assert store.verify().whole
    assert store.verify().leftovers == ()


def test_a_store_that_may_only_be_read_is_read_and_checked_and_refuses_changes(small_disk: Path) -> None:
    store = ImageStore.create(small_disk / "store")
    digest = publish(store, "flights", b"weights")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    layer = ImageStore.open(store.root).manifest(store.resolve("flights")).layers[0]
    assert bytes(store.open_blob(layer)) == b"weights"
    assert [entry.digest for entry in store.images()] == [digest]
    assert store.verify(repair=True).whole
    changes = (
        lambda: store.tag("flights", "flights:2"),
        lambda: store.put_blob(b"new", "text/plain"),
        store.prune,
    )
    for change in changes:
        with pytest.raises(StoreError, match=r"cannot be written .Read-only file system"):
            change()
