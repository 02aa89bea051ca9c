"""Outcomes that are told to a server reach its answers: the fast parts are refreshed while it runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl

import jomon

from .fleets import ride
from .servers import running

HOURS = 24


def test_outcomes_are_learned_as_a_new_image_under_the_same_tag_and_the_server_goes_over(
    fleets: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "fleets"
    shutil.copytree(fleets / "rides", folder / "rides")
    file = folder / "rides" / "jomon.yaml"
    spec = json.loads(file.read_text())
    file.write_text(json.dumps({**spec, "serving": {"refresh": "1s"}}))
    project = jomon.open_project(folder / "rides")
    built = project.build()  # every member comes from the cache: the section is no part of their lineage
    before = project.load()
    with running(folder, ("rides",), expected=["refreshed rides:latest"], copy=False) as server:
        asked = [
            ride(booked=f"2025-01-{day:02d}T{hour:02d}:15", ride=90_000 + 100 * day + hour)
            for day in range(2, 9)
            for hour in range(HOURS)
        ]
        answer = server.predict("rides", *asked)
        assert answer.status == 200
        assert answer.json["image"] == str(built.digest)
        outcomes = [
            {
                "key": {name: row[name] for name in ("station", "ride", "booked")},
                "value": 1,
                "known_at": row["booked"],
            }
            for row in asked
        ]
        assert server.post("/outcomes/rides", {"outcomes": outcomes}).status == 202
        server.until(
            lambda: server.predict("rides", ride()).json["image"] != str(built.digest),
            "an image that learned",
            60,
        )
        learned = server.predict("rides", ride()).json
        metrics = server.metrics()
        assert metrics['jomon_image_swaps_total{fleet="rides"}'] >= 1
    after = project.load(f"rides@{learned['image']}")
    row = pl.DataFrame([ride()])
    assert learned["answers"] == after.predict(row).tolist()
    assert learned["answers"][0] > before.predict(row)[0]  # every ride was late, and now one expects it
