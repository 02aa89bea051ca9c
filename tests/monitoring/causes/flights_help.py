"""Real flights with their weather as a fleet's log would have them, and faults to put into them."""

from __future__ import annotations

import datetime as dt
import importlib.util
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from jomon.core.findings import Finding, SignalKind, Span
from jomon.core.segments import Segment
from jomon.core.spec import ProjectSpec
from jomon.core.spec_yaml import parse_project
from jomon.monitoring.causes import Evidence, PlaceHistory

ZONE = "America/New_York"
FIRST, LAST = dt.date(2013, 5, 1), dt.date(2013, 8, 31)
EXAMPLE = Path(__file__).parents[3] / "examples" / "flights"
MEMBERS = (
    {"carrier": "EV", "origin": "EWR"},
    {"carrier": "B6", "origin": "JFK"},
    {"carrier": "UA", "origin": "EWR"},
)
DAYS = [dt.date(2013, 8, 1) + dt.timedelta(days=day) for day in range(30)]
Fault = Callable[[pl.DataFrame, np.random.Generator], pl.DataFrame]
Seen = tuple[SignalKind, str]


@cache
def spec() -> ProjectSpec:
    """The example's project file."""
    return parse_project((EXAMPLE / "jomon.yaml").read_bytes(), "examples/flights/jomon.yaml").spec


@cache
def flights() -> pl.DataFrame:
    """Flights from May to August 2013 with `margin`, `outcome`, `image` and `day`.

    The margin is the log odds of being late in April of a carrier, an airport and an hour, so that outcomes of the
    window's own days have no part in it.
    """
    loader = importlib.util.spec_from_file_location("flights_data", EXAMPLE / "data.py")
    assert loader is not None and loader.loader is not None
    module = importlib.util.module_from_spec(loader)
    loader.loader.exec_module(module)
    time = pl.col("scheduled_departure")
    rows = (
        module.load_flights()
        .filter(time.dt.month().is_between(4, 8))
        .with_columns(
            time.dt.replace_time_zone(ZONE).dt.convert_time_zone("UTC"), pl.col("late").cast(pl.Float64)
        )
        .with_columns(time_hour=pl.col("scheduled_departure").dt.truncate("1h"))
        .join(
            module.load_weather().unique(["origin", "time_hour"], keep="first", maintain_order=True),
            on=["origin", "time_hour"],
            how="left",
        )
        .collect()
    )
    local = pl.col("scheduled_departure").dt.convert_time_zone(ZONE)
    rows = rows.with_columns(hour=local.dt.hour(), day=local.dt.date())
    learned = rows.filter(pl.col("day") < FIRST)
    total = learned["late"].mean()
    rates = [
        learned.group_by(*by).agg(
            ((pl.col("late").sum() + 20 * total) / (pl.col("late").count() + 20)).alias("rate of " + by[-1])
        )
        for by in (["carrier", "origin"], ["hour"])
    ]
    rows = rows.filter(pl.col("day").is_between(FIRST, LAST))
    for rate, by in zip(rates, (["carrier", "origin"], ["hour"]), strict=True):
        rows = rows.join(rate, on=by, how="left")
    odds = [
        (pl.col(name).fill_null(total) / (1 - pl.col(name).fill_null(total))).log()
        for name in ("rate of origin", "rate of hour")
    ]
    margin = odds[0] + odds[1] - float(np.log(total / (1 - total)))  # type: ignore[arg-type, operator]
    numeric = spec().data.features.numeric
    return rows.with_columns(margin=margin, outcome=pl.col("late"), image=pl.lit("a")).select(
        "scheduled_departure", "carrier", "origin", "dest", "flight", *(pl.col(c).cast(pl.Float64) for c in numeric),
        "margin", "outcome", "image", "day",
    ).sort("scheduled_departure", "carrier", "flight", "origin")  # fmt: skip


@cache
def spread(column: str) -> float:
    """The standard deviation of a column."""
    return float(flights()[column].std())  # type: ignore[arg-type]


