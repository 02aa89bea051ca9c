"""An open project as a value: its folder, its file, and where it keeps what it makes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

from jomon.core.errors import DataError
from jomon.core.spec import ProjectSpec
from jomon.core.spec_yaml import ParsedProject
from jomon.oci.digest import Digest
from jomon.project.home import Home


@dataclass(frozen=True)
class OpenProject:
    """A folder with a `jomon.yaml`, read and checked; nothing is opened before it is used."""

    folder: Path
    parsed: ParsedProject
    home: Home

    @property
    def spec(self) -> ProjectSpec:
        """What the project file declares."""
        return self.parsed.spec

    @cached_property
    def latest(self) -> str:
        """The name that builds and refreshes move."""
        return f"{self.spec.fleet}:latest"


def require_gold(project: OpenProject) -> Digest:
    """The digest of gold; raises `DataError` where nothing was ingested."""
    from jomon.data.state import logged_state

    logged = logged_state(project.home.tables, "gold")
    if logged is not None:
        return logged.digest
    from jomon.data.gold import gold_digest

    digest = gold_digest(project.home.tables)
    if digest is None:
        raise DataError(f"Nothing was ingested into {project.folder} yet; run `jomon ingest` first.")
    return digest


def day_text(day: int) -> str:
    """A local day as text: 2013-09-25."""
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()
