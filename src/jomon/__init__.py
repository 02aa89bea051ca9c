"""jomon: a fleet of models run as one thing.

import jomon

project = jomon.open_project("flights")
project.ingest()
project.build()
fleet = jomon.load_fleet("flights:latest", "flights")
fleet.predict(frame)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jomon.client import Client
    from jomon.project import Fleet, Project, load_fleet, open_project
    from jomon.sklearn import FleetClassifier, FleetRegressor

__version__ = "0.1.0"
__all__ = [
    "Client",
    "Fleet",
    "FleetClassifier",
    "FleetRegressor",
    "Project",
    "__version__",
    "load_fleet",
    "open_project",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used, so that `import jomon` costs nothing."""
    if name in ("Fleet", "Project", "load_fleet", "open_project"):
        from jomon import project

        return getattr(project, name)
    if name == "Client":
        from jomon import client

        return client.Client
    if name in ("FleetClassifier", "FleetRegressor"):
        from jomon import sklearn

        return getattr(sklearn, name)
    raise AttributeError(f"module 'jomon' has no attribute {name!r}")
