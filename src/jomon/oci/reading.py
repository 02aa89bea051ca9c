"""Strict reading of JSON documents: exact types, no key twice, and errors that name the place."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from jomon.oci.annotations import Annotations
from jomon.oci.digest import Digest, canonical_json
from jomon.oci.errors import OciError

_NAME = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_MEDIA_TYPE = re.compile(f"{_NAME}/{_NAME}")
_MAX_SIZE = 2**63


def parse_object(data: bytes, what: str) -> dict[str, Any]:
    """The JSON object in `data`; raises `OciError` where it is not exactly one, or has a key twice."""
    try:
        document = json.loads(
            bytes(data).decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant
        )
    except OciError as error:
        raise OciError(f"{what} {error}") from None
    except RecursionError:
        raise OciError(f"{what} is nested too deeply to be read.") from None
    except UnicodeDecodeError as error:
        raise OciError(f"{what} is not UTF-8: byte {error.start} cannot be read.") from None
    except json.JSONDecodeError as error:
        raise OciError(
            f"{what} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    except ValueError as error:
        raise OciError(f"{what} is not JSON: {error}.") from None
    if not isinstance(document, dict):
        raise OciError(f"{what} is a {_kind(document)}, where a JSON object was expected.")
    return document


def require_kind(document: Mapping[str, Any], expected: str) -> None:
    """Raise `OciError` unless `document` says that it is of the media type `expected`, schema version 2."""
    version = document.get("schemaVersion")
    if type(version) is not int or version != 2:
        raise OciError(f"the document has schemaVersion {version!r}, where 2 was expected.")
    found = document.get("mediaType", expected)
    if found != expected:
        raise OciError(f"the document is a {found!r}, where {expected} was expected.")


def text(document: Mapping[str, Any], key: str, what: str) -> str:
    """The text under `key`, which has to be there and not be empty."""
    value = document.get(key)
    if not isinstance(value, str) or not value:
        raise OciError(f"{what}: {key} is {_show(document, key)}, where a text was expected.")
    return value


def media_type(document: Mapping[str, Any], key: str, what: str) -> str:
    """The media type under `key`."""
    return require_media_type(text(document, key, what), f"{what}: {key}")


def require_media_type(value: object, what: str) -> str:
    """`value`, if RFC 6838 allows it as a media type; raises `OciError` otherwise."""
    if not isinstance(value, str) or not _MEDIA_TYPE.fullmatch(value):
        raise OciError(f"{what} is {value!r}, where a media type such as application/json was expected.")
    return value


def size(document: Mapping[str, Any], key: str, what: str) -> int:
    """The number of bytes under `key`."""
    return require_size(document.get(key), f"{what}: {key}")


def require_size(value: object, what: str) -> int:
    """`value`, if it is a whole number of bytes; raises `OciError` otherwise."""
    if type(value) is not int or not 0 <= value < _MAX_SIZE:
        raise OciError(f"{what} is {value!r}, where a whole number of bytes was expected.")
    return value


def digest(document: Mapping[str, Any], key: str, what: str) -> Digest:
    """The SHA-256 digest under `key`."""
    value = text(document, key, what)
    try:
        return Digest.parse(value)
    except ValueError:
        raise OciError(
            f"{what}: {key} is {value!r}, where sha256: and 64 hexadecimal digits were expected."
        ) from None


def read_annotations(document: Mapping[str, Any], what: str) -> Annotations:
    """The annotations, empty where there are none."""
    value = document.get("annotations", {})
    if not isinstance(value, dict):
        raise OciError(f"{what}: annotations is a {_kind(value)}, where a JSON object was expected.")
    try:
        return Annotations(value)
    except OciError as error:
        raise OciError(f"{what}: {error}") from None


def objects(document: Mapping[str, Any], key: str, what: str) -> list[dict[str, Any]]:
    """The list of JSON objects under `key`, which has to be there."""
    value = document.get(key)
    if not isinstance(value, list):
        raise OciError(f"{what}: {key} is {_show(document, key)}, where a list was expected.")
    for position, item in enumerate(value):
        if not isinstance(item, dict):
            raise OciError(f"{what}: {key}[{position}] is a {_kind(item)}, where a JSON object was expected.")
    return value


def others(document: Mapping[str, Any], known: Collection[str], what: str) -> str:
    """The properties that this program does not know, as canonical JSON; empty where there are none.

    The specification asks readers not to refuse them; they are kept, so that writing back loses nothing.
    """
    unknown = {key: value for key, value in document.items() if key not in known}
    if not unknown:
        return ""
    try:
        return canonical_json(unknown).decode()
    except ValueError:
        raise OciError(
            f"{what}: a value in {', '.join(sorted(unknown))!r} cannot be written as JSON."
        ) from None


def restore(other: str) -> dict[str, Any]:
    """The properties that `others` kept."""
    return dict(json.loads(other)) if other else {}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise OciError(f"has the key {twice!r} twice.")
    return document


def _refuse_constant(name: str) -> None:
    raise OciError(f"has the number {name}, which JSON does not allow.")


def _show(document: Mapping[str, Any], key: str) -> str:
    if key not in document:
        return "missing"
    value = document[key]
    return repr(value) if isinstance(value, str | int) else f"a {_kind(value)}"


def _kind(value: object) -> str:
    names = {
        dict: "JSON object",
        list: "list",
        str: "text",
        bool: "truth value",
        int: "number",
        float: "number",
    }
    return names.get(type(value), "null")
