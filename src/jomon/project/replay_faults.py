"""Faults put into a replay, to see whether monitoring finds them: written as people say them.

scale distance 1.609344 in carrier=UA origin=EWR      a unit changed
null dest in origin=JFK                               values lost
set distance 0 in carrier=DL                          a stuck value
flip in origin=LGA dest=ATL                           the opposite outcome reported (0 and 1 exchanged)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from jomon.core.errors import JomonError
from jomon.core.segments import Segment
from jomon.core.suggest import ending

if TYPE_CHECKING:
    from jomon.project.replay_plan import Recorded

WORDS = {"scale": 2, "null": 1, "set": 2, "flip": 0}
"""What may be done, and how many words follow it."""


@dataclass(frozen=True)
class Fault:
    """One fault: what is done to which column of the rows of a segment, with which value."""

    act: str
    column: str
    value: str
    segment: Segment

    def __str__(self) -> str:
        said = " ".join(word for word in (self.act, self.column, self.value) if word)
        return f"{said} in {self.segment.text}"


def parse_fault(text: str) -> Fault:
    """Read one fault; raises `JomonError` where it is none.

    >>> parse_fault("scale distance 1.6 in carrier=UA").value
    '1.6'
    """
    said, _, where = text.partition(" in ")
    act, *rest = said.split() or [""]
    if act not in WORDS or len(rest) != WORDS[act]:
        raise JomonError(
            f"{text!r} is no fault: write 'scale COLUMN FACTOR', 'null COLUMN', 'set COLUMN VALUE' or 'flip', "
            "and then 'in carrier=UA' or such."
        )
    if act == "scale":
        _number(rest[1], text)
    column, value = [*rest, "", ""][:2]
    return Fault(act, column, value, Segment.parse(where))


def _number(word: str, text: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise JomonError(f"{text!r}: {word!r} is no number, and values are scaled by one.") from None


def broken(recorded: Recorded, faults: tuple[Fault, ...]) -> Recorded:
    """Rows with all faults put in; raises `JomonError` for a column that is not sent, or a segment without rows."""
    for fault in faults:
        recorded = _ACTS[fault.act](recorded, fault, _rows_of(recorded, fault))
    return recorded


def _rows_of(recorded: Recorded, fault: Fault) -> np.ndarray:
    import polars as pl

    names = recorded.frame.columns
    for name in (*(axis for axis, _ in fault.segment.items), *([fault.column] if fault.column else [])):
        if name not in names:
            raise JomonError(
                f"The fault {str(fault)!r} names a column {name!r} that no caller sends{ending(name, names)}"
            )
    chosen = pl.Series(np.ones(len(recorded), np.bool_))
    for axis, value in fault.segment.items:
        chosen &= (recorded.frame[axis].cast(pl.String) == value).fill_null(value=False)
    if not chosen.any():
        raise JomonError(
            f"No row of this replay is in {fault.segment.text}: the fault {str(fault)!r} would break nothing."
        )
    found: np.ndarray = chosen.to_numpy()
    return found


def _scale(recorded: Recorded, fault: Fault, rows: np.ndarray) -> Recorded:
    import polars as pl

    kind = recorded.frame.schema[fault.column]
    if not kind.is_numeric():
        raise JomonError(f"The fault {str(fault)!r} scales {fault.column!r}, which is no number.")
    scaled = pl.col(fault.column).cast(pl.Float64) * float(fault.value)
    return _with(recorded, fault, rows, scaled.round().cast(kind) if kind.is_integer() else scaled)


def _null(recorded: Recorded, fault: Fault, rows: np.ndarray) -> Recorded:
    import polars as pl

    return _with(recorded, fault, rows, pl.lit(None))


def _set(recorded: Recorded, fault: Fault, rows: np.ndarray) -> Recorded:
    import polars as pl

    kind = recorded.frame.schema[fault.column]
    try:
        value = pl.Series([fault.value]).cast(kind)[0]
    except pl.exceptions.PolarsError:
        raise JomonError(
            f"The fault {str(fault)!r}: {fault.value!r} is no value of {fault.column!r}."
        ) from None
    return _with(recorded, fault, rows, pl.lit(value))


def _with(recorded: Recorded, fault: Fault, rows: np.ndarray, value: object) -> Recorded:
    import polars as pl

    changed = pl.when(pl.Series(rows)).then(value).otherwise(pl.col(fault.column)).alias(fault.column)  # type: ignore[arg-type]
    return replace(recorded, frame=recorded.frame.with_columns(changed))


def _flip(recorded: Recorded, fault: Fault, rows: np.ndarray) -> Recorded:
    if recorded.spec.data.target.kind != "binary":
        raise JomonError(
            f"The fault {str(fault)!r} exchanges 0 and 1, and {recorded.spec.fleet} answers with numbers."
        )
    return replace(recorded, targets=np.where(rows, 1.0 - recorded.targets, recorded.targets))


_ACTS: dict[str, Callable[[Recorded, Fault, np.ndarray], Recorded]] = {
    "scale": _scale,
    "null": _null,
    "set": _set,
    "flip": _flip,
}
