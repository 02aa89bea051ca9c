"""A real server of several workers, asked by the client and watched: its document, metrics and log tell one story."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from openapi_spec_validator import validate

import jomon
from jomon.core.errors import DataError, PredictError, UnknownNameError
from jomon.core.gauges_file import gauges_file
from jomon.serving.routes import BY_NAME

from .fleets import ride
from .servers import Server, running

ANSWERING = ("predict_fleet", "v2_infer", "v2_infer_version")
PREDICT = 'route="predict_fleet"'


@pytest.fixture(scope="module")
def watched(fleets: Path) -> Iterator[Server]:
    """Two workers with an access log."""
    with running(fleets, ("rides", "calls"), ("--workers", 2, "--access-log", "access.log")) as server:
        yield server


@pytest.fixture
def client(watched: Server) -> Iterator[jomon.Client]:
    with jomon.Client(watched.url, retries=0) as client:
        yield client


def logged(server: Server) -> list[dict[str, Any]]:
    text = (server.folder / "access.log").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_the_document_is_valid_and_every_example_in_it_is_answered(watched: Server) -> None:
    document = watched.get("/openapi.json").json
    validate(document)
    sent = 0
    for path, methods in document["paths"].items():
        content = (
            methods.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {})
        )
        for name, example in content.get("examples", {}).items():
            filled = path.replace("{fleet}", name).replace("{version}", "latest")
            answer = watched.post(filled, example["value"])
            assert answer.status in (200, 202), (filled, name, answer.body)
            sent += 1
    assert sent == 2 * (2 + 2 + 2)


def test_the_client_reads_what_is_served(client: jomon.Client) -> None:
    assert (client.live(), client.ready(), client.ready("rides"), client.ready("none")) == (
        True,
        True,
        True,
        False,
    )
    assert [(fleet.fleet, fleet.reference) for fleet in client.fleets()] == [
        ("rides", "rides:latest"),
        ("calls", "calls:latest"),
    ]
    inputs = [one["name"] for one in client.metadata("rides")["inputs"]]
    assert {"booked", "station", "distance", "temp"} <= set(inputs)


def test_a_frame_is_answered_as_its_rows_are(client: jomon.Client) -> None:
    rows = [
        {**ride(), "booked": datetime(2024, 12, 1, hour), "distance": value}
        for hour, value in ((5, 1.0), (6, None))
    ]
    by_rows = client.predict(rows, "rides", explain=True)
    by_frame = client.predict(pl.DataFrame(rows), "rides", request_id="order-7")
    assert by_rows.answers == by_frame.answers
    assert by_frame.id == "order-7"
    assert by_rows.explanations is not None
    assert [one["chain"][0]["segment"] for one in by_rows.explanations] == ["(all)", "(all)"]
    report = client.outcomes({"request_id": by_frame.request_id, "row": 1, "value": True}, "rides")
    assert report.accepted == 1


def test_refusals_come_as_the_errors_that_they_are(client: jomon.Client) -> None:
    with pytest.raises(PredictError, match="Row 1: column 'distance' holds text"):
        client.predict([ride(), ride(distance="far")], "rides")
    with pytest.raises(UnknownNameError, match="none"):
        client.predict([ride()], "none")
    with pytest.raises(DataError, match="Outcome 0"):
        client.outcomes([{"key": {"station": "east"}, "value": 1}], "rides")


def counted(server: Server) -> tuple[Counter[tuple[str, int]], int, int]:
    """What the log tells: requests by route and status, rows of rides answered, and lines of this file's own id."""
    lines = logged(server)
    requests = Counter((line["route"], line["status"]) for line in lines)
    answered = [line for line in lines if line["status"] == 200 and line.get("fleet") == "rides"]
    rows = sum(line.get("rows", 0) for line in answered if line["route"] in ANSWERING)
    return requests, rows, sum(line.get("id") == "watched" for line in lines)


def test_metrics_and_the_log_tell_the_same_of_all_workers(watched: Server) -> None:
    for _ in range(12):  # each by a client of its own, so that both workers are met
        with jomon.Client(watched.url) as client:
            client.predict([ride(), ride()], "rides", request_id="watched")

    def agree() -> bool:
        found, (requests, rows, own) = watched.metrics(), counted(watched)
        answers = sum(n for name, n in found.items() if name.startswith('jomon_answers_total{fleet="rides"'))
        posts = found['jomon_requests_total{method="POST",route="predict_fleet",status="200"}']
        every = [
            n for name, n in found.items() if name.startswith("jomon_requests_total") and PREDICT in name
        ]
        return (
            own == 12
            and sum(every) == found['jomon_request_seconds_count{route="predict_fleet"}']
            and posts == requests["predict_fleet", 200]
            and found['jomon_rows_total{fleet="rides"}'] == answers == rows
        )

    watched.until(agree, "one count in metrics and log")
    mine = [line for line in logged(watched) if line.get("id") == "watched"]
    assert len({line["request_id"] for line in mine}) == 12
    assert {(line["route"], line["status"], line["rows"], line["fleet"]) for line in mine} == {
        ("predict_fleet", 200, 2, "rides")
    }
    assert all(0 < line["ms"] < 10_000 and len(line["image"]) == 12 for line in mine)


def test_the_gauges_of_a_fleets_last_check_are_on_the_page_as_soon_as_they_are_written(
    watched: Server,
) -> None:
    name = 'jomon_monitor_tests{fleet="rides"}'
    assert name not in watched.metrics()
    path = gauges_file(watched.folder / "rides" / ".jomon", "rides")
    path.parent.mkdir()
    path.write_text(f"# TYPE jomon_monitor_tests gauge\n{name} 12.0\n")
    assert watched.metrics()[name] == 12.0


def test_every_line_of_the_log_names_a_route_of_the_table(watched: Server) -> None:
    watched.ask("BREW", "/predict")
    watched.ask("GET", "/etc/passwd?key=secret")
    watched.until(lambda: any(line["method"] == "BREW" for line in logged(watched)), "the line")
    assert {line["route"] for line in logged(watched)} <= {*BY_NAME, "unmatched"}
    assert "secret" not in (watched.folder / "access.log").read_text(encoding="utf-8")
