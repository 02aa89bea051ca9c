"""Any sequence of operations leaves a store that agrees with a dictionary of names and a set of images."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from jomon.core.errors import StoreError, UnknownNameError
from jomon.oci import media
from jomon.oci.digest import Digest
from jomon.oci.manifest import Manifest
from jomon.oci.ports import NewBlob
from jomon.store.gc import PruneReport
from jomon.store.images import Images
from jomon.store.layout import ImageStore
from jomon.store.memory import MemoryStore

NOW = datetime(2026, 3, 1, tzinfo=UTC)
names = st.sampled_from(["flights:latest", "flights:1.0", "births:latest", "team/births:2"])
contents = st.integers(0, 3)


class StoreMachine(RuleBasedStateMachine):
    """The model: what each name means, which images are listed, and what is attached to what."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, Digest] = {}
        self.images: dict[Digest, bytes] = {}
        self.notes: dict[Digest, set[Digest]] = {}

    @initialize()
    def begin(self) -> None:
        self.store = self.make()

    def make(self) -> Images:
        raise NotImplementedError

    def prune_store(self, untagged: bool) -> PruneReport:
        raise NotImplementedError

    @rule(content=contents, given=st.lists(names, max_size=2))
    def put(self, content: int, given: list[str]) -> None:
        data = b"weights %d" % content
        config, layer = self.store.put_blobs(
            [NewBlob(b"{}", media.MODEL_CONFIG), NewBlob(data, media.MODEL_WEIGHT_RAW)]
        )
        image = Manifest(config, (layer,), media.MODEL_MANIFEST)
        digest = self.store.put_manifest(image, given, NOW)
        assert digest == image.digest
        self.images[digest] = data
        self.notes.setdefault(digest, set())
        self.names.update(dict.fromkeys(given, digest))

    @rule(old=names, new=names)
    def tag(self, old: str, new: str) -> None:
        if old in self.names:
            self.store.tag(old, new)
            self.names[new] = self.names[old]
        else:
            with pytest.raises(UnknownNameError):
                self.store.tag(old, new)

    @rule(name=names)
    def untag(self, name: str) -> None:
        if name in self.names:
            assert self.store.untag(name) == self.names.pop(name)
        else:
            with pytest.raises(UnknownNameError):
                self.store.untag(name)

    @rule(name=names)
    def remove(self, name: str) -> None:
        if name not in self.names:
            with pytest.raises(UnknownNameError):
                self.store.remove(name)
            return
        digest = self.names.pop(name)
        gone = self.store.remove(name)
        if digest in self.names.values():
            assert gone == ()
        else:
            assert set(gone) == {digest, *self.forget(digest)}

    @rule(content=contents)
    def remove_by_digest(self, content: int) -> None:
        digest = next(
            (digest for digest, data in self.images.items() if data.endswith(b"%d" % content)), None
        )
        if digest is None:
            return
        holders = [name for name, meant in self.names.items() if meant == digest]
        if len(holders) > 1:
            with pytest.raises(StoreError, match="names"):
                self.store.remove(digest)
            return
        gone = self.store.remove(digest)
        for name in holders:
            del self.names[name]
        assert set(gone) == {digest, *self.forget(digest)}

    @rule(name=names, text=st.sampled_from([b"good", b"bad"]))
    def attach(self, name: str, text: bytes) -> None:
        if name in self.names:
            subject = self.names[name]
            self.notes[subject].add(
                self.store.attach(name, media.EVALUATION, [NewBlob(text, media.EVALUATION)], NOW)
            )

    @rule(untagged=st.booleans())
    def prune(self, untagged: bool) -> None:
        report = self.prune_store(untagged)
        bare = [digest for digest in self.images if digest not in self.names.values()]
        gone = {note for digest in bare for note in (digest, *self.forget(digest))} if untagged else set()
        assert set(report.images) == gone
        assert all(not self.store.has_blob(digest) for digest in gone)

    def forget(self, digest: Digest) -> set[Digest]:
        del self.images[digest]
        return self.notes.pop(digest)

    @invariant()
    def agrees_with_the_model(self) -> None:
        assert {name: entry.digest for name, entry in self.store.catalog().names.items()} == self.names
        for digest, data in self.images.items():
            assert self.store.read_blob(self.store.manifest(digest).layers[0]) == data
            assert {item.digest for item in self.store.referrers(digest)} == self.notes[digest]
        listed = self.store.images()
        named = {f"{entry.repository}:{entry.tag}" for entry in listed if entry.tag is not None}
        assert named == set(self.names)
        assert {entry.digest for entry in listed} == set(self.images)
        assert len(listed) == len(self.names) + len(set(self.images) - set(self.names.values()))


class DiskMachine(StoreMachine):
    def make(self) -> Images:
        self.folder = tempfile.TemporaryDirectory()
        self.disk = ImageStore.create(Path(self.folder.name) / "store")
        return self.disk

    def prune_store(self, untagged: bool) -> PruneReport:
        return self.disk.prune(untagged=untagged, grace=timedelta(0))

    @invariant()
    def is_whole(self) -> None:
        report = self.disk.verify()
        assert report.whole, report.problems
        assert report.leftovers == ()

    @rule(keep=st.integers(0, 200))
    def truncate_the_index_and_recover(self, keep: int) -> None:
        index = self.disk.root / "index.json"
        index.write_bytes(index.read_bytes()[:keep])
        report = ImageStore.recover(self.disk.root)
        for digest in report.found:  # removed and not yet pruned: they come back without a name
            if self.disk.manifest(digest).subject is None:
                self.disk.remove(digest)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()


class MemoryMachine(StoreMachine):
    def make(self) -> Images:
        self.memory = MemoryStore()
        return self.memory

    def prune_store(self, untagged: bool) -> PruneReport:
        return self.memory.prune(untagged=untagged)


DiskMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
MemoryMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
TestDisk = DiskMachine.TestCase
TestMemory = MemoryMachine.TestCase
