"""A full disk under the prediction log: nothing is answered that is not recorded, the rest goes on, and it mends."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from jomon.data.outcomes_table import read_outcomes
from jomon.data.predictions import read_predictions

from .fleets import call, ride
from .load import calling
from .releases import Releases
from .servers import Server, running

FULL = "The prediction log takes no more: nothing was answered; try again."
MEGABYTES = 3


@pytest.fixture
def small_log(
    fleets: Path, releases: Releases, small_disk_of: Callable[[int, Path], Path], tmp_path: Path
) -> Path:
    """The projects, in a folder where the log of `rides` has a disk of its own of three megabytes."""
    folder = tmp_path / "fleets"
    shutil.copytree(releases.folder, folder)
    shutil.copytree(fleets / "calls", folder / "calls")
    small_disk_of(MEGABYTES, folder / "rides" / ".jomon" / "log" / "rides")
    return folder


def fill(disk: Path) -> Path:
    """Leave no byte on a disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return filler


@pytest.mark.parametrize("image", ["one", "two"], ids=["synced soon", "synced first"])
def test_a_full_disk_under_the_log_loses_nothing_and_stops_nobody_else(small_log: Path, image: str) -> None:
    """Callers of `rides` are refused and told when to come back, those of `calls` are served; then space comes back."""
    disk = small_log / "rides" / ".jomon" / "log" / "rides"
    number = iter(range(1, 1_000_000))
    asks = [lambda: ("/predict/rides", {"rows": [ride(ride=next(number))]})] * 3
    asks += [lambda: ("/predict/calls", {"rows": [call()]})]
    with running(small_log, (f"rides//rides:{image}", "calls"), copy=False) as server:
        with calling(server.port, asks) as callers:
            server.until(lambda: len(callers.answered) > 50, "answers")
            filler = fill(disk)
            server.until(lambda: 503 in callers.statuses, "a refusal")
            check_full(server)
            before = len(callers.answered)
            server.until(lambda: len(callers.answered) > before + 50, "further answers")
            filler.unlink()
            server.until(server.ready, "readiness")
            assert server.predict("rides", ride(ride=0)).status == 200
        assert callers.failed == []
        assert callers.statuses == {200, 503}
        refused = [one for one in callers.answered if one.status == 503]
        assert {(one.path, one.headers["retry-after"], one.document["error"]) for one in refused} == {
            ("/predict/rides", "1", FULL)
        }
        assert server.metrics()['jomon_journal_failures_total{fleet="rides"}'] >= 1
        server.end()
        tables = small_log / "rides" / ".jomon" / "tables"
        recorded = read_predictions(tables, "rides")["request_id"].to_list()
        assert len(set(recorded)) == len(recorded)
        answered = {
            one.document["request_id"]
            for one in callers.answered
            if (one.path, one.status) == ("/predict/rides", 200)
        }
        assert answered < set(recorded)
        unanswered = {one.document["request_id"] for one in refused}
        assert not unanswered & set(recorded)
        assert read_outcomes(tables, "rides").is_empty()


def check_full(server: Server) -> None:
    """What a server says and does while the disk is full."""
    server.until(lambda: server.get("/v2/health/ready").status == 503, "the end of readiness")
    ready = server.get("/v2/health/ready")
    assert ready.headers["retry-after"] == "1"
    assert ready.error == "The server is not ready: the prediction log of rides takes no more."
    large = server.predict("rides", *[ride()] * 400)
    assert (large.status, large.error, large.headers["retry-after"]) == (503, FULL, "1")
    outcome = {"outcomes": [{"request_id": "x" * 32, "value": 1}] * 500}
    told = server.post("/outcomes/rides", outcome)
    assert (told.status, told.headers["retry-after"]) == (503, "1")
    assert told.error == "The log takes no more: no outcome was recorded; try again."
    assert server.predict("rides", ride(distance="far")).status == 422
    for path in ("/", "/fleets", "/metrics", "/docs", "/openapi.json", "/v2/health/live", "/v2/models/rides"):
        assert server.get(path).status == 200
    assert server.predict("calls", call()).status == 200
    assert server.metrics()["jomon_ready"] == 0
