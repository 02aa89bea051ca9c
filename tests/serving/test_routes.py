"""The table of routes: each path leads to one route, and everything else to a refusal that says what to do."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jomon.core.roles import Permission
from jomon.serving.errors import RequestError
from jomon.serving.messages import OutcomeItem, OutcomesRequest, PredictRequest
from jomon.serving.routes import BY_NAME, METHODS, ROUTES, Route, match, method_label

OPEN = {
    "index", "docs", "v2_live", "v2_ready", "v2_model_ready", "v2_model_version_ready",
}  # fmt: skip
FILLED = {"fleet": "flights", "version": "sha256:0123456789ab"}


def path_of(route: Route) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: FILLED[found[1]], route.path)


@pytest.mark.parametrize("route", ROUTES, ids=[route.name for route in ROUTES])
def test_every_route_is_found_by_its_path_with_its_parameters(route: Route) -> None:
    found = match(route.method, path_of(route))
    assert not isinstance(found, RequestError)
    assert found[0] is route
    assert dict(found[1]) == {name: FILLED[name] for name in re.findall(r"\{(\w+)\}", route.path)}


@pytest.mark.parametrize("route", ROUTES, ids=[route.name for route in ROUTES])
def test_a_method_that_a_path_does_not_take_is_told_which_it_takes(route: Route) -> None:
    refused = match("DELETE", path_of(route))
    assert isinstance(refused, RequestError)
    assert (refused.status, refused.reason) == (405, "method")
    assert refused.allow == ("GET, HEAD" if route.method == "GET" else "POST")


def test_what_is_not_there_is_refused_with_where_to_look() -> None:
    for path in (
        "/nope",
        "/predict/a/b",
        "/v2/models",
        "/v2/models//infer",
        "",
        "/v2/models/a/versions//ready",
    ):
        refused = match("GET", path)
        assert isinstance(refused, RequestError)
        assert refused.status == 404
        assert "/docs" in str(refused)


@given(
    st.text(max_size=40),
    st.lists(st.text(max_size=8) | st.sampled_from(["v2", "models", "{fleet}"]), max_size=8),
)
def test_no_path_and_no_method_raises(method: str, parts: list[str]) -> None:
    found = match(method, "/" + "/".join(parts))
    assert isinstance(found, RequestError) or found[0].name in BY_NAME


def test_a_path_that_spells_a_parameter_is_a_fleet_of_that_name() -> None:
    found = match("POST", "/predict/{fleet}")
    assert not isinstance(found, RequestError)
    assert found[1] == {"fleet": "{fleet}"}


def test_a_slash_at_the_end_is_passed_over_and_head_is_taken_where_get_is() -> None:
    for method, path, name in [
        ("GET", "/docs/", "docs"), ("HEAD", "/v2/", "v2_server"), ("POST", "/predict/flights/", "predict_fleet"),
        ("HEAD", "/v2/models/flights/ready", "v2_model_ready"),
    ]:  # fmt: skip
        found = match(method, path)
        assert not isinstance(found, RequestError)
        assert found[0].name == name


def test_every_route_but_the_named_ones_needs_a_permission_and_says_what_refusals_look_like() -> None:
    for route in ROUTES:
        assert (route.permission is None) == (route.name in OPEN)
        assert route.permission is None or route.permission in list(Permission)
        assert {401, 403} <= set(route.responses) or route.name in OPEN
        assert 431 in route.responses
        assert (404 in route.responses) == ("{" in route.path or route.name in ("predict", "outcomes"))
        if route.has_body:
            assert {400, 408, 413, 415, 422, 503} <= set(route.responses)


def test_methods_that_callers_make_up_share_one_label() -> None:
    assert {method_label(method) for method in METHODS} == METHODS
    assert method_label("BREW") == method_label("x" * 10_000) == "OTHER"


def test_a_request_for_answers_may_be_as_short_as_its_rows() -> None:
    sent = msgspec.json.decode(b'{"rows": [{"a": 1}]}', type=PredictRequest)
    assert (sent.rows, sent.id, sent.explain) == ([{"a": 1}], None, False)


@pytest.mark.parametrize(
    "body",
    [
        b'{"outcomes": [{"key": {"a": 1, "b": "x"}, "value": true}]}',
        b'{"outcomes": [{"request_id": "ab", "row": 3, "value": null, "known_at": "2013-11-03"}]}',
        b'{"outcomes": []}',
    ],
)
def test_outcomes_name_their_row_by_key_or_by_request(body: bytes) -> None:
    msgspec.json.decode(body, type=OutcomesRequest)


@pytest.mark.parametrize(
    "item",
    [
        b'{"value": 1}', b'{"key": {}, "request_id": "ab", "value": 1}', b'{"key": {"a": 1}}',
        b'{"request_id": "ab", "row": -1, "value": 1}', b'{"key": {"a": []}, "value": 1}',
        b'{"key": {"a": 1}, "value": "x"}', b'{"key": {"a": 1}, "value": 1, "oops": 1}',
    ],
)  # fmt: skip
def test_an_outcome_that_is_none_is_refused(item: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(item, type=OutcomeItem)
