"""The store on disk: where things lie, what a damaged or foreign folder gets, and that reads are checked."""

from __future__ import annotations

import json
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jomon.core.errors import CorruptError, StoreError
from jomon.oci import media
from jomon.oci.descriptor import Descriptor
from jomon.oci.digest import Digest
from jomon.oci.manifest import Manifest
from jomon.oci.ports import NewBlob
from jomon.store.cache import BuildCache
from jomon.store.format import FORMAT
from jomon.store.layout import ImageStore
from jomon.store.trust import TrustList

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore.create(tmp_path / "store")


def publish(store: ImageStore, *names: str, weights: bytes = b"weights") -> Descriptor:
    config, layer = store.put_blobs(
        [NewBlob(b"{}", media.MODEL_CONFIG), NewBlob(weights, media.MODEL_WEIGHT_RAW)]
    )
    store.put_manifest(Manifest(config, (layer,), media.MODEL_MANIFEST), names, NOW)
    return layer


def flip(path: Path, position: int = 0) -> None:
    """Change one bit of a file, as a failing disk does."""
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def blob_file(store: ImageStore, blob: Descriptor | Digest) -> Path:
    digest = blob if isinstance(blob, Digest) else blob.digest
    return store.root / "blobs" / "sha256" / digest.hex


def test_a_store_is_opened_where_one_was_made(tmp_path: Path) -> None:
    layer = publish(ImageStore.create(tmp_path / "deep" / "store"), "flights")
    assert ImageStore.open(tmp_path / "deep" / "store").read_blob(layer) == b"weights"
    assert ImageStore.create(tmp_path / "deep" / "store").images()


def test_a_blob_is_a_read_only_file_named_by_its_digest(store: ImageStore) -> None:
    layer = publish(store, "flights")
    assert blob_file(store, layer).read_bytes() == b"weights"
    assert blob_file(store, layer).stat().st_mode & 0o222 == 0


def test_a_folder_that_is_no_store_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is no image store: run `jomon build`"):
        ImageStore.open(tmp_path)
    with pytest.raises(StoreError, match="is no image store"):
        ImageStore.open(tmp_path / "absent")


def test_no_store_is_made_among_other_files(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(StoreError, match=r"holds other files \(thesis.txt\)"):
        ImageStore.create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_cache_and_a_trust_list_may_lie_in_the_folder_of_a_store(tmp_path: Path) -> None:
    cache = BuildCache(tmp_path)
    TrustList(tmp_path).add(["mine.Model"], "ana", NOW)
    (tmp_path / "cache.sqlite-wal").touch()
    store = ImageStore.create(tmp_path)
    publish(store, "flights")
    assert store.prune(grace=timedelta(0)).blobs == 0
    assert store.verify().whole
    assert len(cache) == 0
    assert TrustList(tmp_path).trusted() == {"mine.Model"}


def test_threads_of_one_process_lose_no_name(store: ImageStore) -> None:
    publish(store, "flights")
    names = [f"flights:v{i}" for i in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: store.tag("flights", name), names))
    assert set(store.catalog().names) == {*names, "flights:latest"}


def test_a_store_whose_making_was_interrupted_is_made_whole(tmp_path: Path) -> None:
    root = tmp_path / "store"
    ImageStore.create(root)
    (root / "oci-layout").unlink()
    (root / "jomon.json").unlink()
    assert ImageStore.create(root).verify().whole


def test_a_store_where_a_file_stands_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    with pytest.raises(StoreError, match="while making the store"):
        ImageStore.create(tmp_path / "store")


def test_a_store_of_a_newer_format_is_neither_opened_nor_changed(store: ImageStore) -> None:
    publish(store, "flights")
    (store.root / "jomon.json").write_text(json.dumps({"format": FORMAT + 1}))
    with pytest.raises(StoreError, match=rf"has format {FORMAT + 1}, .* upgrade jomon"):
        ImageStore.open(store.root)
    before = (store.root / "index.json").read_bytes()
    with pytest.raises(StoreError, match="upgrade jomon"):
        store.tag("flights", "flights:2")
    assert (store.root / "index.json").read_bytes() == before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"form": 1}', "7"])
def test_a_damaged_format_file_is_said_to_be_damaged(store: ImageStore, text: str) -> None:
    publish(store, "flights")
    (store.root / "jomon.json").write_text(text)
    with pytest.raises(CorruptError, match=r"jomon\.json is damaged; run `jomon verify --repair`"):
        ImageStore.open(store.root)
    assert [problem.kind for problem in store.verify().problems] == ["damaged file"]
    assert ImageStore.recover(store.root).rewritten == ("jomon.json",)
    assert ImageStore.open(store.root).resolve("flights")


def test_a_flipped_bit_is_found_on_every_read_and_names_blob_image_and_remedy(store: ImageStore) -> None:
    layer = publish(store, "flights", "flights:1.0")
    store.read_blob(layer)
    flip(blob_file(store, layer), 3)
    for read in (store.read_blob, store.open_blob):
        with pytest.raises(CorruptError) as error:
            read(layer)
        for part in (layer.digest.short, "flights:latest, flights:1.0", "jomon verify", "jomon build"):
            assert part in str(error.value)


def test_a_blob_cut_short_or_missing_is_found(store: ImageStore) -> None:
    layer = publish(store, "flights")
    blob_file(store, layer).chmod(0o644)
    os.truncate(blob_file(store, layer), 3)
    with pytest.raises(CorruptError, match="does not match its digest"):
        store.read_blob(layer)
    blob_file(store, layer).unlink()
    with pytest.raises(CorruptError, match=r"of flights:latest in .* is missing"):
        store.read_blob(layer)


