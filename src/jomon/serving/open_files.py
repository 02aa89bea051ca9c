"""How many connections a worker holds at once: fewer than it may open files, so that its logs can always be written."""

from __future__ import annotations

import resource

MOST_FILES = 65_536
MOST_CONNECTIONS = 2_048
FEWEST_CONNECTIONS = 16
KEPT_FILES = 96
"""Files that a worker has open besides connections, or opens in passing: its own, and those of libraries."""
FILES_OF_FLEET = 8


def raised_limit() -> int:
    """How many files a process and its children may open, after asking for as many as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return MOST_FILES if soft == resource.RLIM_INFINITY else soft


def connections(files: int, fleets: int) -> int:
    """Connections that a worker of `fleets` fleets accepts where it may open `files`; further ones wait.

    >>> connections(65536, 3), connections(256, 3), connections(64, 3)
    (2048, 136, 16)
    """
    return max(FEWEST_CONNECTIONS, min(MOST_CONNECTIONS, files - KEPT_FILES - FILES_OF_FLEET * fleets))
