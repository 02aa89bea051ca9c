"""Evidently and NannyML: a check of one member and window each, beside the member's matched history.

The reference of a window is the member's rows in the ordinary windows of its season before it, `REFERENCE` at most:
the same history that jomon's own check has, as one table, which is what these tools take.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from scipy.stats import norm

from bench import peer
from bench.common import run
from bench.monitoring.faults import inside
from bench.monitoring.worlds import World

HERE = Path(__file__).parent
REFERENCE = 28
TOOLS = ("evidently", "nannyml")


@dataclass(frozen=True)
class Pair:
    """Rows of a member in a window beside those of its history."""

    reference: pl.DataFrame
    current: pl.DataFrame


def settings_of(tool: str, tests: int, rate: float = 0.05) -> dict[str, dict[str, Any]]:
    """What is tried: the defaults, and the documented settings that bear on false alarms. `tests` (columns x members of
    one check of the fleet) share the rate in the settings that take one."""
    each = rate / tests
    if tool == "evidently":
        psi = {"num_method": "psi", "cat_method": "psi", "num_threshold": 0.2, "cat_threshold": 0.2}
        tests_ = {"num_method": "ks", "cat_method": "chisquare", "num_threshold": each, "cat_threshold": each}
        return {"defaults": {}, "population stability index of 0.2": psi, "tests at a shared rate": tests_}
    wide = {"continuous_methods": ["wasserstein"], "categorical_methods": ["l_infinity"]}
    return {"defaults": {}, "wasserstein at a shared rate": {**wide, "multiplier": float(norm.isf(each))}}


def history_of(world: World, window: int, segment: Mapping[str, str]) -> pl.DataFrame:
    """A member's rows in the windows that `window` is compared with."""
    ordinary = [w for w in range(window) if world.occasion[w] == 0]
    same = [w for w in ordinary if world.season[w] == world.season[window]] or ordinary
    rows = world.rows.filter(pl.col("window").is_in(same[-REFERENCE:]))
    return rows.filter(pl.Series(inside(rows, segment)))


def ask(world: World, tool: str, pairs: Sequence[Pair], tests: int) -> list[dict[str, Any]]:
    """What a tool says of each pair under each setting: `check` (its number), `setting`, `dataset` (its verdict on the
    whole), `columns` that drifted, `seconds`, or `error`."""
    binary = world.fleet.kind == "binary"
    numeric = [*world.numeric, "hour", "answer", *([] if binary else ["target"])]
    categorical = [
        *(c for c in world.categorical if c not in world.settings.member),
        *(["target"] if binary else []),
    ]
    task = {
        "settings": settings_of(tool, tests),
        "numeric": numeric,
        "categorical": categorical,
        "period": "W" if world.settings.weeks else "D",
    }
    local = pl.col("time").dt.convert_time_zone(world.spec.data.zone).dt.replace_time_zone(None).alias("at")
    chosen = [
        *(pl.col(name).cast(pl.Float64) for name in numeric),
        *(pl.col(name).cast(pl.String) for name in categorical),
        local,
    ]
    return asked(
        tool, task, [Pair(pair.reference.select(chosen), pair.current.select(chosen)) for pair in pairs]
    )


def asked(tool: str, task: Mapping[str, Any], pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """What a tool says of pairs of tables that have the columns of the task and `at`; see `ask`."""
    with tempfile.TemporaryDirectory(prefix="jomon-bench-") as name:
        folder = Path(name)
        (folder / "task.json").write_text(json.dumps(task))
        for part in ("reference", "current"):
            frames = [
                getattr(pair, part).with_columns(pl.lit(at).alias("check")) for at, pair in enumerate(pairs)
            ]
            pl.concat(frames).write_parquet(folder / f"{part}.parquet")
        said = run([peer.python_of(tool), HERE / f"peer_{tool}.py", folder])
    found: list[dict[str, Any]] = json.loads(said.strip().splitlines()[-1])
    return found


def raised(answer: Mapping[str, Any]) -> bool:
    """Whether a tool raised anything. A check that fails with an error does: somebody will look."""
    return "error" in answer or bool(answer["columns"]) or bool(answer["dataset"])
