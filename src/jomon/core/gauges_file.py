"""Where the gauges of a fleet's last check are, for those who write and those who show them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

FOLDER = "metrics"
PREFIX = "jomon_monitor_"
"""What the names of all these gauges begin with."""


def gauges_file(root: Path | str, fleet: str) -> Path:
    """The file under the folder of a store.

    >>> gauges_file(".jomon", "a/b").as_posix()
    '.jomon/metrics/monitor-a%2Fb.prom'
    """
    return Path(root) / FOLDER / f"monitor-{quote(fleet, safe='')}.prom"
