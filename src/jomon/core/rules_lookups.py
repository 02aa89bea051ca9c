"""Rules of the lookups: columns that are there, brought once and used, and joins that can find a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from jomon.core.lookup_keys import time_part_of
from jomon.core.problems import Problem
from jomon.core.rules_data import declared_columns, source_problems, twice
from jomon.core.spec import LookupSpec, ProjectSpec
from jomon.core.suggest import ending
from jomon.core.yaml_lines import Path

_UNIT = {"hour": timedelta(hours=1), "day": timedelta(days=1), "asof": timedelta(0)}


def lookups_problems(spec: ProjectSpec) -> Iterator[Problem]:
    """Everything that is wrong with `lookups`, in the light of the rest."""
    data, brought = spec.data, dict[str, str]()
    used = {*data.features.names, *(axis for stage in spec.stages for axis in stage.level)}
    own = {*data.key, data.time}
    for label, lookup in spec.lookups.items():
        place = ("lookups", label)
        yield from source_problems(lookup.source, (*place, "source"))
        yield from twice(lookup.on, (*place, "on"), "column")
        yield from _join(lookup, spec, place)
        for i, name in enumerate(lookup.features):
            here = (*place, "features", i)
            if name == data.target.column:
                yield Problem(
                    here,
                    f"{name!r} is the target: as a feature it would leak the answer; delete it.",
                    cross=True,
                )
            elif name in brought:
                where = "twice" if brought[name] == label else f"by lookup {brought[name]!r} too"
                yield Problem(here, f"the column {name!r} is brought {where}; keep one.")
            elif name in own:
                yield Problem(
                    here, f"the data has {name!r} as its key or time already; delete it.", cross=True
                )
            elif name not in used:
                text = f"{name!r} is joined and never used; list it under data.features, or delete it."
                yield Problem(here, text, cross=True)
            brought.setdefault(name, label)


def _join(lookup: LookupSpec, spec: ProjectSpec, place: Path) -> Iterator[Problem]:
    plain, parts = list[tuple[int, str]](), list[str]()
    for i, text in enumerate(lookup.on):
        try:
            part = time_part_of(text, spec.data.time)
        except ValueError as error:
            yield Problem((*place, "on", i), f"{error}.", cross=True)
            return
        if part is None:
            plain.append((i, text))
        elif parts:
            yield Problem((*place, "on", i), f"{text!r} is a second time part; keep one.", cross=True)
        if part is not None:
            parts.append(part)
    yield from _join_columns(plain, spec, place)
    if parts:
        yield from _join_time(lookup, parts[0], place)
        return
    for name in ("time", "max_age", "delay"):
        if getattr(lookup, name):
            text = f"this does nothing without a time such as 'hour_of({spec.data.time})' in 'on'; add one."
            yield Problem((*place, name), text, cross=True)


def _join_columns(plain: Sequence[tuple[int, str]], spec: ProjectSpec, place: Path) -> Iterator[Problem]:
    brought = spec.lookup_features()
    options = [name for name in declared_columns(spec) if name not in brought]
    for i, name in plain:
        here = (*place, "on", i)
        if name == spec.data.target.column:
            yield Problem(
                here, f"{name!r} is the target: joining by it would leak the answer; delete it.", cross=True
            )
        elif name not in options:
            other = f"if the data has it, say so: add '{name}: {{}}' to data.contract"
            yield Problem(
                here, f"{name!r} is not a column this file declares{ending(name, options, other)}", cross=True
            )


def _join_time(lookup: LookupSpec, part: str, place: Path) -> Iterator[Problem]:
    if lookup.time is None:
        yield Problem(
            (*place, "time"), "this key is missing; it names the time column of the lookup's table."
        )
    unit, delay, oldest = _UNIT[part], lookup.delay, lookup.max_age
    if delay and (delay > oldest + unit or (not oldest and delay >= unit)):
        text = "no row would ever be known in time: rows are too old before; raise max_age above delay."
        yield Problem((*place, "delay"), text)
