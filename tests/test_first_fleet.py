"""The page for newcomers is true: its commands and its Python run as they stand, in its order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "first-fleet.md"


def test_a_first_fleet_is_built_and_answers_as_the_page_says(tmp_path: Path) -> None:
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    shell = "".join(code for language, code in blocks if language == "sh")
    python = "".join(code for language, code in blocks if language == "python")
    (tmp_path / "page.py").write_text(python, encoding="utf-8")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    script = f"set -eux\n{shell}\npython {tmp_path / 'page.py'}\n"
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "sales" / "answers.parquet").is_file()
    assert "0 trained" in done.stdout  # by the second build
    assert "shop=park True" in done.stdout  # one line of the route that the Python shows
