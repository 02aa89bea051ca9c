"""Worlds: real data answered out of sample by a fleet that was built before them, cut into windows.

A row of a world has the recorded features, the axes, the key, `answer`, `margin` and `target` (null: never known),
`time` (UTC), `asked` (the time that the model saw), `window` (int, in order) and `hour` (local).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bench.common import step
from jomon.core.cubes import place_axes, watched_levels
from jomon.core.localtime import LocalTime
from jomon.core.spec import ProjectSpec
from jomon.data.tables import LayerTable
from jomon.project import Fleet, open_project

HERE = Path(__file__).parent.parent
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """What a world is made of, and what in it may break.

    `holdout`: the day from which rows are out of sample; `weeks`: windows are weeks, else days. `units`: a numeric
    column and the factor of its other unit; `swaps`: columns of one scale; `renamed`: categories that no axis holds
    together with the others; `mirrored`: features that outcomes lean on; `hours` by which a zone is off.
    """

    name: str
    folder: Path
    holdout: date
    weeks: bool
    units: tuple[tuple[str, float], ...]
    numbers: tuple[str, ...]
    swaps: tuple[tuple[str, str], ...]
    categories: tuple[str, ...]
    mirrored: tuple[str, ...]
    hours: tuple[int, ...]
    member: tuple[str, ...]
    groups: tuple[str, ...]
    replaced: tuple[tuple[str, str], ...] = ()


FLIGHTS = Settings(
    name="flights",
    folder=HERE.parent / "examples" / "flights",
    holdout=date(2013, 5, 1),
    weeks=False,
    units=(("distance", 1.609344), ("wind_speed", 1.609344), ("visib", 1.609344), ("pressure", 0.0295300)),
    numbers=("temp", "dewp", "humid", "wind_speed", "pressure", "distance"),
    swaps=(("temp", "dewp"), ("temp", "humid"), ("wind_speed", "visib")),
    categories=("dest",),
    mirrored=("humid", "pressure", "distance"),
    hours=(4, -3),
    member=("carrier", "origin"),
    groups=("origin", "carrier"),
    replaced=(
        ("evaluation: {holdout: 14w, step: 1w}", "evaluation: {holdout: 2013-05-01, step: 1w}"),
        # Four months are too few for the gate to keep a member; without members no release can mix them up.
        ("keep: not_worse", "keep: always"),
    ),
)
BIRTHS = Settings(
    name="births",
    folder=HERE / "fleets" / "births",
    holdout=date(1981, 1, 1),
    weeks=True,
    units=(("two_weeks_ago", 0.5), ("last_year", 0.001), ("recent", 7.0)),
    numbers=("two_weeks_ago", "last_year", "recent"),
    swaps=(("two_weeks_ago", "last_year"), ("last_year", "recent")),
    categories=("day",),
    mirrored=("two_weeks_ago", "recent"),
    hours=(-5,),
    member=("state",),
    groups=("division",),
)
ALL = {each.name: each for each in (FLIGHTS, BIRTHS)}


@dataclass(frozen=True, eq=False)
class World:
    """Rows of W windows (see above) with the image that answered them.

    `days`: the first local day of each window; `weekday`, `season` and `occasion` int64[W] (0: an ordinary one).
    """

    settings: Settings
    fleet: Fleet
    rows: pl.DataFrame
    days: tuple[date, ...]
    weekday: Ints
    season: Ints
    occasion: Ints

    @property
    def spec(self) -> ProjectSpec:
        """The project file that the image was built from."""
        return self.fleet.runtime.spec

    @property
    def axes(self) -> tuple[str, ...]:
        """Where a row belongs."""
        return place_axes(self.spec)

    @property
    def levels(self) -> tuple[tuple[str, ...], ...]:
        """The levels that are checked."""
        return watched_levels(self.spec)

    @property
    def numeric(self) -> tuple[str, ...]:
        """Recorded numbers."""
        return self.spec.data.features.numeric

    @property
    def categorical(self) -> tuple[str, ...]:
        """Recorded categories."""
        return self.spec.data.features.categorical

    @cached_property
    def spread(self) -> Mapping[str, float]:
        """The standard deviation of each recorded number over all rows."""
        return {name: float(self.rows[name].cast(pl.Float64).std() or 1.0) for name in self.numeric}

    @cached_property
    def by_window(self) -> Mapping[int, pl.DataFrame]:
        """Rows of each window."""
        return {int(key[0]): part for key, part in self.rows.partition_by("window", as_dict=True).items()}

    def exchanged(self, order: Ints) -> World:
        """The same windows in another order: window w becomes window `order[w]`; times move by whole days, hours of
        the clock stay."""
        moved = np.array([(self.days[to] - self.days[at]).days for at, to in enumerate(order)], np.int64)
        at = self.rows["window"].to_numpy()
        zone = self.spec.data.zone
        wall = pl.col("time").dt.convert_time_zone(zone).dt.replace_time_zone(None)
        rows = self.rows.with_columns(
            pl.Series("window", order[at]),
            (wall + pl.duration(days=pl.Series("by", moved[at])))
            .dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
            .dt.convert_time_zone("UTC")
            .alias("time"),
        )
        rows = rows.with_columns(pl.coalesce("time", "asked")).sort("window", maintain_order=True)
        return World(self.settings, self.fleet, rows, self.days, self.weekday, self.season, self.occasion)

    def span(self, window: int) -> tuple[int, int]:
        """Start and end of a window in microseconds since 1970-01-01 UTC."""
        first = (self.days[window] - date(1970, 1, 1)).days
        days = np.array([first, first + (7 if self.settings.weeks else 1)], np.int64)
        start, end = LocalTime(self.spec.data.zone).day_starts(days)
        return int(start), int(end)

    def answered(self, rows: pl.DataFrame, codes: Callable[[Ints], Ints] | None = None) -> pl.DataFrame:
        """The rows with `answer` and `margin` as the image gives them now; `codes` may change which members answer
        (segment codes int64[n, stages])."""
        if not rows.height:
            return rows
        time = self.spec.data.time
        table, found, has = self.fleet.prepare(rows.with_columns(pl.col("asked").alias(time)))
        answers = self.fleet.runtime.answer(table, found if codes is None else codes(found), has)
        return rows.with_columns(
            pl.Series("answer", answers.answer), pl.Series("margin", answers.scores.margin)
        )


def make(settings: Settings, folder: Path) -> World:
    """A world; its project is ingested and built in `folder` unless that was done before."""
    home = folder / settings.name
    if not (home / "built").exists():
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(settings.folder, home, ignore=shutil.ignore_patterns(".jomon", "__pycache__"))
        file = home / "jomon.yaml"
        text = file.read_text()
        for old, new in settings.replaced:
            if old not in text:
                raise SystemExit(f"{file} has no {old!r}; bring the bench up to date with the example.")
            text = text.replace(old, new)
        file.write_text(text)
        project = open_project(home)
        with step(f"{settings.name}: ingest and build, held out from {settings.holdout}"):
            project.ingest()
            project.build()
        (home / "built").write_text("")
    project = open_project(home)
    return _world(settings, project.load(), home / "scored.parquet")


def _world(settings: Settings, fleet: Fleet, kept: Path) -> World:
    spec = fleet.runtime.spec
    time, zone = spec.data.time, spec.data.zone
    names = tuple(dict.fromkeys((*spec.data.features.columns, *place_axes(spec), *spec.data.key)))
    gold = (
        LayerTable(fleet.home.tables, "gold")
        .scan()
        .select(*(name for name in names if name != time), pl.col(time).alias("asked"), "target")
        .collect()
    )
    local = gold["asked"].dt.convert_time_zone(zone)
    gold = gold.with_columns(
        pl.col("asked").alias("time"),
        local.dt.date().alias("day_"),
        local.dt.hour().cast(pl.Int64).alias("hour"),
    ).filter(pl.col("day_") >= settings.holdout)
    if settings.weeks:
        gold = gold.with_columns(pl.col("day_") - pl.duration(days=pl.col("day_").dt.weekday() - 1))
        whole = (
            gold.group_by("day_")
            .agg(pl.col("asked").dt.date().n_unique().alias("n"))
            .filter(pl.col("n") == 7)
        )
        gold = gold.join(whole.select("day_"), on="day_", how="semi")
    days = tuple(gold["day_"].unique().sort().to_list())
    place = {day: at for at, day in enumerate(days)}
    gold = (
        gold.with_columns(
            pl.col("day_").replace_strict(place, return_dtype=pl.Int64).alias("window"),
            *(pl.col(name).cast(pl.Float64) for name in spec.data.features.numeric),
            *(pl.col(name).cast(pl.String) for name in spec.data.features.categorical),
        )
        .drop("day_")
        .sort("window", "asked", *(n for n in spec.data.key if n != time))
    )
    season, occasion = _facts(fleet, days, settings.weeks)
    weekday = np.array([0 if settings.weeks else day.weekday() for day in days], np.int64)
    world = World(settings, fleet, gold, days, weekday, season, occasion)
    if not kept.exists():
        world.answered(gold).select("answer", "margin").write_parquet(kept)
    rows = pl.concat([gold, pl.read_parquet(kept)], how="horizontal")
    return World(settings, fleet, rows, days, weekday, season, occasion)


def _facts(fleet: Fleet, days: Sequence[date], weeks: bool) -> tuple[Ints, Ints]:
    """Season and occasion of each window: of a week those of its middle day, and the first occasion in it."""
    context = fleet.runtime.context
    start = np.array([(day - date(1970, 1, 1)).days for day in days], np.int64)
    span = 7 if weeks else 1
    season = context.time_axis("season")
    kind = context.time_axis("occasion")
    assert season is not None
    assert kind is not None
    fields = context.local.fields(context.local.day_starts((start[:, None] + np.arange(span)).ravel()))
    of_day = kind.coded(fields)
    ordinary = of_day.values.index("ordinary")
    codes = np.where(of_day.codes == ordinary, -1, of_day.codes).reshape(-1, span)
    first = np.array([next((c for c in row if c >= 0), -1) for row in codes], np.int64)
    return season.coded(fields).codes.reshape(-1, span)[:, span // 2].astype(np.int64), first + 1
