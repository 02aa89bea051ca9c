"""The real server, asked as callers ask it: its answers are those of the image, and what it says of them is true."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.serving.triton_checks import check_with_tritonclient

import jomon
from jomon.data.outcomes import matched, summary
from jomon.data.predictions import read_predictions
from jomon.project import open_project

from .fleets import STATIONS, call, ride
from .releases import Releases
from .servers import Server, running

V2 = "/v2/models/rides"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """Rides of every season and hour, some without a value, some by holidays, some with their own weather."""
    draw = random.Random(11)
    found = []
    for number in range(300):
        booked = datetime(2024, 1, 1, 3) + timedelta(days=draw.randint(0, 365), minutes=draw.randint(0, 1200))
        row = ride(
            ride=number,
            booked=booked.isoformat(),
            station=draw.choice([*STATIONS, "moon", None]),
            distance=draw.choice([None, draw.uniform(0, 30)]),
            door=draw.choice([1, 2, 3, 9, None]),
            zone=draw.choice(["a", "b", "z", None]),
        )
        found.append(row)
    return found


def expected(fleets: Path, fleet: str, asked: list[dict[str, Any]]) -> list[float]:
    """What Python answers, one row after another: columns of a frame have one type."""
    image = jomon.load_fleet(f"{fleet}:latest", fleets / fleet)
    frame = pl.DataFrame(asked, infer_schema_length=None)
    answers: list[float] = image.predict(frame).tolist()
    return answers


def test_answers_are_those_of_the_image_bit_for_bit(
    server: Server, fleets: Path, rows: list[dict[str, Any]]
) -> None:
    """Alone, in a small request and in a large one, the weather joined by the server."""
    python = expected(fleets, "rides", rows)
    large = server.predict("rides", *rows)
    assert large.json["answers"] == python
    assert server.predict("rides", *rows[:50]).json["answers"] == python[:50]
    for row, answer in list(zip(rows, python, strict=True))[::10]:
        assert server.predict("rides", row).json["answers"] == [answer]
    calls = [call(at=f"2024-06-{day:02d}T{day % 24:02d}:31", load=day / 7 - 2) for day in range(1, 29)]
    assert server.predict("calls", *calls).json["answers"] == expected(fleets, "calls", calls)


def test_columns_that_a_lookup_brings_may_be_sent(
    server: Server, fleets: Path, rows: list[dict[str, Any]]
) -> None:
    own = [{**row, "temp": 31.5, "wind": None, "sky": "rain"} for row in rows[:40]]
    answers = server.predict("rides", *own).json["answers"]
    assert answers == expected(fleets, "rides", own)
    assert answers != server.predict("rides", *rows[:40]).json["answers"]


def test_a_client_that_we_did_not_write_is_served(
    server: Server, fleets: Path, rows: list[dict[str, Any]]
) -> None:
    asked = [{**row, "station": row["station"] or "north"} for row in rows if row["door"] and row["zone"]][:7]
    check_with_tritonclient(server.url, "rides", asked, expected(fleets, "rides", asked))


def test_an_explanation_adds_up_to_the_answer_and_names_the_chain_of_the_image(
    server: Server, fleets: Path, rows: list[dict[str, Any]]
) -> None:
    image = jomon.load_fleet("rides:latest", fleets / "rides")
    told = server.predict("rides", *rows, explain=True).json
    routes = image.route(pl.DataFrame(rows, infer_schema_length=None))
    for answer, one, route in zip(told["answers"], told["explanations"], routes, strict=True):
        active = [step for step in one["chain"] if step["active"]]
        assert [(s["segment"], s["active"], s["reason"]) for s in one["chain"]] == [
            (step.segment, step.active, step.reason) for step in route
        ]
        assert one["segment"] == active[-1]["segment"]
        assert sum(step["slow"] + step["fast"] for step in active) == pytest.approx(one["margin"], abs=1e-9)
        assert active[-1]["so_far"] == pytest.approx(answer, abs=1e-12)
        assert all(s["slow"] is s["fast"] is s["so_far"] is None for s in one["chain"] if not s["active"])


def test_the_callers_id_comes_back_and_ours_is_always_another(server: Server) -> None:
    answers = [server.predict("rides", ride(), id="mine").json for _ in range(3)]
    assert {one["id"] for one in answers} == {"mine"}
    assert len({one["request_id"] for one in answers}) == 3
    assert "id" not in server.predict("rides", ride()).json
    assert {one["image"] for one in answers} == {server.get("/fleets").json["fleets"][0]["image"]}


def test_a_context_that_is_missing_is_answered_by_the_coarser_chain(server: Server) -> None:
    """A null axis value takes out the levels that need it, and no others; a value never seen has no member."""
    for change, gone in (
        ({"station": None}, {"station"}),
        ({"zone": None}, {"zone"}),
        ({"zone": "q"}, set()),
    ):
        told = server.predict("rides", ride(**change), explain=True).json
        for step in told["explanations"][0]["chain"]:
            assert (step["segment"] is None) == bool(gone & set(step["level"])), step
        assert told["explanations"][0]["chain"][0]["active"]
    unseen = told["explanations"][0]["chain"][2]
    assert (unseen["segment"], unseen["active"]) == ("station=north zone=q", False)


def test_a_column_of_the_key_may_be_left_out(server: Server) -> None:
    row = ride()
    del row["ride"]
    assert server.predict("rides", row).json["answers"] == server.predict("rides", ride()).json["answers"]


def test_columns_that_nobody_declared_are_ignored_where_the_project_says_so(server: Server) -> None:
    at = "2024-06-03T10:00"
    plain = server.predict("calls", call(at=at)).json["answers"]
    assert server.predict("calls", call(at=at, colour="blue", lines=[1, {"a": 2}])).json["answers"] == plain
    refused = server.predict("rides", ride(distanse=2))
    assert refused.status == 422
    assert refused.error == "Row 0: the fleet has no column 'distanse'; did you mean 'distance'?"


STATUSES: list[tuple[int, str, str, Any, str]] = [
    (400, "POST", "/predict/rides", "{", "is no JSON"),
    (400, "POST", f"{V2}/infer", "[]", "is no inference request"),
    (400, "POST", "/outcomes/rides", "{]", "is no JSON"),
    (404, "POST", "/predict", {"rows": [ride()]}, "several fleets, rides, calls"),
    (404, "POST", "/predict/ridez", {"rows": [ride()]}, "did you mean 'rides'"),
    (404, "POST", "/outcomes", {"outcomes": []}, "several fleets"),
    (404, "GET", "/v2/models/none", None, "does not know a fleet 'none'"),
    (404, "GET", f"{V2}/versions/old", None, "is not served as 'old'"),
    (404, "GET", f"{V2}/versions/sha256:0123456789abcdef", None, "is not served as"),
    (404, "GET", "/nothing/here", None, "There is nothing at '/nothing/here'"),
    (405, "GET", "/predict/rides", None, "send POST"),
    (405, "DELETE", "/metrics", None, "send GET, HEAD"),
    (413, "POST", "/predict/rides", {"rows": [ride()] * 10_001}, "10,001 rows; send at most 10,000"),
    (422, "POST", "/predict/rides", {"rows": []}, "There are no rows"),
    (422, "POST", "/predict/rides", {"rows": [ride(), ride(distance="far")]}, "Row 1: column 'distance' holds text"),
    (422, "POST", "/predict/rides", {"rows": [ride(booked="2024-03-10T02:30")]}, "the clocks skipped this time"),
    (422, "POST", "/predict/rides", {"rows": [ride()], "explain": 1}, "Expected `bool`"),
    (422, "POST", "/outcomes/rides", {"outcomes": [{"value": 1}]}, "by `key` or by `request_id`"),
    (422, "POST", "/outcomes/rides", {"outcomes": [{"key": {"station": "a"}, "value": 1}]}, "Outcome 0"),
    (422, "POST", "/outcomes/rides", {"outcomes": [{"request_id": "x", "value": 7}]}, "Outcome 0"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "method", "path", "sent", "part"), STATUSES)
def test_a_refusal_has_its_status_and_one_sentence(
    server: Server, status: int, method: str, path: str, sent: Any, part: str
) -> None:
    body = sent if isinstance(sent, str) or sent is None else json.dumps(sent)
    answer = server.ask(method, path, body, {"Content-Type": "application/json"})
    assert answer.status == status
    assert part in answer.error
    assert len(answer.json["request_id"]) == 32
    assert ("allow" in answer.headers) == (status == 405)


def test_a_server_of_one_fleet_needs_no_name_and_one_of_several_tells_their_names(
    server: Server, fleets: Path
) -> None:
    assert [one["fleet"] for one in server.get("/fleets").json["fleets"]] == ["rides", "calls"]
    for fleet, row in (("rides", ride()), ("calls", call())):
        assert server.predict(fleet, row).json["reference"] == f"{fleet}:latest"
        assert server.get(f"/v2/models/{fleet}/ready").json == {"name": fleet, "ready": True}
    with running(fleets, ("calls",)) as alone:
        assert alone.post("/predict", {"rows": [call()]}).json["fleet"] == "calls"
        one = {"request_id": "0" * 32, "value": 3}
        assert alone.post("/outcomes", {"outcomes": [one]}).status == 202


def test_get_is_head_without_a_body(server: Server) -> None:
    for path in ("/", "/fleets", "/v2/health/ready", "/nothing"):
        get, head = server.get(path), server.ask("HEAD", path)
        assert (head.status, head.body) == (get.status, b"")
        assert head.headers["content-length"] == str(len(get.body))


def test_the_page_runs_its_own_script_and_no_other(server: Server) -> None:
    page = server.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert b"http://" not in page.body.replace(b"http://www.w3.org", b"")
    assert server.get("/").json["links"]["docs"] == "/docs"


@pytest.fixture(scope="module")
def two_images(releases: Releases) -> Iterator[Server]:
    """A server of one fleet under two names."""
    with running(releases.folder, ("rides//rides:one", "rides//rides:two")) as server:
        yield server


def test_versions_are_tags_and_digests_and_the_first_answers_where_none_is_asked(
    two_images: Server, releases: Releases
) -> None:
    row, one, two = releases.rows[0], releases.digests["one"], releases.digests["two"]
    inputs = [
        {"name": name, "datatype": "FP64" if name == "distance" else "BYTES", "shape": [1], "data": [value]}
        if name == "distance"
        else {"name": name, "datatype": "BYTES", "shape": [1], "data": [str(value)]}
        for name, value in row.items()
    ]
    assert two_images.get(V2).json["versions"] == ["one", "two", one, two]
    versions = {"": one, "/versions/one": one, "/versions/two": two, f"/versions/{one}": one}
    versions |= {f"/versions/{two}": two, f"/versions/{two[:19]}": two}
    for version, digest in versions.items():
        answer = two_images.post(f"{V2}{version}/infer", {"inputs": inputs}).json
        assert answer["model_version"] == digest
        assert answer["outputs"][0]["data"] == [pytest.approx(releases.answers[digest][0], abs=1e-12)]
        assert two_images.get(f"{V2}{version}/ready").status == 200
    assert two_images.predict("rides", row).json["image"] == one
    assert two_images.get(f"{V2}/versions/{two[:18]}").status == 404  # eleven digits name no image


def samples(server: Server, name: str) -> dict[str, float]:
    """The samples of a metric, by their labels as they stand."""
    found = server.metrics()
    return {key.removeprefix(name): value for key, value in found.items() if key.partition("{")[0] == name}


def by_level(fleets: Path, sent: list[dict[str, Any]]) -> dict[str, float]:
    """The finest level that takes part in each row, as the metrics are to count them."""
    image = jomon.load_fleet("rides:latest", fleets / "rides")
    routes = image.route(pl.DataFrame(sent, infer_schema_length=None))
    levels = [[",".join(step.level) or "(all)" for step in route if step.active][-1] for route in routes]
    return {f'{{fleet="rides",level="{level}"}}': float(n) for level, n in Counter(levels).items()}


def test_what_was_sent_is_counted_recorded_and_joined_by_its_outcomes(fleets: Path) -> None:
    """By level, by route and status, by reason; in the tables; by key and by request id."""
    with running(fleets, ("rides",)) as server:
        sent = [ride(ride=1), ride(ride=2, station=None), ride(ride=3, distance=1)]
        sent += [ride(ride=4, booked="2024-01-05T02:00")]
        sent += [ride(ride=100 + n, station=STATIONS[n % 4]) for n in range(500)]
        first = server.predict("rides", *sent[:2], {**sent[2], "distance": True})
        second = server.predict("rides", sent[3], id="mine")
        many = server.predict("rides", *sent[4:])
        server.predict("rides", ride(colour=1))
        server.predict("rides", ride(distance="x"))
        server.ask("POST", "/predict/rides", "{", {"Content-Type": "application/json"})
        key = {"station": "north", "ride": "1", "booked": "2024-07-04T13:30:00Z"}
        outcomes = [
            {"key": key, "value": True},
            {"request_id": first.json["request_id"], "row": 2, "value": 0},
            {"request_id": second.json["request_id"], "value": 1, "known_at": "2024-01-05T04:00"},
            {"request_id": "f" * 32, "value": 1},
        ]
        assert server.post("/outcomes/rides", {"outcomes": outcomes}).json["accepted"] == 4

        requests = samples(server, "jomon_requests_total")
        route = 'method="POST",route="predict_fleet"'
        assert {key: requests[f'{{{route},status="{key}"}}'] for key in ("200", "400", "422")} == {
            "200": 3,
            "400": 1,
            "422": 2,
        }
        assert samples(server, "jomon_answers_total") == by_level(fleets, sent)
        assert samples(server, "jomon_rows_total") == {'{fleet="rides"}': len(sent)}
        refused = samples(server, "jomon_refused_total")
        assert refused['{fleet="rides",reason="invalid"}'] == 2
        assert refused['{fleet="rides",reason="malformed"}'] == 1
        assert samples(server, "jomon_outcomes_total") == {'{fleet="rides"}': 4}
        assert sum(samples(server, "jomon_batch_rows_bucket").values()) > 0
        seconds = samples(server, "jomon_request_seconds_count")
        assert seconds['{route="predict_fleet"}'] == 6

        server.end()  # the mover makes its last pass
        home, spec = server.home("rides"), open_project(server.folder / "rides").spec
        recorded = read_predictions(home / "tables", "rides")
        answers = [*first.json["answers"], *second.json["answers"], *many.json["answers"]]
        assert sorted(recorded["answer"]) == sorted(answers)
        one = recorded.filter(pl.col("request_id") == first.json["request_id"]).sort("row")
        assert one["answer"].to_list() == first.json["answers"]
        assert one["station"].to_list() == ["north", None, "north"]
        assert one["distance"].to_list() == [4.5, 4.5, 1.0]
        assert one["door"].to_list() == ["2", "2", "2"]
        assert one["chain"][0].to_list()[0] == "(all)"
        assert recorded.filter(pl.col("caller_id") == "mine")["request_id"].to_list() == [
            second.json["request_id"]
        ]
        found = matched(home / "tables", "rides", spec, columns=["ride"])
        assert dict(zip(found["ride"], found["outcome"], strict=True)) == {"1": 1.0, "3": 0.0, "4": 1.0}
        told = summary(home / "tables", "rides", spec)
        assert (told["received"], told["matched"], told["unmatched"], told["new"]) == (4, 3, 1, 4)
