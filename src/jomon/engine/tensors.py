"""Named arrays in one file of the safetensors format, read without a copy and without trust.

The format is a length (8 bytes), a JSON header and the arrays' bytes. It is written here by hand because
the bytes have to be the same on every machine and every array has to start at a multiple of eight, so that
it can be used where it is mapped. https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jomon.core.errors import CorruptError, StoreError

Buffer = bytes | bytearray | memoryview
Array = NDArray[Any]

_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
    "U32": np.dtype("<u4"),
    "U8": np.dtype("u1"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_HEADER_LIMIT = 100_000_000  # bytes; the safetensors library refuses more


def write_tensors(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> bytes:
    """The file that holds `arrays` (float64, int64, uint32 or uint8, any shape); equal input gives equal bytes.

    Arrays of eight-byte items come first, each kind in the order of its names, so every array is aligned.
    """
    names = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    parts: list[bytes] = []
    at = 0
    for name in names:
        array = np.ascontiguousarray(arrays[name])
        little = array.dtype.newbyteorder("<")
        raw = array.astype(little, copy=False).tobytes()
        header[name] = {
            "dtype": _NAMES[little],
            "shape": list(array.shape),
            "data_offsets": [at, at + len(raw)],
        }
        parts.append(raw)
        at += len(raw)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def read_tensors(data: Buffer, what: str) -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays of a file as read-only views of `data`, and its metadata.

    `what` names the file in errors. Raises `CorruptError` where the bytes are not such a file, whole and
    exact.
    """
    if sys.byteorder != "little":
        raise StoreError(f"{what} cannot be mapped on this machine; use one with little-endian numbers.")
    view = _aligned(memoryview(data).cast("B"))
    size = int.from_bytes(view[:8], "little") if len(view) >= 8 else -1
    if not 0 < size <= min(len(view) - 8, _HEADER_LIMIT) or size % 8:
        raise corrupt(what, "its header is cut short")
    try:
        header = json.loads(bytes(view[8 : 8 + size]))
        metadata = header.pop("__metadata__", {})
        entries = [(name, *_entry(entry)) for name, entry in header.items()]
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        raise corrupt(what, "its header cannot be read") from None
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise corrupt(what, "its metadata is not text")
    body, arrays, at = view[8 + size :], {}, 0
    for name, dtype, shape, start, end in sorted(entries, key=lambda entry: (entry[3], entry[4])):
        if start != at or end - start != dtype.itemsize * prod(shape) or end > len(body):
            raise corrupt(what, f"its array {name!r} does not fill the place the header gives it")
        if start % dtype.itemsize:
            raise corrupt(what, f"its array {name!r} is not aligned")
        arrays[name] = _view(body, dtype, shape, start)
        at = end
    if at != len(body):
        raise corrupt(what, "it is longer or shorter than its header says")
    return arrays, metadata


def expect(
    arrays: Mapping[str, Array], name: str, dtype: str, shape: tuple[int | None, ...], what: str
) -> Array:
    """The array `name` if it has that dtype and shape (None: any length); raises `CorruptError` otherwise."""
    array = arrays.get(name)
    fits = (
        array is not None
        and array.dtype == _DTYPES[dtype]
        and len(array.shape) == len(shape)
        and all(want is None or want == have for want, have in zip(shape, array.shape, strict=True))
    )
    if array is None or not fits:
        raise corrupt(what, f"its array {name!r} is missing or has another type or shape")
    return array


def expect_version(metadata: Mapping[str, str], newest: int, what: str) -> None:
    """Refuse a file that a newer program wrote (`StoreError`) or that states no version (`CorruptError`)."""
    text = metadata.get("version", "")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise corrupt(what, "it states no format version")
    if not 1 <= int(text) <= newest:
        raise StoreError(
            f"{what} has format version {text}, this program reads up to {newest}: use a newer jomon."
        )


def corrupt(what: str, why: str) -> CorruptError:
    """The error for bytes that are not what they should be, in one sentence."""
    return CorruptError(f"{what} is damaged: {why}; fetch or build it again.")


def _aligned(view: memoryview) -> memoryview:
    """The same bytes at an address that is a multiple of eight, where files and bytes objects already are."""
    address = np.frombuffer(view, np.uint8).ctypes.data
    return memoryview(bytes(view)) if address % 8 else view


def _view(body: memoryview, dtype: np.dtype[Any], shape: tuple[int, ...], start: int) -> Array:
    if not prod(shape):
        return np.zeros(shape, dtype)
    array = np.frombuffer(body, dtype, prod(shape), start).reshape(shape)
    array.flags.writeable = False
    return array


def _entry(entry: Any) -> tuple[np.dtype[Any], tuple[int, ...], int, int]:
    shape: tuple[int, ...] = tuple(entry["shape"])
    start, end = entry["data_offsets"]
    numbers = (*shape, start, end)
    if len(shape) > 3 or not all(type(number) is int and 0 <= number < 2**48 for number in numbers):
        raise ValueError("not a shape")
    return _DTYPES[entry["dtype"]], shape, start, end
