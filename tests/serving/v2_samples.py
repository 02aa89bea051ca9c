"""A small fleet's columns, and requests to it, for the tests of the Open Inference Protocol."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from jomon.core.row_columns import RowColumn, RowColumns
from jomon.serving.v2 import InferRequest, ProtocolError, parse_request

COLUMNS = RowColumns(
    (
        RowColumn("departure", "time", True),
        RowColumn("distance", "number", True),
        RowColumn("seats", "number", True),
        RowColumn("temp", "number", False, "weather"),
        RowColumn("carrier", "text", True),
        RowColumn("flight", "text", False),
    ),
    ("flight",),
)
ORDER = ("departure", "distance", "seats", "carrier", "flight")
"""The columns of one tensor that names none: all but the lookup's."""


def tensor(name: str, datatype: str, shape: list[Any], data: Any = None, **parameters: Any) -> dict[str, Any]:
    """One input as JSON has it."""
    sent: dict[str, Any] = {"name": name, "datatype": datatype, "shape": shape}
    if data is not None:
        sent["data"] = data
    if parameters:
        sent["parameters"] = parameters
    return sent


def body_of(*inputs: dict[str, Any], **more: Any) -> bytes:
    """A request of these inputs as JSON."""
    return json.dumps({"inputs": list(inputs), **more}).encode()


def parsed(*inputs: dict[str, Any], binary: bytes | None = None, **more: Any) -> InferRequest:
    """A request parsed, with `binary` behind its JSON if there are any."""
    body = body_of(*inputs, **more)
    if binary is None:
        return parse_request(body, COLUMNS)
    return parse_request(body + binary, COLUMNS, header_length=str(len(body)))


def refused(*inputs: dict[str, Any], binary: bytes | None = None, **more: Any) -> str:
    """The sentence with which a request is refused."""
    with pytest.raises(ProtocolError) as error:
        parsed(*inputs, binary=binary, **more)
    return str(error.value)


def byte_elements(*texts: str | bytes) -> bytes:
    """The binary data of BYTES elements."""
    raw = [text.encode() if isinstance(text, str) else text for text in texts]
    return b"".join(struct.pack("<I", len(text)) + text for text in raw)
