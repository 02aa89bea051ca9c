"""The OpenAPI document is valid, tells the truth of the routes, and shows each fleet's own rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import validate

from jomon.core.row_columns import RowColumn
from jomon.serving.describing import FleetDescription
from jomon.serving.openapi import document
from jomon.serving.routes import OPEN_STATUSES, ROUTES

FLIGHTS = FleetDescription(
    fleet="flights",
    reference="flights:latest",
    image="sha256:" + "9a3f" * 16,
    question="Will this flight arrive late?",
    kind="binary",
    zone="America/New_York",
    columns=(
        RowColumn("scheduled_departure", "time", required=True),
        RowColumn("distance", "number", required=True),
        RowColumn("temp", "number", required=False, lookup="weather"),
        RowColumn("carrier", "text", required=True),
        RowColumn("flight", "text", required=False),
    ),
    key=("carrier", "flight", "scheduled_departure"),
    known={"carrier": ("AA", "UA")},
    example={"scheduled_departure": "2013-09-23T12:00:00", "distance": 1040, "carrier": "UA", "flight": 1545},
    versions=("latest",),
)
BIRTHS = FleetDescription(
    fleet="births.us-1",
    reference="births.us-1:stable",
    image="sha256:" + "0b" * 32,
    question="How many births?",
    kind="count",
    zone="UTC",
    columns=(RowColumn("date", "time", required=False), RowColumn("state", "text", required=True)),
    key=("state", "date"),
    known={},
    example={"date": "1988-12-31T12:00:00", "state": "NY"},
    ignores_unknown=True,
)
BOTH = document([FLIGHTS, BIRTHS], "1.2.3", keys=True, max_rows=500)
ALONE = document([FLIGHTS], "1.2.3", keys=False, max_rows=500)


def operations(openapi: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def schema(openapi: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A schema that a validator can use by itself."""
    text = json.dumps({"$ref": f"#/$defs/{name}", "$defs": openapi["components"]["schemas"]})
    found: dict[str, Any] = json.loads(text.replace("#/components/schemas/", "#/$defs/"))
    return found


def fits(openapi: Mapping[str, Any], name: str, value: Any) -> bool:
    return jsonschema.Draft202012Validator(schema(openapi, name)).is_valid(value)


@pytest.mark.parametrize("openapi", [BOTH, ALONE, document([], "0", keys=False, max_rows=1)])
def test_the_document_is_valid(openapi: dict[str, Any]) -> None:
    validate(openapi)
    assert json.loads(json.dumps(openapi)) == openapi


@pytest.mark.parametrize("openapi", [BOTH, ALONE])
def test_every_schema_that_is_named_is_there(openapi: dict[str, Any]) -> None:
    named = set(re.findall(r"#/components/schemas/([\w.-]+)", json.dumps(openapi)))
    assert named <= set(openapi["components"]["schemas"])


def test_a_path_that_differs_by_fleet_is_listed_once_per_fleet() -> None:
    assert "/predict" not in BOTH["paths"]
    assert {"/predict/flights", "/predict/births.us-1", "/outcomes/flights"} <= set(BOTH["paths"])
    assert {"/predict", "/predict/flights", "/outcomes"} <= set(ALONE["paths"])
    assert not [path for path in BOTH["paths"] if path.startswith(("/predict/{", "/outcomes/{"))]


def test_names_of_operations_are_unique() -> None:
    names = [operation["operationId"] for _, _, operation in operations(BOTH)]
    assert len(names) == len(set(names))


def test_every_status_of_the_table_is_in_the_document() -> None:
    listed = {operation["operationId"].partition(".")[0]: operation for _, _, operation in operations(BOTH)}
    for route in ROUTES:
        if route.name not in ("predict", "outcomes"):
            wanted = {str(status) for status in route.responses if status not in OPEN_STATUSES}
            assert set(listed[route.name]["responses"]) == wanted


def test_only_a_server_without_keys_says_that_it_refuses_other_names() -> None:
    for openapi, refuses in ((BOTH, False), (ALONE, True)):
        for path, _, operation in operations(openapi):
            route = next(
                route for route in ROUTES if route.name == operation["operationId"].partition(".")[0]
            )
            assert ("421" in operation["responses"]) == (refuses and route.permission is not None), path


def test_keys_are_asked_for_where_the_table_says_so_and_only_by_a_server_with_keys() -> None:
    for _, _, operation in operations(BOTH):
        needed = (
            next(r for r in ROUTES if r.name == operation["operationId"].partition(".")[0]).permission
            is not None
        )
        assert ("security" in operation) == needed == ("401" in operation["responses"])
        assert ("Needs a key" in operation["description"]) == needed
    assert set(BOTH["components"]["securitySchemes"]) == {"bearer", "header"}
    assert "securitySchemes" not in ALONE["components"]
    for _, _, operation in operations(ALONE):
        assert "security" not in operation
        assert not {"401", "403"} & set(operation["responses"])


