"""What every image store must hold; each implementation inherits these claims."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jomon.core.errors import CorruptError, MovedError, StoreError, UnknownNameError
from jomon.oci import media
from jomon.oci.descriptor import Descriptor
from jomon.oci.digest import Digest
from jomon.oci.manifest import Manifest
from jomon.oci.ports import ImageStorePort, NewBlob
from jomon.oci.reference import Reference
from jomon.store.layout import ImageStore
from jomon.store.memory import MemoryStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def publish(store: ImageStorePort, *names: str, weights: bytes = b"weights", at: datetime = NOW) -> Digest:
    """Store a small image."""
    config, layer = store.put_blobs(
        [NewBlob(b"{}", media.MODEL_CONFIG), NewBlob(weights, media.MODEL_WEIGHT_RAW)]
    )
    manifest = Manifest(config, (layer,), media.MODEL_MANIFEST, annotations={media.MEMBER_COUNT: "2"})
    return store.put_manifest(manifest, names, at)


def listed(store: ImageStorePort) -> list[str]:
    return [f"{entry.repository}:{entry.tag}" for entry in store.images()]


class ImageStoreContract(ABC):
    @abstractmethod
    def make(self, folder: Path) -> ImageStorePort:
        """A new, empty store."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> ImageStorePort:
        return self.make(tmp_path)

    def test_a_blob_is_read_back(self, store: ImageStorePort) -> None:
        blob = store.put_blob(b"weights", media.MODEL_WEIGHT_RAW, {media.TITLE: "a.pack"})
        assert blob == Descriptor.of(b"weights", media.MODEL_WEIGHT_RAW, {media.TITLE: "a.pack"})
        assert store.read_blob(blob) == b"weights"
        assert store.read_blob(blob.digest) == b"weights"
        assert store.has_blob(blob.digest)

    def test_an_opened_blob_cannot_be_written(self, store: ImageStorePort) -> None:
        view = store.open_blob(store.put_blob(b"weights", media.MODEL_WEIGHT_RAW))
        assert bytes(view) == b"weights"
        assert view.readonly

    def test_an_empty_blob_is_a_blob(self, store: ImageStorePort) -> None:
        blob = store.put_blob(b"", "text/plain")
        assert bytes(store.open_blob(blob)) == b""
        assert blob.size == 0

    def test_a_blob_is_taken_from_a_file_or_from_any_buffer(
        self, store: ImageStorePort, tmp_path: Path
    ) -> None:
        (tmp_path / "weights").write_bytes(b"weights" * 300_000)
        from_file = store.put_blob(tmp_path / "weights", media.MODEL_WEIGHT_RAW)
        from_view = store.put_blob(memoryview(bytearray(b"weights" * 300_000)), media.MODEL_WEIGHT_RAW)
        assert from_file == from_view
        assert store.read_blob(from_file) == b"weights" * 300_000

    def test_many_blobs_are_described_in_the_order_given(self, store: ImageStorePort) -> None:
        data = [b"a", b"b", b"a", b""]
        blobs = store.put_blobs(NewBlob(item, "text/plain") for item in data)
        assert [store.read_blob(blob) for blob in blobs] == data
        assert store.put_blobs([]) == ()

    def test_an_absent_blob_is_an_error_that_names_it(self, store: ImageStorePort) -> None:
        absent = Digest.of(b"absent")
        assert not store.has_blob(absent)
        with pytest.raises(CorruptError, match=absent.short):
            store.read_blob(absent)

    def test_an_image_is_found_by_each_of_its_names_and_by_digest(self, store: ImageStorePort) -> None:
        digest = publish(store, "flights", "flights:1.0")
        for name in ("flights", "flights:latest", "flights:1.0", str(digest), digest.hex, digest.hex[:6]):
            assert store.resolve(name) == digest
        for name in (f"flights@{digest}", f"flights@{digest.short}", f"sha256:{digest.short}"):
            assert store.resolve(name) == digest
        assert store.resolve(Reference("flights", "1.0")) == digest
        assert store.manifest(digest).digest == digest

    def test_the_list_shows_every_name_with_size_members_and_time(self, store: ImageStorePort) -> None:
        digest = publish(store, "flights", "flights:1.0")
        entry, other = store.images()
        assert (entry.repository, entry.tag, other.tag) == ("flights", "1.0", "latest")
        assert (entry.digest, entry.members, entry.created) == (digest, 2, NOW)
        assert entry.size_bytes == store.manifest(digest).size_bytes

    def test_the_newest_image_is_listed_first(self, store: ImageStorePort) -> None:
        publish(store, "a:1", weights=b"1", at=NOW)
        publish(store, "b:1", weights=b"2", at=NOW + timedelta(hours=1))
        assert listed(store) == ["b:1", "a:1"]

    def test_equal_content_has_an_equal_digest_and_keeps_its_first_time(self, store: ImageStorePort) -> None:
        first = publish(store, "a:1", at=NOW)
        second = publish(store, "a:2", at=NOW + timedelta(days=1))
        assert first == second
        assert [entry.created for entry in store.images()] == [NOW, NOW]

    def test_a_name_moves_and_the_older_image_stays_without_it(self, store: ImageStorePort) -> None:
        old = publish(store, "flights", weights=b"old")
        new = publish(store, "flights", weights=b"new", at=NOW + timedelta(days=1))
        assert store.resolve("flights") == new
        assert listed(store) == ["flights:latest", "flights:None"]
        assert store.resolve(old.short) == old
        assert store.resolve(f"flights@{old}") == old

    def test_a_name_moves_only_from_the_image_it_is_told_to_move_from(self, store: ImageStorePort) -> None:
        one = publish(store, "flights", weights=b"1")
        two = publish(store, "flights:2", weights=b"2")
        three = store.manifest(publish(store, weights=b"3"))
        store.tag(two, "flights", moved_from=one)
        assert store.resolve("flights") == two
        before = store.images()
        with pytest.raises(
            MovedError, match=f"flights:latest meant {one.short} and has moved to {two.short}"
        ):
            store.tag(one, "flights", moved_from=one)
        with pytest.raises(MovedError, match=f"has moved to {two.short} meanwhile"):
            store.put_manifest(three, ["flights"], NOW, moved_from=one)
        with pytest.raises(MovedError, match=r"flights:3 meant .* and has been taken away"):
            store.put_manifest(three, ["flights", "flights:3"], NOW, moved_from=two)
        assert store.images() == before
        assert store.put_manifest(three, ["flights", "flights:2"], NOW, moved_from=two) == three.digest
        assert store.resolve("flights") == store.resolve("flights:2") == three.digest

    def test_an_image_whose_name_was_taken_by_another_is_not_listed(self, store: ImageStorePort) -> None:
        one = publish(store, "flights", weights=b"1")
        publish(store, "flights", weights=b"2")
        count = len(store.images())
        config, layer = store.put_blobs(
            [NewBlob(b"{}", media.MODEL_CONFIG), NewBlob(b"late", media.MODEL_WEIGHT_RAW)]
        )
        with pytest.raises(MovedError):
            late = Manifest(config, (layer,), media.MODEL_MANIFEST)
            store.put_manifest(late, ["flights"], NOW, moved_from=one)
        assert len(store.images()) == count

    def test_an_image_may_have_no_name(self, store: ImageStorePort) -> None:
        digest = publish(store)
        assert listed(store) == ["None:None"]
        store.tag(digest, "flights:1.0")
        assert listed(store) == ["flights:1.0"]

    def test_a_tag_names_an_image_by_name_or_digest(self, store: ImageStorePort) -> None:
        digest = publish(store, "flights")
        store.tag("flights", "flights:good")
        store.tag(digest, "localhost:5000/team/flights:2")
        store.tag("flights:good", "other")
        store.tag("flights:good", "flights:good")
        names = ["flights:good", "localhost:5000/team/flights:2", "other:latest", "flights"]
        assert {store.resolve(name) for name in names} == {digest}
        assert len(listed(store)) == 4

    def test_untag_takes_a_name_and_keeps_the_image(self, store: ImageStorePort) -> None:
        digest = publish(store, "flights", "flights:1.0")
        assert store.untag("flights:1.0") == digest
        assert listed(store) == ["flights:latest"]
        assert store.untag("flights") == digest
        assert listed(store) == ["flights:None"]
        with pytest.raises(UnknownNameError):
            store.untag("flights")
        with pytest.raises(UnknownNameError, match="is no name"):
            store.untag(digest.hex)

    def test_remove_takes_a_name_and_with_the_last_the_image(self, store: ImageStorePort) -> None:
        digest = publish(store, "flights", "flights:1.0")
        assert store.remove("flights") == ()
        assert store.remove("flights:1.0") == (digest,)
        assert store.images() == []
        with pytest.raises(UnknownNameError):
            store.remove("flights:1.0")
        with pytest.raises(UnknownNameError):
            store.remove(digest)

    def test_an_image_with_several_names_is_not_removed_by_its_digest(self, store: ImageStorePort) -> None:
        digest = publish(store, "flights", "flights:1.0")
        with pytest.raises(StoreError, match="has 2 names"):
            store.remove(digest)
        with pytest.raises(StoreError, match="has 2 names"):
            store.remove(digest.short)
        store.untag("flights")
        assert store.remove(digest.short) == (digest,)

    def test_an_image_goes_with_what_is_attached_to_it(self, store: ImageStorePort) -> None:
        digest = publish(store, "flights")
        note = store.attach(digest, media.EVALUATION, [NewBlob(b"{}", media.EVALUATION)], NOW)
        signature = store.attach(note, "application/x.sig", [], NOW)
        assert store.remove("flights") == (digest, note, signature)
        assert store.referrers(digest) == []

    def test_attachments_are_listed_newest_first_and_by_type(self, store: ImageStorePort) -> None:
        digest = publish(store, "flights")
        first = store.attach("flights", media.EVALUATION, [NewBlob(b"1", media.EVALUATION)], NOW)
        later = NOW + timedelta(hours=1)
        blobs = [NewBlob(b"2", media.EVALUATION), NewBlob(b"<p>", media.REPORT_HTML)]
        second = store.attach(digest, media.EVALUATION, blobs, later, {"weeks": "14"})
        other = store.attach(digest, "application/spdx+json", [NewBlob(b"3", "application/spdx+json")], NOW)
        found = store.referrers(digest, media.EVALUATION)
        assert [item.digest for item in found] == [second, first]
        assert found[0].annotations == {"weeks": "14", media.CREATED: "2026-03-01T13:00:00Z"}
        assert {item.digest for item in store.referrers(digest)} == {first, second, other}
        manifest = store.manifest(second)
        assert manifest.subject is not None
        assert manifest.subject.digest == digest
        assert [store.read_blob(layer) for layer in manifest.layers] == [b"2", b"<p>"]
        assert store.referrers(first) == []

    def test_attaching_leaves_the_image_and_the_list_as_they_were(self, store: ImageStorePort) -> None:
        digest = publish(store, "flights")
        before = store.images()
        store.attach("flights", media.EVALUATION, [NewBlob(b"1", media.EVALUATION)], NOW)
        assert store.images() == before
        assert store.resolve("flights") == digest

    def test_attaching_the_same_twice_is_once(self, store: ImageStorePort) -> None:
        digest = publish(store, "flights")
        notes = [
            store.attach(digest, media.EVALUATION, [NewBlob(b"1", media.EVALUATION)], NOW) for _ in range(2)
        ]
        assert notes[0] == notes[1]
        assert len(store.referrers(digest)) == 1

    def test_nothing_is_attached_to_what_is_not_there(self, store: ImageStorePort) -> None:
        with pytest.raises(UnknownNameError):
            store.attach("flights", media.EVALUATION, [], NOW)
        with pytest.raises(StoreError, match="media type"):
            store.attach(publish(store, "flights"), "evaluation", [], NOW)

    def test_the_list_for_registries_without_referrers_has_no_times(self, store: ImageStorePort) -> None:
        digest = publish(store, "flights")
        note = store.attach(digest, media.EVALUATION, [NewBlob(b"1", media.EVALUATION)], NOW)
        (entry,) = store.referrers_index(digest).manifests
        assert (entry.digest, entry.annotations, entry.artifact_type) == (note, {}, media.EVALUATION)

    def test_an_image_whose_blobs_are_not_there_is_refused(self, store: ImageStorePort) -> None:
        config = store.put_blob(b"{}", media.MODEL_CONFIG)
        layer = Descriptor.of(b"absent", media.MODEL_WEIGHT_RAW)
        with pytest.raises(StoreError, match=f"needs the blob {layer.digest.short}"):
            store.put_manifest(Manifest(config, (layer,), media.MODEL_MANIFEST), ["flights"], NOW)
        assert store.images() == []

    def test_an_image_that_lies_about_a_size_is_refused(self, store: ImageStorePort) -> None:
        config = store.put_blob(b"{}", media.MODEL_CONFIG)
        wrong = Descriptor(config.media_type, config.digest, 3)
        with pytest.raises(CorruptError, match="has 2 bytes where the image says 3"):
            store.put_manifest(Manifest(wrong, (), media.MODEL_MANIFEST), ["flights"], NOW)

    def test_a_manifest_from_elsewhere_keeps_its_bytes(self, store: ImageStorePort) -> None:
        first = store.manifest(publish(store))
        spaced = first.bytes.replace(b",", b" ,")
        digest = store.put_manifest(spaced, ["flights"], NOW)
        assert digest == Digest.of(spaced) != first.digest
        assert store.read_blob(digest) == spaced
        with pytest.raises(StoreError, match="cannot be stored"):
            store.put_manifest(b"{}", ["flights"], NOW)

    def test_an_unknown_name_is_answered_with_names_that_are_near(self, store: ImageStorePort) -> None:
        with pytest.raises(UnknownNameError, match="run `jomon build` first"):
            store.resolve("flights")
        publish(store, "flights", "flights:1.0")
        with pytest.raises(UnknownNameError, match="did you mean flights:latest"):
            store.resolve("flihgts")
        with pytest.raises(UnknownNameError, match=r"did you mean .*flights:1\.0"):
            store.resolve("flights:2.0")
        with pytest.raises(UnknownNameError, match="`jomon images` lists"):
            store.resolve("births")
        with pytest.raises(UnknownNameError, match="`jomon images` lists"):
            store.resolve("sha256:" + "0" * 64)

    def test_the_head_of_a_digest_must_fit_one_image(self, store: ImageStorePort) -> None:
        seen: dict[str, Digest] = {}
        for i in range(10_000):
            config = Descriptor.of(b"{}", media.MODEL_CONFIG)
            image = Manifest(config, (), media.MODEL_MANIFEST, annotations={"n": str(i)})
            if image.digest.hex[:6] in seen:
                break
            seen[image.digest.hex[:6]] = image.digest
        else:
            pytest.fail("no two digests with the same head were found")
        store.put_blob(b"{}", media.MODEL_CONFIG)
        twin = Manifest(config, (), media.MODEL_MANIFEST, annotations={"n": str(_number(seen, image))})
        for manifest in (image, twin):
            store.put_manifest(manifest, [], NOW)
        with pytest.raises(UnknownNameError, match="fits 2 images"):
            store.resolve(image.digest.hex[:6])
        assert store.resolve(image.digest.hex) == image.digest

    def test_a_name_wins_over_the_head_of_a_digest(self, store: ImageStorePort) -> None:
        other = publish(store, "flights", weights=b"other")
        named = publish(store, f"{other.hex[:8]}:latest", weights=b"named")
        assert store.resolve(other.hex[:8]) == named
        assert store.resolve(f"sha256:{other.hex[:8]}") == other

    def test_a_digest_belongs_to_its_repository(self, store: ImageStorePort) -> None:
        digest = publish(store, "flights")
        with pytest.raises(UnknownNameError):
            store.resolve(f"births@{digest}")

    def test_a_wrong_name_is_refused_before_anything_changes(self, store: ImageStorePort) -> None:
        digest = publish(store, "flights")
        for name in ("Flights", f"flights@{digest}", ""):
            with pytest.raises(UnknownNameError):
                store.tag("flights", name)
            with pytest.raises(UnknownNameError):
                publish(store, name, weights=b"another")
            if name != f"flights@{digest}":
                with pytest.raises(UnknownNameError):
                    store.resolve(name)
        assert listed(store) == ["flights:latest"]

    def test_a_lease_can_be_held_while_blobs_are_put(self, store: ImageStorePort) -> None:
        with store.lease():
            publish(store, "flights")
        assert listed(store) == ["flights:latest"]


def _number(seen: dict[str, Digest], image: Manifest) -> int:
    """The number of the image whose digest has the same head."""
    return list(seen).index(image.digest.hex[:6])


class TestImageStoreOnDisk(ImageStoreContract):
    def make(self, folder: Path) -> ImageStorePort:
        return ImageStore.create(folder / "store")


class TestMemoryStore(ImageStoreContract):
    def make(self, folder: Path) -> ImageStorePort:
        return MemoryStore()
