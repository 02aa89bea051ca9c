"""Functions of a project folder, loaded under a name of their own so that two projects never meet."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from jomon.core.errors import DataError, JomonError


def load_function(project_dir: Path, reference: str) -> Callable[..., Any]:
    """The function that `module:function` names, the module being a file of `project_dir`.

    The module is loaded anew each time, under a name that no other project has; `sys.path` and
    `sys.modules` are left as they were. Raises `DataError` in one sentence where the file, the function or
    the code is wrong.
    """
    module_name, _, function_name = reference.partition(":")
    path = project_dir.joinpath(*module_name.split(".")).with_suffix(".py")
    if not path.is_file():
        near = difflib.get_close_matches(module_name, [p.stem for p in project_dir.glob("*.py")], n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"write it, or correct {reference!r}."
        raise DataError(f"{project_dir.name}/{path.name} is not there: {hint}")
    module = _load(project_dir, path)
    function = getattr(module, function_name, None)
    if not callable(function):
        names = [name for name in vars(module) if callable(vars(module)[name]) and not name.startswith("_")]
        near = difflib.get_close_matches(function_name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"define it, or correct {reference!r}."
        raise DataError(f"{path.name} has no function {function_name!r}: {hint}")
    return function  # type: ignore[no-any-return]


def place_of(function: Callable[..., Any], reference: str) -> str:
    """`data.py:12`, where `function` is defined, or `reference` where it does not say."""
    code = getattr(function, "__code__", None)
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}" if code else reference


def _load(project_dir: Path, path: Path) -> ModuleType:
    unique = f"_jomon_project_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]}"
    loader = importlib.util.spec_from_file_location(unique, path)
    if loader is None or loader.loader is None:
        raise DataError(f"{path.name} cannot be loaded as a Python module: give it the suffix .py.")
    module = importlib.util.module_from_spec(loader)
    with project_imports(project_dir), user_errors(project_dir, path.name):
        loader.loader.exec_module(module)
    return module


@contextmanager
def project_imports(project_dir: Path) -> Iterator[None]:
    """Inside, modules of `project_dir` import each other by plain names; after it, no trace is left."""
    folder = str(project_dir.resolve())
    own = {p.stem for p in project_dir.glob("*.py")} | {
        p.parent.name for p in project_dir.glob("*/__init__.py")
    }
    aside = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in own}
    path_before = list(sys.path)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path[:] = path_before
        for name in list(sys.modules):
            if name.partition(".")[0] in own:
                del sys.modules[name]
        sys.modules.update(aside)


@contextmanager
def user_errors(project_dir: Path, what: str) -> Iterator[None]:
    """Turns whatever the project's own code raises into one `DataError` sentence with file and line."""
    try:
        yield
    except JomonError:
        raise
    except SyntaxError as error:
        name = Path(error.filename).name if error.filename else what
        raise DataError(f"{name}:{error.lineno or 0}: {error.msg}: correct the syntax.") from error
    except Exception as error:
        raise DataError(f"{_place(error, project_dir, what)}: {_said(error)}") from error


def _place(error: Exception, project_dir: Path, what: str) -> str:
    """`data.py:12`: the last line of the project's own code on the way to the error, else what was called."""
    folder = project_dir.resolve()
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_absolute() and path.is_relative_to(folder):
            return f"{path.relative_to(folder)}:{frame.lineno}"
    return what


def _said(error: Exception) -> str:
    text = " ".join(str(error).strip().split("\n")[0].split()) or "no message"
    return f"{type(error).__name__}: {text}" + ("" if text.endswith((".", "?", "!")) else ".")
