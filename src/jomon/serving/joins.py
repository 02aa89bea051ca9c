"""Lookups joined to single rows: what the caller did not send is filled in from what each lookup knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jomon.core.columns import as_text
from jomon.core.errors import PredictError
from jomon.core.row_columns import RowColumns
from jomon.core.spec import ProjectSpec

Key = tuple[str | None, ...]
Find = Callable[[Key, int], "tuple[float | str | None, ...] | None"]
"""What a lookup knows for the texts of its key at an instant (microseconds UTC), by feature; None: nothing."""


@dataclass(frozen=True, slots=True)
class _Lookup:
    """One lookup by the positions of its columns in a row; `span`: those of its features, if they are together."""

    name: str
    features: tuple[int, ...]
    on: tuple[int, ...]
    numbers: bool
    """Whether it is joined on a column of numbers too."""
    span: slice | None
    refuse: bool


class Joins:
    """All lookups of a project. `absent` is what stands for a value that the caller did not send."""

    def __init__(self, spec: ProjectSpec, columns: RowColumns, find: Mapping[str, Find], absent: Any) -> None:
        self._columns, self._absent = columns, absent
        self._find = {name: find[name] for name in spec.lookups}
        place = {name: at for at, name in enumerate(columns.names)}
        kinds = {column.name: column.kind for column in columns}
        time = spec.data.time
        self._lookups = [
            _Lookup(
                name,
                tuple(place[feature] for feature in lookup.features),
                tuple(place[column] for column in lookup.key(time).columns),
                any(kinds[column] == "number" for column in lookup.key(time).columns),
                _span([place[feature] for feature in lookup.features]),
                lookup.missing == "quarantine",
            )
            for name, lookup in spec.lookups.items()
        ]
        contract = spec.data.contract
        self._truths = {
            at for at, name in enumerate(columns.names) if name in contract and contract[name].type == "bool"
        }

    def join(self, values: list[Any], time_us: int) -> tuple[str, ...]:
        """Fill in what lookups bring where the caller did not send it; which of them had nothing."""
        missed: tuple[str, ...] = ()
        absent = self._absent
        for lookup in self._lookups:
            lacking = values[lookup.span].count(absent) if lookup.span is not None else -1
            if lacking == 0 or (lacking < 0 and not any(values[at] is absent for at in lookup.features)):
                continue
            found = self._find[lookup.name](self._key(lookup, values), time_us)
            if found is None:
                missed = (*missed, lookup.name)
                if lookup.refuse:
                    raise PredictError(
                        f"the lookup {lookup.name} has nothing for it, and the project file demands a value: "
                        "ingest newer data, or send the columns."
                    )
                found = (None,) * len(lookup.features)
            if lookup.span is not None and lacking == len(lookup.features):
                values[lookup.span] = found
                continue
            for at, value in zip(lookup.features, found, strict=True):
                if values[at] is absent:
                    values[at] = value
        return missed

    def _key(self, lookup: _Lookup, values: list[Any]) -> Key:
        key = tuple([values[at] for at in lookup.on])
        if lookup.numbers:
            key = tuple([self._number_text(at, value) for at, value in zip(lookup.on, key, strict=True)])
        if self._absent in key:
            name = self._columns.names[lookup.on[key.index(self._absent)]]
            raise PredictError(
                f"column {name!r} is missing, on which the lookup {lookup.name} is joined: send it."
            )
        return key

    def _number_text(self, at: int, value: Any) -> Any:
        """The text of a number in the key of a lookup, as it is in the key of a column."""
        if not isinstance(value, int | float):
            return value
        return as_text(bool(value)) if at in self._truths else as_text(value + 0.0)


def _span(positions: Sequence[int]) -> slice | None:
    """The slice that positions make up where they follow one another."""
    first = positions[0]
    return (
        slice(first, first + len(positions))
        if list(positions) == list(range(first, first + len(positions)))
        else None
    )
