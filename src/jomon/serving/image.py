"""One fleet image as a server answers with it: rows in, answers and what is recorded of them out."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from math import isfinite
from typing import Any

import msgspec
import numpy as np

from jomon.core.errors import PredictError
from jomon.engine.runtime import Runtime, answers_of
from jomon.serving.decoding import ABSENT, BodyDecoder, rows_of_columns
from jomon.serving.errors import RequestError
from jomon.serving.lookups import ServedLookups
from jomon.serving.recording import Recorder
from jomon.serving.rowpath import Row, RowPath


class Scored(msgspec.Struct, frozen=True, gc=False):
    """Answers to n rows, plain: probabilities, values or expected counts, and their margins."""

    answers: list[float]
    margins: list[float]


class ServedImage:
    """An image with all that answering needs; it never changes, and a swap replaces it as a whole."""

    def __init__(
        self,
        fleet: str,
        reference: str,
        digest: str,
        runtime: Runtime,
        lookups: ServedLookups,
        hashed: Callable[[str], str],
    ) -> None:
        serving = runtime.spec.serving
        self.fleet, self.reference, self.digest, self.runtime = fleet, reference, digest, runtime
        self.lookups = lookups
        self.journal_header: int | None = None
        """What the journal of this worker calls it, once it has been written."""
        self.path = RowPath(runtime, lookups.finders, ABSENT)
        self.columns = self.path.columns
        self.ignores_unknown = serving.unknown_columns == "ignore"
        self._fill_time = serving.time == "now"
        self.decoder = BodyDecoder(self.columns, ignore_unknown=self.ignores_unknown)
        self.names = {"fleet": fleet, "reference": reference, "image": digest}
        self.reply_head = msgspec.json.encode(self.names).decode()[1:-1] + ',"answers":'
        self.hashed = hashed
        self.recorder = Recorder(self.path, serving.log, hashed)
        self.levels = tuple(stage.name or "(all)" for stage in runtime.spec.stages)

    @cached_property
    def members(self) -> int:
        """How many members answer."""
        return sum(len(codes) for codes in self.runtime.member_codes)

    @cached_property
    def pack_bytes(self) -> int:
        """Bytes of the packs, which workers share by mapping them."""
        return sum(pack.nbytes for packs in self.runtime.packs for pack in packs)

    def header(self) -> dict[str, Any]:
        """What the prediction log says of records made with this image."""
        spec = self.runtime.spec
        return {
            "format": 1,
            "fleet": self.fleet,
            "image": self.digest,
            "reference": self.reference,
            "role": "champion",
            "columns": [list(column) for column in self.recorder.columns],
            "key": list(spec.data.key),
            "time": spec.data.time,
            "stages": list(self.levels),
            "hashed": list(spec.serving.log.hash),
            "left_out": list(spec.serving.log.leave_out),
        }

    def rows_of(self, sent: Mapping[str, Sequence[Any]], count: int) -> list[tuple[Any, ...]]:
        """Rows from columns of `count` values; raises `RequestError` where they do not fit."""
        return rows_of_columns(self.columns, sent, count, ignore_unknown=self.ignores_unknown)

    def ready(self, raw: Sequence[Sequence[Any]], now_us: int) -> list[Row]:
        """Rows typed, completed and routed; raises `RequestError` that names the row and the column."""
        if not raw:
            raise RequestError(422, "There are no rows: send at least one.", "invalid")
        make, rows = self.path.row, []
        try:
            for values in raw:
                if values[0] is ABSENT or values[0] is None:
                    values = self._timed(values, now_us)  # noqa: PLW2901 - the row with its time
                rows.append(make(values))
        except PredictError as error:
            raise RequestError(422, f"Row {len(rows)}: {error}", "invalid") from None
        return rows

    def _timed(self, values: Sequence[Any], now_us: int) -> Sequence[Any]:
        return (now_us, *values[1:]) if self._fill_time else (None, *values[1:])

    def score(self, rows: Sequence[Row]) -> Scored:
        """Answers to rows of many members in one call; raises `PredictError` that names the row."""
        margin = self.runtime.engine.score(*self.path.stack(rows)).margin
        margins = margin.tolist()
        if not isfinite(sum(margins)):
            _refuse_infinite(margins)
        return Scored(answers_of(self.runtime.kind, margin).tolist(), margins)

    def warm(self) -> None:
        """Run the whole path once, so that no caller waits for what is made on first use."""
        width, stages = len(self.runtime.encoder.names), len(self.levels)
        for count in (1, 64):
            x, has = np.full((count, width), np.nan), np.ones((count, stages), np.bool_)
            codes = np.zeros((count, stages), np.int64)
            for stage, known in enumerate(self.runtime.member_codes):
                codes[:, stage] = known[0] if len(known) else 0
            self.runtime.engine.score(x, codes, has)
        blank = [None if column.kind == "number" else "" for column in self.columns]
        for day in range(-1, 3):  # the calendars of the days to come
            with suppress(PredictError):
                self.path.row([time.time_ns() // 1000 + day * 86_400_000_000, *blank[1:]])


def _refuse_infinite(margins: Sequence[float]) -> None:
    """Raise `PredictError` for the first row whose answer is no number; finite ones may have an infinite sum."""
    for row, margin in enumerate(margins):
        if not isfinite(margin):
            raise PredictError(
                f"Row {row}: its numbers are so large that the answer is none: send them in the unit of training."
            )


class RequestIds:
    """Ids that no other server and no other life of this one gives: 80 random bits and a counter, 32 hex digits."""

    def __init__(self) -> None:
        self._prefix, self._next = secrets.token_hex(10), 0

    def new(self) -> str:
        """The next id."""
        self._next += 1
        return f"{self._prefix}{self._next:012x}"
