"""Members come and go by the calendar while requests flow: the server's clock is moved to when they do."""

from __future__ import annotations

import bisect
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

import jomon
from jomon.data.predictions import read_predictions
from jomon.serving.clock import set_clock

from .fleets import call
from .load import Answered, Callers, calling
from .servers import Server, running

BEFORE, JUST_BEFORE = timedelta(seconds=3), timedelta(seconds=0.1)
NEAR = timedelta(seconds=30)
LINES = ("red", "blue")


@dataclass(frozen=True)
class Border:
    """A moment, and for each line what is in the chain until then and from then on (the root and the line left out)."""

    at: datetime
    before: dict[str, set[str]]
    after: dict[str, set[str]]


def border(at: str, zone: str, before: str, after: str) -> Border:
    """`before` and `after` as `weekday=sat -line=red`: what is there, and what is not."""
    moment = datetime.fromisoformat(at).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    told = [
        {
            "there": {word for word in text.split() if word[0] != "-"},
            "not": {w[1:] for w in text.split() if w[0] == "-"},
        }
        for text in (before, after)
    ]
    return Border(moment, *told)


NY = "America/New_York"
BORDERS = (
    # The hour from 2 to 3 is skipped: no minute of it is a second hour.
    border("2024-03-10T07:00", "UTC", "hour_band=first", "hour_band=other -hour_band=second"),
    border("2024-03-11T02:00", NY, "hour_band=first", "hour_band=second"),
    border("2024-06-01T00:00", NY, "weekday=fri", "weekday=sat"),
    border("2024-06-01T12:30", NY, "-line=red", "line=red"),
    border("2024-06-08T14:00", NY, "line=red", "-line=red"),
    border("2024-07-04T00:00", NY, "weekday=wed", "weekday=thu occasion=Independence_Day"),
    border("2024-07-05T00:00", NY, "weekday=thu occasion=Independence_Day", "weekday=fri"),
    # The hour from 1 to 2 comes twice, and the second of them is a first hour too.
    border("2024-11-03T05:00", "UTC", "hour_band=other", "hour_band=first"),
    border("2024-11-03T06:00", "UTC", "hour_band=first", "hour_band=first"),
    border("2024-11-03T07:00", "UTC", "hour_band=first", "hour_band=second"),
    border("2031-07-04T00:00", NY, "weekday=thu", "weekday=fri occasion=Independence_Day"),
)


def shown(segment: str) -> str:
    return segment.replace('"', "").replace(" ", "_")


def us(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


def test_members_come_and_go_while_requests_flow(fleets: Path, tmp_path: Path) -> None:
    """Callers say no time. No request fails, and each is answered by the members of the moment at which it came."""
    clock = tmp_path / "clock"
    set_clock(clock, us(BORDERS[0].at - BEFORE))
    asks = [lambda: ("/predict/calls", {"rows": [call(line=line) for line in LINES], "explain": True})] * 2
    with running(fleets, ("calls",), ("--clock", clock)) as server:
        with calling(server.port, asks) as callers:
            for one in BORDERS:
                set_clock(clock, us(one.at - BEFORE))
                further(server, callers, "before the border")
                set_clock(clock, us(one.at - JUST_BEFORE))  # from here the clock runs on, over the border
                done = time.monotonic() + JUST_BEFORE.total_seconds()
                server.until(lambda done=done: time.monotonic() > done, "the border")
                further(server, callers, "after the border")
        assert callers.failed == []
        assert callers.statuses == {200}
        answered = list(callers.answered)
        server.end()
        recorded = read_predictions(server.home("calls") / "tables", "calls")
        image = jomon.load_fleet("calls:latest", server.folder / "calls")
        check_answers(answered, recorded, image)
        for one in BORDERS:
            check_border(one, recorded)


def further(server: Server, callers: Callers, when: str) -> None:
    """Wait for some more answers."""
    count = len(callers.answered)
    server.until(lambda: len(callers.answered) > count + 10, f"answers {when}")


def check_answers(answered: list[Answered], recorded: pl.DataFrame, image: Any) -> None:
    """Each was told and recorded with the chain, and the answer, of the image for the moment at which it came."""
    rows = recorded.sort("request_id", "row")
    frame = rows.select("line", "load", "at")
    chains = image.chains(frame)
    assert rows["chain"].to_list() == chains
    assert rows["answer"].to_list() == pytest.approx(image.predict(frame).tolist(), abs=1e-12)
    told = sorted(answered, key=lambda one: one.document["request_id"])
    assert [one.document["request_id"] for one in told] == rows["request_id"].to_list()[:: len(LINES)]
    explained = [
        [step["segment"] for step in explanation["chain"] if step["active"]]
        for one in told
        for explanation in one.document["explanations"]
    ]
    assert explained == chains


def check_border(one: Border, recorded: pl.DataFrame) -> None:
    """Requests on both sides, close to it; the chain is what it should be until the moment, and from it on."""
    near = recorded.filter((pl.col("at") - pl.lit(one.at)).abs() < NEAR).sort("at")
    moments = near["at"].to_list()
    at = bisect.bisect_left(moments, one.at)
    assert 0 < at < len(moments), f"no request on one side of {one.at}"
    gap = max(later - earlier for earlier, later in pairwise(moments[max(at - 2, 0) : at + 2]))
    assert gap < timedelta(seconds=5), gap
    for row in near.iter_rows(named=True):
        chain = {shown(segment) for segment in row["chain"]}
        wanted = one.after if row["at"] >= one.at else one.before
        line = row["line"]
        there = {name for name in wanted["there"] if not name.startswith("line=") or name == f"line={line}"}
        assert there <= chain, (row["at"], chain)
        assert not wanted["not"] & chain, (row["at"], chain)
