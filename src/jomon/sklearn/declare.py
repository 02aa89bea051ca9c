"""From an estimator's parameters and the columns it was given to the project file it stands for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from jomon.core.durations import format_duration
from jomon.core.errors import JomonError, SpecError
from jomon.core.estimator_params import param_names
from jomon.core.spec import BUILTIN_AXES, ProjectSpec
from jomon.core.spec_yaml import parse_project
from jomon.core.suggest import ending

FLEET = "fleet"  # the name inside an image that was not saved under one yet
ROOT: Mapping[str, Any] = {"level": [], "fast": False}  # what is fitted where no stages are given
MOST_IN_LEAF = 100  # LightGBM's least rows of a leaf in a root, as in a project file
LEAST_IN_LEAF = 2
LEAVES_OF_LEAST_SIZE = 20  # so many leaves of the least size fit into the rows of a small sample


class ParameterError(JomonError, ValueError):
    """A parameter of an estimator, or its combination with the data, that cannot be; one sentence."""


@dataclass(frozen=True)
class Declaration:
    """The parameters that decide what is fitted, as given to the constructor of an estimator."""

    stages: Sequence[Mapping[str, Any]] | None
    time: str | None
    timezone: str
    known_after: str | timedelta
    categorical: Sequence[str]
    numeric: Sequence[str] | None
    calendar: Sequence[str]
    axes: Mapping[str, Any] | None
    relation: str
    keep: str
    kind: str
    seed: int
    question: str

    def spec(self, columns: Mapping[str, bool], rows: int) -> ProjectSpec:
        """The project file for `rows` rows of `columns`, each with whether it holds numbers.

        Raises `ParameterError`, with every problem in a line of its own.
        """
        document = self.document(columns, rows)
        try:
            return parse_project(json.dumps(document, ensure_ascii=False)).spec
        except SpecError as error:
            told = (problem.split(": ", 1)[-1] for problem in error.problems)
            raise ParameterError("\n".join(told)) from None

    def document(self, columns: Mapping[str, bool], rows: int) -> dict[str, Any]:
        """The same as plain values, before it is judged."""
        stages = [self._stage(stage, rows) for stage in self._given_stages()]
        axes = dict(self.axes or {})
        if self.time is None:
            self._refuse_calendar(stages, axes)
        levels = dict.fromkeys(_axes_of(stages))
        plain_axes = [axis for axis in levels if axis not in BUILTIN_AXES]
        categorical = _names(self.categorical, "categorical")
        given = [] if self.numeric is None else _names(self.numeric, "numeric")
        for name in (*([] if self.time is None else [self.time]), *plain_axes, *categorical, *given):
            if name not in columns:
                raise ParameterError(f"X has no column {name!r}{ending(name, columns)}")
        numeric = given if self.numeric is not None else self._numeric(columns, {*categorical, *plain_axes})
        document: dict[str, Any] = _plain(
            {
                "fleet": FLEET,
                "question": self.question,
                "data": {
                    "source": "python:frame",
                    "time": self.time or free_name("time", columns),
                    "timezone": self.timezone,
                    "key": [free_name("row", columns)],
                    "target": {
                        "column": free_name("outcome", columns),
                        "kind": self.kind,
                        "known_after": self.known_after,
                    },
                    "features": {
                        "numeric": numeric,
                        "categorical": categorical,
                        "calendar": _names(self.calendar, "calendar"),
                    },
                    "contract": {axis: {} for axis in plain_axes},
                },
                "axes": axes,
                "stages": stages,
                "relation": self.relation,
                "build": {"seed": self.seed},
            }
        )
        return document

    def _given_stages(self) -> list[Mapping[str, Any]]:
        if self.stages is None:
            return [ROOT]
        if not all(isinstance(stage, Mapping) for stage in self.stages):
            raise ParameterError(
                "stages is a list of mappings, such as [{'level': []}, {'level': ['carrier']}]."
            )
        return list(self.stages)

    def _stage(self, stage: Mapping[str, Any], rows: int) -> dict[str, Any]:
        """A stage with the rule by which all are kept, and with leaves that fit into a small sample."""
        out = {"keep": self.keep, **stage}
        known = param_names("lightgbm") or {}
        params = dict(out.get("params", {}))
        own = any(known.get(name) == "min_data_in_leaf" for name in params)
        if not out.get("level") and out.get("estimator", "lightgbm") == "lightgbm" and not own:
            least = min(max(rows // LEAVES_OF_LEAST_SIZE, LEAST_IN_LEAF), MOST_IN_LEAF)
            out["params"] = {**params, "min_data_in_leaf": least}
        return out

    def _refuse_calendar(self, stages: Sequence[Mapping[str, Any]], axes: Mapping[str, Any]) -> None:
        """Without a time there is no calendar: no axis, feature or period that needs one."""
        timed = [axis for axis in _axes_of(stages) if axis in BUILTIN_AXES]
        wanting = [
            *(f"the calendar feature {name!r}" for name in _names(self.calendar, "calendar")),
            *(f"the axis {name!r}" for name in (*axes, *timed)),
            *(f"the periods of stages[{i}]" for i, stage in enumerate(stages) if stage.get("valid")),
            *(["known_after"] if self.known_after not in ("0h", timedelta(0)) else []),
        ]
        if wanting:
            raise ParameterError(
                f"Without a time column there is no calendar: give time, or drop {wanting[0]}."
            )

    def _numeric(self, columns: Mapping[str, bool], named: Iterable[str]) -> list[str]:
        """Every column that has no other part: they have to hold numbers."""
        left = [name for name in columns if name not in {*named, self.time}]
        for name in left:
            if not columns[name]:
                raise ParameterError(
                    f"Column {name!r} does not hold numbers: list it in categorical, use it as an axis of a level, "
                    "give numeric so that the rest is left out, or drop it."
                )
        return left


def _axes_of(stages: Iterable[Mapping[str, Any]]) -> list[str]:
    """The axes that levels name; a level that is no list is told of when the whole is judged."""
    levels = [stage.get("level") for stage in stages]
    return [str(axis) for level in levels if isinstance(level, list | tuple) for axis in level]


def free_name(name: str, taken: Iterable[str]) -> str:
    """`name`, with underscores after it until no column has it.

    >>> free_name("time", ["time", "x"])
    'time_'
    """
    while name in taken:
        name += "_"
    return name


def _names(value: Sequence[str], what: str) -> list[str]:
    if isinstance(value, str) or not all(isinstance(name, str) for name in value):
        raise ParameterError(f"{what} is a list of names of columns, not {value!r}.")
    return list(value)


def _plain(value: Any) -> Any:
    """JSON values: dates and durations as text, numpy's numbers as Python's."""
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, date):
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value
