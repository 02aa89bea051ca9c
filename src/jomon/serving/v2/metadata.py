"""What a server tells of itself and of its fleets: the bodies of the protocol's other requests, all with status 200.

A body with `error` and an error status (404 for a fleet or version that is not served) stands for everything else.
Clients read the status and not the body of the health requests, so a server that is not ready has to answer them
with an error status, such as 503.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from jomon.core.row_columns import RowColumn, RowColumns
from jomon.serving.v2.forms import default_order
from jomon.serving.v2.outputs import DEFAULT_OUTPUTS, OUTPUTS
from jomon.serving.v2.wire import (
    MetadataTensor,
    ModelMetadata,
    ModelReady,
    ServerLive,
    ServerMetadata,
    ServerReady,
)

PLATFORM = "jomon"
EXTENSIONS = ("binary_tensor_data", "parameters")
"""Triton's names for what is understood beyond the protocol: binary data, and parameters of one's own."""
_DATATYPES = {"time": "BYTES", "number": "FP64", "text": "BYTES"}
_TIMES = "ISO 8601 text, or INT64 microseconds since 1970-01-01 UTC"


def server_metadata(version: str) -> bytes:
    """The body of `GET /v2`: this server's name, its `version` and the extensions it understands."""
    return msgspec.json.encode(ServerMetadata(PLATFORM, version, list(EXTENSIONS)))


def server_live() -> bytes:
    """The body of `GET /v2/health/live`; who can send it is live."""
    return msgspec.json.encode(ServerLive(live=True))


def server_ready(ready: bool) -> bytes:
    """The body of `GET /v2/health/ready`: whether all fleets can answer."""
    return msgspec.json.encode(ServerReady(live=True, ready=ready))


def model_ready(name: str, ready: bool) -> bytes:
    """The body of `GET /v2/models/NAME/ready`: whether the fleet can answer."""
    return msgspec.json.encode(ModelReady(name, ready))


def model_metadata(name: str, versions: Sequence[str], columns: RowColumns, question: str = "") -> bytes:
    """The body of `GET /v2/models/NAME`: what the fleet takes and gives.

    `versions` are the tags and digests that a path may name. `inputs` are the columns that a row may bring, in the
    order of `columns`; the parameters of each say its kind, whether an answer needs it (`required`), which lookup
    brings it where it is left out (`lookup`), and its place in the form "one tensor" (`position`, from 0). Outputs
    with `default` false come when they are asked for.
    """
    order = {column: at for at, column in enumerate(default_order(columns))}
    outputs = [
        MetadataTensor(output, datatype, [-1], parameters={"default": output in DEFAULT_OUTPUTS})
        for output, datatype in OUTPUTS.items()
    ]
    inputs = [_input(column, order.get(column.name)) for column in columns]
    metadata = ModelMetadata(name, list(versions), PLATFORM, inputs, outputs)
    if question:
        metadata = msgspec.structs.replace(metadata, parameters={"question": question})
    return msgspec.json.encode(metadata)


def _input(column: RowColumn, position: int | None) -> MetadataTensor:
    parameters: dict[str, str | int | float | bool] = {"kind": column.kind, "required": column.required}
    if column.kind == "time":
        parameters["values"] = _TIMES
    if column.lookup is not None:
        parameters["lookup"] = column.lookup
    if position is not None:
        parameters["position"] = position
    return MetadataTensor(column.name, _DATATYPES[column.kind], [-1], parameters=parameters)
