"""Rules of serving: lookups and columns that are there, and a log that keeps what other parts need of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from jomon.core.durations import format_duration
from jomon.core.problems import Problem
from jomon.core.rules_data import twice
from jomon.core.spec import ProjectSpec
from jomon.core.suggest import ending
from jomon.core.yaml_lines import Path

LONGEST_SYNC = timedelta(minutes=1)
"""A power cut may take this much of the log at most; who accepts to lose more is better served by `sample`."""
_PLACE: Path = ("serving",)


def recorded_columns(spec: ProjectSpec) -> tuple[str, ...]:
    """The columns of a request's row that a server records besides the time: key, features, plain axes."""
    data = spec.data
    axes = [name for stage in spec.stages for name in stage.level if name not in spec.axes.available]
    names = (*data.key, *data.features.columns, *axes)
    return tuple(name for name in dict.fromkeys(names) if name != data.time)


def columns_to_learn(spec: ProjectSpec) -> tuple[str, ...]:
    """The recorded columns without which fast parts cannot be learned from recorded rows.

    They are the plain axes of all levels and what the models of any stage see.
    """
    slow = [stage for stage in spec.stages if stage.estimator != "none"]
    seen = {name for stage in slow for name in (stage.features or spec.data.features.columns)}
    seen |= {name for stage in spec.stages for name in stage.level}
    return tuple(name for name in recorded_columns(spec) if name in seen)


def serving_problems(spec: ProjectSpec) -> Iterator[Problem]:
    """Everything that is wrong with `serving`, in the light of the rest."""
    yield from _spans(spec)
    yield from _lookups(spec)
    yield from _outcomes(spec)
    yield from _hidden(spec)
    yield from _refresh(spec)


def _spans(spec: ProjectSpec) -> Iterator[Problem]:
    log = spec.serving.log
    if spec.serving.refresh == timedelta(0):
        yield Problem(
            (*_PLACE, "refresh"), "this has to be longer than nothing; write off, or a duration such as '1h'."
        )
    if log.sync > LONGEST_SYNC:
        text = f"{format_duration(log.sync)} is out of range; it has to be {format_duration(LONGEST_SYNC)} or less."
        yield Problem((*_PLACE, "log", "sync"), text)
    if log.retention is not None and log.retention < timedelta(days=1):
        text = "rows are kept for whole days; write '1d' or more, or null to keep them for ever."
        yield Problem((*_PLACE, "log", "retention"), text)


def _lookups(spec: ProjectSpec) -> Iterator[Problem]:
    for name, every in spec.serving.lookups.items():
        place = (*_PLACE, "lookups", name)
        if name not in spec.lookups:
            other = "" if spec.lookups else "the file declares no lookups; delete it"
            yield Problem(place, f"{name!r} is not a lookup{ending(name, spec.lookups, other)}", cross=True)
        elif not every:
            yield Problem(place, "this has to be longer than nothing; write a duration such as '10m'.")


def _outcomes(spec: ProjectSpec) -> Iterator[Problem]:
    outcomes, known_after = spec.serving.outcomes, spec.data.target.known_after
    place = (*_PLACE, "outcomes")
    if outcomes.late_after is None:
        if outcomes.late == "refuse":
            yield Problem((*place, "late"), "this does nothing without late_after; add one, such as '7d'.")
    elif outcomes.late_after <= known_after:
        text = (
            f"every outcome would be late: it is known {format_duration(known_after)} after its row's time "
            "(data.target.known_after); write more than that."
        )
        yield Problem((*place, "late_after"), text, cross=True)


def _hidden(spec: ProjectSpec) -> Iterator[Problem]:
    log = spec.serving.log
    for group in ("leave_out", "hash"):
        place = (*_PLACE, "log", group)
        names = getattr(log, group)
        yield from twice(names, place, "column")
        for i, name in enumerate(names):
            text = _why_not(spec, group, name)
            if text:
                yield Problem((*place, i), text, cross=True)
            elif group == "hash" and name in log.leave_out:
                yield Problem((*place, i), f"{name!r} is listed under leave_out too; keep one.")


def _why_not(spec: ProjectSpec, group: str, name: str) -> str:
    """Why a column cannot be hidden from the log, or an empty text."""
    data, options = spec.data, recorded_columns(spec)
    if name == data.time:
        return f"{name!r} is the time of the rows, and the log is ordered by it; delete it."
    if name == data.target.column:
        return f"{name!r} is the target, and rows are recorded without it; delete it."
    if name not in options:
        told = (*data.features.calendar, *spec.axes.available)
        if name in told:
            return f"{name!r} is told by the time, and the time is always recorded; delete it."
        return f"{name!r} is not a column that is recorded{ending(name, options)}"
    if group == "leave_out" and name in data.key:
        return f"{name!r} is part of data.key: no outcome would find its row; list it under hash instead."
    return ""


def _refresh(spec: ProjectSpec) -> Iterator[Problem]:
    """A refresh that could never learn is told where it is declared."""
    log, place = spec.serving.log, (*_PLACE, "refresh")
    if spec.serving.refresh == "off":
        return
    lost = [name for name in columns_to_learn(spec) if name in log.hidden]
    if lost:
        text = (
            f"fast parts learn from recorded rows, and the log hides {', '.join(map(repr, lost))}; "
            "write off, or record these columns."
        )
        yield Problem(place, text, cross=True)
    elif not log.sample:
        yield Problem(place, "fast parts learn from recorded rows, and log.sample is 0; write off.")
