"""The part of the OpenAPI document that differs from fleet to fleet: rows, keys and outcomes, with examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jomon.core.row_columns import RowColumn
from jomon.serving.describing import FleetDescription

Schema = dict[str, Any]
_TIME = (
    r"^(190[1-9]|19[1-9]\d|20\d\d)-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
    r"([T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d([.,]\d{1,9})?)?(Z|[+-]\d\d(:?\d\d)?)?)?$"
)
_TYPES = {"number": ["number", "boolean", "null"], "text": ["string", "number", "boolean", "null"]}
_VALUES: Mapping[str, Schema] = {
    "binary": {"enum": [1, 0, True, False, None]},
    "count": {"type": ["integer", "null"], "minimum": 0, "maximum": 2**53},
    "regression": {"type": ["number", "null"]},
}
_ANSWERS: Mapping[str, tuple[str, Schema]] = {
    "binary": ("Probabilities of the event.", {"minimum": 0, "maximum": 1}),
    "count": ("Expected counts.", {"minimum": 0}),
    "regression": ("Values.", {}),
}


def ref(name: str) -> Schema:
    """A reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def name_of(fleet: FleetDescription, what: str) -> str:
    """The name of one of the fleet's schemas: `flights.Row`."""
    return f"{fleet.fleet}.{what}"


def fleet_schemas(fleet: FleetDescription, shared: Mapping[str, Schema], rows: int) -> dict[str, Schema]:
    """The schemas of a fleet by name; `shared` has those of `messages`, `rows` is how many a request may have."""
    request = _replaced(shared["PredictRequest"], "rows", _list(ref(name_of(fleet, "Row")), 1, rows))
    outcome = _replaced(shared["OutcomeItem"], "value", _VALUES[fleet.kind])
    outcome = _replaced(outcome, "key", ref(name_of(fleet, "Key")))
    outcome = _replaced(outcome, "known_at", {"anyOf": [_time(fleet), {"type": "null"}], "default": None})
    outcome["oneOf"] = [{"required": ["key"]}, {"required": ["request_id"]}]
    report = _replaced(shared["OutcomesRequest"], "outcomes", _list(ref(name_of(fleet, "Outcome")), 0, rows))
    return {
        name_of(fleet, "Row"): row_schema(fleet),
        name_of(fleet, "PredictRequest"): request,
        name_of(fleet, "PredictResponse"): _response(fleet, shared["PredictResponse"]),
        name_of(fleet, "Key"): _key(fleet),
        name_of(fleet, "Outcome"): outcome,
        name_of(fleet, "OutcomesRequest"): report,
    }


def served(fleet: FleetDescription) -> dict[str, Any]:
    """What the page at /docs needs to know of a fleet beside the schemas."""
    return {
        "fleet": fleet.fleet,
        "reference": fleet.reference,
        "image": fleet.image,
        "question": fleet.question,
        "kind": fleet.kind,
        "zone": fleet.zone,
        "predict": f"/predict/{fleet.fleet}",
        "row_schema": ref(name_of(fleet, "Row"))["$ref"],
        "lookups": {column.name: column.lookup for column in fleet.columns if column.lookup is not None},
        "example": dict(fleet.example),
    }


def row_schema(fleet: FleetDescription) -> Schema:
    """One row: a property per column."""
    return {
        "title": f"A row of {fleet.fleet}",
        "description": fleet.question,
        "type": "object",
        "properties": {column.name: _column(fleet, column) for column in fleet.columns},
        "required": [column.name for column in fleet.columns if column.required],
        "additionalProperties": fleet.ignores_unknown,
    }


def predict_examples(fleet: FleetDescription) -> dict[str, Any]:
    """Requests for answers."""
    row = dict(fleet.example)
    return {
        "one_row": {"summary": "One row", "value": {"rows": [row]}},
        "explained": {
            "summary": "With the chain of members, and an id of the caller's own",
            "value": {"rows": [row], "id": "order-4711", "explain": True},
        },
    }


