"""A writer that is killed at any moment leaves a whole store, with everything that it had acknowledged."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from jomon.oci.digest import Digest
from jomon.store.cache import BuildCache
from jomon.store.layout import ImageStore

KILLS = 30

STORE_WRITER = """
import os, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from jomon.oci import media
from jomon.oci.manifest import Manifest
from jomon.oci.ports import NewBlob
from jomon.store.layout import ImageStore

store, run = ImageStore.open(Path(sys.argv[1])), sys.argv[2]
now = datetime(2026, 3, 1, tzinfo=UTC)

def say(*words):
    os.write(1, (" ".join(map(str, words)) + chr(10)).encode())

say("ready")
for i in range(1_000_000):
    data = [f"{run} {i} {part}".encode() * (1 + 400 * part) for part in range(6)]
    blobs = store.put_blobs(NewBlob(item, media.MODEL_WEIGHT_RAW) for item in data)
    for blob in blobs:
        say("blob", i, blob.digest.hex)
    config = store.put_blob(b"{}", media.MODEL_CONFIG)
    image = Manifest(config, blobs, media.MODEL_MANIFEST)
    digest = store.put_manifest(image, [f"run{run}:v{i}", "flights"], now)
    say("name", f"run{run}:v{i}", digest.hex)
    say("name", "flights:latest", digest.hex)
    store.tag(digest, f"run{run}:good")
    say("name", f"run{run}:good", digest.hex)
    document = NewBlob(f"{run} {i}".encode(), media.EVALUATION)
    note = store.attach(digest, media.EVALUATION, [document], now)
    say("note", digest.hex, note.hex)
    if i % 3 == 2:
        say("going", i - 1)
        store.remove(f"run{run}:v{i - 1}")
        store.prune(grace=timedelta(0))
"""

CACHE_WRITER = """
import os, sys
from pathlib import Path
from jomon.oci.digest import Digest
from jomon.oci.ports import CacheItem
from jomon.store.cache import BuildCache

cache, run = BuildCache(Path(sys.argv[1])), sys.argv[2]
os.write(1, b"ready" + bytes([10]))
for i in range(1_000_000):
    names = [f"{run} {i} {n}".encode() for n in range(20)]
    items = [CacheItem(Digest.of(name), name * 500) for name in names]
    cache.put_many(items)
    os.write(1, f"{i}".encode() + bytes([10]))
"""


def run_and_kill(script: str, root: Path, run: int, lines: int) -> list[str]:
    """Run a writer, kill it (SIGKILL) after it has said `lines` lines, and give the whole lines it said."""
    command = [sys.executable, "-c", script, str(root), str(run)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines + 1)]
        process.kill()
        said += process.stdout.readlines()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert said[0] == b"ready\n"
    return [line.decode().strip() for line in said[1:] if line.endswith(b"\n")]


@dataclass
class Acknowledged:
    """What the writer of one run said that it had done; `going` are the images that it began to remove."""

    blobs: list[tuple[str, Digest]] = field(default_factory=list)
    names: dict[str, Digest] = field(default_factory=dict)
    notes: list[tuple[Digest, Digest]] = field(default_factory=list)
    going: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, lines: list[str]) -> Acknowledged:
        """Collect the lines."""
        out = cls()
        for kind, *words in map(str.split, lines):
            if kind == "blob":
                out.blobs.append((words[0], Digest(words[1])))
            elif kind == "name":
                out.names[words[0]] = Digest(words[1])
            elif kind == "note":
                out.notes.append((Digest(words[0]), Digest(words[1])))
            else:
                out.going.add(words[0])
        return out


def check_names(store: ImageStore, said: Acknowledged) -> None:
    """A version means the image that was acknowledged; a name that moves means that one, or a later one."""
    found = store.catalog().names
    for name, digest in said.names.items():
        _, _, version = name.partition(":v")
        if not version:
            assert name in found
        elif version not in said.going:
            assert found[name].digest == digest


def test_a_killed_writer_leaves_a_whole_store_with_all_that_it_acknowledged(tmp_path: Path) -> None:
    store = ImageStore.create(tmp_path / "store")
    moments = random.Random(7)
    runs = []
    for run in range(KILLS):
        said = Acknowledged.read(run_and_kill(STORE_WRITER, store.root, run, moments.randrange(1, 60)))
        runs.append(said)
        report = store.verify(repair=True)
        assert report.whole, report.problems
        for version, blob in said.blobs:
            assert version in said.going or store.read_blob(blob)
    listed = store.catalog().digests()
    for said in runs:
        check_names(store, said)
        for subject, note in said.notes:
            assert subject not in listed or note in {item.digest for item in store.referrers(subject)}
    assert store.verify().leftovers == ()
    assert store.prune(grace=timedelta(0)).leftovers == 0
    assert store.verify().whole


def test_a_killed_writer_leaves_a_cache_with_all_that_it_acknowledged(tmp_path: Path) -> None:
    cache = BuildCache(tmp_path / "cache")
    moments = random.Random(11)
    for run in range(10):
        said = run_and_kill(CACHE_WRITER, tmp_path / "cache", run, moments.randrange(1, 30))
        keys = [Digest.of(f"{run} {i} {n}".encode()) for i in said for n in range(20)]
        read = cache.get_many(keys)
        assert list(read.found) == keys
        assert read.corrupt == ()
        assert len(cache) % 20 == 0


def test_what_a_killed_writer_was_writing_is_listed_and_removed(tmp_path: Path) -> None:
    store = ImageStore.create(tmp_path / "store")
    leftover = store.root / "run" / "tmp" / ("0" * 32 + ".1")
    leftover.write_bytes(b"half of a bl")
    (store.root / "run" / "leases" / ("0" * 32)).touch()
    report = store.verify()
    assert report.whole
    assert report.leftovers == (leftover,)
    assert leftover.exists()
    assert store.verify(repair=True).document()["leftovers"] == [leftover.name]
    assert not leftover.exists()
    assert store.verify().leftovers == ()


@pytest.mark.parametrize("moment", ["before the backup", "between the copies"])
def test_a_crash_between_the_two_copies_of_the_index_is_harmless(tmp_path: Path, moment: str) -> None:
    """The second copy may be one change ahead: a change that was not acknowledged."""
    store = ImageStore.create(tmp_path / "store")
    before = (store.root / "index.json").read_bytes()
    store.put_blob(b"{}", "text/plain")
    if moment == "between the copies":
        newer = before.replace(b'"manifests":[]', b'"annotations":{"a":"b"},"manifests":[]')
        (store.root / "index.json.bak").write_bytes(newer)
    assert store.images() == []
    assert store.verify().whole
