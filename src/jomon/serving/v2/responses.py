"""The answers of a fleet as the response to `infer`: JSON, and binary data behind it where they were asked for."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from jomon.serving.v2.outputs import OUTPUTS, WantedOutput
from jomon.serving.v2.wire import InferenceResponse, ResponseOutput

Values = Sequence[Any] | NDArray[np.float64]
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Encoded:
    """The body of a response, and the headers that belong to it."""

    body: bytes
    headers: tuple[tuple[str, str], ...]


def encode_response(
    outputs: Sequence[WantedOutput],
    answers: Mapping[str, Values],
    *,
    model_name: str,
    model_version: str,
    request_id: str | None = None,
    parameters: Mapping[str, str | int | float | bool] | None = None,
) -> Encoded:
    """The response with `outputs` (n values each, of `answers`; None is empty text).

    `model_version` is the digest of the image that answered, `request_id` the caller's `id`, which goes back as it
    came; `parameters` tell what the protocol has no field for. The reply has the header
    `Inference-Header-Content-Length` if and only if there are binary data.
    """
    tensors, binary = list[ResponseOutput](), list[bytes]()
    for wanted in outputs:
        values, datatype = answers[wanted.name], OUTPUTS[wanted.name]
        shape = [len(values)]
        if wanted.binary:
            data = _binary(datatype, values)
            binary.append(data)
            sizes = {"binary_data_size": len(data)}
            tensors.append(ResponseOutput(wanted.name, datatype, shape, parameters=sizes))
        else:
            tensors.append(ResponseOutput(wanted.name, datatype, shape, data=_json(datatype, values)))
    response = InferenceResponse(
        model_name,
        model_version,
        tensors,
        id=msgspec.UNSET if request_id is None else request_id,
        parameters=dict(parameters) if parameters else msgspec.UNSET,
    )
    head = msgspec.json.encode(response)
    if not binary:
        return Encoded(head, (("content-type", "application/json"),))
    headers = (
        ("content-type", "application/octet-stream"),
        ("inference-header-content-length", str(len(head))),
    )
    return Encoded(b"".join((head, *binary)), headers)


def _json(datatype: str, values: Values) -> list[Any]:
    if datatype == "BYTES":
        return ["" if value is None else value for value in values]
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


def _binary(datatype: str, values: Values) -> bytes:
    if datatype != "BYTES":
        return np.asarray(values, "<f8").tobytes()
    parts = list[bytes]()
    for value in values:
        text = b"" if value is None else value.encode()
        parts += (_LENGTH.pack(len(text)), text)
    return b"".join(parts)
