"""Statistics of earlier windows, computed once and kept in a file each: a check costs what its window costs."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from jomon.core.errors import CorruptError
from jomon.core.spec import ProjectSpec
from jomon.monitoring.family import Family
from jomon.monitoring.judging import Statistics
from jomon.monitoring.window_statistics import Fleet, WindowStatistics
from jomon.oci.digest import Digest
from jomon.project.home import Home
from jomon.store.atomic import replace_file

FORMAT = 1
"""Raise it when the same counts give other statistics."""


def kept_statistics(
    home: Home, spec: ProjectSpec, fleet: Fleet, windows: Iterable[int], changed: frozenset[int]
) -> dict[int, Statistics]:
    """The statistics of windows by number, from files where they are there and nothing came since.

    `changed`: starts of windows whose profiles are new; statistics of all that follow them are computed again.
    """
    folder = home.root / "monitor" / spec.fleet / _digest(spec, fleet)[:16]
    starts = fleet.cells.cube.windows
    first_changed = min(changed, default=None)
    out: dict[int, Statistics] = {}
    for window in windows:
        start = int(starts[window])
        path = folder / f"{start}.npz"
        fresh = first_changed is None or start < first_changed
        known = _read(path, fleet) if fresh else None
        out[window] = known if known is not None else _computed(path, fleet, window)
    return out


def _digest(spec: ProjectSpec, fleet: Fleet) -> str:
    """Of all that decides statistics besides the counts."""
    facts = [
        FORMAT,
        fleet.cells.cube.binning.canonical(),
        [list(level.axes) for level in fleet.levels],
        fleet.cells.strata.tolist(),
        spec.canonical()["monitor"],
        spec.data.zone,
        int(fleet.cells.cube.windows[0]),
    ]
    return Digest.of_json(facts).hex


def _computed(path: Path, fleet: Fleet, window: int) -> Statistics:
    statistics = WindowStatistics(fleet, window).all()
    arrays = {
        f"{family.level}|{family.column}|{family.kind}": values.astype(np.float32)
        for family, values in statistics.items()
    }
    buffer = io.BytesIO()
    segments = json.dumps([[segment.text for segment in level.segments] for level in fleet.levels]).encode()
    np.savez_compressed(buffer, segments=np.frombuffer(segments, np.uint8), **arrays)  # type: ignore[arg-type]
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, buffer.getvalue(), path.with_name(f".{path.name}.{os.getpid()}"))
    return statistics


def _read(path: Path, fleet: Fleet) -> Statistics | None:
    """Statistics of a file, segments as the fleet has them now; None where there is no file that can be used."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            texts = json.loads(bytes(stored["segments"]))
            places = [{text: at for at, text in enumerate(level)} for level in texts]
            order = [
                np.array([places[number].get(segment.text, -1) for segment in level.segments], np.int64)
                for number, level in enumerate(fleet.levels)
            ]
            out: dict[Family, np.ndarray] = {}
            for name in stored.files:
                if name == "segments":
                    continue
                level, column, kind = name.split("|")
                at = order[int(level)]
                values = stored[name].astype(np.float64)
                padded = np.concatenate([values, np.full((len(values), 1), np.nan)], axis=1)
                out[Family(int(level), int(column), kind)] = padded[:, at]
            return out
    except (OSError, ValueError, KeyError, CorruptError):
        return None
