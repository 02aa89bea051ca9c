"""What a fleet looks like from outside: its columns, its key, and a row that it might well be asked about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import isfinite
from typing import Any

import numpy as np

from jomon.core.row_columns import RowColumn, RowColumns
from jomon.core.segments import Segment
from jomon.core.spec import ColumnContract, ProjectSpec
from jomon.engine.linear import NUMERIC, LinearArrays
from jomon.engine.runtime import Runtime
from jomon.engine.trees import CATEGORY, TreeArrays

SHOWN_VALUES = 8
"""Known values of a column of text that are listed."""
_DIGITS = 3
_MIDDAY = "12:00:00"


@dataclass(frozen=True, slots=True)
class FleetDescription:
    """One served fleet, as documents and pages show it.

    `columns` are those that a row may bring, `known` some values that columns of text are known to have, `example` a
    row with what a caller sends: the columns that lookups bring are left out. `key` are the columns by which an outcome
    names its row, `kind` is binary, regression or count.
    """

    fleet: str
    reference: str
    image: str
    question: str
    kind: str
    zone: str
    columns: tuple[RowColumn, ...]
    key: tuple[str, ...]
    known: Mapping[str, Sequence[str]]
    example: Mapping[str, Any]
    ignores_unknown: bool = False
    versions: tuple[str, ...] = ()

    @property
    def example_key(self) -> Mapping[str, Any]:
        """The key of the example."""
        return {name: self.example.get(name) for name in self.key}


def describe(runtime: Runtime, reference: str, image: str, versions: Iterable[str] = ()) -> FleetDescription:
    """The description of a fleet image (`image`: its digest) served under `reference`.

    The example's values are ones that its members know: the context of a member, categories of the encoder, numbers
    at which trees part, or their means. Values of columns that the project file hides from the log are not told.
    """
    spec, hidden = runtime.spec, frozenset(runtime.spec.serving.log.hidden)
    columns = tuple(RowColumns.of(spec))
    known = {
        name: values[:SHOWN_VALUES]
        for name, values in _vocabularies(spec, runtime.encoder.vocabularies).items()
        if name not in hidden
    }
    contexts = {name: value for name, value in _context(runtime).items() if name not in hidden}
    numbers = _numbers(runtime)
    day = date(1970, 1, 1) + timedelta(days=runtime.end_day)
    example: dict[str, Any] = {}
    for column in columns:
        if column.kind == "time":
            example[column.name] = f"{day.isoformat()}T{_MIDDAY}"
        elif column.lookup is None:
            contract = spec.data.contract.get(column.name, ColumnContract())
            if column.kind == "number":
                example[column.name] = _number(numbers.get(column.name), contract)
            else:
                example[column.name] = contexts.get(column.name) or _text(
                    known.get(column.name, ()), contract
                )
    return FleetDescription(
        fleet=spec.fleet,
        reference=reference,
        image=image,
        question=spec.question,
        kind=runtime.kind,
        zone=spec.data.zone,
        columns=columns,
        key=spec.data.key,
        known=known,
        example=example,
        ignores_unknown=spec.serving.unknown_columns == "ignore",
        versions=tuple(versions),
    )


def _vocabularies(spec: ProjectSpec, learned: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    declared = {
        name: [str(value) for value in contract.values]
        for name, contract in spec.data.contract.items()
        if contract.values
    }
    return declared | {name: list(values) for name, values in learned.items() if values}


def _context(runtime: Runtime) -> dict[str, str]:
    """The values that one member of the level with the most axes is for; later ones fill in what it lacks."""
    out: dict[str, str] = {}
    stages = sorted(
        zip(runtime.spec.stages, runtime.packs, strict=True), key=lambda pair: -len(pair[0].level)
    )
    for _, packs in stages:
        for pack in packs:
            if pack.segments:
                out = {**dict(Segment.parse(pack.segments[0]).items), **out}
                break
    return out


def _numbers(runtime: Runtime) -> dict[str, float]:
    """A usual value of each number that the first member with a slow part looks at."""
    for packs in runtime.packs:
        for pack in packs:
            if len(pack):
                model = pack.entry(0).arrays.model
                usual = _middles(model) if isinstance(model, TreeArrays) else _means(model)
                return {pack.features[at]: value for at, value in usual.items()}
    return {}


def _middles(trees: TreeArrays) -> dict[int, float]:
    """By position, the middle of the values at which the trees part."""
    nodes = trees.records
    numeric = nodes[(nodes["aux"] & CATEGORY) == 0]
    return {
        int(at): float(np.median(numeric["threshold"][numeric["feature"] == at]))
        for at in np.unique(numeric["feature"])
    }


def _means(linear: LinearArrays) -> dict[int, float]:
    """By position, the mean: a missing value counts as much as it."""
    known = (linear.sizes == NUMERIC) & (linear.weights != 0)
    return {int(at): float(linear.missing[at] / linear.weights[at]) for at in np.flatnonzero(known)}


def _number(middle: float | None, contract: ColumnContract) -> float | int:
    low, high = (bound if isinstance(bound, int | float) else None for bound in (contract.min, contract.max))
    if middle is None or not isfinite(middle):
        middle = 1.0 if low is None or high is None else (low + high) / 2
    rounded = float(f"{middle:.{_DIGITS}g}")
    if low is not None:
        rounded = max(rounded, low)
    if high is not None:
        rounded = min(rounded, high)
    return int(rounded) if contract.type == "int" or rounded == int(rounded) else rounded


def _text(known: Sequence[str], contract: ColumnContract) -> Any:
    if known:
        return known[0]
    return {"int": 1, "float": 1.5, "bool": True, "date": "2024-02-29"}.get(contract.type or "", "text")
