"""Which room may import which, read from the source of the installed package."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from importlib.util import resolve_name
from pathlib import Path

import pytest

import jomon

PACKAGE = Path(jomon.__file__).parent
VALUES = frozenset({"core", "stats", "oci"})
CAPABILITY = VALUES | {"engine"}  # they receive ports: never each other, never data or store
ROOMS = VALUES | {"engine", "data", "store", "training", "evaluation", "serving", "monitoring"}
ALLOWED: Mapping[str, frozenset[str]] = {
    "core": frozenset(),
    "stats": frozenset(),
    "oci": frozenset(),
    "engine": frozenset({"core"}),
    "data": VALUES,
    "store": VALUES,
    "training": CAPABILITY,
    "evaluation": CAPABILITY,
    "serving": CAPABILITY,
    "monitoring": CAPABILITY,
    "project": ROOMS,
    "sklearn": ROOMS | {"project"},
    "cli": frozenset({"project", "core", "serving", ""}),
    "client": frozenset({"core"}),
    # `jomon` itself: the public names, loaded when first used
    "": frozenset({"project", "sklearn", "client"}),
}
"""What each room may import besides itself. `examples` is data: folders copied to users."""
DOOR_MODULES = {
    "jomon.serving.app": frozenset({"project", ""})
}  # a worker's door stands in the room it opens
DOORS = frozenset({"cli"})  # they may name, for the type checker, the types of what a project hands them


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] != "examples":
            found[".".join(("jomon", *parts)).removesuffix(".__init__")] = path
    return found


MODULES = modules()


def room_of(module: str) -> str:
    """The room of a module; "" for `jomon` itself."""
    return [*module.split("."), ""][1]


def package_of(module: str) -> str:
    """The package that relative imports in a module start from."""
    return module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]


def statements(node: ast.AST, *, typing: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """Imports anywhere in a module, those inside functions too; those for type checkers alone only if `typing`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            if typing:
                yield from statements(child, typing=typing)
        else:
            yield from statements(child, typing=typing)


def imports_of(module: str, *, typing: bool = True) -> set[str]:
    """The modules of ours that a module imports."""
    found = set()
    for statement in statements(ast.parse(MODULES[module].read_text(encoding="utf-8")), typing=typing):
        if isinstance(statement, ast.Import):
            names = [alias.name for alias in statement.names]
        else:
            name = resolve_name("." * statement.level + (statement.module or ""), package_of(module))
            names = [f"{name}.{a.name}" if f"{name}.{a.name}" in MODULES else name for a in statement.names]
        found |= {name for name in names if name.split(".")[0] == "jomon"}
    return found - {module}


def test_every_room_has_a_line_in_the_table() -> None:
    assert {room_of(module) for module in MODULES} <= set(ALLOWED)


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_a_room_imports_only_what_the_table_allows(room: str) -> None:
    wrong = [
        f"{module} imports {name}"
        for module in MODULES
        if room_of(module) == room
        for name in sorted(imports_of(module, typing=room not in DOORS))
        if room_of(name) not in ALLOWED[room] | {room} | DOOR_MODULES.get(module, frozenset())
    ]
    assert wrong == []


def test_no_module_imports_itself_through_others() -> None:
    graph = {module: imports_of(module, typing=False) & set(MODULES) for module in MODULES}
    assert cycles(graph) == []


def test_a_cycle_is_seen() -> None:
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]


def cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of modules that reach one another: those from which one comes back to oneself, by what they reach."""
    reach = {name: reached(graph, name) for name in graph}
    circular = [name for name in graph if name in reach[name]]
    groups = {tuple(sorted(m for m in circular if m in reach[n] and n in reach[m])) for n in circular}
    return sorted(list(group) for group in groups)


def reached(graph: Mapping[str, set[str]], start: str) -> set[str]:
    """All that can be reached from `start` by at least one import."""
    seen: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += graph[name]
    return seen
