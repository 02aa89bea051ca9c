"""A request to `infer`: bytes in, columns out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from jomon.core.row_columns import RowColumns
from jomon.serving.v2.datatypes import Value, datatype_of
from jomon.serving.v2.forms import columns_of
from jomon.serving.v2.outputs import EXPLANATION, WantedOutput, wanted_outputs
from jomon.serving.v2.parameters import refuse_shared_memory, truth
from jomon.serving.v2.refusals import ProtocolError, shown
from jomon.serving.v2.tensors import Tensor
from jomon.serving.v2.wire import InferenceRequest, RequestInput

MEDIA_TYPES = ("application/json", "application/octet-stream")
"""What a body may be called: JSON alone, or JSON with binary data behind it; clients that say nothing are believed."""
_HEADER = "Inference-Header-Content-Length"
_DIGITS = re.compile(r"[0-9]{1,18}")
_DECODER = msgspec.json.Decoder(InferenceRequest)


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A request understood: n `rows`, and `columns` with n values each, None where one is missing.

    Values are text, float, int or bool; times are text or whole microseconds since 1970-01-01 UTC. `id` is the
    caller's own, to be sent back; `parameters` are all that the request had.
    """

    id: str | None
    rows: int
    columns: Mapping[str, list[Value]]
    outputs: tuple[WantedOutput, ...]
    explain: bool
    parameters: Mapping[str, Any]


def parse_request(
    body: bytes,
    columns: RowColumns,
    *,
    header_length: str | None = None,
    content_type: str | None = None,
    ignore_unknown: bool = False,
    max_rows: int | None = None,
) -> InferRequest:
    """The request in `body` for a fleet whose rows bring `columns`.

    `header_length` is the header `Inference-Header-Content-Length`: how many bytes of the body are JSON, the rest
    being binary data in the order of the inputs. With `ignore_unknown` inputs that are no column of the fleet are
    passed over. Whether every required column is there is not looked at. Raises `ProtocolError` for all that is
    wrong: status 415 for another media type, 413 for more rows than `max_rows`, 422 for values, 400 for the rest.
    """
    _check_media_type(content_type)
    head, binary = _split(body, header_length)
    request = _decoded(head)
    parameters = request.parameters or {}
    explain = truth(parameters, "explain", "The request")
    binary_output = truth(parameters, "binary_data_output", "The request")
    outputs = wanted_outputs(request.outputs or (), explain=explain, binary=binary_output)
    tensors = _tensors(request.inputs, binary)
    rows, found = columns_of(tensors, columns, parameters.get("columns"), ignore_unknown, max_rows)
    explain = explain or any(output.name == EXPLANATION for output in outputs)
    return InferRequest(request.id, rows, found, outputs, explain, parameters)


def _check_media_type(content_type: str | None) -> None:
    media_type = (content_type or MEDIA_TYPES[0]).partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise ProtocolError(
            f"The body is called {shown(media_type)}: send the header Content-Type: {MEDIA_TYPES[0]}, or "
            f"{MEDIA_TYPES[1]} for binary data.",
            415,
        )


def _split(body: bytes, header_length: str | None) -> tuple[memoryview, memoryview | None]:
    whole = memoryview(body)
    if header_length is None:
        return whole, None
    digits = header_length.strip()
    if not _DIGITS.fullmatch(digits) or int(digits) > len(body):
        raise ProtocolError(
            f"The header {_HEADER} is {shown(header_length)} for a body of {len(body)} bytes: "
            "send the length of its JSON in bytes."
        )
    return whole[: int(digits)], whole[int(digits) :]


def _decoded(head: memoryview) -> InferenceRequest:
    try:
        return _DECODER.decode(head)
    except msgspec.ValidationError as error:
        raise ProtocolError(
            f"The body is no inference request ({_cut(str(error))}): correct it as /docs shows."
        ) from None
    except RecursionError:
        raise ProtocolError("The body's JSON is nested too deeply: send lists of rows.") from None
    except (msgspec.DecodeError, ValueError) as error:
        remedy = "correct it"
        if b"NaN" in bytes(head) or b"Infinity" in bytes(head):
            remedy = "send null for a missing value, since JSON has no NaN"
        raise ProtocolError(f"The body is no JSON that can be read ({_cut(str(error))}): {remedy}.") from None


def _tensors(inputs: Sequence[RequestInput], binary: memoryview | None) -> list[Tensor]:
    tensors, at = list[Tensor](), 0
    for sent in inputs:
        name, parameters, json, data = sent.name, sent.parameters, sent.data, None
        datatype = datatype_of(sent.datatype, name)
        columns = None
        if parameters:
            refuse_shared_memory(parameters, "input", name)
            columns = parameters.get("columns")
            data = _behind(sent, binary, at)
            at += 0 if data is None else len(data)
        if data is None and json is msgspec.UNSET:
            raise ProtocolError(f"The input {shown(name)} has no data: send data or binary_data_size.")
        tensors.append(Tensor(name, datatype, sent.shape, json, data, columns))
    if binary is not None and at != len(binary):
        raise ProtocolError(
            f"The body has {len(binary) - at} bytes more than its inputs account for: "
            f"correct their binary_data_size or the header {_HEADER}."
        )
    return tensors


def _behind(sent: RequestInput, binary: memoryview | None, at: int) -> memoryview | None:
    """The binary data of an input, from `at` on in what follows the JSON; None where it says to have none."""
    assert sent.parameters is not None
    size = sent.parameters.get("binary_data_size")
    if size is None:
        return None
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise ProtocolError(
            f"The input {shown(sent.name)} has the binary_data_size {shown(size)}: send a number of bytes."
        )
    if sent.data is not msgspec.UNSET:
        raise ProtocolError(f"The input {shown(sent.name)} has both data and binary data: send one.")
    if binary is None or size > len(binary) - at:
        left = 0 if binary is None else len(binary) - at
        raise ProtocolError(
            f"The input {shown(sent.name)} should have {shown(size)} bytes of binary data, and {left} are left: "
            f"send them behind the JSON, and its length in the header {_HEADER}."
        )
    return binary[at : at + size]


def _cut(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."
