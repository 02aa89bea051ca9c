"""What is wrong with one value, in one sentence: pydantic's findings in the words of the project file."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from jomon.core import spec, spec_serving
from jomon.core.suggest import ending, nearest
from jomon.core.yaml_lines import Path

_NEEDED = {
    "fleet": "it names the fleet, such as 'flights'",
    "question": "it says in a sentence what the fleet answers",
    "data": "it says where the rows come from",
    "stages": "it lists the levels at which models are trained, the whole fleet ([]) first",
    "source": "it says where the rows come from, such as 'data:load_rows' or 'rows/*.parquet'",
    "time": "it names the column that holds each row's time",
    "key": "it lists the columns that tell rows apart",
    "target": "it names the outcome to predict, such as {column: late, kind: binary}",
    "features": "it lists the columns to predict from",
    "column": "it names the column of the outcome",
    "kind": "it is binary, regression or count",
    "on": "it lists the columns to join by",
    "level": "it lists the axes of the stage, [] for the whole fleet",
    "country": "it is a country's code, such as US",
    "database": "it is the URL of the database",
    "query": "it is the SQL that returns the rows",
    "delta": "it is the folder or URL of the Delta table",
}
_PATTERNS = {
    "fleet": "is not a name for a fleet; use lower-case letters and digits, '.', '_' or '-' between them",
}
_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list, such as [a, b]",
    "dict_type": "a mapping, such as {a: b}",
    "model_type": "a mapping, such as {key: value}",
    "model_attributes_type": "a mapping, such as {key: value}",
}


def clean_path(location: tuple[str | int, ...], kind: str) -> Path:
    """pydantic's location of an error of this kind, without its marks of unions and of dictionary keys."""
    path = tuple(part for part in location if not (isinstance(part, str) and part.startswith("\0")))
    marked = len(path) > 2 and path[-1] == "[key]" and kind != "extra_forbidden"
    return path[:-1] if marked else path


def shown(value: Any) -> str:
    """A value as a message names it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def sentence(error: Mapping[str, Any], path: Path) -> str:
    """One finding of pydantic as the end of a message: a sentence with a likely correction."""
    kind, value, limits = str(error["type"]), error.get("input"), error.get("ctx", {})
    name = str(path[-1]) if path else ""
    if kind == "missing":
        return f"this key is missing; {_NEEDED.get(name, 'it has to be given')}."
    if kind == "extra_forbidden":
        return _wrong_key(name, path[:-1])
    if kind == "literal_error":
        return _wrong_choice(value, path)
    if kind == "string_pattern_mismatch":
        return _wrong_pattern(value, name)
    if kind in _WANTED:
        return _wrong_type(kind, value, path)
    if kind in ("string_too_short", "too_short"):
        return (
            "this is empty; give at least one." if kind == "too_short" else "this is empty; write something."
        )
    if kind in ("greater_than_equal", "less_than_equal", "less_than", "string_too_long", "too_long"):
        return f"{shown(value)} is out of range; {_range(kind, limits)}."
    if kind == "value_error":
        return f"{limits.get('error', error['msg'])}."
    if kind == "finite_number":
        return f"{shown(value)} is not a finite number."
    return f"{shown(value)} cannot stand here ({error['msg']})."


def _range(kind: str, limits: Mapping[str, Any]) -> str:
    if kind == "greater_than_equal":
        return f"it has to be {limits['ge']} or more"
    if kind == "less_than_equal":
        return f"it has to be {limits['le']} or less"
    if kind == "less_than":
        return f"it has to be below {limits['lt']}"
    return f"it has to be no longer than {limits['max_length']}"


def _wrong_type(kind: str, value: Any, path: Path) -> str:
    wanted = _WANTED[kind]
    if kind == "tuple_type" and isinstance(value, str):
        return f"{shown(value)} has to be a list; write [{value}]."
    if kind == "string_type" and not isinstance(value, Mapping | list) and value is not None:
        return f"{shown(value)} has to be text; put it in quotes."
    if kind == "tuple_type" and path[-1:] == ("level",) and value is None:
        return "nothing has to be a list; write [] for the whole fleet."
    if value is None:
        return f"there is no value here; it has to be {wanted}."
    return f"{shown(value)} has to be {wanted}."


def _wrong_choice(value: Any, path: Path) -> str:
    options = choices(path)
    if not isinstance(value, str):
        return f"{shown(value)} cannot stand here; choose from {', '.join(options)}."
    return f"{value!r} is not possible here{ending(value, options)}"


def _wrong_pattern(value: Any, name: str) -> str:
    if name == "estimator":
        other = f"choose from {', '.join(spec.ESTIMATORS)}, or name a factory as module:factory"
        return f"{value!r} is not an estimator{ending(str(value), spec.ESTIMATORS, other)}"
    return f"{value!r} {_PATTERNS.get(name, 'is not written as it has to be')}."


def right_key(path: Path) -> str | None:
    """The key that a misspelt one at `path` was likely meant to be."""
    return nearest(str(path[-1]), [key for model in models_at(path[:-1]) for key in keys_of(model)])


def _wrong_key(name: str, parent: Path) -> str:
    options = [key for model in models_at(parent) for key in keys_of(model)]
    if nearest(name, options) is None:
        home = next((place for place, other in _homes() if name in keys_of(other)), None)
        if home is not None:
            return f"{name!r} is not a key here; it belongs under {home!r}."
    return f"{name!r} is not a key here{ending(name, options)}"


def _homes() -> Iterator[tuple[str, type[BaseModel]]]:
    yield "data", spec.DataSpec
    yield "data.target", spec.TargetSpec
    yield "data.features", spec.FeaturesSpec
    yield "axes.occasion", spec.OccasionAxis
    yield "axes.season", spec.SeasonAxis
    yield "axes", spec.AxesSpec
    yield "stages", spec.StageSpec
    yield "evaluation", spec.EvaluationSpec
    yield "fast", spec.FastSpec
    yield "build", spec.BuildSpec
    yield "serving", spec_serving.ServingSpec
    yield "serving.log", spec_serving.LogSpec
    yield "serving.outcomes", spec_serving.OutcomesSpec


def keys_of(model: type[BaseModel]) -> list[str]:
    """The keys of a part as the file writes them."""
    return [str(info.validation_alias or name) for name, info in model.model_fields.items()]


def models_at(path: Path) -> list[type[BaseModel]]:
    """The models that may describe the mapping at `path`; none where it is a mapping of free names."""
    return [t for t in _members(_type_at(path)) if isinstance(t, type) and issubclass(t, BaseModel)]


def choices(path: Path) -> list[str]:
    """The texts that may stand at `path`."""
    return [
        str(option)
        for member in _members(_type_at(path))
        if typing.get_origin(member) is typing.Literal
        for option in typing.get_args(member)
    ]


def _members(hint: Any) -> list[Any]:
    """A type without `Annotated` and unions around it."""
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return _members(typing.get_args(hint)[0])
    if origin in (typing.Union, types.UnionType):
        return [m for part in typing.get_args(hint) for m in _members(part)]
    return [hint]


def _type_at(path: Path) -> Any:
    here: Any = spec.ProjectSpec
    for part in path:
        step: Any = None
        for member in _members(here):
            origin, inner = typing.get_origin(member), typing.get_args(member)
            if origin is dict and isinstance(part, str):
                step = inner[1]
            elif origin is tuple and isinstance(part, int):
                step = inner[0]
            elif isinstance(member, type) and issubclass(member, BaseModel):
                for name, info in member.model_fields.items():
                    if part == str(info.validation_alias or name):
                        step = info.annotation
        if step is None:
            return None
        here = step
    return here
