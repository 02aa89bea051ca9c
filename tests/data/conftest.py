"""A small project on disk: a question about deliveries, its source a Python function that tests rewrite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from jomon.core.spec import ProjectSpec
from jomon.core.spec_yaml import parse_project
from jomon.data.ingest import ingest
from jomon.data.report import IngestReport

PROJECT = """
fleet: deliveries
question: Will the parcel come late?
data:
  source: {source}
  time: sent
  timezone: {timezone}
  daylight_saving: {{ambiguous: {ambiguous}, skipped: {skipped}}}
  key: [parcel]
  duplicates: {duplicates}
  target: {{column: late, kind: {kind}, known_after: 12h}}
  features:
    numeric: [distance{more_numeric}]
    categorical: [depot]
    calendar: [hour, year_phase]
  contract:
    distance: {{min: 1, max: 6000, required: true}}
    depot: {{values: [north, south]}}
axes:
  season: {{hemisphere: north}}
{lookups}
stages:
  - {{level: [], estimator: lightgbm}}
  - {{level: [depot, season], estimator: lightgbm}}
"""

DEFAULTS = {
    "source": "data:load",
    "timezone": "Europe/Berlin",
    "ambiguous": "earliest",
    "skipped": "quarantine",
    "duplicates": "quarantine",
    "kind": "binary",
    "more_numeric": "",
    "lookups": "",
}


@dataclass
class Project:
    """The folder of a project and what its file says."""

    folder: Path
    spec: ProjectSpec

    def rows(self, frame: pl.DataFrame, name: str = "rows") -> Project:
        """Let the source hand over `frame`."""
        frame.write_parquet(self.folder / f"{name}.parquet")
        return self

    def ingest(self, **options: Any) -> IngestReport:
        return ingest(self.folder, self.spec, **options)

    @property
    def root(self) -> Path:
        return self.folder / ".jomon" / "tables"

    def table(self, name: str) -> pl.DataFrame:
        return pl.read_delta(str(self.root / name))


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Project]:
    def make(**changes: str) -> Project:
        (tmp_path / "data.py").write_text(
            "from pathlib import Path\n"
            "import polars as pl\n"
            "HERE = Path(__file__).parent\n"
            "def load():\n    return pl.scan_parquet(HERE / 'rows.parquet')\n"
            "def load_weather():\n    return pl.scan_parquet(HERE / 'weather.parquet')\n"
        )
        text = PROJECT.format(**{**DEFAULTS, **changes})
        return Project(tmp_path, parse_project(text).spec)

    return make


def _parcels(count: int = 6, first: int = 0, **columns: Any) -> pl.DataFrame:
    """Rows that meet the contract: one parcel an hour from 10 January 2024, 08:00 in Berlin."""
    number = pl.int_range(first, first + count, eager=True)
    base = pl.DataFrame(
        {
            "parcel": number,
            "sent": pl.Series([f"2024-01-{10 + n // 16:02d} {8 + n % 16:02d}:15:00" for n in number]),
            "late": (number % 2).cast(pl.Int8),
            "distance": (100.0 + number),
            "depot": pl.Series(["north" if n % 3 else "south" for n in number]),
        }
    )
    return base.with_columns(pl.Series(name, values) for name, values in columns.items())


@pytest.fixture
def parcels() -> Callable[..., pl.DataFrame]:
    """Makes rows that meet the contract; see `_parcels`."""
    return _parcels
