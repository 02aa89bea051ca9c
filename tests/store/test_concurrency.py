"""Many processes use one store at once: no name is lost, and a prune takes nothing from a running build."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jomon.oci import media
from jomon.oci.digest import Digest
from jomon.oci.manifest import Manifest
from jomon.oci.ports import NewBlob
from jomon.store.cache import BuildCache
from jomon.store.layout import ImageStore
from jomon.store.locks import leased, live_leases, locked

NOW = datetime(2026, 3, 1, tzinfo=UTC)
IMAGES_EACH = 12

BUILDER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from jomon.oci import media
from jomon.oci.manifest import Manifest
from jomon.oci.ports import NewBlob
from jomon.store.layout import ImageStore

store, me = ImageStore.create(Path(sys.argv[1])), sys.argv[2]
now = datetime(2026, 3, 1, tzinfo=UTC)
for i in range(int(sys.argv[3])):
    with store.lease():
        parts = [b"{}", b"shared by all", f"{me} {i}".encode() * 100]
        blobs = store.put_blobs(NewBlob(part, media.MODEL_WEIGHT_RAW) for part in parts)
        image = Manifest(blobs[0], blobs[1:], media.MODEL_MANIFEST)
        digest = store.put_manifest(image, [f"builder{me}:v{i}", "flights"], now)
    document = NewBlob(f"{me} {i}".encode(), media.EVALUATION)
    store.attach(digest, media.EVALUATION, [document], now)
    store.untag(f"builder{me}:v{i}")
    store.tag(digest, f"builder{me}:final{i}")
"""

COUNTER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from jomon.core.errors import MovedError
from jomon.oci import media
from jomon.oci.manifest import Manifest
from jomon.store.layout import ImageStore

store = ImageStore.open(Path(sys.argv[1]))
now, added = datetime(2026, 3, 1, tzinfo=UTC), 0
while added < int(sys.argv[2]):
    old = store.resolve("count")
    number = int(store.read_blob(store.manifest(old).layers[0])) + 1
    with store.lease():
        config = store.put_blob(b"{}", media.MODEL_CONFIG)
        layer = store.put_blob(str(number).encode(), media.MODEL_WEIGHT_RAW)
        try:
            store.put_manifest(Manifest(config, (layer,), media.MODEL_MANIFEST), ["count"], now, moved_from=old)
        except MovedError:
            continue
    added += 1
"""

PRUNER = """
import sys
from datetime import timedelta
from pathlib import Path
from jomon.store.layout import ImageStore

store = ImageStore.create(Path(sys.argv[1]))
print("ready", flush=True)
for line in sys.stdin:
    store.prune(grace=timedelta(0))
    assert store.verify().whole
    print("pruned", flush=True)
"""

CACHE_USER = """
import sys
from pathlib import Path
from jomon.oci.digest import Digest
from jomon.oci.ports import CacheItem
from jomon.store.cache import BuildCache

me = sys.argv[2]
for i in range(20):
    cache = BuildCache(Path(sys.argv[1]))
    names = [f"{me} {i} {n}".encode() for n in range(30)]
    items = [CacheItem(Digest.of(name), name * 100) for name in names]
    cache.put_many(items)
    assert len(cache.get_many([item.key for item in items]).found) == 30
    cache.put_plan(items[0].key, items[1].key)
