"""A project at work: the only place that knows every room and wires them together."""

from __future__ import annotations

from jomon.project.fleet import Fleet, load_fleet
from jomon.project.home import Home, find_home
from jomon.project.project import Project, open_project

__all__ = ["Fleet", "Home", "Project", "find_home", "load_fleet", "open_project"]
