"""Two images of one project, with other answers, built once for all tests; and what the tests of them share."""

from __future__ import annotations

import fcntl
import json
import random
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from jomon.project import open_project
from jomon.project.fleet import Fleet
from jomon.project.home import Home

from .fleets import STATIONS, ride
from .load import Answered

ROWS = 40


@dataclass(frozen=True)
class Releases:
    """A folder with the project `rides` and two images of it, `one` and `two`; `latest` is `one`.

    What `two` answers is on the disk before it is acknowledged.
    """

    folder: Path
    digests: dict[str, str]
    rows: list[dict[str, Any]]
    answers: dict[str, list[float]]
    """By digest, the answer to each of `rows`."""

    def check(self, answered: Answered) -> None:
        """Every answer of a request is that of the image it names."""
        document = answered.document
        expected = self.answers[document["image"]]
        numbers = [row["ride"] for row in answered.sent["rows"]]
        assert document["answers"] == pytest.approx([expected[number] for number in numbers], abs=1e-12)


def _rows() -> list[dict[str, Any]]:
    draw = random.Random(7)
    return [
        ride(
            ride=number,
            station=draw.choice(STATIONS),
            distance=draw.uniform(1, 20),
            zone=draw.choice("ab"),
            booked=f"2024-{draw.randint(1, 12):02d}-{draw.randint(1, 28):02d}T{draw.randint(4, 23):02d}:10",
        )
        for number in range(ROWS)
    ]


def make_releases(fleets: Path) -> Releases:
    """The project of `fleets`, copied beside them and built once more."""
    folder, done = fleets.with_name("releases"), fleets.with_name("releases.done")
    with fleets.with_name("releases.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            _build(fleets, folder)
            done.touch()
    home = Home(folder / "rides" / ".jomon")
    digests = {name: str(home.images.resolve(f"rides:{name}")) for name in ("one", "two")}
    asked = _rows()
    frame = pl.DataFrame(asked).with_columns(pl.col("booked").str.to_datetime())
    answers = {
        digest: Fleet.load(home, f"rides:{name}").predict(frame).tolist() for name, digest in digests.items()
    }
    assert min(abs(a - b) for a, b in zip(*answers.values(), strict=True)) > 1e-6
    return Releases(folder, digests, asked, answers)


def _build(fleets: Path, folder: Path) -> None:
    shutil.copytree(fleets / "rides", folder / "rides")
    project = open_project(folder / "rides")
    project.home.images.tag("rides:latest", "rides:one")
    file = folder / "rides" / "jomon.yaml"
    spec = json.loads(file.read_text())
    spec["stages"][0]["params"]["num_iterations"] = 30
    spec["serving"] = {"log": {"sync": 0}}
    file.write_text(json.dumps(spec))
    open_project(folder / "rides").build()
    project.home.images.tag("rides:latest", "rides:two")
    project.home.images.tag("rides:one", "rides:latest")
