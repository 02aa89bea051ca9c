"""The Open Inference Protocol as `tritonclient`, which is not ours, speaks it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

from jomon.serving.v2 import WantedOutput, encode_response, parse_request
from jomon.serving.v2.datatypes import DATATYPES

from .triton_checks import check_with_tritonclient
from .v2_samples import COLUMNS
from .v2_server import DIGEST, running

FIXED = [name for name, datatype in DATATYPES.items() if datatype.size]


@given(st.data(), st.booleans(), st.booleans(), st.text(max_size=5))
def test_what_the_client_serialises_is_read_as_it_was(
    data: Any, binary: bool, two_dimensions: bool, request_id: str
) -> None:
    rows = data.draw(st.integers(1, 4))
    shape = [rows, 1] if two_dimensions else [rows]
    datatype = data.draw(st.sampled_from(FIXED))
    dtype = np.dtype(f"<{DATATYPES[datatype].code}")
    raw = data.draw(st.binary(min_size=8 * rows, max_size=8 * rows))
    numbers = np.frombuffer(raw, np.uint8).astype(dtype) if dtype.kind == "b" else np.frombuffer(raw, dtype)
    numbers = numbers[:rows] if dtype.kind != "f" else np.nan_to_num(numbers[:rows], posinf=1.0, neginf=-1.0)
    texts = data.draw(
        st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), min_size=rows, max_size=rows)
    )
    inputs = [
        InferInput("distance", shape, datatype).set_data_from_numpy(numbers.reshape(shape), binary),
        InferInput("carrier", shape, "BYTES").set_data_from_numpy(
            np.array(texts, object).reshape(shape), binary
        ),
    ]
    wanted = [InferRequestedOutput("chain", binary_data=binary), InferRequestedOutput("answer")]
    body, length = InferenceServerClient.generate_request_body(inputs, outputs=wanted, request_id=request_id)
    request = parse_request(body, COLUMNS, header_length=None if length is None else str(length))
    assert request.rows == rows
    assert request.id == (request_id or None)
    assert request.columns == {"distance": numbers.tolist(), "carrier": [text or None for text in texts]}
    assert request.outputs == (WantedOutput("chain", binary), WantedOutput("answer", True))


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=4),
    st.lists(st.booleans(), min_size=5, max_size=5),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)
def test_the_client_reads_the_answers_that_were_given(
    numbers: list[float], binary: list[bool], text: str
) -> None:
    texts = [text] * len(numbers)
    answers = dict.fromkeys(("answer", "margin"), numbers) | dict.fromkeys(("member", "chain"), texts)
    wanted = [WantedOutput(name, form) for name, form in zip(answers, binary, strict=False)]
    reply = encode_response(wanted, answers, model_name="flights", model_version=DIGEST, request_id=text)
    length = dict(reply.headers).get("inference-header-content-length")
    read = InferenceServerClient.parse_response_body(
        reply.body, header_length=None if length is None else int(length)
    )
    assert read.get_response()["id"] == text
    for output in wanted:
        found = read.as_numpy(output.name)
        assert found.shape == (len(numbers),)
        given_back = [item.decode() if isinstance(item, bytes) else item for item in found.tolist()]
        assert given_back == answers[output.name]


def answer_of(row: dict[str, Any]) -> float:
    """A number that every column of a row has a say in."""
    assert row["departure"] in ("2013-10-01T08:00:00Z", 1_380_614_400_000_000)
    seats = 0.0 if row["seats"] is None else row["seats"] / 7
    return float(row["distance"] / 3 + seats + len(row["carrier"]) + int(row["flight"]) / 1000)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Where the small server listens."""
    with running(COLUMNS, answer_of) as address:
        yield address


@pytest.mark.parametrize("departure", ["2013-10-01T08:00:00Z", 1_380_614_400_000_000])
def test_the_checks_for_a_running_server_hold_for_the_protocol_alone(url: str, departure: str | int) -> None:
    rows = [
        {"departure": departure, "distance": 1400.25, "seats": 150, "carrier": "UA", "flight": 1545},
        {"departure": departure, "distance": 200.1, "seats": None, "carrier": "B6", "flight": 7},
    ]
    check_with_tritonclient(url, "flights", rows, [answer_of(row) for row in rows])


def test_the_checks_find_a_wrong_answer(url: str) -> None:
    row = {
        "departure": "2013-10-01T08:00:00Z",
        "distance": 1.0,
        "seats": 1,
        "carrier": "UA",
        "flight": "1",
    }
    with pytest.raises(AssertionError, match="Not equal"):
        check_with_tritonclient(url, "flights", [row], [0.0])
