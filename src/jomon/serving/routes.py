"""Every route of the server, as data: the HTTP application, the OpenAPI document and the page at /docs read this table.

Paths of the table are exact; `/predict/{fleet}` stands for one path per fleet. A path that has no parameter is found
by one look into a dictionary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType

from jomon.core.roles import Permission
from jomon.serving.errors import RequestError
from jomon.serving.messages import (
    ErrorBody,
    FleetsResponse,
    OutcomesRequest,
    OutcomesResponse,
    PredictRequest,
    PredictResponse,
    ServerLinks,
)
from jomon.serving.v2.wire import (
    InferenceRequest,
    InferenceResponse,
    ModelMetadata,
    ModelReady,
    ServerLive,
    ServerMetadata,
    ServerReady,
)

JSON = "application/json"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


@dataclass(frozen=True, slots=True)
class Route:
    """One route. `permission` None: anybody. `request` and the values of `responses` are the types of JSON bodies,
    None where there is no JSON body. `gives` is the media type of a good answer."""

    method: str
    path: str
    name: str
    permission: Permission | None
    request: type | None
    responses: Mapping[int, type | None]
    summary: str
    description: str
    tag: str
    gives: str = JSON
    binary: bool = False
    """Whether bodies may have binary data behind their JSON, as the Open Inference Protocol has it."""
    deprecated: bool = False

    @property
    def has_body(self) -> bool:
        """Whether a request brings a body."""
        return self.request is not None


_READ = (HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,)
_BODY = (
    HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    HTTPStatus.SERVICE_UNAVAILABLE,
)  # fmt: skip
_KEY = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.SERVICE_UNAVAILABLE,
)  # 503: no keys can be read
_FLEET = (HTTPStatus.NOT_FOUND,)
_HOST = (HTTPStatus.MISDIRECTED_REQUEST,)
KEY_STATUSES = frozenset({401, 403})
"""Statuses that only a server with keys gives."""
OPEN_STATUSES = frozenset({421})
"""Statuses that only a server without keys gives."""


def _route(
    method: str,
    path: str,
    name: str,
    permission: Permission | None,
    good: Mapping[int, type | None],
    summary: str,
    description: str,
    tag: str,
    *,
    request: type | None = None,
    gives: str = JSON,
    binary: bool = False,
) -> Route:
    """A route with the refusals that its kind can answer."""
    refusals: list[HTTPStatus] = [*(_BODY if request is not None else _READ)]
    if permission is not None:
        refusals += [*_KEY, *_HOST]
    if "{" in path:
        refusals += _FLEET
    errors: dict[int, type | None] = {int(status): ErrorBody for status in sorted(refusals)}
    responses = MappingProxyType({**errors, **good})
    return Route(method, path, name, permission, request, responses, summary, description, tag, gives, binary)


_PREDICT = "Predictions"
_OUTCOMES = "Outcomes"
_SERVER = "Server"
_V2 = "Open Inference Protocol v2"
_RECORDED = (
    "Every answered row is recorded before the answer is sent. Times without a zone are in the fleet's own; what a "
    "lookup brings may be left out."
)
_MATCHED = (
    "The response says that they are recorded; they are matched with predictions later, also with ones that are yet to "
    "come. Sending an outcome again changes nothing."
)
_VERSION = "A version is a tag such as `latest`, or a digest, in full or at least its first twelve digits."

ROUTES = (
    _route(
        "POST", "/predict", "predict", Permission.PREDICT, {200: PredictResponse, 404: ErrorBody},
        "Answer rows of the only fleet", f"For a server of one fleet; with several, name it. {_RECORDED}", _PREDICT,
        request=PredictRequest,
    ),
    _route(
        "POST", "/predict/{fleet}", "predict_fleet", Permission.PREDICT, {200: PredictResponse},
        "Answer rows", _RECORDED, _PREDICT, request=PredictRequest,
    ),
    _route(
        "POST", "/outcomes", "outcomes", Permission.OUTCOMES, {202: OutcomesResponse, 404: ErrorBody},
        "Report outcomes to the only fleet", f"For a server of one fleet; with several, name it. {_MATCHED}", _OUTCOMES,
        request=OutcomesRequest,
    ),
    _route(
        "POST", "/outcomes/{fleet}", "outcomes_fleet", Permission.OUTCOMES, {202: OutcomesResponse},
        "Report outcomes", _MATCHED, _OUTCOMES, request=OutcomesRequest,
    ),
    _route(
        "GET", "/fleets", "fleets", Permission.DESCRIBE, {200: FleetsResponse},
        "Fleets that are served", "Each with its image, and the versions it can be asked as.", _SERVER,
    ),
    _route("GET", "/", "index", None, {200: ServerLinks}, "Where things are", "Links to the other routes.", _SERVER),
    _route(
        "GET", "/metrics", "metrics", Permission.VIEW, {200: None},
        "Metrics", "Counters, gauges and histograms of all workers, in the text format of Prometheus.", _SERVER,
        gives="text/plain",
    ),
    _route(
        "GET", "/openapi.json", "openapi", Permission.DESCRIBE, {200: None},
        "This document", "The routes, and the columns of each fleet.", _SERVER,
    ),
    _route(
        "GET", "/docs", "docs", None, {200: None},
        "A page to try it", "It holds nothing of the fleets: it reads /openapi.json with the key that you give it.",
        _SERVER, gives="text/html",
    ),
    _route(
        "GET", "/v2", "v2_server", Permission.DESCRIBE, {200: ServerMetadata},
        "Server metadata", "Name, version and the extensions of the protocol.", _V2,
    ),
    _route("GET", "/v2/health/live", "v2_live", None, {200: ServerLive}, "Is the server live?", "It can answer.", _V2),
    _route(
        "GET", "/v2/health/ready", "v2_ready", None, {200: ServerReady, 503: ErrorBody},
        "Is the server ready?", "Every fleet can answer and be recorded, and the server is not going away.", _V2,
    ),
    _route(
        "GET", "/v2/models/{fleet}", "v2_model", Permission.DESCRIBE, {200: ModelMetadata},
        "Fleet metadata", "Versions, inputs and outputs.", _V2,
    ),
    _route(
        "GET", "/v2/models/{fleet}/versions/{version}", "v2_model_version", Permission.DESCRIBE, {200: ModelMetadata},
        "Fleet metadata of a version", _VERSION, _V2,
    ),
    _route(
        "GET", "/v2/models/{fleet}/ready", "v2_model_ready", None, {200: ModelReady, 503: ErrorBody},
        "Is a fleet ready?", "It can answer and be recorded.", _V2,
    ),
    _route(
        "GET", "/v2/models/{fleet}/versions/{version}/ready", "v2_model_version_ready", None,
        {200: ModelReady, 503: ErrorBody}, "Is a version ready?", _VERSION, _V2,
    ),
    _route(
        "POST", "/v2/models/{fleet}/infer", "v2_infer", Permission.PREDICT, {200: InferenceResponse},
        "Infer", "Columns as tensors, one tensor of numbers, or binary data behind the JSON.", _V2,
        request=InferenceRequest, binary=True,
    ),
    _route(
        "POST", "/v2/models/{fleet}/versions/{version}/infer", "v2_infer_version", Permission.PREDICT,
        {200: InferenceResponse},
        "Infer with a version", _VERSION, _V2, request=InferenceRequest, binary=True,
    ),
)  # fmt: skip
"""All routes."""
BY_NAME: Mapping[str, Route] = MappingProxyType({route.name: route for route in ROUTES})
"""All routes by their names, which metrics and the access log use."""

Params = Mapping[str, str]
_NONE: Params = MappingProxyType({})
_PATHS: dict[str, dict[str, Route]] = {}
_PARTS: dict[int, list[tuple[tuple[str, ...], dict[str, Route]]]] = {}


def _fill() -> None:
    """Index the table by path, those with parameters by their number of parts."""
    for route in ROUTES:
        _PATHS.setdefault(route.path, {})[route.method] = route
    for path, methods in _PATHS.items():
        if "GET" in methods:
            methods.setdefault("HEAD", methods["GET"])
        if "{" in path:
            parts = tuple(path.split("/"))
            _PARTS.setdefault(len(parts), []).append((parts, methods))


_fill()


def match(method: str, path: str) -> tuple[Route, Params] | RequestError:
    """The route of a request and the parameters in its path, or what to refuse it with (404, or 405 with the methods
    that the path takes). A slash at the end of a path is passed over."""
    methods, params = _PATHS.get(path), _NONE
    if methods is None or "{" in path:
        methods, params = _search(path)
    if methods is None:
        return RequestError(
            404, f"There is nothing at {path[:200]!r}: /docs lists what there is.", "no_route"
        )
    route = methods.get(method)
    if route is None:
        allow = ", ".join(sorted(methods))
        return RequestError(
            405, f"{path[:200]!r} does not take {method[:20]}: send {allow}.", "method", allow=allow
        )
    return route, params


def _search(path: str) -> tuple[dict[str, Route] | None, Params]:
    if len(path) > 1 and path.endswith("/"):
        path = path[:-1]
        if path in _PATHS and "{" not in path:
            return _PATHS[path], _NONE
    parts = path.split("/")
    for pattern, methods in _PARTS.get(len(parts), ()):
        params = {}
        for part, wanted in zip(parts, pattern, strict=True):
            if wanted.startswith("{") and part:
                params[wanted[1:-1]] = part
            elif part != wanted:
                break
        else:
            return methods, params
    return None, _NONE


def method_label(method: str) -> str:
    """A method as metrics name it: methods that callers make up are one, so that they cannot fill the memory."""
    return method if method in METHODS else "OTHER"
