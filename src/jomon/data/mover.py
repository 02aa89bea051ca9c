"""The mover: records of a fleet's journal into its tables, each exactly once, and the journal's files away.

Every commit notes how far each life of a writer is moved, as a transaction of the table (application
`FLEET/wSLOT/LIFE`, version `sequence * 2**40 + offset`). A mover that died between a commit and the deletion of a file
is therefore followed by one that sees what is moved already. A file goes only when all of it is in the tables, and
these on disk.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from jomon.core.journal import Kind
from jomon.core.journal_files import DAMAGED
from jomon.data.journal import Gap, LogFile, Piece, log_files, moving, read_piece
from jomon.data.log_records import (
    Header,
    Prediction,
    Report,
    read_beginning,
    read_header,
    read_prediction,
    read_report,
)
from jomon.data.log_table import LogTable
from jomon.data.log_upkeep import VACUUM_HOURS, Upkeep, keep_up
from jomon.data.outcomes_table import outcome_rows, outcomes_table
from jomon.data.outcomes_writing import add_outcomes, alone
from jomon.data.predictions import prediction_rows, predictions_table

BATCH_BYTES = 8 * 2**20  # of journal moved with one commit: some 30,000 rows, about 100 MB of memory
_ROOM = 2**40  # above any offset in a file


@dataclass(frozen=True)
class MoveRules:
    """What the project declares of its log: how long rows stay (None: for ever), when an outcome is late (None: never)
    and `time`, the name of the time of its data."""

    retention: timedelta | None = None
    late_after: timedelta | None = None
    time: str = ""


@dataclass(frozen=True)
class Moved:
    """What a pass moved: rows, outcomes by status, files of the journal that went, and what was damaged.

    `damaged`: file name and bytes that could not be read, of files set aside. `stuck`: files with damage that can be
    passed when their writer goes on to another file.
    """

    predictions: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    files: int = 0
    damaged: dict[str, int] = field(default_factory=dict)
    stuck: tuple[str, ...] = ()

    def __add__(self, other: Moved) -> Moved:
        return Moved(
            self.predictions + other.predictions,
            dict(Counter(self.outcomes) + Counter(other.outcomes)),
            self.files + other.files,
            {**self.damaged, **other.damaged},
            other.stuck,
        )

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {**self.__dict__, "stuck": list(self.stuck)}


@dataclass
class _Place:
    """How far a file is read, what its beginning said, up to where it was in the two tables then, and what could not be
    read."""

    application: str
    offset: int = 0
    headers: dict[int, Header] = field(default_factory=dict)
    moved: tuple[int, int] | None = None
    gaps: list[Gap] = field(default_factory=list)


@dataclass
class _Batch:
    """Records of one commit, how far the lives of writers are read with it, and the files that end with it."""

    predictions: list[tuple[Header, Prediction]] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    ends: dict[str, int] = field(default_factory=dict)
    ended: list[LogFile] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    bytes: int = 0


class Mover:
    """Moves the journal of one fleet; make one with `open`, which lets no other process move the same journal."""

    def __init__(self, folder: Path, root: Path | str, fleet: str, rules: MoveRules) -> None:
        self.folder, self.fleet, self.rules = folder, fleet, rules
        self._root = root
        self._places: dict[str, _Place] = {}
        self._tables: tuple[LogTable, LogTable] | None = None

    @classmethod
    @contextmanager
    def open(cls, folder: Path, root: Path | str, fleet: str, rules: MoveRules) -> Iterator[Mover]:
        """A mover of the journal in `folder` into the tables under `root`; raises `StoreError` if one is at work."""
        with moving(folder):
            yield cls(folder, root, fleet, rules)

    def move(self) -> Moved:
        """Move all that is there; raises `DataError` where the tables cannot be written (the log then keeps it)."""
        total, more = Moved(), True
        with self._forgetting():
            while more:
                batch, more = self._read()
                total += self._commit(batch)
        return total

    def keep_up(self, now: datetime, vacuum_hours: int | None = VACUUM_HOURS) -> Upkeep:
        """Join small files, let rows beyond their retention go, and take files that nobody needs off the disk."""
        with self._forgetting():
            predictions, outcomes = self._opened()
            done = keep_up(predictions, self.rules.retention, now, vacuum_hours)
            with alone(self._root, outcomes):
                return done + keep_up(outcomes, self.rules.retention, now, vacuum_hours)

    @contextmanager
    def _forgetting(self) -> Iterator[None]:
        """After a failure nothing is believed but what the tables and the files say."""
        try:
            yield
        except BaseException:
            self._places, self._tables = {}, None
            raise

    def _opened(self) -> tuple[LogTable, LogTable]:
        if self._tables is None:
            self._tables = predictions_table(self._root, self.fleet), outcomes_table(self._root, self.fleet)
        return self._tables

    # Reading: from the files into a batch.

    def _read(self) -> tuple[_Batch, bool]:
        """A batch, and whether there is more."""
        batch = _Batch()
        files = log_files(self.folder)
        here = {file.path.name for file in files}
        self._places = {name: place for name, place in self._places.items() if name in here}
        for file in files:
            place = self._places.setdefault(file.path.name, _Place(f"{self.fleet}/{file.path.stem}"))
            while True:
                if batch.bytes >= BATCH_BYTES:
                    return batch, True
                piece = read_piece(file, place.offset, BATCH_BYTES)
                batch.bytes += len(piece.data)
                self._take(batch, file, place, piece)
                if piece.ended:
                    batch.ended.append(file)
                if piece.stuck:
                    batch.stuck.append(file.path.name)
                if piece.ended or piece.stuck or not piece.spans:
                    break
        return batch, False

    def _take(self, batch: _Batch, file: LogFile, place: _Place, piece: Piece) -> None:
        """Put the records of a piece that are not in the tables yet into the batch."""
        data, base = piece.data, piece.start
        predictions, outcomes = self._moved(file, place)
        for start, end in piece.spans:
            kind, body = data[start], data[start + 1 : end]
            try:
                if kind == Kind.PREDICTION:
                    prediction = read_prediction(body, place.headers)
                    if base + end > predictions:
                        batch.predictions.append(prediction)
                elif kind == Kind.OUTCOME:
                    report = read_report(body)
                    if base + end > outcomes:
                        batch.reports.append(report)
                elif kind == Kind.HEADER:
                    header = read_header(body, str(file.path))
                    place.headers[header.id] = header
                elif kind == Kind.FILE:
                    life = read_beginning(body).journal
                    place.application = f"{self.fleet}/w{file.name.slot:02d}/{life}"
                    place.moved = None
                    predictions, outcomes = self._moved(file, place)
            except (msgspec.DecodeError, KeyError):
                place.gaps.append((base + start, base + end))
        place.gaps += piece.gaps
        place.offset = piece.end
        batch.ends[place.application] = file.name.sequence * _ROOM + piece.end

    def _moved(self, file: LogFile, place: _Place) -> tuple[int, int]:
        """Up to which offsets a file that is being read was in the tables when that began."""
        if place.moved is None:
            noted = [divmod(table.moved(place.application), _ROOM) for table in self._opened()]
            mine = file.name.sequence
            one, two = (_ROOM if n > mine else offset if n == mine else 0 for n, offset in noted)
            place.moved = one, two
        return place.moved

    # Writing: from a batch into the tables; then files go.

    def _commit(self, batch: _Batch) -> Moved:
        predictions, _ = self._opened()
        frame = prediction_rows(batch.predictions)
        if frame.height:
            predictions.append(frame, batch.ends)
        new, rules = outcome_rows(batch.reports), self.rules
        reported = add_outcomes(self._root, self._opened(), new, rules.time, rules.late_after, batch.ends)
        damaged = {}
        for file in batch.ended:
            gaps = self._places.pop(file.path.name).gaps
            if gaps:
                damaged[file.path.name] = _set_aside(file.path, gaps)
            else:
                file.path.unlink()
        return Moved(
            predictions=frame.height,
            outcomes=dict(Counter(reported["status"].to_list())) if reported.height else {},
            files=len(batch.ended),
            damaged=damaged,
            stuck=tuple(batch.stuck),
        )


def _set_aside(path: Path, gaps: list[Gap]) -> int:
    """Keep a file of which a part could not be read, with a note of where; how many bytes that is."""
    folder = path.parent / DAMAGED
    folder.mkdir(exist_ok=True, mode=0o700)
    lost = sum(end - start for start, end in gaps)
    place = folder / path.name
    while place.exists():  # another life's file of the same name
        place = place.with_name(place.name + "+")
    note = {"gaps": len(gaps), "bytes": lost, "at": gaps}
    place.with_name(place.name + ".json").write_text(json.dumps(note) + "\n", encoding="utf-8")
    path.rename(place)
    return lost
