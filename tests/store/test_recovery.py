"""A damaged index comes back with every name, and verify says what is wrong and where."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jomon.core.errors import CorruptError, JomonError, StoreError
from jomon.oci import media
from jomon.oci.descriptor import Descriptor
from jomon.oci.digest import Digest
from jomon.oci.index import Index
from jomon.oci.manifest import Manifest
from jomon.oci.ports import NewBlob
from jomon.store.layout import ImageStore

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    store = ImageStore.create(tmp_path / "store")
    publish(store, "flights", "flights:1.0")
    publish(store, "births", weights=b"other weights")
    store.attach("flights", media.EVALUATION, [NewBlob(b"{}", media.EVALUATION)], NOW)
    return store


def publish(store: ImageStore, *names: str, weights: bytes = b"weights") -> Digest:
    config, layer = store.put_blobs(
        [NewBlob(b"{}", media.MODEL_CONFIG), NewBlob(weights, media.MODEL_WEIGHT_RAW)]
    )
    return store.put_manifest(Manifest(config, (layer,), media.MODEL_MANIFEST), names, NOW)


def blob_file(store: ImageStore, digest: Digest) -> Path:
    return store.root / "blobs" / "sha256" / digest.hex


def damage(path: Path, data: bytes = b"") -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def kinds(store: ImageStore) -> list[str]:
    report = store.verify()
    assert all(problem.text.endswith(".") and "\n" not in problem.text for problem in report.problems)
    assert report.whole == (not report.problems)
    return [problem.kind for problem in report.problems]


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_a_truncated_index_is_said_to_be_damaged_by_every_command(store: ImageStore, keep: int) -> None:
    index = store.root / "index.json"
    index.write_bytes(index.read_bytes()[:keep])
    for read in (
        store.images,
        lambda: store.resolve("flights"),
        lambda: store.tag("flights", "x"),
        store.prune,
    ):
        with pytest.raises(CorruptError, match=r"index\.json is damaged .*`jomon verify --repair`"):
            read()
    assert kinds(store) == ["damaged index"]


@given(flips=st.lists(st.tuples(st.integers(0, 2**14), st.integers(1, 255)), min_size=1, max_size=3))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_index_with_flipped_bits_is_read_or_refused_in_a_sentence(
    store: ImageStore, flips: list[tuple[int, int]]
) -> None:
    index, whole = store.root / "index.json", (store.root / "index.json.bak").read_bytes()
    data = bytearray(whole)
    for position, change in flips:
        data[position % len(data)] ^= change
    index.write_bytes(data)
    for read in (store.images, lambda: store.resolve("flights"), store.verify):
        try:
            read()
        except JomonError as error:
            assert str(error).endswith((".", "?"))
    index.write_bytes(whole)


def test_recovery_brings_back_every_name_time_and_attachment(store: ImageStore) -> None:
    before, notes = store.images(), store.referrers(store.resolve("flights"))
    index = store.root / "index.json"
    damage(index, index.read_bytes()[:100])
    report = ImageStore.recover(store.root)
    assert report.document() == {
        "rewritten": ["index.json"],
        "names": ["births:latest", "flights:1.0", "flights:latest"],
        "found": [],
    }
    assert store.images() == before
    assert store.referrers(store.resolve("flights")) == notes
    assert (store.root / "index.json.damaged").stat().st_size == 100
    assert store.verify().whole


def test_a_missing_index_comes_back_too(store: ImageStore) -> None:
    before = store.images()
    (store.root / "index.json").unlink()
    with pytest.raises(CorruptError, match="is missing; run `jomon verify --repair`"):
        store.images()
    ImageStore.recover(store.root)
    assert store.images() == before


def test_without_any_copy_of_the_index_the_images_are_found_without_names(store: ImageStore) -> None:
    flights, births = store.resolve("flights"), store.resolve("births")
    notes = [item.digest for item in store.referrers(flights)]
    damage(store.root / "index.json")
    damage(store.root / "index.json.bak", b"{")
    report = ImageStore.recover(store.root)
    assert set(report.found) == {flights, births, *notes}
    assert {entry.digest for entry in store.images()} == {flights, births}
    assert [item.digest for item in store.referrers(flights)] == notes
    assert store.prune(grace=timedelta(0)).blobs == 0
    store.tag(flights.short, "flights")
    assert store.resolve("flights") == flights
    assert store.verify().whole


def test_images_that_only_the_lost_index_listed_are_kept(store: ImageStore) -> None:
    backup = (store.root / "index.json.bak").read_bytes()
    digest = publish(store, "from-elsewhere", weights=b"third")
    (store.root / "index.json.bak").write_bytes(backup)
    damage(store.root / "index.json")
    report = ImageStore.recover(store.root)
    assert report.found == (digest,)
    assert store.prune(grace=timedelta(0)).blobs == 0


def test_recovering_a_whole_store_changes_nothing(store: ImageStore) -> None:
    before = (store.root / "index.json").read_bytes()
    assert ImageStore.recover(store.root).rewritten == ()
    assert (store.root / "index.json").read_bytes() == before


def test_a_damaged_marker_comes_back(store: ImageStore) -> None:
    damage(store.root / "oci-layout", b"{")
    assert kinds(store) == ["damaged file"]
    assert ImageStore.recover(store.root).rewritten == ("oci-layout",)
    assert kinds(store) == []


def test_what_is_no_store_is_not_recovered(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is no store"):
        ImageStore.recover(tmp_path)


def test_recovery_passes_over_blobs_that_are_damaged_or_no_manifests(store: ImageStore) -> None:
    births = store.resolve("births")
    damage(blob_file(store, births), b"{}")
    (store.root / "blobs" / "sha256" / "stray").write_text("")
    damage(store.root / "index.json")
    damage(store.root / "index.json.bak")
    assert births not in ImageStore.recover(store.root).found


def test_a_damaged_second_copy_is_reported_and_written_again_with_the_next_change(store: ImageStore) -> None:
    damage(store.root / "index.json.bak")
    assert kinds(store) == ["damaged backup"]
    store.tag("flights", "flights:2")
    assert kinds(store) == []


def test_a_damaged_blob_is_reported_once_with_the_images_that_need_it(store: ImageStore) -> None:
    layer = store.manifest(store.resolve("births")).layers[0]
    damage(blob_file(store, layer.digest), b"other Weights")
    (problem,) = store.verify().problems
    assert problem.kind == "corrupt blob"
    assert "births:latest" in problem.text
    assert "flights" not in problem.text


def test_a_missing_blob_is_reported_with_its_image(store: ImageStore) -> None:
    layer = store.manifest(store.resolve("births")).layers[0]
    blob_file(store, layer.digest).unlink()
    (problem,) = store.verify().problems
    assert problem.kind == "missing blob"
    assert layer.digest.short in problem.text
    assert "births:latest" in problem.text


def test_a_missing_or_damaged_manifest_is_reported_and_stops_a_prune(store: ImageStore) -> None:
    manifest = blob_file(store, store.resolve("births"))
    data = manifest.read_bytes()
    damage(manifest, b"{}")
    assert kinds(store) == ["corrupt blob"]
    with pytest.raises(CorruptError, match="births"):
        store.prune(grace=timedelta(0))
    manifest.unlink()
    assert kinds(store) == ["missing blob"]
    manifest.write_bytes(data)
    assert kinds(store) == []


def test_an_image_that_is_damaged_can_be_removed(store: ImageStore) -> None:
    damage(blob_file(store, store.resolve("births")), b"{}")
    store.remove("births")
    assert store.prune(grace=timedelta(0)).blobs > 0
    assert kinds(store) == []


def test_a_file_that_is_no_blob_is_reported(store: ImageStore) -> None:
    (store.root / "blobs" / "sha256" / "notes.txt").write_text("mine")
    assert kinds(store) == ["stray file"]
    assert store.prune(grace=timedelta(0)).blobs == 1


def test_a_name_for_something_that_is_no_manifest_is_reported(store: ImageStore) -> None:
    blob = store.put_blob(b"text", media.OCI_MANIFEST)
    document = json.loads((store.root / "index.json").read_bytes())
    document["manifests"].append(blob.with_annotations({media.REF_NAME: "odd:1"}).document())
    (store.root / "index.json").write_text(json.dumps(document))
    assert kinds(store) == ["bad manifest"]
    with pytest.raises(CorruptError, match="nothing was pruned"):
        store.prune()


def test_the_report_counts_blobs_bytes_and_images(store: ImageStore) -> None:
    report = store.verify()
    assert report.document() == {
        "whole": True,
        "blobs": 6,
        "bytes": sum(path.stat().st_size for path in (store.root / "blobs" / "sha256").iterdir()),
        "images": 2,
        "problems": [],
        "leftovers": [],
        "repaired": False,
    }


def test_a_prune_removes_what_killed_writers_left(store: ImageStore) -> None:
    (store.root / "run" / "tmp" / ("0" * 32 + ".1")).write_bytes(b"half")
    assert store.prune().leftovers == 1
    assert not list((store.root / "run" / "tmp").iterdir())


def test_an_index_of_images_keeps_what_it_lists(store: ImageStore) -> None:
    births = store.resolve("births")
    inner = Index((Descriptor(media.OCI_MANIFEST, births, blob_file(store, births).stat().st_size),))
    blob = store.put_blob(inner.bytes, media.OCI_INDEX)
    other = store.put_blob(b"text", "text/plain")
    document = json.loads((store.root / "index.json").read_bytes())
    listed = [
        blob.with_annotations({media.REF_NAME: "all:1"}),
        other.with_annotations({media.REF_NAME: "text:1"}),
    ]
    document["manifests"] = [item.document() for item in listed]
    (store.root / "index.json").write_text(json.dumps(document))
    assert kinds(store) == []
    store.prune(grace=timedelta(0))
    assert store.manifest(births)
    assert store.has_blob(other.digest)
    blob_file(store, births).unlink()
    assert kinds(store) == ["missing blob"]


@pytest.mark.parametrize("moved", [True, False])
def test_a_name_that_is_listed_twice_is_reported_and_mended_by_a_tag(store: ImageStore, moved: bool) -> None:
    births, flights = store.resolve("births"), store.resolve("flights")
    document = json.loads((store.root / "index.json").read_bytes())
    twin = next(entry for entry in document["manifests"] if entry["digest"] == str(births))
    document["manifests"].append(twin | {"annotations": {media.REF_NAME: "flights:latest"}})
    (store.root / "index.json").write_text(json.dumps(document))
    assert kinds(store) == ["doubled name"]
    assert store.resolve("flights") == births
    meant = flights if moved else births
    store.tag(meant, "flights")
    assert store.resolve("flights") == meant
    assert store.resolve("births") == births
    assert {entry.digest for entry in store.images()} == {flights, births}
    assert kinds(store) == []


def test_a_wrong_size_in_the_index_is_reported(store: ImageStore) -> None:
    document = json.loads((store.root / "index.json").read_bytes())
    entry = next(
        item for item in document["manifests"] if item["annotations"].get(media.REF_NAME) == "births:latest"
    )
    entry["size"] += 1
    (store.root / "index.json").write_text(json.dumps(document))
    assert kinds(store) == ["bad index"]
    publish(store, weights=b"other weights")
    assert kinds(store) == []


def test_an_index_that_lies_about_a_size_is_reported(store: ImageStore) -> None:
    births = store.resolve("births")
    blob = store.put_blob(Index((Descriptor(media.OCI_MANIFEST, births, 5),)).bytes, media.OCI_INDEX)
    document = json.loads((store.root / "index.json").read_bytes())
    document["manifests"].append(blob.with_annotations({media.REF_NAME: "all:1"}).document())
    (store.root / "index.json").write_text(json.dumps(document))
    assert kinds(store) == ["bad manifest"]


def test_prune_takes_untagged_images_only_when_asked(store: ImageStore) -> None:
    old = store.resolve("flights")
    publish(store, "flights", "flights:1.0", weights=b"newer")
    assert store.prune(grace=timedelta(0)).document()["images"] == []
    (note,) = store.referrers(old)
    report = store.prune(untagged=True, grace=timedelta(0))
    assert set(report.images) == {old, note.digest}
    assert report.blobs == 3
    assert not store.has_blob(old)
    assert {entry.repository for entry in store.images()} == {"flights", "births"}
    assert kinds(store) == []
