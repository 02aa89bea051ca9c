"""The folder through which training processes see the arrays of a build."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jomon.core.table import Floats
from jomon.stats.links import Link
from jomon.training.estimators import Design
from jomon.training.rows import Positions, TrainingRows

SCRATCH = "jomon-build-"  # begins the name of a folder with the arrays of a running build
SCRATCH_AGE = 86_400.0  # seconds after which such a folder may be taken for left behind


@dataclass
class Scratch:
    """A folder with the arrays that training processes map; it is removed at the end of a build."""

    folder: Path
    rows: TrainingRows
    design: Design
    link: Link
    project_dir: str | None
    seed: int
    _saved: bool = field(default=False)

    @classmethod
    @contextmanager
    def open(
        cls, rows: TrainingRows, design: Design, link: Link, project_dir: str | None, seed: int
    ) -> Iterator[Scratch]:
        """Make the folder, and remove it whatever happens."""
        _sweep()
        folder = Path(tempfile.mkdtemp(prefix=SCRATCH))
        try:
            with (folder / "lock").open("wb") as held:
                fcntl.flock(held, fcntl.LOCK_EX)
                yield cls(folder, rows, design, link, project_dir, seed)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def stage(self, name: str, offset: Floats | None, order: Positions) -> Path:
        """A folder with the arrays of one stage; those that all stages share are linked, not copied."""
        if not self._saved:
            shared: dict[str, Any] = {"X": self.rows.X, "y": self.rows.y}
            shared |= {"learn_day": self.rows.learn_day, "block": self.rows.block}
            for label, array in shared.items():
                np.save(self.folder / f"{label}.npy", array)
            self._saved = True
        folder = self.folder / name
        folder.mkdir()
        for path in self.folder.glob("*.npy"):
            (folder / path.name).hardlink_to(path)
        np.save(folder / "order.npy", order)
        if offset is not None:
            np.save(folder / "offset.npy", offset)
        return folder


def _sweep() -> None:
    """Remove the folders of builds that were killed: old ones whose lock nobody holds."""
    for lock in Path(tempfile.gettempdir()).glob(f"{SCRATCH}*/lock"):
        try:
            with lock.open("rb") as held:
                if time.time() - lock.stat().st_mtime < SCRATCH_AGE:
                    continue
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
        except OSError:
            continue  # in use, of another user, or gone
