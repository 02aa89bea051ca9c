"""Rules of the stages: levels of known axes, each once; estimators that can work; periods without overlap."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from jomon.core.estimator_params import param_problems
from jomon.core.problems import Problem
from jomon.core.rules_data import as_moment, declared_columns, twice
from jomon.core.spec import BUILTIN_AXES, ProjectSpec, StageSpec, Validity
from jomon.core.suggest import ending
from jomon.core.yaml_lines import Path

_ALWAYS = datetime.min, datetime.max
_DECLARE = {
    "season": "season: {hemisphere: north}",
    "occasion": "occasion: {country: US}",
    "hour_band": "hour_band: {day: 6-21, night: 22-5}",
}


def stages_problems(spec: ProjectSpec) -> Iterator[Problem]:
    """Everything that is wrong with the stages, in the light of the rest."""
    if spec.relation == "correct" and spec.stages[0].level:
        text = "the first stage has to be the whole fleet: put a stage with 'level: []' before it."
        yield Problem(("stages", 0, "level"), text)
    seen: dict[frozenset[str], int] = {}
    for s, stage in enumerate(spec.stages):
        place = ("stages", s)
        first = seen.setdefault(frozenset(stage.level), s)
        if first != s:
            yield Problem((*place, "level"), f"stages[{first}] has this level already; keep one of them.")
        yield from _level(stage, spec, place)
        yield from _estimator(stage, spec, place)
        yield from _stage_features(stage, spec, place)
        yield from _valid(stage, spec, place)


def moment_problems(spec: ProjectSpec) -> Iterator[Problem]:
    """Spans that have to be longer than nothing."""
    spans = {
        ("evaluation", "holdout"): spec.evaluation.holdout,
        ("evaluation", "step"): spec.evaluation.step,
        ("fast", "half_life"): spec.fast.half_life,
    }
    for place, span in spans.items():
        if span == timedelta(0):
            yield Problem(place, "this has to be longer than nothing; write a duration such as '2w'.")


def _level(stage: StageSpec, spec: ProjectSpec, place: Path) -> Iterator[Problem]:
    yield from twice(stage.level, (*place, "level"), "axis")
    columns, target = declared_columns(spec), spec.data.target.column
    for i, axis in enumerate(stage.level):
        here = (*place, "level", i)
        if axis in spec.axes.available or (axis in columns and axis != spec.data.time):
            continue
        if axis == target:
            yield Problem(
                here, f"{axis!r} is the target: a level by it would leak the answer; delete it.", cross=True
            )
        elif axis == spec.data.time:
            text = (
                f"{axis!r} is the time, a segment of its own for every row; use season, hour_band or weekday."
            )
            yield Problem(here, text, cross=True)
        elif axis in BUILTIN_AXES:
            yield Problem(
                here, f"the axis {axis!r} is not declared; add '{_DECLARE[axis]}' to axes.", cross=True
            )
        elif axis in spec.data.features.calendar:
            text = f"{axis!r} is a calendar feature, not an axis; use season, hour_band, weekday or occasion."
            yield Problem(here, text, cross=True)
        else:
            other = f"if it is a column of the data, say so: add '{axis}: {{}}' to data.contract"
            end = ending(axis, (*spec.axes.available, *columns), other)
            yield Problem(
                here, f"{axis!r} is neither an axis nor a column this file declares{end}", cross=True
            )


def _estimator(stage: StageSpec, spec: ProjectSpec, place: Path) -> Iterator[Problem]:
    for name, text in param_problems(stage.estimator, stage.params):
        yield Problem((*place, "params", name), text)
    if stage.estimator != "none":
        return
    here = (*place, "estimator")
    if spec.relation == "replace":
        yield Problem(
            here, "'none' only corrects what answers before it, and 'relation: replace' has nothing before."
        )
    elif not stage.fast:
        yield Problem(
            (*place, "fast"), "'estimator: none' is the fast part alone; without it the stage does nothing."
        )
    for name in ("params", "features"):
        if getattr(stage, name):
            yield Problem((*place, name), f"'estimator: none' has no {name}; delete this key.")


def _stage_features(stage: StageSpec, spec: ProjectSpec, place: Path) -> Iterator[Problem]:
    if stage.features is None:
        return
    here = (*place, "features")
    if not stage.features and stage.estimator != "none":
        yield Problem(here, "this is empty; list features, or delete the key to use them all.")
    yield from twice(stage.features, here, "feature")
    for i, name in enumerate(stage.features):
        if name not in spec.data.features.names:
            end = ending(name, spec.data.features.names, "list it under data.features first")
            yield Problem((*here, i), f"{name!r} is not a feature{end}", cross=True)


def _valid(stage: StageSpec, spec: ProjectSpec, place: Path) -> Iterator[Problem]:
    for i, period in enumerate(stage.valid):
        here = (*place, "valid", i)
        if period.start is None and period.until is None:
            yield Problem(here, "a period needs 'from', 'until' or both.")
        elif _bounds(period)[0] >= _bounds(period)[1]:
            yield Problem((*here, "until"), f"'until' {period.until} is not after 'from' {period.start}.")
        for axis, value in period.segment.items():
            yield from _valid_axis(axis, value, stage, spec, (*here, "segment", axis))
        for j, other in enumerate(stage.valid[:i]):
            if _meet(other, period):
                text = (
                    f"this period ({_told(period)}) and that of valid[{j}] ({_told(other)}) overlap "
                    "for the same segment; let one begin where the other ends, 'until' is excluded."
                )
                yield Problem(here, text)


def _valid_axis(axis: str, value: str, stage: StageSpec, spec: ProjectSpec, here: Path) -> Iterator[Problem]:
    if axis not in stage.level:
        other = f"the level is [{', '.join(stage.level)}]"
        yield Problem(here, f"{axis!r} is not an axis of this level{ending(axis, stage.level, other)}")
        return
    values = spec.axes.values_of(axis)
    if values is not None and value not in values and axis not in declared_columns(spec):
        yield Problem(here, f"{value!r} is not a value of {axis}{ending(value, values)}", cross=True)


def _bounds(period: Validity) -> tuple[datetime, datetime]:
    start: date | None = period.start
    until: date | None = period.until
    return (
        _ALWAYS[0] if start is None else as_moment(start),
        _ALWAYS[1] if until is None else as_moment(until),
    )


def _told(period: Validity) -> str:
    return f"from {period.start or 'the beginning'} until {period.until or 'further notice'}"


def _meet(one: Validity, other: Validity) -> bool:
    """Whether some segment matches both and some moment lies in both."""
    same = all(other.segment.get(axis, value) == value for axis, value in one.segment.items())
    (a, b), (c, d) = _bounds(one), _bounds(other)
    return same and a < b and c < d and a < d and c < b
