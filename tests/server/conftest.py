"""Fleets that are built once for all tests and all their processes, and servers that a whole file shares."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .fleets import make_fleets
from .releases import Releases, make_releases
from .servers import Server, running


@pytest.fixture(scope="session")
def fleets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the projects `rides` and `calls`, built; not to be changed (`running` copies it)."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # the one that all test processes share
    folder, done = base / "server-fleets", base / "server-fleets.done"
    with (base / "server-fleets.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            make_fleets(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def releases(fleets: Path) -> Releases:
    """Two images of `rides`, for tests in which a tag moves."""
    return make_releases(fleets)


@pytest.fixture(scope="module")
def server(fleets: Path) -> Iterator[Server]:
    """One server of both fleets, for tests that leave it as it was."""
    with running(fleets, ("rides", "calls")) as running_server:
        yield running_server
