"""What importing the engine's modules brings along."""

from __future__ import annotations

import subprocess
import sys

import pytest

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


@pytest.mark.parametrize("module", MODULES)
def test_no_heavy_library_is_imported_before_an_engine_is_made(module):
    code = f"import sys, jomon.engine.{module}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == []


def test_scoring_needs_neither_lightgbm_nor_scikit_learn_nor_polars():
    code = (
        "import sys; from jomon.engine.engine import Engine; Engine([]);"
        f"print(*[name for name in {HEAVY[2:]!r} if name in sys.modules])"
    )
    assert set(subprocess.check_output([sys.executable, "-c", code], text=True).split()) <= {"scipy"}
