"""Held-out rows of a project in windows, scored by models that never saw them, for `bench.estimated_performance`."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.common import step
from jomon.core.table import Coded
from jomon.data.gold import read_gold
from jomon.project import open_project
from jomon.stats.auc import roc_auc
from jomon.stats.links import Kind
from jomon.stats.losses import absolute_error, log_loss, poisson_deviance, squared_error
from jomon.stats.measure import mean_response
from jomon.stats.support import outside_earlier
from jomon.training.build import days_of

Array = np.ndarray[Any, Any]
CALENDAR = (
    "hour",
    "minute_of_day",
    "weekday",
    "month",
    "year_phase_sin",
    "year_phase_cos",
    "days_to_occasion",
)


@dataclass(frozen=True)
class Study:
    """A fleet's windows of `days` days: `reference` ones, and from `counted` on those that are quoted.

    `levels` are columns whose segments are estimated, those with a median of `rows` rows in a window; NannyML gets the
    fleet and the segments of `beside` (none: the fleet alone), `anew` of which, as the fleet, with references fitted
    anew in every `every`th window. `leaves`: a column that is made to leave the reference in half of the rows of
    one window after another, to see whether estimates are refused.
    """

    name: str
    folder: Path
    holdout: str
    days: int
    reference: int
    counted: int
    levels: tuple[tuple[str, ...], ...]
    rows: int
    beside: tuple[tuple[str, ...], ...] = ()
    beside_rows: int = 0
    anew: int = 8
    every: int = 1
    leaves: str = ""


@dataclass(frozen=True, eq=False)
class Scored:
    """Held-out rows in order of time, scored; of each window the first at whose end all its outcomes are known."""

    kind: Kind
    margin: Array
    target: Array
    window: Array
    known_from: Array
    columns: dict[str, Any]
    codes: dict[tuple[str, ...], Array] = field(default_factory=dict)

    @property
    def windows(self) -> int:
        """How many windows."""
        return len(self.known_from)


def built(study: Study, folder: Path) -> Any:
    """The project with its hold-out, ingested and built; made once for all studies of a folder."""
    if not folder.exists():
        shutil.copytree(study.folder, folder, ignore=shutil.ignore_patterns(".jomon", "__pycache__"))
        file = folder / "jomon.yaml"
        file.write_text(re.sub(r"holdout: [\w-]+", f"holdout: {study.holdout}", file.read_text()))
        project = open_project(folder)
        with step(f"{study.name}: ingest and build"):
            project.ingest()
            project.build()
    return open_project(folder)


def scored(study: Study, project: Any) -> Scored:
    """The rows of whole windows after the hold-out; weeks begin on Mondays."""
    runtime = project.load().runtime
    gold = read_gold(project.home.tables, runtime.spec)
    serve_day, learn_day = days_of(gold, runtime.context.local)
    first = runtime.end_day
    if study.days == 7:
        first += (-(first + 3)) % 7
    count = (int(serve_day.max()) + 1 - first) // study.days
    inside = (serve_day >= first) & (serve_day < first + count * study.days)
    gold, window, learn = gold.take(inside), (serve_day[inside] - first) // study.days, learn_day[inside]
    latest = np.zeros(count, np.int64)
    np.maximum.at(latest, window, learn)
    ends = first + study.days * np.arange(1, count + 1)
    margin = runtime.engine.score(runtime.encoder.encode(gold.table), gold.codes, gold.has).margin
    columns: dict[str, Any] = {name: gold.table.columns[name] for name in runtime.spec.data.features.columns}
    found = Scored(
        runtime.kind,
        margin,
        gold.target,
        window,
        np.searchsorted(ends, latest),
        columns | {"": serve_day[inside]},
    )
    for level in study.levels:
        found.codes[level] = codes_of([columns[name] for name in level])
    return found


def codes_of(columns: list[Coded]) -> Array:
    """One code per row for a combination of categories, from 0; -1 where one is missing."""
    code = np.zeros(len(columns[0].codes), np.int64)
    missing = np.zeros(len(code), bool)
    for column in columns:
        code = code * (len(column.values) + 1) + column.codes
        missing |= column.codes < 0
    out = np.full(len(code), -1, np.int64)
    out[~missing] = np.unique(code[~missing], return_inverse=True)[1]
    return out


def members_of(
    study: Study, data: Scored, levels: tuple[tuple[str, ...], ...], rows: int
) -> list[tuple[int, int]]:
    """The fleet (-1, 0) and the segments (level, code) with at least so many rows in a usual window."""
    out = [(-1, 0)]
    for at, level in enumerate(study.levels):
        if level not in levels:
            continue
        codes = data.codes[level]
        counts = np.zeros((data.windows, int(codes.max()) + 1))
        np.add.at(counts, (data.window[codes >= 0], codes[codes >= 0]), 1)
        out += [(at, int(code)) for code in np.flatnonzero(np.median(counts, axis=0) >= rows)]
    return out


def outside(data: Scored, reference: int) -> Array:
    """Rows with a recorded value that no earlier window had."""
    recorded = {name: values for name, values in data.columns.items() if name and name not in CALENDAR}
    numbers = {name: v for name, v in recorded.items() if not isinstance(v, Coded)} | {"margin": data.margin}
    categories = {name: v.codes for name, v in recorded.items() if isinstance(v, Coded)}
    return outside_earlier(data.window, numbers, categories, reference)


def realised(data: Scored, members: list[tuple[int, int]], study: Study, first: int) -> dict[str, Array]:
    """Realised performance from the rows themselves, float64[windows, members] by metric."""
    names = (
        ("log_loss", "roc_auc", "brier") if data.kind == "binary" else ("poisson_deviance", "absolute_error")
    )
    out = {name: np.full((data.windows, len(members)), np.nan) for name in names}
    known = ~np.isnan(data.target)
    for column, (level, code) in enumerate(members):
        mine = known if level < 0 else known & (data.codes[study.levels[level]] == code)
        for window in range(first, data.windows):
            rows = np.flatnonzero(mine & (data.window == window))
            if len(rows):
                y, m = data.target[rows], data.margin[rows]
                for name in names:
                    out[name][window, column] = HOW[name](y, m, mean_response(m, data.kind))
    return out


HOW = {
    "log_loss": lambda y, m, p: log_loss(y, m).mean(),
    "roc_auc": lambda y, m, p: roc_auc(y, m),
    "brier": lambda y, m, p: squared_error(y, p).mean(),
    "poisson_deviance": lambda y, m, p: poisson_deviance(y, m).mean(),
    "absolute_error": lambda y, m, p: absolute_error(y, p).mean(),
}
