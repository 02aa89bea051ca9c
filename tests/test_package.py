"""What is installed is whole: the tests see the wheel, and the wheel has all that users need."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest

import jomon

ROOT = Path(__file__).parents[1]
PACKAGE = Path(jomon.__file__).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKS = ("requirements.lock", "requirements-demo.lock")
FROM_WHEEL = os.environ.get("JOMON_TESTS") == "wheel"


@pytest.mark.skipif(
    not FROM_WHEEL, reason="`make test` runs the tests against the wheel, this is another run"
)
def test_the_tests_see_the_wheel_and_not_the_sources() -> None:
    assert not PACKAGE.is_relative_to(ROOT / "src")
    origin = json.loads(distribution("jomon").read_text("direct_url.json") or "{}")
    assert origin["url"].endswith(".whl")


@pytest.mark.skipif(
    not FROM_WHEEL, reason="`make test` runs the tests against the wheel, this is another run"
)
def test_the_wheel_has_every_source_file_and_example_and_nothing_else() -> None:
    def files(folder: Path) -> set[str]:
        hidden = ("__pycache__", ".jomon")
        found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        return {str(path) for path in found if not set(path.parts) & set(hidden)}

    expected = files(ROOT / "src" / "jomon") | {f"examples/{name}" for name in files(ROOT / "examples")}
    assert files(PACKAGE) == expected
    assert "py.typed" in expected


def test_the_version_is_one() -> None:
    assert jomon.__version__ == PROJECT["version"] == distribution("jomon").version


def test_the_command_is_installed() -> None:
    shown = subprocess.check_output([Path(sys.executable).parent / "jomon", "--version"], text=True)
    assert shown == f"jomon {jomon.__version__}\n"


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_every_package_with_its_hashes_and_names_no_index(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    entries = re.findall(
        r"^[a-z0-9-]+==[^\n]*\\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+", text, re.MULTILINE
    )
    assert len(entries) == len(re.findall(r"^[a-z0-9]", text, re.MULTILINE)) > 20
    assert "://" not in text
    assert "--index" not in text


def test_the_locks_agree_and_cover_what_the_project_declares() -> None:
    full, demo = (
        dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))
        for name in LOCKS
    )
    assert demo.items() <= full.items()
    declared = [re.split(r"[\[><=]", text)[0].replace(".", "-") for text in PROJECT["dependencies"]]
    assert set(declared) <= set(demo)
