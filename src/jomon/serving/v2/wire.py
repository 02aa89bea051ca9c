"""The JSON objects of the protocol, as the wire has them; every string is case-sensitive.

Request objects take fields that they do not know and ignore them, since clients add their own (`model_name`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

Parameter = str | int | float | bool | list[str] | None
"""A parameter is a text, a number or a truth value; `columns` alone is a list of names too."""
Parameters = dict[str, Parameter]

_TENSOR_DATA: dict[str, Any] = {"type": "array", "items": {}}
TensorData = Annotated[
    msgspec.Raw,
    Meta(
        description="Elements in row-major order, flat or nested as the shape is; null is a missing value.",
        extra_json_schema=_TENSOR_DATA,
    ),
]
Size = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class RequestInput(msgspec.Struct, frozen=True, gc=False):
    """One input tensor: its data stand in `data`, or behind the JSON if `parameters.binary_data_size` says so."""

    name: str
    shape: list[Size]
    datatype: str
    parameters: Parameters | None = None
    data: TensorData | UnsetType = UNSET


class RequestOutput(msgspec.Struct, frozen=True):
    """One output that is wanted; `parameters.binary_data` says whether as binary data."""

    name: str
    parameters: Parameters | None = None


class InferenceRequest(msgspec.Struct, frozen=True):
    """The body of `infer`.

    `id` comes back in the response. `outputs` selects; left out or empty, it means the default outputs.
    `parameters`: `binary_data_output` (all outputs as binary data), `columns` (the columns of the one tensor),
    `explain`; others are ignored.
    """

    inputs: list[RequestInput]
    id: str | None = None
    parameters: Parameters | None = None
    outputs: list[RequestOutput] | None = None


class ResponseOutput(msgspec.Struct, frozen=True, omit_defaults=True):
    """One output tensor of a response: `data`, or `parameters.binary_data_size` bytes behind the JSON."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, int] | UnsetType = UNSET
    data: Sequence[float | str | None] | UnsetType = UNSET


class InferenceResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of an answer, status 200.

    `model_name` is the fleet, `model_version` the image that answered (its digest), `id` the request's own where it
    had one, `parameters` what the protocol has no field for, `outputs` the tensors in the order in which they were
    asked for.
    """

    model_name: str
    model_version: str
    outputs: list[ResponseOutput]
    id: str | UnsetType = UNSET
    parameters: dict[str, str | int | float | bool] | UnsetType = UNSET


class MetadataTensor(msgspec.Struct, frozen=True, omit_defaults=True):
    """An input or output of a model: a dimension of -1 is of any size; `parameters` are this server's own."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, str | int | float | bool] | UnsetType = UNSET


class ModelMetadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """A model: `versions` may be named in a path, `platform` informs, `inputs` and `outputs` are its tensors."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[MetadataTensor]
    outputs: list[MetadataTensor]
    parameters: dict[str, str | int | float | bool] | UnsetType = UNSET


class ServerMetadata(msgspec.Struct, frozen=True):
    """A server: its name, its version, and the extensions of the protocol that it understands."""

    name: str
    version: str
    extensions: list[str]


class ServerLive(msgspec.Struct, frozen=True):
    """Whether the server can receive requests."""

    live: bool


class ServerReady(msgspec.Struct, frozen=True):
    """Whether all fleets can answer: the protocol's page names the field `live`, clients look for `ready`."""

    live: bool
    ready: bool


class ModelReady(msgspec.Struct, frozen=True):
    """Whether a model can answer."""

    name: str
    ready: bool
