"""Whatever bytes come, a request of the Open Inference Protocol is understood or refused, and nothing else happens."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jomon.serving.v2 import OUTPUTS, InferRequest, ProtocolError, encode_response, parse_request
from jomon.serving.v2.datatypes import DATATYPES

from .v2_samples import COLUMNS, body_of, byte_elements, tensor

NAMES = st.sampled_from([*COLUMNS.names, "x", "rows", "Distance", ""]) | st.text(max_size=5)
SIZES = st.integers(0, 4) | st.sampled_from([10**18, 2**63 - 1, 2**63, 2**64, -1, 1.0, 1e18, None, "1", True])
SHAPES = st.lists(SIZES, max_size=3) | st.sampled_from([[1], [2], [2, 1], [1, 5], [2, 5]])
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "1", "inf", "nan", "2013-10-01", 10**18, 2**64, 1e300, 10**400])
    | st.text(max_size=4)
)
DATA = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=5), max_leaves=12)
PARAMETERS = st.dictionaries(
    st.sampled_from(["binary_data_size", "columns", "explain", "binary_data", "binary_data_output"])
    | st.text(max_size=3),
    LEAVES | st.integers(0, 40) | st.lists(NAMES, max_size=5),
    max_size=2,
)
INPUTS = st.fixed_dictionaries(
    {"name": NAMES, "datatype": st.sampled_from([*DATATYPES, "FP8", ""]), "shape": SHAPES},
    optional={"data": DATA, "parameters": PARAMETERS},
)
OUTPUT = st.fixed_dictionaries(
    {"name": st.sampled_from([*OUTPUTS, "other"])}, optional={"parameters": PARAMETERS}
)
REQUESTS = st.fixed_dictionaries(
    {"inputs": st.lists(INPUTS, max_size=3)},
    optional={
        "id": st.text(max_size=3) | LEAVES,
        "parameters": PARAMETERS,
        "outputs": st.lists(OUTPUT, max_size=3),
    },
)


def understood(body: bytes, **more: Any) -> InferRequest | None:
    """The request, after looking at its form; None where it was refused in one sentence."""
    try:
        request = parse_request(body, COLUMNS, **more)
    except ProtocolError as error:
        assert error.status in (400, 413, 415, 422)
        assert 10 < len(str(error)) < 1000
        assert "\n" not in str(error)
        assert str(error)[-1] in ".?"
        str(error).encode()
        return None
    assert request.rows > 0
    for name, values in request.columns.items():
        kind = next(column.kind for column in COLUMNS if column.name == name)
        assert len(values) == request.rows
        for value in values:
            assert value is None or type(value) in (bool, int, float, str)
            if type(value) is float:
                assert math.isfinite(value)
                assert kind != "time"
            if type(value) is str:
                assert value
                assert kind != "number"
    return request


@given(st.binary(max_size=200), st.none() | st.text(max_size=4) | st.integers(0, 200).map(str))
def test_any_bytes_are_understood_or_refused(body: bytes, header_length: str | None) -> None:
    understood(body, header_length=header_length)


@given(
    REQUESTS,
    st.binary(max_size=60),
    st.booleans(),
    st.integers(-2, 2),
    st.sampled_from([None, 3]),
    st.booleans(),
)
def test_any_request_is_understood_or_refused(
    request: Any, binary: bytes, send_length: bool, off: int, max_rows: int | None, ignore: bool
) -> None:
    head = json.dumps(request).encode()
    length = str(len(head) + (off if len(binary) % 5 == 4 else 0)) if send_length else None
    body = head + binary if send_length else head
    found = understood(body, header_length=length, max_rows=max_rows, ignore_unknown=ignore)
    if found is not None:
        answers = {name: [0.0 if kind == "FP64" else "a"] * found.rows for name, kind in OUTPUTS.items()}
        reply = encode_response(
            found.outputs, answers, model_name="m", model_version="v", request_id=found.id
        )
        json.loads(reply.body[: int(dict(reply.headers).get("inference-header-content-length", 10**6))])


@given(
    st.sampled_from(COLUMNS.names),
    st.sampled_from([*DATATYPES]),
    st.integers(0, 3),
    st.binary(max_size=24),
)
def test_any_binary_data_are_understood_or_refused(name: str, datatype: str, rows: int, data: bytes) -> None:
    size = DATATYPES[datatype].size
    data = data[: rows * size] if size and len(data) >= rows * size else data
    sent = {
        "name": name,
        "datatype": datatype,
        "shape": [rows],
        "parameters": {"binary_data_size": len(data)},
    }
    head = json.dumps({"inputs": [sent]}).encode()
    understood(head + data, header_length=str(len(head)))


GOOD = body_of(
    tensor("departure", "BYTES", [2], ["2013-10-01", "2013-10-02"]),
    tensor("distance", "FP32", [2, 1], binary_data_size=8),
    tensor("carrier", "BYTES", [2], binary_data_size=10),
    id="a",
    parameters={"binary_data_output": True},
)
BEHIND = np.array([1.5, np.nan], "<f4").tobytes() + byte_elements("UA", "")


@given(
    st.lists(
        st.tuples(st.integers(0, len(GOOD + BEHIND) - 1), st.integers(0, 3), st.binary(max_size=3)),
        max_size=3,
    ),
    st.integers(-3, 3),
)
def test_a_good_request_that_was_damaged_is_understood_or_refused(
    damages: list[tuple[int, int, bytes]], off: int
) -> None:
    body = GOOD + BEHIND
    for at, removed, added in damages:
        body = body[:at] + added + body[at + removed :]
    understood(body, header_length=str(len(GOOD) + (off if damages else 0)))
    assert understood(GOOD + BEHIND, header_length=str(len(GOOD))) is not None


@given(st.data(), st.sampled_from(["number", "text"]), st.integers(1, 4))
def test_good_requests_are_always_understood(data: Any, kind: str, rows: int) -> None:
    """The tests above would pass if everything were refused."""
    name = {"number": "distance", "text": "carrier"}[kind]
    datatype = data.draw(st.sampled_from([*DATATYPES]))
    sort = DATATYPES[datatype]
    values: dict[str, Any] = {
        "truth": st.booleans(),
        "integer": st.integers(sort.low, sort.high),
        "float": st.floats(allow_infinity=False, allow_nan=False, width=8 * (sort.size or 8)),
        "text": st.sampled_from(["1", "-2.5"]),
    }
    column = data.draw(st.lists(st.none() | values[sort.family], min_size=rows, max_size=rows))
    body = json.dumps(
        {"inputs": [{"name": name, "datatype": datatype, "shape": [rows], "data": column}]}
    ).encode()
    found = understood(body)
    assert found is not None
    wanted = [float(v) if v is not None and kind == "number" and sort.family == "text" else v for v in column]
    assert found.columns == {name: wanted}
