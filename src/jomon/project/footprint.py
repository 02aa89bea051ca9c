"""Measures what a fleet needs: a process of its own loads it as a worker would, and reads what the system says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jomon.core.errors import JomonError
from jomon.project.serving import setups
from jomon.serving.config import ServedName


@dataclass(frozen=True)
class Footprint:
    """Bytes that fleets need: those of each worker alone, and those of packs that all workers share."""

    worker: int
    packs: int
    members: int

    def total(self, workers: int) -> int:
        """Bytes of a server with so many workers."""
        return self.worker * workers + self.packs


def measured(names: Sequence[ServedName]) -> Footprint:
    """What fleets need, measured by a process that loads them, every page of their packs touched.

    Raises `JomonError` with what loading them raised.
    """
    given = json.dumps([[str(name.home), name.reference] for name in names])
    done = subprocess.run(
        [sys.executable, "-m", "jomon.project.footprint", given], capture_output=True, text=True, check=False
    )
    try:
        told = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        raise JomonError(
            f"What the fleets need could not be measured: {done.stderr.strip()[-500:]}"
        ) from None
    if "error" in told:
        raise JomonError(told["error"])
    return Footprint(**told)


def _probe(given: str) -> dict[str, object]:
    names = [ServedName(Path(home), reference) for home, reference in json.loads(given)]
    try:
        loaded = setups(names)
    except JomonError as error:
        return {"error": str(error)}
    packs = members = 0
    for setup in loaded:
        for image in setup.images:
            members += image.members
            for stage in image.runtime.packs:
                for pack in stage:
                    packs += pack.nbytes
                    pack.touch()
    status = Path("/proc/self/status").read_text()
    resident = int(status.partition("VmRSS:")[2].split()[0]) * 1024
    return {"worker": max(resident - packs, 0), "packs": packs, "members": members}


if __name__ == "__main__":
    print(json.dumps(_probe(sys.argv[1])))