"""


def start(script: str, *arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_concurrent_builds_and_prunes_lose_no_name_and_no_blob(tmp_path: Path) -> None:
    root = tmp_path / "store"
    builders = [start(BUILDER, root, me, IMAGES_EACH) for me in range(4)]
    with start(PRUNER, root) as pruner:
        assert pruner.stdin is not None
        assert pruner.stdout is not None
        assert pruner.stdout.readline() == b"ready\n"
        while any(builder.poll() is None for builder in builders):
            pruner.stdin.write(b"again\n")
            pruner.stdin.flush()
            assert pruner.stdout.readline() == b"pruned\n"
        pruner.stdin.close()
    assert pruner.returncode == 0
    for builder in builders:
        builder.communicate()
        assert builder.returncode == 0
    store = ImageStore.open(root)
    names = {f"builder{me}:final{i}" for me in range(4) for i in range(IMAGES_EACH)} | {"flights:latest"}
    assert set(store.catalog().names) == names
    assert all(len(store.referrers(store.resolve(name))) == 1 for name in names)
    assert store.verify().whole


def test_no_name_is_moved_back_over_what_another_process_made_of_it(tmp_path: Path) -> None:
    store = ImageStore.create(tmp_path / "store")
    config, layer = store.put_blobs(
        [NewBlob(b"{}", media.MODEL_CONFIG), NewBlob(b"0", media.MODEL_WEIGHT_RAW)]
    )
    store.put_manifest(Manifest(config, (layer,), media.MODEL_MANIFEST), ["count"], NOW)
    counters = [start(COUNTER, store.root, 10) for _ in range(3)]
    for counter in counters:
        counter.communicate()
        assert counter.returncode == 0
    last = store.manifest(store.resolve("count"))
    assert store.read_blob(last.layers[0]) == b"30"


def test_processes_that_make_one_store_at_once_all_open_it(tmp_path: Path) -> None:
    builders = [start(BUILDER, tmp_path / "store", me, 0) for me in range(4)]
    for builder in builders:
        builder.communicate()
        assert builder.returncode == 0
    assert ImageStore.open(tmp_path / "store").verify().whole


def test_processes_that_use_one_cache_at_once_lose_nothing(tmp_path: Path) -> None:
    users = [start(CACHE_USER, tmp_path / "cache", me) for me in range(3)]
    for user in users:
        user.communicate()
        assert user.returncode == 0
    assert len(BuildCache(tmp_path / "cache")) == 3 * 20 * 30


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore.create(tmp_path / "store")


def age(store: ImageStore, digest: Digest, by: timedelta = timedelta(days=2)) -> None:
    path = store.root / "blobs" / "sha256" / digest.hex
    then = path.stat().st_mtime - by.total_seconds()
    os.utime(path, (then, then))


def test_a_blob_that_nothing_needs_yet_is_kept_for_a_while(store: ImageStore) -> None:
    blob = store.put_blob(b"young", "text/plain")
    assert store.prune().kept_young == 1
    age(store, blob.digest)
    report = store.prune()
    assert (report.blobs, report.bytes, report.kept_young) == (1, 5, 0)
    assert not store.has_blob(blob.digest)


def test_what_is_put_under_a_lease_is_kept_however_long_the_build_takes(store: ImageStore) -> None:
    with store.lease():
        blob = store.put_blob(b"part of a long build", "text/plain")
        assert store.prune(grace=timedelta(0)).kept_young == 1
    assert store.prune(grace=timedelta(0)).blobs == 1
    assert not store.has_blob(blob.digest)


def test_an_old_blob_that_a_build_puts_again_counts_as_new(store: ImageStore) -> None:
    blob = store.put_blob(b"old", "text/plain")
    age(store, blob.digest)
    with store.lease():
        store.put_blob(b"old", "text/plain")
        assert store.prune(grace=timedelta(0)).blobs == 0
    assert store.read_blob(blob) == b"old"


def test_the_lease_of_a_process_that_died_protects_nothing(store: ImageStore) -> None:
    code = """
import os, sys
from pathlib import Path
from jomon.store.layout import ImageStore
lease = ImageStore.open(Path(sys.argv[1])).lease()
lease.__enter__()
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code, str(store.root)], check=False)
    assert len(list((store.root / "run" / "leases").iterdir())) == 1
    store.put_blob(b"x", "text/plain")
    assert store.prune(grace=timedelta(0)).blobs == 1
    assert not list((store.root / "run" / "leases").iterdir())


def test_a_lease_lives_as_long_as_it_is_held(tmp_path: Path) -> None:
    with leased(tmp_path) as lease:
        assert live_leases(tmp_path) == (lease,)
        assert live_leases(tmp_path) == (lease,)
    assert live_leases(tmp_path) == ()


def test_sharers_of_a_lock_do_not_wait_for_each_other(tmp_path: Path) -> None:
    with locked(tmp_path / "lock", shared=True), locked(tmp_path / "lock", shared=True) as descriptor:
        assert descriptor > 0


def test_an_image_published_while_its_blobs_age_is_whole(store: ImageStore) -> None:
    config = store.put_blob(b"{}", media.MODEL_CONFIG)
    age(store, config.digest)
    store.put_manifest(Manifest(config, (), media.MODEL_MANIFEST), ["flights"], NOW)
    assert store.prune(grace=timedelta(0)).blobs == 0
    store.attach("flights", media.EVALUATION, [NewBlob(b"{}", media.EVALUATION)], NOW)
    assert store.prune(grace=timedelta(0)).blobs == 0
    assert store.verify().whole