def inside(where: Mapping[str, str]) -> pl.Expr:
    """Which rows lie in a segment."""
    return pl.all_horizontal(pl.lit(value=True), *(pl.col(axis) == value for axis, value in where.items()))


def evidence_of(
    where: Mapping[str, str], day: dt.date, fault: Fault | None, seen: tuple[Seen, ...], draw: np.random.Generator,
    **more: Any,
) -> Evidence:  # fmt: skip
    """What a check would hand over: `seen` as findings, the window's rows with the fault, earlier rows, and peers from
    the whole fleet."""
    rows = flights()
    own, beside = rows.filter(inside(where)), rows.filter(~inside(where))
    window = own.filter(pl.col("day") == day).drop("day")
    changed = window if fault is None else fault(window, draw)
    before = own.filter(pl.col("day") < day)
    weekday = before.filter(pl.col("day").dt.weekday() == day.isoweekday())
    volumes = tuple(float(n) for n in weekday.group_by("day").len()["len"])
    start = int(dt.datetime(day.year, day.month, day.day, 4, tzinfo=dt.UTC).timestamp() * 1e6)
    span = Span(start, start + 86_400_000_000)
    segment = Segment(tuple(where.items()))
    expected = float(np.mean(volumes))
    findings = tuple(
        Finding(
            span, segment, kind, column, 50.0, 8.0, 1e-6, 0.5, 0.3, 0.7, 1, changed.height, expected, "high"
        )
        for kind, column in seen
    )
    more.setdefault("history", PlaceHistory(volumes=volumes, fleet=35))
    return Evidence(
        findings,
        span,
        spec(),
        changed,
        before.drop("day"),
        beside.filter(pl.col("day") == day).drop("day"),
        beside.filter(pl.col("day") < day).drop("day").tail(15_000),
        **more,
    )


def put(share: float, **values: pl.Expr) -> Fault:
    """Other values in a share of the rows."""

    def fault(rows: pl.DataFrame, draw: np.random.Generator) -> pl.DataFrame:
        taken = pl.Series(draw.random(rows.height) < share)
        return rows.with_columns(
            **{name: pl.when(taken).then(value).otherwise(pl.col(name)) for name, value in values.items()}
        )

    return fault


def stuck(share: float, column: str) -> Fault:
    """The first known value of the window, over and over."""
    return put(share, **{column: pl.col(column).drop_nulls().first()})


def renamed(share: float, suffix: str = "_") -> Fault:
    """The commonest destination is written otherwise."""

    def fault(rows: pl.DataFrame, draw: np.random.Generator) -> pl.DataFrame:
        value = rows["dest"].value_counts(sort=True)["dest"][0]
        new = pl.when(pl.col("dest") == value).then(pl.lit(value + suffix)).otherwise(pl.col("dest"))
        return put(share, dest=new)(rows, draw)

    return fault


def doubled(share: float) -> Fault:
    """A share of the rows comes twice."""

    def fault(rows: pl.DataFrame, draw: np.random.Generator) -> pl.DataFrame:
        return pl.concat([rows, rows.filter(pl.Series(draw.random(rows.height) < share))])

    return fault


def gone(share: float) -> Fault:
    """A share of the rows never comes."""

    def fault(rows: pl.DataFrame, draw: np.random.Generator) -> pl.DataFrame:
        return rows.filter(pl.Series(draw.random(rows.height) >= share))

    return fault


def moved(share: float, hours: int) -> Fault:
    """A share of the rows is some hours late; what leaves the day is not seen."""

    def fault(rows: pl.DataFrame, draw: np.random.Generator) -> pl.DataFrame:
        day = rows["scheduled_departure"].dt.convert_time_zone(ZONE).dt.date().mode()[0]
        late = put(share, scheduled_departure=pl.col("scheduled_departure") + pl.duration(hours=hours))(
            rows, draw
        )
        return late.filter(pl.col("scheduled_departure").dt.convert_time_zone(ZONE).dt.date() == day)

    return fault
