"""Predictions for files of any length, and the explanation of a few rows: which members answer, and what each adds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jomon.core.errors import PredictError, UnknownNameError
from jomon.core.segments import Segment
from jomon.core.suggest import ending
from jomon.engine.runtime import answers_of

if TYPE_CHECKING:
    import polars as pl

    from jomon.project.fleet import Fleet

COLUMNS = ("answer", "member", "chain")
ARROW = " > "
"""Between the members of a chain, the root first."""


@dataclass(frozen=True)
class PredictReport:
    """What a prediction run did: the image, rows answered, where they were written, seconds."""

    image: str
    rows: int
    output: str
    seconds: float

    def document(self) -> dict[str, Any]:
        """The JSON of `jomon predict --json`."""
        return {**vars(self), "seconds": round(self.seconds, 3)}


def predicted(
    fleet: Fleet, path: Path | str, *, explain: bool = False, told: Callable[[int], None] = lambda rows: None
) -> Iterator[pl.DataFrame]:
    """The rows of a file with `answer`, `member` (the finest that took part) and `chain`, batch after batch.

    With `explain` also the margin, and what the members of each stage added to it (`added:<level>`, 0 where none took
    part). `told` hears of every batch's rows. Raises `PredictError` that names column and row.
    """
    from jomon.data.batches import iter_batches

    first = 0
    for batch in iter_batches(path):
        yield _answered(fleet, batch, first, explain)
        first += batch.height
        told(batch.height)


def predict_file(
    fleet: Fleet,
    path: Path | str,
    output: Path,
    *,
    explain: bool = False,
    told: Callable[[int], None] = lambda rows: None,
) -> PredictReport:
    """Answer the rows of a file into another (.parquet, .csv, .jsonl), which appears when it is whole."""
    from jomon.data.batches import write_batches

    started = time.perf_counter()
    rows = write_batches(predicted(fleet, path, explain=explain, told=told), output)
    return PredictReport(str(fleet.digest), rows, str(output), time.perf_counter() - started)


def _answered(fleet: Fleet, batch: pl.DataFrame, first: int, explain: bool) -> pl.DataFrame:
    import polars as pl

    runtime = fleet.runtime
    levels = [stage.level for stage in runtime.spec.stages]
    added_names = [f"added:{','.join(level) or Segment().text}" for level in levels]
    new = [*COLUMNS, *(["margin", *dict.fromkeys(added_names)] if explain else [])]
    for name in new:
        if name in batch.columns:
            raise PredictError(f"The rows have a column {name!r}, which the answer brings: rename it.")
    table, codes, has = fleet.prepare(batch, first)
    answers = runtime.answer(table, codes, has, explain=explain)
    texts = []
    for stage, segmented in enumerate(runtime.context.segments_at(table, levels)):
        values = pl.Series([segment.text for segment in segmented.segments], dtype=pl.String)
        takes = answers.takes_part[:, stage]
        at = pl.Series(np.where(takes, segmented.codes, 0), dtype=pl.UInt32)
        column = values.gather(at) if len(values) else pl.Series([None] * len(takes), dtype=pl.String)
        texts.append(pl.select(pl.when(pl.Series(takes)).then(column).alias(str(stage))).to_series())
    chain = pl.DataFrame(texts).select(
        pl.coalesce([str(stage) for stage in reversed(range(len(texts)))]).alias("member"),
        pl.concat_list(pl.all()).list.drop_nulls().list.join(ARROW).alias("chain"),
    )
    columns: dict[str, Any] = {"answer": answers.answer, "member": chain["member"], "chain": chain["chain"]}
    if explain:
        assert answers.scores.slow is not None
        assert answers.scores.fast is not None
        columns["margin"] = answers.scores.margin
        added = answers.scores.slow + answers.scores.fast
        for stage, name in enumerate(added_names):
            columns[name] = added[:, stage] + columns.get(name, 0.0)
    return batch.with_columns(**{name: pl.Series(values) for name, values in columns.items()})


@dataclass(frozen=True)
class Step:
    """One stage in the answer to a row: its segment (None where a value is missing), whether its member answers, why.

    What its slow and fast part added to the margin and the answer so far are None where nothing was computed.
    """

    level: tuple[str, ...]
    segment: str | None
    active: bool
    reason: str
    slow: float | None = None
    fast: float | None = None
    so_far: float | None = None


@dataclass(frozen=True)
class Explained:
    """One row explained: its number, values as given, steps by stage, and its answer where features allowed one."""

    row: int
    values: Mapping[str, Any]
    steps: tuple[Step, ...]
    answer: float | None

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        steps = [{name: getattr(s, name) for name in Step.__dataclass_fields__} for s in self.steps]
        values = {name: _plain(value) for name, value in self.values.items()}
        return {"row": self.row, "values": values, "answer": self.answer, "steps": steps}


def explain(fleet: Fleet, frame: pl.DataFrame, first: int = 0) -> list[Explained]:
    """Every row of `frame` with its chain and what each member added; raises `PredictError` for unfit rows."""
    runtime = fleet.runtime
    table, codes, has = fleet.prepare(frame, first)
    answers = runtime.answer(table, codes, has, explain=True)
    slow, fast = answers.scores.slow, answers.scores.fast
    assert slow is not None
    assert fast is not None
    replaces = runtime.spec.relation == "replace"
    sums = slow + fast if replaces else np.cumsum(slow + fast, axis=1)
    so_far = answers_of(runtime.kind, sums)
    out = []
    for row, route in enumerate(runtime.route(table)):
        steps = tuple(
            Step(
                s.level,
                s.segment,
                s.active,
                s.reason,
                float(slow[row, i]),
                float(fast[row, i]),
                float(so_far[row, i]),
            )
            if answers.takes_part[row, i]
            else Step(s.level, s.segment, s.active, s.reason)
            for i, s in enumerate(route)
        )
        out.append(Explained(first + row, frame.row(row, named=True), steps, float(answers.answer[row])))
    return out


def route_values(fleet: Fleet, values: Mapping[str, str]) -> Explained:
    """The route of one row of which only axes and time need be given; axes that are left out have no value.

    Raises `PredictError` where the time is missing or cannot be read, `UnknownNameError` for a name that the fleet does
    not know.
    """
    import polars as pl

    spec = fleet.runtime.spec
    names = dict.fromkeys((spec.data.time, *_axis_names(fleet), *spec.data.features.columns, *spec.data.key))
    for name in values:
        if name not in names:
            raise UnknownNameError(f"The fleet {spec.fleet} has no column {name!r}{ending(name, names)}")
    if spec.data.time not in values:
        raise PredictError(
            f'The time {spec.data.time!r} is missing: add {spec.data.time}="2013-10-01 08:00" or such.'
        )
    needed = dict.fromkeys((*spec.data.features.columns, *_axis_names(fleet)))
    blank = {name: pl.Series([None], dtype=pl.String) for name in needed if name not in values}
    frame = pl.DataFrame({name: [value] for name, value in values.items()}).with_columns(**blank)
    route = fleet.runtime.route(fleet.prepare(frame)[0])[0]
    return Explained(0, values, tuple(Step(s.level, s.segment, s.active, s.reason) for s in route), None)


def _axis_names(fleet: Fleet) -> tuple[str, ...]:
    spec = fleet.runtime.spec
    axes = dict.fromkeys(axis for stage in spec.stages for axis in stage.level)
    return tuple(axis for axis in axes if axis not in spec.axes.available)


def parse_row(text: str) -> dict[str, str]:
    """`carrier=UA origin=EWR time="2013-10-01 08:00"` as a mapping; raises `PredictError` where it is none."""
    try:
        items = Segment.parse(text).items
    except UnknownNameError:
        items = ()
    if not items:
        raise PredictError(
            f"{text!r} is no row: write name=value pairs, values with blanks in double quotes."
        )
    return dict(items)


def read_rows(path: Path | str, rows: int) -> pl.DataFrame:
    """The first `rows` rows of a file."""
    from jomon.data.batches import iter_batches

    found = next(iter(iter_batches(path, rows)), None)
    if found is None or not found.height:
        raise PredictError(f"{path} has no rows: give a file with some.")
    return found


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
