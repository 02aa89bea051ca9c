"""The columns that a row brings to a fleet, in the order in which single rows are handled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from jomon.core.spec import ProjectSpec

Kind = Literal["time", "number", "text"]


@dataclass(frozen=True, slots=True)
class RowColumn:
    """One column: its kind, whether an answer needs it, and the lookup that brings it where it is not sent."""

    name: str
    kind: Kind
    required: bool
    lookup: str | None = None


@dataclass(frozen=True)
class RowColumns:
    """The time first, then numeric and categorical features, plain axes, and what keys and lookups need besides."""

    all: tuple[RowColumn, ...]
    recorded_plain: tuple[str, ...]
    """Those beyond the features that a prediction log keeps: plain axes and key columns."""

    @classmethod
    def of(cls, spec: ProjectSpec) -> RowColumns:
        """The columns of a project."""
        features, time = spec.data.features, spec.data.time
        brought = {name: label for label, lookup in spec.lookups.items() for name in lookup.features}
        axes = dict.fromkeys(axis for stage in spec.stages for axis in stage.level)
        plain = [axis for axis in axes if axis not in spec.axes.available]
        joined = [name for lookup in spec.lookups.values() for name in lookup.key(time).columns]
        keys = [name for name in spec.data.key if name != time]
        kinds: dict[str, Kind] = dict.fromkeys(features.numeric, "number")
        rest = dict.fromkeys((*features.categorical, *plain, *keys, *joined))
        kinds |= {name: "text" for name in rest if name not in kinds and name != time}
        needed = {*features.columns, *plain}
        own = [
            RowColumn(name, kind, name in needed and name not in brought, brought.get(name))
            for name, kind in kinds.items()
        ]
        required = spec.serving.time == "required"
        kept = dict.fromkeys(name for name in (*plain, *keys) if name not in features.columns)
        return cls((RowColumn(time, "time", required), *own), tuple(kept))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names, in order."""
        return tuple(column.name for column in self.all)

    def __iter__(self) -> Iterator[RowColumn]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)
