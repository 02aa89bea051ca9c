"""A small shop with deliveries: 60 days, 8 regions, 2 channels; ingested and built once, copied to be changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from jomon.project import Project, open_project

DAYS, PER_DAY, REGIONS = 60, 80, 8
FIRST = datetime(2024, 1, 1)

ROOT = {
    "level": [],
    "estimator": "lightgbm",
    "params": {"num_iterations": 15, "num_leaves": 7, "min_child_samples": 20},
}
REGION = {"level": ["region"], "estimator": "linear", "min_rows": 100, "keep": "always"}
CHANNEL = {"level": ["region", "channel"], "estimator": "none", "min_rows": 50, "keep": "always"}


@dataclass(frozen=True)
class Workshop:
    """Makes projects in folders of their own."""

    base: Path

    def rows(
        self, kind: str = "binary", seed: int = 1, days: int = DAYS, per_day: int = PER_DAY
    ) -> pl.DataFrame:
        """Deliveries whose outcome depends on x, the region and the day."""
        rng = np.random.default_rng(seed)
        n = days * per_day
        day = np.repeat(np.arange(days), per_day)
        minute = np.sort(rng.integers(0, 1440, (days, per_day)), axis=1).ravel()
        region = rng.integers(0, REGIONS, n)
        channel = rng.integers(0, 2, n)
        x, noise = rng.normal(size=n), rng.normal(size=n)
        walk = np.cumsum(rng.normal(0, 0.25, (days, REGIONS)), axis=0)
        signal = 0.8 * x + 0.5 * (region % 3) - 0.5 + walk[day, region] + (channel - 0.5) * (region == 2)
        late = {
            "binary": (rng.random(n) < 1 / (1 + np.exp(-signal))).astype(np.int64),
            "regression": signal + rng.normal(0, 0.5, n),
            "count": rng.poisson(np.exp(np.clip(0.4 * signal, -3, 3))).astype(np.int64),
        }[kind]
        return pl.DataFrame(
            {
                "id": np.arange(n),
                "ordered": [
                    FIRST + timedelta(days=int(d), minutes=int(m)) for d, m in zip(day, minute, strict=True)
                ],
                "region": [f"r{r}" for r in region],
                "channel": [("web", "shop")[c] for c in channel],
                "x": x,
                "noise": noise,
                "late": late,
            }
        )

    def spec(
        self, kind: str = "binary", stages: Sequence[Mapping[str, Any]] = (ROOT, REGION, CHANNEL), **more: Any
    ) -> dict[str, Any]:
        """The project file as values; `more` replaces what stands at its first level, `data_...` within data."""
        data = {
            "source": "rows.parquet",
            "time": "ordered",
            "timezone": "UTC",
            "key": ["id"],
            "target": {"column": "late", "kind": kind, "known_after": "12h"},
            "features": {
                "numeric": ["x", "noise"],
                "categorical": ["region", "channel"],
                "calendar": ["hour", "weekday"],
            },
        }
        data |= {k.removeprefix("data_"): more.pop(k) for k in list(more) if k.startswith("data_")}
        return {
            "fleet": "shop",
            "question": "Will this delivery be late?",
            "data": data,
            "stages": [dict(stage) for stage in stages],
            "evaluation": {"holdout": "14d", "step": "1w", "trials": 1, "bootstrap": 100},
            "build": {"blocks": 4, "workers": 2},
            **more,
        }

    def make(self, name: str, rows: pl.DataFrame, spec: Mapping[str, Any]) -> Project:
        """A project folder with these rows, not yet ingested."""
        folder = self.base / name
        folder.mkdir(parents=True)
        rows.write_parquet(folder / "rows.parquet")
        return self.write(folder, spec)

    def write(self, folder: Path, spec: Mapping[str, Any]) -> Project:
        """The project after its file was written (anew); JSON is YAML."""
        (folder / "jomon.yaml").write_text(json.dumps(spec, indent=1), encoding="utf-8")
        return open_project(folder)

    def reopen(self, project: Project) -> Project:
        """The project as the next command opens it."""
        return open_project(project.folder)


def _image_json(project: Project, which: str, reference: str | None = None) -> dict[str, Any]:
    from jomon.oci import media

    store = project.home.images
    manifest = store.manifest(store.resolve(reference or project.latest))
    document: dict[str, Any] = json.loads(store.read_blob(manifest.layer(getattr(media, which))))
    return document


@pytest.fixture(scope="session")
def members_of() -> Callable[..., dict[str, Any]]:
    """The members document of an image: `members_of(project, reference)`."""
    return lambda project, reference=None: _image_json(project, "MEMBERS", reference)


@pytest.fixture(scope="session")
def keys_of(members_of: Callable[..., dict[str, Any]]) -> Callable[..., dict[tuple[int, str], str | None]]:
    """The key of every member with a slow part, by stage and segment."""

    def keys(project: Project, reference: str | None = None) -> dict[tuple[int, str], str | None]:
        return {
            (number, " ".join("=".join(item) for item in member["segment"])): member["key"]
            for number, stage in enumerate(members_of(project, reference)["stages"])
            for member in stage["members"]
            if "key" in member
        }

    return keys


@pytest.fixture(scope="session")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Makes projects that live as long as the session."""
    return Workshop(tmp_path_factory.mktemp("shops"))


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """Makes projects for one test."""
    return Workshop(tmp_path)


@pytest.fixture(scope="session")
def built(shops: Workshop) -> Project:
    """The shop, ingested and built; not to be changed."""
    project = shops.make("built", shops.rows(), shops.spec())
    project.ingest()
    project.build()
    return open_project(project.folder)


@pytest.fixture
def shop(built: Project, tmp_path: Path) -> Project:
    """A copy of the built shop, to be changed."""
    folder = tmp_path / "shop"
    shutil.copytree(built.folder, folder)
    return open_project(folder)
