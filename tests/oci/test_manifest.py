"""Manifests and indexes: equal content has equal bytes, and what cannot be is refused with its place."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jomon.oci import media
from jomon.oci.annotations import Annotations
from jomon.oci.descriptor import EMPTY, Descriptor
from jomon.oci.digest import Digest
from jomon.oci.errors import OciError
from jomon.oci.index import Index
from jomon.oci.manifest import Manifest

media_types = st.from_regex(r"application/[a-z][a-z0-9.+-]{0,12}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
annotations = st.dictionaries(texts.filter(bool), texts, max_size=3)
digests = st.binary(max_size=8).map(Digest.of)
others = st.sampled_from(["", '{"urls":["https://x"]}', '{"platform":{"os":"linux"},"x":null}'])
descriptors = st.builds(
    Descriptor,
    media_types,
    digests,
    st.integers(0, 2**63 - 1),
    annotations,
    st.none() | media_types,
    others,
)
manifests = st.builds(
    Manifest,
    descriptors,
    st.lists(descriptors, max_size=4).map(tuple),
    media_types,
    st.none() | descriptors,
    annotations,
    others,
)
indexes = st.builds(Index, st.lists(descriptors, max_size=4).map(tuple), annotations, others)


def an_image() -> Manifest:
    layer = Descriptor.of(b"weights", media.MODEL_WEIGHT_RAW, {media.TITLE: "stage-0.pack"})
    return Manifest(Descriptor.of(b"{}", media.MODEL_CONFIG), (layer,), media.MODEL_MANIFEST)


@given(manifests)
def test_a_manifest_is_read_back_equal_and_with_the_same_digest(manifest: Manifest) -> None:
    again = Manifest.from_bytes(manifest.bytes)
    assert again == manifest
    assert again.digest == manifest.digest
    assert hash(again) == hash(manifest)


@given(indexes)
def test_an_index_is_read_back_equal_and_with_the_same_digest(index: Index) -> None:
    again = Index.from_bytes(index.bytes)
    assert again == index
    assert again.digest == index.digest


@given(manifests)
def test_the_order_in_which_keys_were_written_does_not_matter(manifest: Manifest) -> None:
    document = json.loads(manifest.bytes)
    turned = json.dumps(dict(reversed(document.items())), indent=2).encode()
    assert Manifest.from_bytes(turned).digest == manifest.digest


@given(manifests)
def test_a_manifest_survives_pickling(manifest: Manifest) -> None:
    assert pickle.loads(pickle.dumps(manifest)) == manifest


@given(st.binary(max_size=60) | texts.map(str.encode))
def test_no_bytes_make_the_reader_fail_in_another_way(data: bytes) -> None:
    with pytest.raises(OciError) as error:
        Manifest.from_bytes(data)
    assert str(error.value).endswith(".")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@given(
    st.sampled_from(["schemaVersion", "mediaType", "config", "layers", "subject", "annotations"]), json_values
)
def test_any_value_in_the_place_of_another_is_read_or_refused_in_a_sentence(key: str, value: Any) -> None:
    document = an_image().document() | {key: value}
    try:
        manifest = Manifest.from_bytes(json.dumps(document).encode())
    except OciError as error:
        assert str(error).endswith(".")
    else:
        assert Manifest.from_bytes(manifest.bytes) == manifest


def changed(**keys: Any) -> bytes:
    document = an_image().document() | keys
    return json.dumps({key: value for key, value in document.items() if value is not ...}).encode()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not JSON: Expecting value at line 1, column 1"),
        (an_image().bytes[:-20], "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[]", "is a list"),
        (b"null", "is a null"),
        (b'{"a":1,"a":2}', "has the key 'a' twice"),
        (b'{"schemaVersion": NaN}', "has the number NaN"),
        (b"[" * 100_000, "nested too deeply|not JSON"),
        (b'{"schemaVersion": ' + b"9" * 5000 + b"}", "not JSON"),
        (b" " * (media.MANIFEST_LIMIT_BYTES + 1), "registries take 4194304"),
        (changed(schemaVersion=1), "schemaVersion 1, where 2"),
        (changed(schemaVersion=2.0), "schemaVersion 2.0, where 2"),
        (changed(schemaVersion=...), "schemaVersion None"),
        (
            changed(mediaType="application/vnd.docker.distribution.manifest.v2+json"),
            "vnd.docker.distribution",
        ),
        (changed(config=...), "config is missing"),
        (changed(config=[]), "config is missing or no JSON object"),
        (changed(layers=...), "layers is missing"),
        (changed(layers={}), "layers is a JSON object"),
        (changed(layers=[3]), r"layers\[0\] is a number"),
        (changed(layers=[{}]), r"layers\[0\]: mediaType is missing"),
        (changed(subject=7), "subject is no JSON object"),
        (changed(annotations=[]), "annotations is a list"),
        (changed(annotations={"a": 1}), "the annotation 'a' is 1"),
        (changed(annotations={"a": "\ud800"}), "not valid Unicode"),
        (changed(artifactType="model"), "artifactType is 'model', where a media type"),
        (changed(extra={"\ud800": 1}), "cannot be written"),
        (changed(extra=1e400), "Infinity|cannot be written"),
    ],
)
def test_a_wrong_manifest_is_refused_with_the_place(data: bytes, says: str) -> None:
    with pytest.raises(OciError, match=says) as error:
        Manifest.from_bytes(data)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"size": -1}, "size is -1"),
        ({"size": True}, "size is True"),
        ({"size": 1.5}, "size is 1.5"),
        ({"size": 2**63}, "whole number"),
        ({"size": ...}, "size is None"),
        ({"digest": "sha512:" + "a" * 128}, "where sha256: and 64"),
        ({"digest": "sha256:" + "A" * 64}, "where sha256: and 64"),
        ({"digest": 5}, "digest is 5"),
        ({"mediaType": "text"}, "where a media type"),
        ({"mediaType": ""}, "where a text"),
        ({"artifactType": None}, "artifactType is a null"),
    ],
)
def test_a_wrong_descriptor_is_refused_with_the_place(keys: dict[str, Any], says: str) -> None:
    document = EMPTY.document() | keys
    with pytest.raises(OciError, match=says) as error:
        Descriptor.from_document(
            {key: value for key, value in document.items() if value is not ...}, "layers[3]"
        )
    assert str(error.value).startswith("layers[3]: ")


def test_changing_a_manifest_gives_a_new_one() -> None:
    image = an_image()
    more = Descriptor.of(b"more", media.FAST)
    longer = image.with_layer(more)
    assert longer.layers == (*image.layers, more)
    assert longer.without_layer(more.digest) == image
    assert image.with_layer_replaced(image.layers[0].digest, more).layers == (more,)
    assert image.with_annotations({"a": "1"}).with_annotations({"a": "2"}).annotations == {"a": "2"}
    assert image.with_config(EMPTY).config == EMPTY
    assert image.with_subject(more).subject == more
    assert image.with_subject(more).with_subject(None) == image
    assert image == an_image()


def test_a_layer_that_is_not_there_cannot_be_changed() -> None:
    absent = Digest.of(b"absent")
    with pytest.raises(OciError, match="has no layer"):
        an_image().without_layer(absent)
    with pytest.raises(OciError, match="has no layer"):
        an_image().with_layer_replaced(absent, EMPTY)


def test_a_layer_is_found_by_its_media_type() -> None:
    image = an_image()
    assert image.layer(media.MODEL_WEIGHT_RAW) == image.layers[0]
    assert image.layers_of(media.FAST) == ()
    with pytest.raises(OciError, match="has 0 layers of type"):
        image.layer(media.FAST)


def test_the_size_counts_every_blob_once() -> None:
    image = an_image().with_layer(an_image().layers[0])
    assert image.size_bytes == len(image.bytes) + len(b"weights") + len(b"{}")


def test_the_number_of_members_is_what_the_image_says() -> None:
    assert an_image().members is None
    assert an_image().with_annotations({media.MEMBER_COUNT: "288"}).members == 288
    assert an_image().with_annotations({media.MEMBER_COUNT: "many"}).members is None
    assert an_image().with_annotations({media.MEMBER_COUNT: "²"}).members is None


def test_an_attachment_says_what_it_is() -> None:
    with pytest.raises(OciError, match="needs an artifact type"):
        Manifest(EMPTY)


def test_properties_that_are_not_known_are_kept() -> None:
    document = an_image().document() | {"zstd": [1, {"a": None}]}
    document["layers"][0]["urls"] = ["https://example.org"]
    manifest = Manifest.from_bytes(json.dumps(document).encode())
    assert json.loads(manifest.with_annotations({"a": "b"}).bytes) == document | {"annotations": {"a": "b"}}


def test_annotations_cannot_change_and_compare_in_any_order() -> None:
    first, second = Annotations({"a": "1", "b": "2"}), Annotations({"b": "2", "a": "1"})
    assert first == second == {"b": "2", "a": "1"}
    assert hash(first) == hash(second)
    assert repr(first) == repr(second)
    assert first != 5
    assert first.without("a") == {"b": "2"}
    with pytest.raises(OciError, match="is not empty"):
        Annotations({"": "x"})


def test_a_manifest_lists_itself_as_registries_list_referrers() -> None:
    image = an_image().with_annotations({"a": "1"})
    listed = image.descriptor
    assert (listed.digest, listed.size) == (image.digest, len(image.bytes))
    assert (listed.artifact_type, listed.annotations) == (media.MODEL_MANIFEST, {"a": "1"})
    plain = Manifest(Descriptor.of(b"{}", media.MODEL_CONFIG))
    assert plain.descriptor.artifact_type == media.MODEL_CONFIG
