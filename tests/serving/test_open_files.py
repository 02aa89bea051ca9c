"""Workers may open as many files as the system allows, and hold fewer connections than that."""

from __future__ import annotations

import subprocess
import sys

import pytest

from jomon.serving.open_files import FEWEST_CONNECTIONS, MOST_CONNECTIONS, MOST_FILES, connections

SCRIPT = """
import resource, sys
from jomon.serving.open_files import raised_limit
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2]) if sys.argv[2] != "same" else hard))
print(raised_limit(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def raised(soft: int, hard: int | str) -> tuple[int, int]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(soft), str(hard)], capture_output=True, text=True, check=True
    )
    told, limit = done.stdout.split()
    return int(told), int(limit)


def test_the_limit_is_raised_as_far_as_the_system_lets() -> None:
    assert raised(100, 300) == (300, 300)
    assert raised(300, 300) == (300, 300)
    told, limit = raised(256, "same")
    assert told == limit
    assert 256 <= told <= MOST_FILES


@pytest.mark.parametrize("fleets", [1, 3, 300])
def test_connections_leave_files_for_fleets_and_logs(fleets: int) -> None:
    for files in (64, 256, 1024, 4096, MOST_FILES):
        allowed = connections(files, fleets)
        assert FEWEST_CONNECTIONS <= allowed <= MOST_CONNECTIONS
        assert allowed == FEWEST_CONNECTIONS or allowed + 8 * fleets < files
