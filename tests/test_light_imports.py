"""Heavy libraries are loaded by what needs them and by nothing else."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from jomon.project import open_project
from jomon.project.scaffold import scaffold

HEAVY = (
    "polars", "numba", "lightgbm", "pandas", "sklearn", "skops", "duckdb", "deltalake", "scipy", "matplotlib",
    "sqlalchemy", "alembic",
)  # fmt: skip
SERVING = tuple(
    name for name in HEAVY if name not in ("numba", "scipy")
)  # numba loads the part of scipy it wraps


def loaded(code: str, names: tuple[str, ...] = HEAVY) -> list[str]:
    """Which of `names` a fresh process has imported after `code`."""
    program = f"{code}\nimport sys\nprint('loaded:', *[name for name in {names!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()[1:]


@pytest.mark.parametrize("room", ["core", "oci", "store"])
def test_every_module_of_a_light_room_loads_no_heavy_library(room: str) -> None:
    code = (
        f"import importlib, pkgutil, jomon.{room} as room\n"
        "for info in pkgutil.iter_modules(room.__path__):\n"
        f"    importlib.import_module('jomon.{room}.' + info.name)"
    )
    assert loaded(code) == []


@pytest.mark.parametrize(
    "module", ["jomon", "jomon.core.spec_yaml", "jomon.project", "jomon.cli.main", "jomon.client"]
)
def test_the_front_doors_load_no_heavy_library(module: str) -> None:
    assert loaded(f"import {module}") == []


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small project, its image, and rows made ready to answer."""
    folder = tmp_path_factory.mktemp("served") / "sales"
    scaffold(folder)
    project = open_project(folder)
    project.ingest()
    project.build(workers=1)
    rows = {
        "shop": ["park", "harbour"],
        "city": ["south", "north"],
        "price": [2.0, 1.9],
        "day": ["2024-12-01"] * 2,
    }
    table, _, _ = project.load().prepare(rows)
    (folder / "rows.pickle").write_bytes(pickle.dumps(table))
    return folder


def test_answering_loads_no_library_that_only_trains_or_reads_tables(served: Path) -> None:
    code = (
        "import pickle, pathlib, jomon\n"
        f"fleet = jomon.load_fleet('sales:latest', {str(served)!r})\n"
        f"rows = pickle.loads(pathlib.Path({str(served / 'rows.pickle')!r}).read_bytes())\n"
        "assert (fleet.runtime.answer(rows).answer > 0).all()"
    )
    assert loaded(code, SERVING) == []
