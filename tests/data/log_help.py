"""What the tests of the prediction log share: records as a server writes them, and a home to move them in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from jomon.core.journal import Kind
from jomon.data.mover import Moved, Mover, MoveRules
from jomon.data.outcomes_table import read_outcomes
from jomon.data.predictions import read_predictions
from jomon.serving.journal import Journal, payload

START = 1_767_225_600_000_000  # 2026-01-01 in microseconds
DAY_US = 86_400_000_000
HEADER: dict[str, Any] = {
    "fleet": "flights",
    "image": "sha256:aa",
    "reference": "flights:latest",
    "role": "champion",
    "columns": [["carrier", "text"], ["distance", "number"], ["day", "text"]],
    "key": ["carrier", "departure"],
    "time": "departure",
    "stages": ["", "carrier"],
    "hashed": [],
    "left_out": [],
}


def request(
    header: int,
    name: str,
    *,
    rows: int = 1,
    received: int = START,
    values: Any = None,
    time: int | None = None,
) -> bytes:
    """The record of a request with `rows` rows; row k departs k microseconds after `time`."""
    first = received if time is None else time
    made = [
        [
            k,
            first + k,
            0.25,
            -1.1,
            ["", "carrier=UA"],
            values or ["UA", 100.0 + k, None],
            ["weather"] * (k % 2),
        ]
        for k in range(rows)
    ]
    return payload(Kind.PREDICTION, [header, name, None, received, 450, made])


def report(name: str, *items: list[Any], received: int = START) -> bytes:
    """The record of a report of outcomes; an item is [kind, of, row, value, known_at]."""
    return payload(Kind.OUTCOME, [received, name, list(items)])


@dataclass
class Log:
    """A fleet's journal and tables under one folder."""

    root: Path
    rules: MoveRules = field(default_factory=MoveRules)

    @property
    def folder(self) -> Path:
        return self.root / "log" / "flights"

    @property
    def tables(self) -> Path:
        return self.root / "tables"

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("w*.log"))

    @property
    def damaged(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "damaged").glob("*"))

    def journal(self, **options: Any) -> Journal:
        return Journal.open(self.folder, **options)

    def mover(self) -> Any:
        return Mover.open(self.folder, self.tables, "flights", self.rules)

    def move(self) -> Moved:
        with self.mover() as mover:
            return mover.move()

    def predictions(self, **options: Any) -> pl.DataFrame:
        return read_predictions(self.tables, "flights", **options)

    def outcomes(self, **options: Any) -> pl.DataFrame:
        return read_outcomes(self.tables, "flights", **options)

    @property
    def ids(self) -> list[str]:
        """Request ids in the table, sorted, as often as they are there."""
        frame = self.predictions()
        return sorted(frame["request_id"]) if frame.width else []
