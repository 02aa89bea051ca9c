"""What `tritonclient`, which is not ours, has to find at a running server that speaks the Open Inference Protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput, InferResult
from tritonclient.utils import InferenceServerException

Row = Mapping[str, Any]


def check_with_tritonclient(
    url: str,
    fleet: str,
    rows: Sequence[Row],
    answers: Sequence[float],
    *,
    headers: Mapping[str, str] | None = None,
    tolerance: float = 1e-12,
) -> None:
    """Ask the server at `url` (`http://127.0.0.1:8080`, or without the scheme) all that the protocol has.

    `rows` (n, at least one) have the same columns each: text, numbers, truth values or None; times are ISO text or
    whole microseconds. `answers` (n) are the ones expected. `headers` go with every request, such as a key.
    """
    client = InferenceServerClient(url.partition("://")[2] or url)
    try:
        asked = _Asked(client, fleet, dict(headers or {}))
        asked.server()
        asked.model()
        asked.several_inputs(rows, answers, tolerance)
        asked.one_tensor(rows, answers, tolerance)
        asked.outputs(rows, answers, tolerance)
        asked.wrong_input(rows)
    finally:
        client.close()


class _Asked:
    def __init__(self, client: InferenceServerClient, fleet: str, headers: dict[str, str]) -> None:
        self.client, self.fleet, self.headers = client, fleet, headers
        self.metadata = client.get_model_metadata(fleet, headers=headers)
        self.inputs = {tensor["name"]: tensor for tensor in self.metadata["inputs"]}

    def server(self) -> None:
        """Live, ready, and what it says of itself."""
        assert self.client.is_server_live(headers=self.headers)
        assert self.client.is_server_ready(headers=self.headers)
        told = self.client.get_server_metadata(headers=self.headers)
        assert told["name"]
        assert told["version"]
        assert "binary_tensor_data" in told["extensions"]

    def model(self) -> None:
        """Metadata and readiness, for each version and for none; a model or version that is not there."""
        assert self.metadata["name"] == self.fleet
        assert self.metadata["platform"]
        assert self.metadata["versions"]
        assert any(version.startswith("sha256:") for version in self.metadata["versions"])
        assert "answer" in [tensor["name"] for tensor in self.metadata["outputs"]]
        assert self.client.is_model_ready(self.fleet, headers=self.headers)
        for version in self.metadata["versions"]:
            assert self.client.is_model_ready(self.fleet, version, headers=self.headers)
            told = self.client.get_model_metadata(self.fleet, version, headers=self.headers)
            assert told["name"] == self.fleet
        for name, version in (("no-such-fleet", ""), (self.fleet, "no-such-version")):
            assert not self.client.is_model_ready(name, version, headers=self.headers)
            with refusal("404"):
                self.client.get_model_metadata(name, version, headers=self.headers)

    def several_inputs(self, rows: Sequence[Row], answers: Sequence[float], tolerance: float) -> None:
        """A tensor for each column, as binary data and as JSON, by no version and by the digest that answered."""
        digest = ""
        for binary in (True, False):
            for shape in ((len(rows),), (len(rows), 1)):
                inputs = [self.column(name, rows, shape, binary) for name in rows[0]]
                result = self.infer(inputs, model_version=digest, request_id="asked by the test")
                told = result.get_response()
                assert (told["id"], told["model_name"]) == ("asked by the test", self.fleet)
                digest = told["model_version"]
                assert digest in self.metadata["versions"]
                np.testing.assert_allclose(result.as_numpy("answer"), answers, rtol=tolerance)
        assert "id" not in self.infer(inputs).get_response()

    def one_tensor(self, rows: Sequence[Row], answers: Sequence[float], tolerance: float) -> None:
        """All columns as text in one tensor: named, and in the order of the metadata."""
        positions = {n: t["parameters"].get("position") for n, t in self.inputs.items()}
        ordered = sorted((n for n, at in positions.items() if at is not None), key=lambda n: positions[n])
        orders = [(list(rows[0]), {"columns": list(rows[0])})]
        if set(ordered) == set(rows[0]):
            orders.append((ordered, {}))
        for names, parameters in orders:
            matrix = np.array([[self.text(name, row[name]) for name in names] for row in rows], object)
            for binary in (True, False):
                sent = InferInput("rows", list(matrix.shape), "BYTES").set_data_from_numpy(matrix, binary)
                result = self.infer([sent], parameters=parameters)
                np.testing.assert_allclose(result.as_numpy("answer"), answers, rtol=tolerance)

    def outputs(self, rows: Sequence[Row], answers: Sequence[float], tolerance: float) -> None:
        """Outputs on request, each as binary data or as JSON, and explanations."""
        inputs = [self.column(name, rows, (len(rows),), True) for name in rows[0]]
        wanted = [
            InferRequestedOutput("chain", binary_data=True),
            InferRequestedOutput("answer", binary_data=False),
            InferRequestedOutput("member", binary_data=False),
            InferRequestedOutput("margin", binary_data=True),
        ]
        result = self.infer(inputs, outputs=wanted, parameters={"explain": True})
        names = [output["name"] for output in result.get_response()["outputs"]]
        assert names == ["chain", "answer", "member", "margin", "explanation"]
        np.testing.assert_allclose(result.as_numpy("answer"), answers, rtol=tolerance)
        assert result.as_numpy("margin").shape == (len(rows),)
        for chain, member in zip(result.as_numpy("chain"), result.as_numpy("member"), strict=True):
            assert chain.decode().endswith(member)
        assert all(json.loads(text) for text in result.as_numpy("explanation"))

    def wrong_input(self, rows: Sequence[Row]) -> None:
        """Refusals carry a sentence and a status from 400 on, and the next request is answered."""
        good = [self.column(name, rows, (len(rows),), True) for name in rows[0]]
        n = len(rows)
        one = InferInput("no_such_column", [n], "FP64").set_data_from_numpy(np.zeros(n))
        with refusal("4", "no_such_column"):
            self.infer([*good, one])
        number = next(name for name, tensor in self.inputs.items() if tensor["datatype"] == "FP64")
        others = [tensor for tensor in good if tensor.name() != number]
        infinite = InferInput(number, [n], "FP64").set_data_from_numpy(np.full(n, np.inf))
        with refusal("4", number):
            self.infer([*others, infinite])
        longer = InferInput(number, [n + 1], "FP64").set_data_from_numpy(np.zeros(n + 1))
        with refusal("4"):
            self.infer([*others, longer])
        with refusal("4", "no_such_output"):
            self.infer(good, outputs=[InferRequestedOutput("no_such_output")])
        with refusal("404"):
            self.infer(good, model_version="no-such-version")
        self.infer(good)

    def text(self, name: str, value: Any) -> str:
        """A value as it stands in a tensor of text, where a time is no number."""
        if type(value) is int and self.inputs[name]["parameters"]["kind"] == "time":
            return (datetime(1970, 1, 1) + timedelta(microseconds=value)).isoformat() + "Z"
        return _text(value)

    def infer(self, inputs: list[InferInput], **more: Any) -> InferResult:
        """An inference with the headers of all requests."""
        return self.client.infer(self.fleet, inputs, headers=dict(self.headers), **more)

    def column(self, name: str, rows: Sequence[Row], shape: tuple[int, ...], binary: bool) -> InferInput:
        """The input of one column, in the datatype of the metadata; whole microseconds as INT64."""
        return column_input(name, [row[name] for row in rows], self.inputs[name]["datatype"], shape, binary)


def column_input(
    name: str, values: Sequence[Any], datatype: str, shape: tuple[int, ...], binary: bool
) -> InferInput:
    """A column as the client makes it; JSON of this client cannot say that a number is missing."""
    if datatype == "BYTES" and all(type(value) is int for value in values):
        datatype = "INT64"
    if datatype == "BYTES":
        array = np.array([_text(value) for value in values], object)
    elif datatype == "FP64" and not binary and any(value is None for value in values):
        return column_input(name, values, "BYTES", shape, binary)
    else:
        array = np.array(values, np.int64 if datatype == "INT64" else np.float64)
    sent = InferInput(name, list(shape), datatype)
    return sent.set_data_from_numpy(array.reshape(shape), binary_data=binary)


@contextmanager
def refusal(status: str, part: str = "") -> Iterator[None]:
    """The server refuses with a status that begins so, in one sentence with `part` in it."""
    with pytest.raises(InferenceServerException) as error:
        yield
    assert error.value.status().startswith(status)
    assert error.value.message()
    assert part in error.value.message()
    assert "\n" not in error.value.message()


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
