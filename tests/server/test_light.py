"""A worker holds what answering needs and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HEAVY = (
    "polars",
    "deltalake",
    "lightgbm",
    "sklearn",
    "pandas",
    "pyarrow",
    "duckdb",
    "matplotlib",
    "typer",
    "rich",
)
PROGRAM = """
import sys
from pathlib import Path
from jomon.serving.app import load
from jomon.serving.config import Limits, ServedName, WorkerConfig
home = Path(sys.argv[1])
run = Path(sys.argv[2])
load(WorkerConfig((ServedName(home, "rides:latest"),), Limits(), run, keys=home, keys_required=False))
print(*[name for name in sys.argv[3:] if name in sys.modules])
"""


def test_a_worker_starts_without_trainers_data_frames_and_the_command_line(
    fleets: Path, tmp_path: Path
) -> None:
    home = shutil.copytree(fleets / "rides" / ".jomon", tmp_path / "home")
    words = [sys.executable, "-c", PROGRAM, home, tmp_path / "run", *HEAVY]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
