"""Responses and metadata of the Open Inference Protocol."""

from __future__ import annotations

import json
import struct

import numpy as np

from jomon.serving.v2 import (
    OUTPUTS,
    WantedOutput,
    encode_response,
    model_metadata,
    model_ready,
    server_live,
    server_metadata,
    server_ready,
)

from .v2_samples import COLUMNS, ORDER, byte_elements


def test_a_json_response_names_model_version_id_and_the_outputs_in_order() -> None:
    answers = {"answer": np.array([0.5, 1.0]), "chain": ["<all> > carrier=UA", None], "margin": [0.0, 9.0]}
    wanted = [WantedOutput("chain", False), WantedOutput("answer", False)]
    reply = encode_response(
        wanted, answers, model_name="flights", model_version="sha256:1", request_id="", parameters={"rows": 2}
    )
    assert json.loads(reply.body) == {
        "model_name": "flights",
        "model_version": "sha256:1",
        "id": "",
        "parameters": {"rows": 2},
        "outputs": [
            {"name": "chain", "datatype": "BYTES", "shape": [2], "data": ["<all> > carrier=UA", ""]},
            {"name": "answer", "datatype": "FP64", "shape": [2], "data": [0.5, 1.0]},
        ],
    }
    assert dict(reply.headers) == {"content-type": "application/json"}


def test_without_an_id_the_response_has_none() -> None:
    reply = encode_response([], {}, model_name="flights", model_version="sha256:1")
    assert json.loads(reply.body) == {"model_name": "flights", "model_version": "sha256:1", "outputs": []}


def test_binary_outputs_stand_behind_the_json_in_their_order() -> None:
    answers = {"answer": [0.5, -1.0], "member": ["ü", None], "margin": [1.0, 2.0]}
    wanted = [WantedOutput("member", True), WantedOutput("margin", False), WantedOutput("answer", True)]
    reply = encode_response(wanted, answers, model_name="flights", model_version="sha256:1")
    headers = dict(reply.headers)
    assert headers["content-type"] == "application/octet-stream"
    length = int(headers["inference-header-content-length"])
    sizes = [output.get("parameters") for output in json.loads(reply.body[:length])["outputs"]]
    assert sizes == [{"binary_data_size": 10}, None, {"binary_data_size": 16}]
    assert reply.body[length:] == byte_elements("ü", "") + struct.pack("<2d", 0.5, -1.0)


def test_metadata_tell_what_each_column_is_and_whether_it_may_be_left_out() -> None:
    told = json.loads(model_metadata("flights", ["latest", "sha256:1"], COLUMNS, "Will it be late?"))
    assert (told["name"], told["platform"], told["versions"]) == ("flights", "jomon", ["latest", "sha256:1"])
    assert told["parameters"] == {"question": "Will it be late?"}
    inputs = {tensor["name"]: tensor for tensor in told["inputs"]}
    assert list(inputs) == list(COLUMNS.names)
    assert {tensor["name"]: tensor["datatype"] for tensor in told["inputs"]} == {
        "departure": "BYTES",
        "distance": "FP64",
        "seats": "FP64",
        "temp": "FP64",
        "carrier": "BYTES",
        "flight": "BYTES",
    }
    assert all(tensor["shape"] == [-1] for tensor in told["inputs"] + told["outputs"])
    assert "microseconds" in inputs["departure"]["parameters"]["values"]
    assert inputs["temp"]["parameters"] == {"kind": "number", "required": False, "lookup": "weather"}
    assert inputs["carrier"]["parameters"] == {"kind": "text", "required": True, "position": 3}
    positions = {name: tensor["parameters"].get("position") for name, tensor in inputs.items()}
    assert (
        tuple(sorted((n for n in positions if positions[n] is not None), key=positions.__getitem__)) == ORDER
    )


def test_metadata_tell_which_outputs_come_unasked() -> None:
    told = json.loads(model_metadata("flights", ["latest"], COLUMNS))
    assert {output["name"]: output["datatype"] for output in told["outputs"]} == dict(OUTPUTS)
    assert [output["name"] for output in told["outputs"] if output["parameters"]["default"]] == ["answer"]
    assert "parameters" not in told


def test_health_and_server_bodies_are_those_of_the_protocol() -> None:
    assert json.loads(server_live()) == {"live": True}
    assert json.loads(server_ready(False)) == {"live": True, "ready": False}
    assert json.loads(model_ready("flights", True)) == {"name": "flights", "ready": True}
    assert json.loads(server_metadata("1.2")) == {
        "name": "jomon",
        "version": "1.2",
        "extensions": ["binary_tensor_data", "parameters"],
    }