def test_a_damaged_manifest_is_found_and_names_its_image(store: ImageStore) -> None:
    publish(store, "flights")
    flip(blob_file(store, store.resolve("flights")), 5)
    with pytest.raises(CorruptError, match="of flights:latest"):
        store.images()


def test_two_damaged_manifests_are_each_found(store: ImageStore) -> None:
    publish(store, "flights")
    publish(store, "births", weights=b"other")
    for name in ("flights", "births"):
        flip(blob_file(store, store.resolve(name)))
    for name in ("flights", "births"):
        with pytest.raises(CorruptError, match=f"of {name}:latest"):
            store.manifest(store.resolve(name))
    assert [problem.kind for problem in store.verify().problems] == ["corrupt blob"] * 2


def test_a_damaged_blob_is_found_although_the_index_is_damaged_too(store: ImageStore) -> None:
    layer = publish(store, "flights")
    flip(blob_file(store, layer))
    (store.root / "index.json").write_text("{")
    with pytest.raises(CorruptError, match=layer.digest.short):
        store.read_blob(layer)


def test_an_error_of_a_build_that_holds_a_lease_stays_what_it_is(store: ImageStore) -> None:
    with pytest.raises(FileNotFoundError), store.lease():
        raise FileNotFoundError("not the store's")
    assert not list((store.root / "run" / "leases").iterdir())


def test_a_file_that_is_to_be_stored_and_is_absent_is_named(store: ImageStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"absent\.pack: No such file"):
        store.put_blob(tmp_path / "absent.pack", "text/plain")


def test_verify_tells_how_far_it_is(store: ImageStore) -> None:
    publish(store, "flights")
    seen: list[tuple[int, int]] = []
    report = store.verify(progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (report.bytes, report.bytes)
    assert len(seen) == report.blobs


def test_a_blob_that_is_no_manifest_cannot_be_read_as_one(store: ImageStore) -> None:
    layer = publish(store, "flights")
    with pytest.raises(CorruptError, match="cannot be read as an image"):
        store.manifest(layer.digest)


def test_putting_a_damaged_blob_again_mends_it(store: ImageStore) -> None:
    layer = publish(store, "flights")
    flip(blob_file(store, layer))
    assert publish(store, "flights") == layer
    assert store.read_blob(layer) == b"weights"
    assert store.verify().whole


def test_a_blob_that_is_there_is_not_written_again(store: ImageStore) -> None:
    layer = publish(store, "flights")
    before = blob_file(store, layer).stat().st_ino
    publish(store, "flights:2")
    assert blob_file(store, layer).stat().st_ino == before


def test_a_mapped_blob_outlives_its_file(store: ImageStore) -> None:
    layer = publish(store, "flights")
    view = store.open_blob(layer)
    blob_file(store, layer).unlink()
    assert bytes(view) == b"weights"


def test_a_failed_batch_leaves_no_file(store: ImageStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="while storing blobs"):
        store.put_blobs([NewBlob(b"first", "text/plain"), NewBlob(tmp_path / "absent", "text/plain")])
    assert not list(blob_file(store, Digest.of(b"")).parent.iterdir())
    assert not list((store.root / "run" / "tmp").iterdir())
    assert not list((store.root / "run" / "leases").iterdir())


def test_a_store_is_handed_to_other_processes_as_it_is(store: ImageStore) -> None:
    layer = publish(store, "flights")
    again = pickle.loads(pickle.dumps(store))
    assert again.root == store.root
    assert again.read_blob(layer) == b"weights"


def test_the_index_is_written_in_two_equal_copies(store: ImageStore) -> None:
    publish(store, "flights")
    assert (store.root / "index.json").read_bytes() == (store.root / "index.json.bak").read_bytes()


def test_a_tag_that_changes_nothing_writes_nothing(store: ImageStore) -> None:
    publish(store, "flights")
    before = (store.root / "index.json").stat().st_ino
    store.tag("flights", "flights")
    assert (store.root / "index.json").stat().st_ino == before


def test_names_that_other_programs_wrote_are_found_and_shown(store: ImageStore) -> None:
    publish(store, "flights")
    document = json.loads((store.root / "index.json").read_bytes())
    document["manifests"][0]["annotations"] = {media.REF_NAME: "v1.0"}
    (store.root / "index.json").write_text(json.dumps(document))
    digest = store.resolve("v1.0")
    assert [(entry.repository, entry.tag, entry.created) for entry in store.images()] == [
        ("v1.0", None, None)
    ]
    store.tag("v1.0", "flights:1.0")
    assert store.untag("v1.0") == digest
    assert [f"{entry.repository}:{entry.tag}" for entry in store.images()] == ["flights:1.0"]


def test_putting_an_image_that_another_program_listed_gives_it_its_time(store: ImageStore) -> None:
    publish(store, "flights")
    document = json.loads((store.root / "index.json").read_bytes())
    del document["manifests"][0]["annotations"][media.CREATED]
    (store.root / "index.json").write_text(json.dumps(document))
    publish(store, "flights:2")
    assert [entry.created for entry in store.images()] == [NOW, NOW]


def test_an_index_of_images_is_kept_but_is_no_image(store: ImageStore) -> None:
    publish(store, "flights")
    digest = store.resolve("flights")
    inner = {"schemaVersion": 2, "manifests": [Descriptor(media.OCI_MANIFEST, digest, 1).document()]}
    data = json.dumps(inner).encode()
    blob = store.put_blob(data, media.OCI_INDEX)
    document = json.loads((store.root / "index.json").read_bytes())
    document["manifests"] = [blob.with_annotations({media.REF_NAME: "all"}).document()]
    (store.root / "index.json").write_text(json.dumps(document))
    assert store.images() == []
    assert store.resolve("all") == blob.digest
