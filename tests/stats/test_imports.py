"""What importing statistics costs."""

from __future__ import annotations

import subprocess
import sys


def test_importing_every_method_loads_numpy_and_nothing_heavier() -> None:
    code = (
        "import importlib, pkgutil, sys, jomon.stats\n"
        "for info in pkgutil.iter_modules(jomon.stats.__path__):\n"
        "    importlib.import_module('jomon.stats.' + info.name)\n"
        "heavy = {'scipy', 'matplotlib', 'polars', 'pandas', 'numba', 'sklearn'} & set(sys.modules)\n"
        "ours = {n for n in sys.modules if n.startswith('jomon.') and not n.startswith('jomon.stats')}\n"
        "print(sorted(heavy | ours))\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