def answer_example(fleet: FleetDescription) -> dict[str, Any]:
    """A response to the first example."""
    answer = {"binary": 0.2314, "count": 182.6, "regression": 41.25}[fleet.kind]
    return {
        "request_id": "5f0c8a4be2d7419bb6c3000000000001",
        "fleet": fleet.fleet,
        "reference": fleet.reference,
        "image": fleet.image,
        "answers": [answer],
    }


def outcome_examples(fleet: FleetDescription) -> dict[str, Any]:
    """Reports of outcomes."""
    value = {"binary": 1, "count": 180, "regression": 40.5}[fleet.kind]
    by_request = {"request_id": "5f0c8a4be2d7419bb6c3000000000001", "row": 0, "value": value}
    return {
        "by_key": {
            "summary": "Named by the key of the row",
            "value": {"outcomes": [{"key": dict(fleet.example_key), "value": value}]},
        },
        "by_request": {"summary": "Named by the request that asked", "value": {"outcomes": [by_request]}},
    }


def infer_example(fleet: FleetDescription) -> dict[str, Any]:
    """The first example as columns of the Open Inference Protocol."""
    inputs = []
    for name, value in fleet.example.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        sent = value if number else str(value)
        inputs.append({"name": name, "datatype": "FP64" if number else "BYTES", "shape": [1], "data": [sent]})
    return {"summary": f"One row of {fleet.fleet}", "value": {"inputs": inputs}}


def _time(fleet: FleetDescription) -> Schema:
    return {
        "type": "string",
        "pattern": _TIME,
        "description": f"In ISO 8601; without a zone it is in {fleet.zone}.",
    }


def _column(fleet: FleetDescription, column: RowColumn) -> Schema:
    example = [fleet.example[column.name]] if column.name in fleet.example else []
    if column.kind == "time":
        time = _time(fleet)
        time["description"] = f"When the question is asked. {time['description']}"
        time["examples"] = example
        if column.required:
            return time
        text = f"{time['description']} Left out, it is now."
        return {"anyOf": [time, {"type": "null"}], "description": text}
    texts = ["A number." if column.kind == "number" else "A category or name."]
    if column.lookup is not None:
        texts.append(f"Left out, the lookup {column.lookup} brings it.")
    elif not column.required:
        texts.append("May be left out.")
    texts.append("Null is a missing value.")
    schema: Schema = {"type": list(_TYPES[column.kind]), "description": " ".join(texts)}
    known = [value for value in fleet.known.get(column.name, ()) if value not in example]
    if column.kind == "text" and (example or known):
        schema["examples"] = [*example, *known]
    elif example:
        schema["examples"] = example
    return schema


def _key(fleet: FleetDescription) -> Schema:
    columns = {column.name: column for column in fleet.columns}
    return {
        "title": f"The key of a row of {fleet.fleet}",
        "description": "Every column of the key, as it was sent for the answer.",
        "type": "object",
        "properties": {name: _key_column(fleet, columns[name]) for name in fleet.key},
        "required": list(fleet.key),
        "additionalProperties": False,
    }


def _key_column(fleet: FleetDescription, column: RowColumn) -> Schema:
    """A key has to be whole: no value of it is null."""
    if column.kind == "time":
        whole = {"type": "integer", "description": "Microseconds since 1970-01-01 UTC."}
        return {"anyOf": [_time(fleet), whole]}
    examples = [fleet.example[column.name]] if column.name in fleet.example else []
    return {"type": ["string", "number", "boolean"], "examples": examples}


def _response(fleet: FleetDescription, shared: Schema) -> Schema:
    text, bounds = _ANSWERS[fleet.kind]
    answers = {
        "type": "array",
        "items": {"type": "number", **bounds},
        "description": f"{text} In the order of rows.",
    }
    return _replaced(shared, "answers", answers)


def _list(items: Schema, least: int, most: int) -> Schema:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def _replaced(schema: Schema, name: str, by: Mapping[str, Any]) -> Schema:
    """A copy of an object's schema with another one for a property."""
    if name not in schema["properties"]:
        raise KeyError(name)
    return {**schema, "properties": {**schema["properties"], name: dict(by)}}
