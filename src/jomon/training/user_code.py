"""Code of the user's own in a project folder: the files a factory is made of, and how they import each other."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

PREFIX = "_jomon_project_"
"""Begins the name of a module that was loaded from a project folder, so that two projects never meet."""


def file_of(project_dir: str, module_name: str) -> Path | None:
    """The file of a module of the project folder (`own`, `parts.own`, or a package); None where there is none."""
    path = Path(project_dir, *module_name.split("."))
    found = (p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file())
    return next(found, None)


def sources_of(project_dir: str, module_name: str) -> tuple[Path, ...]:
    """The file of a module and those of the folder that it imports, directly or through others, in order of path."""
    found: set[Path] = set()
    waiting = [module_name]
    while waiting:
        name = waiting.pop()
        path = file_of(project_dir, name)
        if path is None or path in found:
            continue
        found.add(path)
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        waiting += _imported(path, package)
    return tuple(sorted(found))


def _imported(path: Path, package: str) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return  # loading it will say so
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*(p for p in parts if p), *([node.module] if node.module else [])])
            yield from _with_parents(base)
            yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names)


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[: i + 1]) for i in range(len(parts)))


def load_module(path: Path, project_dir: str) -> ModuleType:
    """A module of the project folder, loaded anew; it may import its neighbours by their plain names."""
    label = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    spec = importlib.util.spec_from_file_location(f"{PREFIX}{label}_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    with neighbours(project_dir):
        spec.loader.exec_module(module)
    return module


@contextmanager
def neighbours(project_dir: str) -> Iterator[None]:
    """Inside, modules of the folder import each other by plain names; after it `sys` is as it was."""
    folder = Path(project_dir).resolve()
    own = {p.stem for p in folder.glob("*.py")} | {p.parent.name for p in folder.glob("*/__init__.py")}

    def mine() -> list[str]:
        return [name for name in sys.modules if name.partition(".")[0] in own]

    aside = {name: sys.modules.pop(name) for name in mine()}
    before = list(sys.path)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = before
        for name in mine():
            del sys.modules[name]
        sys.modules.update(aside)
