"""Faults of rows: too many, too few, at another time; and an event of two days."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from bench.monitoring.faults import VOLUME, Change, Fault, Making, inside, with_values

EVENT_WINDOWS = 2
ROWS = ("volume", "duplicates")


def duplicated_rows(make: Making) -> Fault:
    """Rows come twice, with the same key."""

    def apply(rows: pl.DataFrame, _: int, draw: np.random.Generator) -> Change:
        again = rows.filter(pl.Series(make.taken(rows, draw)))
        return pl.concat([rows, again]), again.height

    return make.fault(("",), ("duplicated_rows",), apply, kinds=ROWS)


def missing_rows(make: Making) -> Fault:
    """Rows never come."""

    def apply(rows: pl.DataFrame, _: int, draw: np.random.Generator) -> Change:
        gone = make.taken(rows, draw, VOLUME[make.size])
        return rows.filter(pl.Series(~gone)), int(gone.sum())

    return make.fault(("",), ("missing_rows",), apply, kinds=ROWS)


def time_zone(make: Making) -> Fault:
    """Times are written in another zone: rows move by hours, and some out of the window; the columns that came with
    them stay, the model answers for the moved time."""
    world = make.world
    hours = world.settings.hours[make.pick(world.settings.hours)]
    zone = world.spec.data.zone

    def apply(rows: pl.DataFrame, _: int, draw: np.random.Generator) -> Change:
        taken = make.taken(rows, draw)
        if not taken.any():
            return rows, 0
        window = int(rows["window"][0])
        by = pl.when(pl.Series(taken)).then(hours).otherwise(0)
        moved = rows.with_columns(pl.col("time", "asked") + pl.duration(hours=by))
        moved = moved.with_columns(
            pl.col("time").dt.convert_time_zone(zone).dt.hour().cast(pl.Int64).alias("hour")
        )
        start, end = world.span(window)
        at = moved["time"].dt.epoch("us").to_numpy()
        within = (at >= start) & (at < end)
        answered = world.answered(moved.filter(pl.Series(taken)))
        moved = with_values(moved, taken, {n: answered[n].to_numpy() for n in ("answer", "margin")})
        return moved.filter(pl.Series(within)), int(taken.sum())

    return make.fault((world.spec.data.time,), ("time_zone",), apply, any_column=True)


def special_event(make: Making) -> Fault:
    """Two days on which fewer rows come and outcomes are worse everywhere: more of them the event, or smaller counts by
    the share of the rows that is missing. Of a week two days have it."""
    world = make.world
    gone_share = VOLUME[make.size]
    binary = world.fleet.kind == "binary"

    def apply(rows: pl.DataFrame, since: int, draw: np.random.Generator) -> Change:
        if since >= (1 if world.settings.weeks else EVENT_WINDOWS):
            return rows, 0
        day = rows["time"].dt.date()
        days = sorted(day.unique().to_list())
        event = day.is_in(days[2:4] if world.settings.weeks else days).to_numpy() & inside(
            rows, make.scope.items
        )
        gone = event & (draw.random(rows.height) < gone_share)
        hit = event & (draw.random(rows.height) < make.share) & rows["target"].is_not_null().to_numpy()
        old = rows["target"].to_numpy()[hit]
        new = np.ones(int(hit.sum())) if binary else np.round(old * (1 - gone_share))
        return with_values(rows, hit, {"target": new}).filter(pl.Series(~gone)), int(event.sum())

    return make.fault(("",), ("special_event",), apply, any_column=True)


MAKERS: dict[str, Callable[[Making], Fault]] = {
    each.__name__: each for each in (duplicated_rows, missing_rows, time_zone, special_event)
}