def test_an_answer_of_503_says_when_to_try_again() -> None:
    for _, _, operation in operations(BOTH):
        for status, response in operation["responses"].items():
            assert (status == "503") == ("Retry-After" in response.get("headers", {}))
            assert int(status) < 400 or response["content"]["application/json"]["schema"]["$ref"].endswith(
                "ErrorBody"
            )


@pytest.mark.parametrize("openapi", [BOTH, ALONE])
def test_examples_fit_their_schemas(openapi: dict[str, Any]) -> None:
    seen = 0
    for _, _, operation in operations(openapi):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for content in (body.get("content", {}).get("application/json", {}) for body in bodies):
            examples = [one["value"] for one in content.get("examples", {}).values()]
            examples += [content["example"]] if "example" in content else []
            for example in examples:
                seen += 1
                assert fits(openapi, content["schema"]["$ref"].rpartition("/")[2], example), example
    assert seen > 8


def test_a_row_has_the_columns_of_its_fleet() -> None:
    row = BOTH["components"]["schemas"]["flights.Row"]
    assert list(row["properties"]) == [column.name for column in FLIGHTS.columns]
    assert row["required"] == ["scheduled_departure", "distance", "carrier"]
    assert row["properties"]["carrier"]["examples"] == ["UA", "AA"]
    assert "lookup weather" in row["properties"]["temp"]["description"]
    assert BOTH["components"]["schemas"]["births.us-1.Row"]["required"] == ["state"]


ROW: dict[str, Any] = dict(FLIGHTS.example)


@pytest.mark.parametrize(
    ("change", "fitting"),
    [
        ({}, True),
        ({"distance": None}, True),
        ({"distance": True}, True),
        ({"carrier": 7}, True),
        ({"temp": 1.5}, True),
        ({"distance": "far"}, False),
        ({"distance": [1]}, False),
        ({"carier": "UA"}, False),
        ({"scheduled_departure": None}, False),
        ({"scheduled_departure": "2013-11-03"}, True),
        ({"scheduled_departure": "2013-11-03T06:30:00.25-05:00"}, True),
        ({"scheduled_departure": "2013-11-03 06:30Z"}, True),
        ({"scheduled_departure": "3 November"}, False),
        ({"scheduled_departure": "2013-13-03"}, False),
    ],
)
def test_the_schema_of_a_row_takes_what_the_server_takes(change: dict[str, Any], fitting: bool) -> None:
    assert fits(BOTH, "flights.PredictRequest", {"rows": [{**ROW, **change}]}) == fitting


def test_a_request_has_rows_up_to_the_limit_of_the_server() -> None:
    assert fits(BOTH, "flights.PredictRequest", {"rows": [ROW] * 500})
    assert not fits(BOTH, "flights.PredictRequest", {"rows": [ROW] * 501})
    assert not fits(BOTH, "flights.PredictRequest", {"rows": []})


def test_a_fleet_that_ignores_unknown_columns_takes_them() -> None:
    row = {"state": "NY", "weather": "fine"}
    assert fits(BOTH, "births.us-1.PredictRequest", {"rows": [row, {**row, "date": None}]})


@pytest.mark.parametrize(
    ("change", "fitting"),
    [
        ({}, True),
        ({"value": None}, True),
        ({"value": True}, True),
        ({"value": 2}, False),
        ({"key": {"carrier": "UA"}}, False),
        ({"request_id": "ab"}, False),
        ({"known_at": "2013-11-03T06:30:00Z"}, True),
        ({"known_at": "soon"}, False),
    ],
)
def test_the_schema_of_an_outcome_asks_for_a_whole_key_and_a_value_of_its_kind(
    change: dict[str, Any], fitting: bool
) -> None:
    item = {"key": dict(FLIGHTS.example_key), "value": 1, **change}
    assert fits(BOTH, "flights.OutcomesRequest", {"outcomes": [item]}) == fitting
    assert fits(BOTH, "births.us-1.Outcome", {"request_id": "ab", "value": 12})
    assert not fits(BOTH, "births.us-1.Outcome", {"request_id": "ab", "value": -1})


def test_the_page_learns_from_the_document_what_it_needs() -> None:
    assert [one["fleet"] for one in BOTH["x-fleets"]] == ["flights", "births.us-1"]
    for one in BOTH["x-fleets"]:
        assert one["predict"] in BOTH["paths"]
        assert one["row_schema"].rpartition("/")[2] in BOTH["components"]["schemas"]
    assert BOTH["x-fleets"][0]["lookups"] == {"temp": "weather"}


def test_texts_have_no_line_breaks_of_the_source() -> None:
    assert [
        name for name, one in BOTH["components"]["schemas"].items() if "\n" in one.get("description", "")
    ] == []
