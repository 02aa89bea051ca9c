"""Other programs read and write the layout: seen with skopeo, where it is installed."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jomon.oci import media
from jomon.oci.digest import Digest
from jomon.oci.manifest import Manifest
from jomon.oci.ports import NewBlob
from jomon.store.layout import ImageStore

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _skopeo(needs: Any) -> None:
    needs.program("skopeo")


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore.create(tmp_path / "store")


def publish(store: ImageStore) -> Digest:
    config, layer = store.put_blobs(
        [NewBlob(b"{}", media.MODEL_CONFIG), NewBlob(b"weights" * 1000, media.MODEL_WEIGHT_RAW)]
    )
    manifest = Manifest(config, (layer,), media.MODEL_MANIFEST, annotations={media.MEMBER_COUNT: "2"})
    digest = store.put_manifest(manifest, ["flights", "flights:1.0"], NOW)
    store.attach(digest, media.EVALUATION, [NewBlob(b"{}", media.EVALUATION)], NOW)
    return digest


def skopeo(*arguments: str) -> bytes:
    command = ["skopeo", "--insecure-policy", *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


def test_skopeo_shows_the_manifest_byte_for_byte(store: ImageStore) -> None:
    digest = publish(store)
    shown = skopeo("inspect", "--raw", f"oci:{store.root}:flights:latest")
    assert Digest.of(shown.removesuffix(b"\n")) == digest


def test_what_skopeo_copies_out_is_a_store_with_the_same_image(store: ImageStore, tmp_path: Path) -> None:
    digest = publish(store)
    skopeo("copy", f"oci:{store.root}:flights:1.0", f"oci:{tmp_path / 'copy'}:flights:1.0")
    copy = ImageStore.open(tmp_path / "copy")
    assert copy.resolve("flights:1.0") == digest
    assert copy.verify().whole
    assert [(entry.tag, entry.members) for entry in copy.images()] == [("1.0", 2)]


def test_a_copy_made_by_skopeo_can_be_written_like_any_store(store: ImageStore, tmp_path: Path) -> None:
    digest = publish(store)
    skopeo("copy", f"oci:{store.root}:flights:1.0", f"oci:{tmp_path / 'copy'}:flights:1.0")
    copy = ImageStore.open(tmp_path / "copy")
    copy.tag("flights:1.0", "flights")
    copy.attach("flights", media.EVALUATION, [NewBlob(b"{}", media.EVALUATION)], NOW)
    assert len(copy.referrers(digest)) == 1
    assert copy.prune().blobs == 0
    assert copy.verify().whole


def test_what_skopeo_copies_in_is_listed_and_nothing_of_ours_is_lost(store: ImageStore) -> None:
    digest = publish(store)
    skopeo("copy", f"oci:{store.root}:flights:1.0", f"oci:{store.root}:births:2")
    names = {f"{entry.repository}:{entry.tag}" for entry in store.images()}
    assert names == {"flights:latest", "flights:1.0", "births:2"}
    assert len(store.referrers(digest)) == 1
    store.tag("births:2", "births:3")
    assert store.resolve("births:3") == digest
    assert store.verify().whole


def test_an_attachment_that_skopeo_copied_is_found_by_its_subject(store: ImageStore, tmp_path: Path) -> None:
    digest = publish(store)
    (note,) = store.referrers(digest)
    store.tag(note.digest, f"flights:sha256-{digest.hex}")
    for name in ("flights:1.0", f"flights:sha256-{digest.hex}"):
        skopeo("copy", f"oci:{store.root}:{name}", f"oci:{tmp_path / 'copy'}:{name}")
    copy = ImageStore.open(tmp_path / "copy")
    assert [item.digest for item in copy.referrers(digest, media.EVALUATION)] == [note.digest]


def test_the_layout_is_marked_as_the_specification_asks(store: ImageStore) -> None:
    assert json.loads((store.root / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert json.loads((store.root / "index.json").read_bytes())["schemaVersion"] == 2
