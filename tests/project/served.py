"""A server without HTTP: answers rows and records them, takes outcomes, and has a mover beside it."""

from __future__ import annotations

import uuid
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from jomon.core.journal import Kind
from jomon.core.moments import TimeReader
from jomon.core.outcome_values import OutcomeReader
from jomon.data.mover import Moved, Mover, MoveRules
from jomon.oci import media
from jomon.oci.digest import Digest
from jomon.project.home import Home
from jomon.project.serving import StoreSource
from jomon.serving.journal import Journal, payload
from jomon.serving.tally import Tally

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(moment: datetime) -> int:
    return (moment.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


@dataclass
class Server:
    """What a server does with one fleet: answers and records, takes outcomes, and has a mover beside it."""

    home: Home
    reference: str

    def __post_init__(self) -> None:
        digest = str(self.home.images.resolve(self.reference))
        self.image = StoreSource(self.home, Tally("test")).load(self.reference, digest)
        self.fleet = self.image.fleet
        spec, local = self.image.runtime.spec, self.image.runtime.context.local
        known = TimeReader(spec.data.model_copy(update={"time": "known_at"}), local)
        self.reader = OutcomeReader(spec.data, TimeReader(spec.data, local).read, known.read)
        self.time, self.target = spec.data.time, spec.data.target.column

    @property
    def folder(self) -> Path:
        return self.home.root / "log" / self.fleet

    def _move(self) -> Moved:
        with Mover.open(self.folder, self.home.tables, self.fleet, MoveRules(time=self.time)) as mover:
            return mover.move()

    def answer(self, frame: pl.DataFrame, at: datetime | None = None) -> None:
        """Answer each row (without its outcome) in a request of its own, received at its own time or `at`."""
        sent = frame.drop(self.target, strict=False).with_columns(
            pl.col(self.time).dt.to_string("%Y-%m-%dT%H:%M:%S")
        )
        moments = [micros(at) if at else micros(moment) for moment in frame[self.time].to_list()]
        rows = self.image.ready(
            self.image.rows_of({c: sent[c].to_list() for c in sent.columns}, frame.height), 0
        )
        scored = self.image.score(rows)
        with closing(Journal.open(self.folder)) as journal:
            header = journal.declare(self.image.header())
            record = self.image.recorder.payload
            journal.write(
                [
                    record(header, uuid.uuid4().hex, None, moment, 9, [row], [answer], [margin])
                    for row, answer, margin, moment in zip(
                        rows, scored.answers, scored.margins, moments, strict=True
                    )
                ]
            )
        assert self._move().predictions == frame.height

    def report(self, outcomes: list[dict[str, Any]], at: datetime) -> None:
        """Take a report of outcomes at a time."""
        items = self.reader.read(outcomes, micros(at))
        with closing(Journal.open(self.folder)) as journal:
            journal.write([payload(Kind.OUTCOME, [micros(at), uuid.uuid4().hex, items])])
        assert sum(self._move().outcomes.values()) == len(outcomes)


def fast_of(home: Home, digest: Digest) -> Digest:
    """The digest of an image's fast parts."""
    return home.images.manifest(digest).layer(media.FAST).digest


def truth(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Outcomes of the shop's rows as a caller reports them, known twelve hours after their time."""
    return [
        {
            "key": {"id": row["id"]},
            "value": row["late"],
            "known_at": (row["ordered"] + timedelta(hours=12)).isoformat(),
        }
        for row in frame.iter_rows(named=True)
    ]
