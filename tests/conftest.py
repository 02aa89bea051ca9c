"""What every test shares: no example fails for being slow, and a missing part is a failure in CI, not a silence."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import tomllib
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

from jomon.core.findings import Cause, CauseKind, Finding, Severity, Span
from jomon.core.incidents import Trouble
from jomon.core.segments import Segment

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


DAY = 86_400_000_000


@pytest.fixture(scope="session")
def make_trouble() -> Callable[..., Trouble]:
    """Makes what a check saw on a day (since 1970-01-01) in some segments and columns."""

    def make(
        day: int,
        parts: str = "carrier=UA",
        columns: str = "distance",
        kind: CauseKind = "unit_changed",
        severity: Severity = "medium",
        rows: int = 55,
        loss: float | None = None,
    ) -> Trouble:
        window, segments = Span(day * DAY, (day + 1) * DAY), tuple(map(Segment.parse, parts.split(",")))
        names = tuple(columns.split())
        finding = Finding(
            window, segments[0], "drift", names[0] if names else "", 80.5, 12.0, 1e-4, 0.6, 0.5, 0.7, 1, rows, 50.0,
            severity, ("below 500", "500 or more"), (5.0, 50.0), (30.0, 20.0),
        )  # fmt: skip
        cause = Cause(kind, f"{columns} is 1.609 times what it was", 0.93, {"factor": 1.609})
        return Trouble(window, segments, names, (finding,), cause, 2, rows, severity, loss, loss, loss)

    return make


def _postgresql_programs() -> Path | None:
    """The folder of PostgreSQL's programs: Debian keeps them off the path."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return folders[-1] if folders else None


@pytest.fixture(scope="session")
def postgresql(needs: Needs) -> Iterator[str]:
    """The URL of a real server on a free port of this machine, in a folder of its own, without a password."""
    needs.package("psycopg")
    programs = _postgresql_programs() or needs.missing("postgresql", "scripts/system-packages.sh")
    user = "postgres" if os.geteuid() == 0 else None  # the server refuses to run as root
    with ExitStack() as made, socket.socket() as free:
        # Not below the folder of pytest: another pytest that starts closes that to other users.
        folder = Path(made.enter_context(tempfile.TemporaryDirectory(prefix="jomon-postgresql-")))
        if user:
            shutil.chown(folder, user)
        rows, control = folder / "rows", str(programs / "pg_ctl")

        def run(*command: str) -> None:
            subprocess.run(command, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL, timeout=120)

        run(str(programs / "initdb"), "-D", str(rows), "-U", "tester", "-A", "trust", "-E", "UTF8")
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        run(control, "-D", str(rows), "-o", options, "-l", str(folder / "log"), "-w", "start")
        made.callback(run, control, "-D", str(rows), "-m", "immediate", "-w", "stop")
        yield f"postgresql+psycopg://tester@127.0.0.1:{port}/postgres"


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path | str]:
    """Where a new ledger may be made: a file, and a database of its own."""
    if request.param == "sqlite":
        yield tmp_path / "home" / "ledger.db"
        return
    server = request.getfixturevalue("postgresql")
    import psycopg

    name = f"ledger_{uuid.uuid4().hex}"
    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield f"{server.rpartition('/')[0].replace('+psycopg', '')}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


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
