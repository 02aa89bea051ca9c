"""What every test shares: no example fails for being slow, and a missing part is a failure in CI, not a silence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

UNAVAILABLE = Path(__file__).parent / "unavailable.toml"

settings.register_profile("jomon", deadline=None)
settings.load_profile("jomon")


class Needs:
    """Asks for parts that a machine may lack: programs, packages and rights.

    A test that misses one is skipped with the reason; where the environment says CI=true it fails, unless
    `unavailable.toml` names the part with the command that was to bring or use it and what that printed.
    """

    def __init__(self, excused: frozenset[str], ci: bool) -> None:
        self.excused, self.ci = excused, ci

    def program(self, name: str, brought_by: str = "scripts/system-packages.sh") -> str:
        """The path of a program."""
        return shutil.which(name) or self.missing(name, brought_by)

    def package(self, name: str, brought_by: str = "requirements.lock") -> None:
        """A Python package that can be imported."""
        if find_spec(name) is None:
            self.missing(name, brought_by)

    def missing(self, part: str, brought_by: str) -> NoReturn:
        """Say that `part` is not here: a failure in CI unless it is excused, a skipped test elsewhere."""
        self._without(part, f"{part} is not installed; {brought_by} brings it")

    def refused(self, part: str, because: str) -> NoReturn:
        """Say that this machine does not do `part` for us: a right or a system is missing, not a program."""
        self._without(part, f"{part} is refused here; {because}")

    def _without(self, part: str, reason: str) -> NoReturn:
        if self.ci and part not in self.excused:
            pytest.fail(
                f"{reason}; if no machine of CI can have it, list it in tests/unavailable.toml", pytrace=False
            )
        pytest.skip(reason)


def read_unavailable(path: Path = UNAVAILABLE) -> frozenset[str]:
    """The parts that machines of CI cannot have; raises ValueError where an entry lacks its proof."""
    entries = tomllib.loads(path.read_text(encoding="utf-8"))
    for part, entry in entries.items():
        if set(entry) != {"command", "printed"} or not all(entry.values()):
            raise ValueError(
                f"{path.name}: {part} needs `command` (what failed) and `printed` (what it said)"
            )
    return frozenset(entries)


@pytest.fixture(scope="session")
def needs() -> Needs:
    """Asks for parts that a machine may lack: `needs.program("skopeo")`, `needs.package("psycopg")`."""
    return Needs(read_unavailable(), os.environ.get("CI") == "true")


@pytest.fixture(scope="session")
def make_needs() -> Callable[[frozenset[str], bool], Needs]:
    """Makes a `Needs` with other answers, to test it."""
    return Needs


@pytest.fixture
def small_disk_of(needs: Needs) -> Iterator[Callable[[int, Path], Path]]:
    """Makes a folder that is a file system of some megabytes until the test ends; needs the right to mount."""
    with ExitStack() as mounted:

        def make(megabytes: int, folder: Path) -> Path:
            if sys.platform != "linux":
                needs.refused("mount", f"a small tmpfs needs Linux, and this is {sys.platform}")
            mount = needs.program("mount", "the package mount of the distribution")
            folder.mkdir(parents=True)
            command = [mount, "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            if done.returncode:
                said = done.stderr.strip().partition("\n")[0]
                needs.refused("mount", f"a small tmpfs needs the right to mount ({said})")
            mounted.callback(subprocess.run, ["umount", "-l", str(folder)], check=True)
            return folder

        yield make


@pytest.fixture
def small_disk(small_disk_of: Callable[[int, Path], Path], tmp_path: Path) -> Path:
    """A file system of one megabyte."""
    return small_disk_of(1, tmp_path / "disk")
