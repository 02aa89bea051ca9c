"""Rules of the data, its features and its contract: no name twice, no leak, no bounds that nothing passes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime

from jomon.core.problems import Problem
from jomon.core.spec import BUILTIN_AXES, ColumnContract, DataSpec, ProjectSpec
from jomon.core.yaml_lines import Path

_RESERVED = ("target", "known_at")  # columns that the gold table adds
_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_DOTTED = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\.([A-Za-z_]\w*)")
_FILES = ("parquet", "csv", "delta")


def declared_columns(spec: ProjectSpec) -> tuple[str, ...]:
    """The columns that the file declares and that may be known when a prediction is asked for."""
    data = spec.data
    names = (*data.key, data.time, *data.features.columns, *data.contract, *spec.lookup_features())
    return tuple(name for name in dict.fromkeys(names) if name != data.target.column)


def data_problems(spec: ProjectSpec) -> Iterator[Problem]:
    """Everything that is wrong with `data`, in the light of the rest."""
    data = spec.data
    yield from source_problems(data.source, ("data", "source"))
    yield from twice(data.key, ("data", "key"), "column")
    yield from _features(data)
    yield from _target(data)
    yield from _names(spec)
    for name, contract in data.contract.items():
        yield from _contract(contract, ("data", "contract", name))
        if name in spec.lookup_features():
            text = f"{name!r} comes from a lookup, and contracts check the source's own columns; delete it."
            yield Problem(("data", "contract", name), text, cross=True)
    if "days_to_occasion" in data.features.calendar and spec.axes.occasion is None:
        place = ("data", "features", "calendar", data.features.calendar.index("days_to_occasion"))
        yield Problem(
            place, "'days_to_occasion' needs axes.occasion; declare it, such as {country: US}.", cross=True
        )


def twice(names: Iterable[str], place: Path, noun: str) -> Iterator[Problem]:
    """A name that stands in a list more than once."""
    seen: set[str] = set()
    for i, name in enumerate(names):
        if name in seen:
            yield Problem((*place, i), f"the {noun} {name!r} is listed twice; keep one.")
        seen.add(name)


def source_problems(source: object, place: Path) -> Iterator[Problem]:
    """A source written as text that is no function, file, folder or URL."""
    if not isinstance(source, str) or "/" in source or source.startswith("delta:"):
        return
    dotted = _DOTTED.fullmatch(source)
    if ":" in source and not _FUNCTION.fullmatch(source) and not re.match(r"[A-Za-z]:\\", source):
        yield Problem(
            place, f"{source!r} is neither module:function, a file, a folder nor a URL; write 'data:load'."
        )
    elif dotted is not None and dotted[2] not in _FILES and "*" not in source:
        yield Problem(place, f"{source!r} is not a source; did you mean '{dotted[1]}:{dotted[2]}'?")


def _features(data: DataSpec) -> Iterator[Problem]:
    features, seen = data.features, dict[str, str]()
    if not features.names:
        yield Problem(
            ("data", "features"), "there are no features; list some under numeric, categorical or calendar."
        )
    for group in ("numeric", "categorical", "calendar"):
        for i, name in enumerate(getattr(features, group)):
            place = ("data", "features", group, i)
            if name in seen:
                where = "twice" if seen[name] == group else f"under {seen[name]} too"
                yield Problem(place, f"the feature {name!r} is listed {where}; keep one.")
            elif name == data.time:
                yield Problem(
                    place,
                    f"the time {name!r} is no feature: later times were never seen; list calendar features.",
                )
            seen.setdefault(name, group)


def _target(data: DataSpec) -> Iterator[Problem]:
    target, place = data.target.column, ("data", "target", "column")
    for group in ("numeric", "categorical"):
        for i, name in enumerate(getattr(data.features, group)):
            if name == target:
                text = f"{name!r} is the target: as a feature it would leak the answer; delete it."
                yield Problem(("data", "features", group, i), text)
    if target == data.time:
        yield Problem(place, f"{target!r} is the time of the rows; name the column of the outcome.")
    elif target in data.key:
        yield Problem(
            ("data", "key", data.key.index(target)), f"{target!r} is the target; a key is known beforehand."
        )


def _names(spec: ProjectSpec) -> Iterator[Problem]:
    """Names that the tables or the axes use for something else."""
    for key, name in spec.column_places().items():
        if key in _RESERVED and key != spec.data.target.column:
            yield Problem(
                _split(name), f"the name {key!r} belongs to the gold table; rename the column.", cross=True
            )
        elif key.startswith(("axis_", "segment:")):
            yield Problem(
                _split(name),
                f"names that begin with 'axis_' or 'segment:' belong to the gold table; rename {key!r}.",
                cross=True,
            )
    used = {axis for stage in spec.stages for axis in stage.level}
    for axis in BUILTIN_AXES:
        declared = getattr(spec.axes, axis) is not None
        if axis in declared_columns(spec) and (declared or (axis == "weekday" and axis in used)):
            place: Path = ("axes", axis) if declared else ("stages",)
            yield Problem(
                place, f"{axis!r} is a column of the data as well as an axis; rename the column.", cross=True
            )


def _split(place: str) -> Path:
    return tuple(int(part) if part.isdigit() else part for part in re.split(r"[.\[\]]+", place) if part)


def _contract(contract: ColumnContract, place: Path) -> Iterator[Problem]:
    numeric = contract.type in ("int", "float")
    dated = contract.type in ("date", "datetime")
    for bound in ("min", "max"):
        value = getattr(contract, bound)
        if value is None:
            continue
        if contract.type in ("string", "bool"):
            yield Problem(
                (*place, bound),
                f"a column of type {contract.type} has no {bound}; delete it, or list its values.",
            )
        elif numeric and isinstance(value, date):
            yield Problem(
                (*place, bound),
                f"a column of type {contract.type} is bounded by a number; {value} is a date.",
            )
        elif dated and not isinstance(value, date):
            yield Problem(
                (*place, bound),
                f"a column of type {contract.type} is bounded by a date; {value} is a number.",
            )
    low, high = contract.min, contract.max
    if low is None or high is None:
        return
    if isinstance(low, date) != isinstance(high, date):
        yield Problem((*place, "max"), "one bound is a date and the other a number; write both alike.")
    elif _comparable(low) > _comparable(high):
        yield Problem((*place, "min"), f"min {low} is above max {high}; no value could pass.")


def _comparable(value: float | date) -> float:
    return as_moment(value).timestamp() if isinstance(value, date) else float(value)


def as_moment(value: date) -> datetime:
    """A date as its midnight; a moment as it is."""
    return value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
