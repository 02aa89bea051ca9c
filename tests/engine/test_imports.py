"""What importing the engine's modules brings along."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import jomon

HEAVY = ("numba", "llvmlite", "lightgbm", "sklearn", "skops", "polars", "pandas", "scipy")
MODULES = (
    "pack",
    "member",
    "trees",
    "linear",
    "lightgbm_text",
    "fasttable",
    "opaque",
    "stages",
    "tables",
    "engine",
)


def test_no_heavy_library_is_imported_before_an_engine_is_made():
    imports = "; ".join(f"import jomon.engine.{module}" for module in MODULES)
    code = f"import sys; {imports}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == []


def test_scoring_needs_neither_lightgbm_nor_scikit_learn_nor_polars():
    code = (
        "import sys; from jomon.engine.engine import Engine; Engine([]);"
        f"print(*[name for name in {HEAVY[2:]!r} if name in sys.modules])"
    )
    assert set(subprocess.check_output([sys.executable, "-c", code], text=True).split()) <= {"scipy"}


def _first_engine(folder, cache):
    """Make an engine with the package at `folder`, whose own cache folder cannot be written."""
    code = "import jomon.engine.engine as e; e.Engine([]); print(e.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(folder), "XDG_CACHE_HOME": str(cache), "HOME": str(cache)}
    environment.pop("NUMBA_CACHE_DIR", None)
    return subprocess.check_output([sys.executable, "-B", "-c", code], text=True, env=environment)


@pytest.mark.skipif(sys.platform != "linux", reason="numba's user cache folder is found otherwise elsewhere")
def test_compiled_code_is_kept_where_a_folder_can_be_written_until_its_source_changes(tmp_path):
    ignored = shutil.ignore_patterns("__pycache__")
    package = shutil.copytree(Path(jomon.__file__).parent, tmp_path / "jomon", ignore=ignored)
    unwritable = package / "engine" / "__pycache__"
    unwritable.touch()

    def compiled(cache):
        assert _first_engine(tmp_path, cache).startswith(str(tmp_path))
        return len(list(tmp_path.rglob("*.nbc")))

    assert (compiled(tmp_path / "cache"), compiled(tmp_path / "cache")) == (2, 2)
    with (package / "engine" / "walk.py").open("a") as file:
        file.write("# changed")
    assert compiled(tmp_path / "cache") == 4
    assert compiled(unwritable) == 4
