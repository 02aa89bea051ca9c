"""Requests of the Open Inference Protocol: what is understood, and as what."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest

from jomon.serving.v2 import WantedOutput, parse_request
from jomon.serving.v2.datatypes import DATATYPES

from .v2_samples import COLUMNS, ORDER, body_of, byte_elements, parsed, tensor

TYPICAL = {
    "BOOL": [True, False],
    **{name: [0, 101] for name in DATATYPES if "INT" in name},
    **{name: [0.5, -2.0] for name in DATATYPES if name.startswith("FP")},
}


def test_several_inputs_are_the_columns_of_rows() -> None:
    request = parsed(
        tensor("departure", "BYTES", [2], ["2013-10-01T08:00:00", "2013-10-02"]),
        tensor("distance", "FP64", [2, 1], [1400.5, 200]),
        tensor("carrier", "BYTES", [2], ["UA", "B6"]),
        tensor("flight", "INT64", [2], [1545, 7]),
        id="my own",
    )
    assert request.rows == 2
    assert request.columns == {
        "departure": ["2013-10-01T08:00:00", "2013-10-02"],
        "distance": [1400.5, 200.0],
        "carrier": ["UA", "B6"],
        "flight": [1545, 7],
    }
    assert request.id == "my own"
    assert request.outputs == (WantedOutput("answer", False),)
    assert not request.explain


@pytest.mark.parametrize("form", ["json", "nested", "binary"])
@pytest.mark.parametrize("datatype", TYPICAL)
def test_each_datatype_means_the_same_in_json_and_in_binary_data(datatype: str, form: str) -> None:
    values: list[Any] = TYPICAL[datatype]
    dtype = f"<{DATATYPES[datatype].code}"
    data = np.array(values, dtype).tobytes()
    if form == "binary":
        sent = tensor("distance", datatype, [2], binary_data_size=len(data))
        found = parsed(sent, binary=data).columns["distance"]
    elif form == "nested":
        found = parsed(tensor("distance", datatype, [2, 1], [[v] for v in values])).columns["distance"]
    else:
        found = parsed(tensor("distance", datatype, [2], values)).columns["distance"]
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]


def test_a_narrow_float_of_json_is_rounded_as_its_binary_form_is() -> None:
    narrow = parsed(tensor("distance", "FP32", [2], [0.1, None])).columns["distance"]
    assert narrow == [float(np.float32(0.1)), None]


def test_nan_null_and_empty_text_are_missing_values() -> None:
    nan = np.array([np.nan, 1.0], "<f8").tobytes()
    sizes = tensor("distance", "FP64", [2], binary_data_size=16)
    assert parsed(sizes, binary=nan).columns == {"distance": [None, 1.0]}
    texts = byte_elements("", "UA")
    assert parsed(tensor("carrier", "BYTES", [2], binary_data_size=len(texts)), binary=texts).columns == {
        "carrier": [None, "UA"]
    }
    for datatype, value in (("BYTES", "UA"), ("INT8", 1), ("FP16", 1.0), ("BOOL", True)):
        assert parsed(tensor("carrier", datatype, [2], [None, value])).columns == {"carrier": [None, value]}


def test_numbers_as_text_are_read_as_numbers_where_the_column_is_one() -> None:
    texts = ["1400", " 2.5e2 ", "", "nan", "-0"]
    assert parsed(tensor("distance", "BYTES", [5], texts)).columns["distance"] == [1400, 250, None, None, 0]


def test_a_time_is_text_or_whole_microseconds() -> None:
    assert parsed(tensor("departure", "INT64", [1], [1_380_600_000_000_000])).columns == {
        "departure": [1_380_600_000_000_000]
    }
    exact = parsed(tensor("departure", "FP64", [2], [1_380_600_000_000_000.0, None])).columns["departure"]
    assert exact == [1_380_600_000_000_000, None]
    assert type(exact[0]) is int
    assert parsed(tensor("departure", "BYTES", [2], ["", "2013-01-01"])).columns == {
        "departure": [None, "2013-01-01"]
    }


@pytest.mark.parametrize("nested", [False, True])
def test_one_tensor_of_text_brings_the_columns_that_no_lookup_does(nested: bool) -> None:
    rows = [["2013-10-01", "1400", "", "UA", "1545"], ["2013-10-02", "200", "50", "", "7"]]
    data = rows if nested else [value for row in rows for value in row]
    request = parsed(tensor("rows", "BYTES", [2, 5], data))
    assert request.rows == 2
    assert request.columns == {
        "departure": ["2013-10-01", "2013-10-02"],
        "distance": [1400.0, 200.0],
        "seats": [None, 50.0],
        "carrier": ["UA", None],
        "flight": ["1545", "7"],
    }
    assert tuple(request.columns) == ORDER


@pytest.mark.parametrize("where", ["tensor", "request"])
@pytest.mark.parametrize("names", [["seats", "temp", "distance"], "seats, temp,distance"])
def test_one_tensor_of_numbers_has_the_columns_that_a_parameter_names(where: str, names: object) -> None:
    data = np.array([[150, 20.5, 1400], [50, np.nan, 200]], "<f4").tobytes()
    named = {"columns": names}
    sent = tensor("x", "FP32", [2, 3], binary_data_size=24, **(named if where == "tensor" else {}))
    request = parsed(sent, binary=data, **({"parameters": named} if where == "request" else {}))
    assert request.columns == {"seats": [150.0, 50.0], "temp": [20.5, None], "distance": [1400.0, 200.0]}


def test_a_tensor_called_as_its_only_column_is_that_column() -> None:
    assert parsed(tensor("distance", "FP64", [1, 1], [[5.0]])).columns == {"distance": [5.0]}
    named = tensor("distance", "FP64", [1, 2], [[5.0, 6.0]], columns=["seats", "temp"])
    assert parsed(named).columns == {"seats": [5.0], "temp": [6.0]}


def test_binary_and_json_inputs_may_stand_side_by_side() -> None:
    texts = byte_elements("UA", "ünter")
    request = parsed(
        tensor("carrier", "BYTES", [2], binary_data_size=len(texts)),
        tensor("distance", "FP64", [2], [1, 2]),
        tensor("seats", "UINT16", [2], binary_data_size=4),
        binary=texts + struct.pack("<HH", 1, 65535),
    )
    assert request.columns == {"carrier": ["UA", "ünter"], "distance": [1.0, 2.0], "seats": [1, 65535]}


def test_outputs_are_taken_in_the_order_and_form_asked_for() -> None:
    wanted = [{"name": "chain"}, {"name": "answer", "parameters": {"binary_data": False}}]
    request = parsed(
        tensor("distance", "FP64", [1], [1]), outputs=wanted, parameters={"binary_data_output": True}
    )
    assert request.outputs == (WantedOutput("chain", True), WantedOutput("answer", False))


def test_explanations_come_by_parameter_or_as_an_output() -> None:
    one = tensor("distance", "FP64", [1], [1])
    by_parameter = parsed(one, parameters={"explain": True})
    assert by_parameter.explain
    assert [output.name for output in by_parameter.outputs] == ["answer", "explanation"]
    as_output = parsed(one, outputs=[{"name": "explanation"}])
    assert as_output.explain
    assert [output.name for output in as_output.outputs] == ["explanation"]


def test_fields_and_parameters_that_are_not_ours_are_passed_over() -> None:
    request = parsed(
        tensor("distance", "FP64", [1], [1], content_type="np"),
        model_name="flights",
        parameters={"priority": 3, "sequence_id": "a"},
    )
    assert request.parameters == {"priority": 3, "sequence_id": "a"}


def test_unknown_inputs_are_passed_over_where_the_project_says_so() -> None:
    body = body_of(
        tensor("weather", "BYTES", [7, 8, 9], ["x"]),
        tensor("distance", "FP64", [1], [1]),
    )
    assert parse_request(body, COLUMNS, ignore_unknown=True).columns == {"distance": [1.0]}
    named = body_of(tensor("x", "FP64", [1, 2], [1, 2], columns=["distance", "gone"]))
    assert parse_request(named, COLUMNS, ignore_unknown=True).columns == {"distance": [1.0]}


@pytest.mark.parametrize(
    "content_type", [None, "application/json", "Application/JSON; charset=utf-8", "application/octet-stream"]
)
def test_json_and_binary_bodies_are_read_by_any_of_their_names(content_type: str | None) -> None:
    body = body_of(tensor("distance", "FP64", [1], [1]))
    assert parse_request(body, COLUMNS, content_type=content_type).rows == 1


def test_the_header_length_may_be_that_of_the_whole_body() -> None:
    body = body_of(tensor("distance", "FP64", [1], [1]))
    assert parse_request(body, COLUMNS, header_length=f" {len(body)} ").rows == 1


def test_json_with_blanks_before_nested_data_is_read() -> None:
    body = json.dumps({"inputs": [tensor("distance", "FP64", [2, 1], [[1.0], [2.0]])]}, indent=4).encode()
    assert parse_request(body, COLUMNS).columns == {"distance": [1.0, 2.0]}
