"""A project at work: the only place that knows every room and wires them together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jomon.project.fleet import Fleet, load_fleet
    from jomon.project.home import Home, find_home
    from jomon.project.project import Project, open_project

__all__ = ["Fleet", "Home", "Project", "find_home", "load_fleet", "open_project"]

_WHERE = {
    "Fleet": "fleet",
    "load_fleet": "fleet",
    "Home": "home",
    "find_home": "home",
    "Project": "project",
    "open_project": "project",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: listing images needs no engine."""
    if name in _WHERE:
        from importlib import import_module

        return getattr(import_module(f"jomon.project.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'jomon.project' has no attribute {name!r}")
