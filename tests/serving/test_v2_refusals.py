"""Requests of the Open Inference Protocol that are refused: with one sentence, and at no cost."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from jomon.serving.v2 import ProtocolError, error_body, parse_request

from .v2_samples import COLUMNS, body_of, byte_elements, refused, tensor

ONE = tensor("distance", "FP64", [1], [1.0])


@pytest.mark.parametrize(
    ("inputs", "part"),
    [
        ([], "no inputs"),
        ([tensor("distence", "FP64", [1], [1.0])], "did you mean 'distance'?"),
        ([tensor("distance", "FP64", [0], [])], "has no rows"),
        ([tensor("x", "BYTES", [0, 5], [])], "has no rows"),
        ([ONE, ONE], "'distance' is sent twice"),
        ([tensor("distance", "FP65", [1], [1.0])], "unknown datatype 'FP65'; did you mean 'FP64'?"),
        ([tensor("distance", "FP64", [2], [1.0])], "1 elements for the shape [2]"),
        ([tensor("distance", "FP64", [1], [1.0, 2.0])], "2 elements for the shape [1]"),
        ([tensor("distance", "FP64", [2, 1], [[1.0]])], "1 rows for the shape [2, 1]"),
        ([tensor("distance", "FP64", [2, 1], [[1.0], [1.0, 2.0]])], "2 elements in row 1"),
        ([tensor("distance", "FP64", [1], [[1.0]])], "do not fit FP64"),
        ([tensor("distance", "FP64", [1, 1], [[[1.0]]])], "do not fit FP64"),
        ([tensor("distance", "FP64", [1], {"a": 1})], "do not fit FP64"),
        ([tensor("distance", "FP64", [], [])], "has the shape []: send [n] or [n, 1]"),
        ([tensor("distance", "FP64", [1, 2], [1.0, 2.0])], "send [n] or [n, 1]"),
        ([tensor("distance", "FP64", [1, 1, 1], [1.0])], "send [n] or [n, 1]"),
        ([tensor("distance", "FP64", [-1], [1.0])], "no inference request"),
        ([tensor("distance", "FP64", [1.5], [1.0])], "no inference request"),
        ([tensor("distance", "FP64", [2**64], [1.0])], "no inference request"),
        ([tensor("distance", "FP64", [1])], "has no data"),
        ([ONE, tensor("seats", "INT8", [2], [1, 2])], "has 2 rows, and 'distance' has 1"),
        ([tensor("seats", "INT8", [1], [128])], "holds 128 at element 0, beyond INT8"),
        ([tensor("seats", "UINT64", [1], [-1])], "beyond UINT64"),
        ([tensor("seats", "INT64", [1], [2**63])], "beyond INT64"),
        ([tensor("seats", "INT64", [1], [1.5])], "do not fit INT64"),
        ([tensor("seats", "INT64", [1], [True])], "do not fit INT64"),
        ([tensor("seats", "BOOL", [1], [1])], "do not fit BOOL"),
        ([tensor("seats", "FP64", [1], ["1"])], "do not fit FP64"),
        ([tensor("carrier", "BYTES", [1], [1])], "do not fit BYTES"),
        ([tensor("seats", "FP32", [1], [1e300])], "Row 0: column 'seats' is infinite"),
        ([tensor("seats", "BYTES", [2], ["1", "inf"])], "Row 1: column 'seats' holds 'inf', which is infinite"),
        ([tensor("seats", "BYTES", [1], ["1e999"])], "infinite"),
        ([tensor("seats", "BYTES", [1], ["many"])], "holds 'many', which is no number"),
        ([tensor("seats", "BYTES", [1], ["1_000"])], "no number"),
        ([tensor("seats", "BYTES", [1], ["１"])], "no number"),
        ([tensor("departure", "FP32", [1], [1.0])], "cannot be FP32"),
        ([tensor("departure", "BOOL", [1], [True])], "cannot be BOOL"),
        ([tensor("departure", "FP64", [1], [1.5])], "whole microseconds"),
        ([tensor("departure", "FP64", [1], [1e17])], "whole microseconds"),
        ([tensor("rows", "BYTES", [1, 2], ["a", "b"])], "send these 5: departure, distance, seats"),
        ([tensor("rows", "FP64", [1, 5], [1, 2, 3, 4, 5])], "its column 'carrier' is text"),
        ([tensor("rows", "FP64", [2], [1, 2])], "no column 'rows'"),
        ([tensor("x", "FP64", [1, 2], [1, 2], columns=["seats", "seats"])], "names a column twice"),
        ([tensor("x", "FP64", [1, 2], [1, 2], columns=["seats", "sets"])], "did you mean 'seats'?"),
        ([tensor("x", "FP64", [1, 2], [1, 2], columns=["seats"])], "send [n, 1]"),
        ([tensor("x", "FP64", [1], [1], columns=["seats"])], "send [n, 1]"),
        ([tensor("x", "FP64", [1, 2], [1, 2], columns=[])], "send a list of names"),
        ([tensor("x", "FP64", [1, 2], [1, 2], columns=7)], "send a list of names"),
        ([tensor("x", "FP64", [1, 2], [1, 2], columns=[1])], "no inference request"),
        ([ONE, tensor("x", "FP64", [1, 1], [1], columns=["seats"])], "send one input"),
        ([tensor("distance", "FP64", [1], shared_memory_region="r")], "shared memory"),
        ([tensor("distance", "FP64", [1], binary_data_size=8)], "should have 8 bytes of binary data"),
    ],
)  # fmt: skip
def test_wrong_inputs_are_refused_with_what_is_wrong(inputs: list[Any], part: str) -> None:
    sentence = refused(*inputs)
    assert part in sentence
    assert "\n" not in sentence


def sized(size: object, datatype: str = "FP64", shape: tuple[int, ...] = (1,)) -> dict[str, Any]:
    """An input whose data stand behind the JSON."""
    return tensor("distance", datatype, list(shape), binary_data_size=size)


@pytest.mark.parametrize(
    ("sent", "binary", "part"),
    [
        (sized(8), b"1234567", "should have 8 bytes of binary data, and 7 are left"),
        (sized(8), b"123456789", "1 bytes more than its inputs account for"),
        (sized(7), b"1234567", "7 bytes of binary data for the shape [1] of 8 bytes each"),
        (sized(-8), b"", "binary_data_size -8"),
        (sized(True), b"1", "binary_data_size True"),
        (sized("8"), b"12345678", "binary_data_size '8'"),
        (sized(8.0), b"12345678", "binary_data_size 8.0"),
        (sized(10**30), b"12345678", "are left"),
        ({**sized(8), "data": [1.0]}, b"12345678", "both data and binary data"),
        (sized(8), np.array([np.inf], "<f8").tobytes(), "Row 0: column 'distance' is infinite"),
        (sized(2, "FP16"), np.array([-np.inf], "<f2").tobytes(), "is infinite"),
        (sized(2, "BOOL", (2,)), b"\x00\x02", "neither 0 nor 1"),
        (sized(4, "BYTES", (1,)), b"\x01\x00\x00\x00", "ends within element 0"),
        (sized(4, "BYTES", (1,)), b"\xff\xff\xff\xff", "ends within element 0"),
        (sized(9, "BYTES", (2,)), b"\x01\x00\x00\x00a\x01\x00\x00\x00", "ends within element 1"),
        (sized(8, "BYTES", (2,)), b"\x02\x00\x00\x00abcd", "ends within element 1"),
        (sized(8, "BYTES", (1,)), byte_elements("", ""), "more than the shape [1] take"),
        (sized(6, "BYTES", (1,)), byte_elements(b"\xff\xfe"), "no UTF-8 at element 0"),
        (sized(0, "BYTES", (10**18,)), b"", "0 bytes of binary data for the shape"),
    ],
)  # fmt: skip
def test_wrong_binary_data_are_refused_with_what_is_wrong(sent: Any, binary: bytes, part: str) -> None:
    assert part in refused(sent, binary=binary)


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ({"id": 7}, "no inference request"),
        ({"outputs": [{"name": "margins"}]}, "no output 'margins': choose from answer"),
        ({"outputs": [{"name": "answer"}, {"name": "answer"}]}, "asked for twice"),
        ({"outputs": [{"name": "answer", "parameters": {"binary_data": 1}}]}, "binary_data 1: send true or false"),
        ({"outputs": [{"name": "answer", "parameters": {"classification": 2}}]}, "classification"),
        ({"outputs": [{"name": "answer", "parameters": {"shared_memory_region": "r"}}]}, "shared memory"),
        ({"parameters": {"explain": "yes"}}, "explain 'yes': send true or false"),
        ({"parameters": {"explain": {"a": 1}}}, "no inference request"),
        ({"parameters": {"binary_data_output": 1}}, "binary_data_output 1"),
        ({"parameters": []}, "no inference request"),
    ],
)  # fmt: skip
def test_wrong_wishes_are_refused_with_what_is_wrong(more: dict[str, Any], part: str) -> None:
    assert part in refused(ONE, **more)


@pytest.mark.parametrize("header_length", ["", "-1", "1.0", "٣", "9" * 5000, "100000", "x"])
def test_a_header_length_that_is_none_is_refused(header_length: str) -> None:
    with pytest.raises(ProtocolError, match="Inference-Header-Content-Length"):
        parse_request(body_of(ONE), COLUMNS, header_length=header_length)


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"", "no JSON"),
        (b"[]", "no inference request"),
        (b"null", "no inference request"),
        (b"{}", "no inference request"),
        (b'{"inputs": null}', "no inference request"),
        (b'{"inputs": [', "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b'{"inputs": [{"name": "\\ud800x"}]}', "no JSON"),
        (b'{"inputs": [{"name": "distance", "datatype": "FP64", "shape": [1], "data": [NaN]}]}', "JSON has no NaN"),
        (b'{"inputs": [{"name": "distance", "datatype": "FP64", "shape": [1], "data": [1e999]}]}', "do not fit"),
        (body_of(ONE) + b"x", "no JSON"),
    ],
)  # fmt: skip
def test_bodies_that_cannot_be_read_are_refused(body: bytes, part: str) -> None:
    with pytest.raises(ProtocolError) as error:
        parse_request(body, COLUMNS)
    assert part in str(error.value)
    assert error.value.status == 400


def test_statuses_tell_malformed_bodies_from_refused_rows_and_limits() -> None:
    body = body_of(tensor("distance", "FP64", [2], [1.0, 2.0]))
    found = []
    for sent, more in (
        (b"{", {}),
        (body_of(tensor("distant", "FP64", [1], [1.0])), {}),
        (body, {"max_rows": 1}),
        (body, {"content_type": "text/plain"}),
    ):
        with pytest.raises(ProtocolError) as error:
            parse_request(sent, COLUMNS, **more)  # type: ignore[arg-type]
        found.append((error.value.status, error.value.reason))
    assert found == [(400, "malformed"), (422, "invalid"), (413, "too_large"), (415, "media_type")]


DEEP = 200_000
LARGE = 10**18


@pytest.mark.parametrize(
    "body",
    [
        b"[" * DEEP,
        b'{"inputs":' * DEEP,
        b'{"inputs":[{"name":"distance","datatype":"FP64","shape":[1],"data":'
        + b"[" * DEEP
        + b"]" * DEEP
        + b"}]}",
        b'{"parameters":{"a":' + b"[" * DEEP + b"]" * DEEP + b"}}",
        b'{"more":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}",
    ],
)
def test_deeply_nested_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_request(body, COLUMNS)


@pytest.mark.parametrize(
    "sent",
    [
        tensor("distance", "FP64", [LARGE], [1.0]),
        tensor("distance", "FP64", [LARGE], []),
        tensor("distance", "FP32", [LARGE, 1], [[1.0]]),
        tensor("x", "FP64", [LARGE, 0], []),
        tensor("x", "FP64", [LARGE, 2], [1.0], columns=["seats", "distance"]),
        tensor("x", "BYTES", [0, LARGE], []),
        tensor("distance", "FP64", [1] * 5000, [1.0]),
        tensor("distance", "FP64", [LARGE] * 5000, [1.0]),
        tensor("distance", "FP64", [LARGE], binary_data_size=0),
        tensor("distance", "BOOL", [LARGE], binary_data_size=0),
        tensor("carrier", "BYTES", [LARGE], binary_data_size=0),
    ],
)
def test_what_a_shape_promises_is_never_allocated(sent: dict[str, Any]) -> None:
    body = body_of(sent)
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError):
            parse_request(body, COLUMNS, header_length=str(len(body)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_a_sentence_repeats_little_of_what_was_sent() -> None:
    for sent in (
        tensor("d" * 100_000, "FP64", [1], [1.0]),
        tensor("distance", "F" * 100_000, [1], [1.0]),
        tensor("distance", "BYTES", [1], ["x" * 100_000]),
        tensor("distance", "FP64", [10**17] * 10_000, [1.0]),
        tensor("x", "FP64", [1, 1], [1.0], columns="c" * 100_000),
    ):
        assert len(refused(sent)) < 400


def test_the_body_of_an_error_has_the_one_field_of_the_protocol() -> None:
    assert error_body("It is wrong: do it well.") == b'{"error":"It is wrong: do it well."}'
