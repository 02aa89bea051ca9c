"""Text of a project file to `ProjectSpec`: every problem at once, with file, line, key and a correction."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from jomon.core.errors import SpecError
from jomon.core.problems import Problem
from jomon.core.rules_axes import axes_problems, zone_problems
from jomon.core.rules_data import data_problems
from jomon.core.rules_lookups import lookups_problems
from jomon.core.rules_serving import serving_problems
from jomon.core.rules_stages import moment_problems, stages_problems
from jomon.core.spec import ProjectSpec
from jomon.core.spec_messages import clean_path, right_key, sentence
from jomon.core.spec_repair import Repair
from jomon.core.suggest import ending
from jomon.core.yaml_lines import FILE, Document, Lines, Path, path_text, read_yaml

_PASSES = (
    20  # every pass repairs all that the one before found; a part can hide another only a few levels deep
)


@dataclass(frozen=True)
class ParsedProject:
    """A project file that holds: what it declares, and the line of every key of it."""

    spec: ProjectSpec
    lines: Lines


def parse_project(text: str | bytes, file: str = "jomon.yaml") -> ParsedProject:
    """Read a project file; `file` is its name in messages.

    Raises `SpecError` whose `problems` are one sentence each, in the order of the lines.
    """
    document = read_yaml(text, file)
    found = [(line, path_text(path), said) for path, line, said in document.problems]
    if not isinstance(document.tree, dict):
        raise SpecError([f"{file}:1: {FILE}: the file has to be a mapping that begins with 'fleet: NAME'."])
    spec, problems = _validated(document)
    for problem in problems:
        key = path_text(problem.path)
        found.append((document.lines.at(key), key, problem.text))
    if found or spec is None:
        told = sorted(dict.fromkeys(found), key=lambda item: item[0])
        raise SpecError([f"{file}:{line}: {key}: {said}" for line, key, said in told])
    return ParsedProject(spec, document.lines)


def unknown_column_problem(
    project: ParsedProject, column: str, columns: Sequence[str], table: str = "data.source"
) -> str:
    """The sentence for a `column` that the file asks for and a table with `columns` does not have."""
    place = project.spec.column_places().get(column, "data")
    return project.lines.sentence(place, f"{table} has no column {column!r}{ending(column, columns)}")


def missing_column_problems(project: ParsedProject, columns: Sequence[str]) -> list[str]:
    """One sentence per needed column that the data source lacks, in the order of the lines."""
    places = project.spec.column_places()
    missing = [name for name in places if name not in columns]
    missing.sort(key=lambda name: project.lines.at(places[name]))
    return [unknown_column_problem(project, name, columns) for name in missing]


def _validated(document: Document) -> tuple[ProjectSpec | None, list[Problem]]:
    """The spec and what is wrong; wrong parts are mended so that the others can still be judged."""
    repair = Repair(copy.deepcopy(document.tree))
    problems: list[Problem] = []
    spec: ProjectSpec | None = None
    for _ in range(_PASSES):
        try:
            spec = ProjectSpec.model_validate_json(json.dumps(repair.tree), by_alias=True, by_name=False)
            break
        except ValidationError as error:
            findings = [one for one in error.errors(include_url=False) if _tells(one)]
            found = [(clean_path(one["loc"], str(one["type"])), one) for one in findings]
            problems += [
                Problem(repair.original(path), sentence(one, repair.original(path)))
                for path, one in found
                if not repair.inside(repair.original(path))
            ]
            _mend(repair, [(path, str(one["type"])) for path, one in found])
    problems = _without_echoes(problems)
    if spec is None:
        return None, problems
    for problem in _rules(spec):
        path = repair.original(problem.path)
        if not repair.touches(path) and not (problem.cross and repair.names_touched):
            problems.append(Problem(path, problem.text))
    return spec, problems


def _tells(error: Mapping[str, Any]) -> bool:
    """Whether a finding says something: a default that waits, or a list whose items are wrong, does not."""
    if error["type"] == "too_short":
        return not error["input"]
    return bool(error["type"] != "default_factory_not_called")


def _rules(spec: ProjectSpec) -> Iterator[Problem]:
    yield from zone_problems(spec.data.timezone)
    yield from axes_problems(spec.axes)
    yield from data_problems(spec)
    yield from lookups_problems(spec)
    yield from stages_problems(spec)
    yield from moment_problems(spec)
    yield from serving_problems(spec)


def _mend(repair: Repair, findings: list[tuple[Path, str]]) -> None:
    """Misspelt keys get their names, and everything else that is wrong goes or is filled in."""
    missing = {path for path, kind in findings if kind == "missing"}
    rest = []
    for path, kind in findings:
        name = right_key(path) if kind == "extra_forbidden" else None
        if name is not None and not repair.has((*path[:-1], name)):
            repair.rename(path, name)
            missing.discard((*path[:-1], name))
        elif kind != "missing":
            rest.append((path, kind))
    repair.mend([*rest, *((path, "missing") for path in missing)])


def _without_echoes(problems: list[Problem]) -> list[Problem]:
    """A key that is missing because it was misspelt is told once, as misspelt."""
    meant = {(*p.path[:-1], right_key(p.path)) for p in problems if "is not a key here" in p.text}
    return [p for p in problems if not (p.text.startswith("this key is missing") and p.path in meant)]


__all__ = ["Lines", "ParsedProject", "missing_column_problems", "parse_project", "unknown_column_problem"]
