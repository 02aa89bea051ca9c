"""The OpenAPI document, made from the table of routes, the types of the bodies, and the fleets that are served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from jomon.core.roles import roles_with
from jomon.serving.describing import FleetDescription
from jomon.serving.messages import OutcomeItem
from jomon.serving.openapi_fleets import (
    Schema,
    answer_example,
    fleet_schemas,
    infer_example,
    name_of,
    outcome_examples,
    predict_examples,
    ref,
    served,
)
from jomon.serving.routes import JSON, KEY_STATUSES, OPEN_STATUSES, ROUTES, Route

OPENAPI = "3.1.0"
BINARY = "application/octet-stream"
_REF = "#/components/schemas/{name}"
_HEADER_LENGTH = "Inference-Header-Content-Length"
_ABOUT = (
    "One server for fleets of models: send a row with its context, and the members that apply to it answer. Every "
    "answer is recorded before it is sent."
)
_REASONS: Mapping[int, str] = {
    400: "What was sent cannot be read.",
    401: "No key, or one that is unknown, revoked or expired.",
    403: "The key does not allow this.",
    404: "No such fleet or version is served.",
    408: "The body took too long to arrive.",
    413: "The body has too many bytes or rows.",
    415: "The body is of another media type.",
    421: "The request names another host: a server without keys answers to localhost and to addresses.",
    422: "The body can be read and does not fit; the sentence names the row and the column.",
    431: "The head of the request is too large.",
    503: "Not now: too much is waiting, the prediction log takes no more, or the server is not ready.",
}
_SHARED_PARAMETERS: Mapping[str, str] = {
    "fleet": "The name of a served fleet.",
    "version": "A tag, or a digest of which at least twelve digits are given.",
}


def document(
    fleets: Sequence[FleetDescription], version: str, *, keys: bool, max_rows: int
) -> dict[str, Any]:
    """The document for a server of `fleets`, of jomon `version`, that takes at most `max_rows` rows at a time.

    `keys` says whether callers need keys. Routes that differ from fleet to fleet are listed once per fleet, with the
    fleet's own columns.
    """
    schemas = _schemas()
    shared = dict(schemas)
    paths: dict[str, dict[str, Any]] = {}
    for fleet in fleets:
        schemas |= fleet_schemas(fleet, shared, max_rows)
    for route in ROUTES:
        for path, about in _paths(route, fleets):
            operation = _operation(route, path, about, fleets, keys)
            paths.setdefault(path, {})[route.method.lower()] = operation
    out: dict[str, Any] = {
        "openapi": OPENAPI,
        "info": {"title": "jomon", "version": version, "description": _ABOUT},
        "paths": paths,
        "components": {"schemas": schemas},
        "tags": [{"name": name} for name in dict.fromkeys(route.tag for route in ROUTES)],
        "x-fleets": [served(fleet) for fleet in fleets],
    }
    if keys:
        out["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer", "description": "A key made by jomon keys."},
            "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "The same key."},
        }
    return out


def _schemas() -> dict[str, Schema]:
    types = [
        kind for route in ROUTES for kind in (route.request, *route.responses.values()) if kind is not None
    ]
    _, components = msgspec.json.schema_components([*dict.fromkeys(types), OutcomeItem], ref_template=_REF)
    return {name: _tidy(schema) for name, schema in sorted(components.items())}


def _tidy(schema: Schema) -> Schema:
    """Docstrings come with the line breaks of the source."""
    text = schema.get("description")
    return schema if text is None else {**schema, "description": " ".join(text.split())}


def _paths(route: Route, fleets: Sequence[FleetDescription]) -> list[tuple[str, FleetDescription | None]]:
    """The paths that a route is listed under, each with the one fleet that it is about."""
    if route.name in ("predict", "outcomes"):
        return [(route.path, fleets[0])] if len(fleets) == 1 else []
    if route.name in ("predict_fleet", "outcomes_fleet"):
        return [(route.path.replace("{fleet}", fleet.fleet), fleet) for fleet in fleets]
    return [(route.path, None)]


def _operation(
    route: Route, path: str, fleet: FleetDescription | None, fleets: Sequence[FleetDescription], keys: bool
) -> dict[str, Any]:
    own = fleet is not None and path != route.path
    operation: dict[str, Any] = {
        "operationId": f"{route.name}.{fleet.fleet}" if own and fleet else route.name,
        "tags": [route.tag],
        "summary": f"{route.summary}: {fleet.fleet}" if own and fleet else route.summary,
        "description": _description(route, keys),
    }
    parameters = [_parameter(name, fleets) for name in ("fleet", "version") if f"{{{name}}}" in path]
    if route.binary:
        parameters.append(_header_length())
    if parameters:
        operation["parameters"] = parameters
    if route.request is not None:
        operation["requestBody"] = {"required": True, "content": _request(route, fleet, fleets)}
    operation["responses"] = {
        str(status): _response(route, status, kind, fleet)
        for status, kind in sorted(route.responses.items())
        if status not in (OPEN_STATUSES if keys else KEY_STATUSES)
    }
    if route.deprecated:
        operation["deprecated"] = True
    if keys and route.permission is not None:
        operation["security"] = [{"bearer": []}, {"header": []}]
    return operation


def _description(route: Route, keys: bool) -> str:
    if not keys or route.permission is None:
        return route.description
    return f"{route.description} Needs a key with the role {' or '.join(roles_with(route.permission))}."


def _parameter(name: str, fleets: Sequence[FleetDescription]) -> dict[str, Any]:
    schema: Schema = {"type": "string"}
    if name == "fleet":
        schema["enum"] = [fleet.fleet for fleet in fleets]
    versions = list(dict.fromkeys(version for fleet in fleets for version in fleet.versions))
    if name == "version" and versions:
        schema["examples"] = versions
    about = _SHARED_PARAMETERS[name]
    return {"name": name, "in": "path", "required": True, "schema": schema, "description": about}


def _header_length() -> dict[str, Any]:
    about = "Where binary data stand behind the JSON: how many bytes of the body are JSON."
    schema = {"type": "integer", "minimum": 0}
    return {"name": _HEADER_LENGTH, "in": "header", "required": False, "schema": schema, "description": about}


def _request(
    route: Route, fleet: FleetDescription | None, fleets: Sequence[FleetDescription]
) -> dict[str, Any]:
    assert route.request is not None
    if fleet is not None:
        predicts = route.name.startswith("predict")
        examples = predict_examples(fleet) if predicts else outcome_examples(fleet)
        return {JSON: {"schema": ref(name_of(fleet, route.request.__name__)), "examples": examples}}
    examples = {one.fleet: infer_example(one) for one in fleets}
    content = {JSON: {"schema": ref(route.request.__name__), "examples": examples}}
    if route.binary:
        content[BINARY] = {"schema": {"description": "The same JSON, and binary data behind it."}}
    return content


def _response(route: Route, status: int, kind: type | None, fleet: FleetDescription | None) -> dict[str, Any]:
    good = status < HTTPStatus.BAD_REQUEST
    about = HTTPStatus(status).phrase if good else _REASONS[status]
    response: dict[str, Any] = {"description": f"{about}." if good else about}
    if not good:
        response["content"] = {JSON: {"schema": ref("ErrorBody")}}
    elif kind is None:
        schema = {"type": "object"} if route.gives == JSON else {"type": "string"}
        response["content"] = {route.gives: {"schema": schema}}
    elif fleet is not None and route.name.startswith("predict"):
        schema = ref(name_of(fleet, kind.__name__))
        response["content"] = {JSON: {"schema": schema, "example": answer_example(fleet)}}
    else:
        response["content"] = {JSON: {"schema": ref(kind.__name__)}}
    if route.binary and good:
        response["content"][BINARY] = {"schema": {"description": "The same JSON, and binary data behind it."}}
    headers = _headers(status)
    if headers:
        response["headers"] = headers
    return response


def _headers(status: int) -> dict[str, Any]:
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        about, schema = "Seconds after which to try again.", {"type": "integer", "minimum": 1}
        return {"Retry-After": {"required": True, "description": about, "schema": schema}}
    if status == HTTPStatus.UNAUTHORIZED:
        about = "How to send a key."
        return {"WWW-Authenticate": {"required": True, "description": about, "schema": {"type": "string"}}}
    return {}
