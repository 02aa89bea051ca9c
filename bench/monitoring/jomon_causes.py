"""From what stands out to causes and incidents, on jomon's side: raw rows of a place beside those of its history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from bench.monitoring.faults import inside
from bench.monitoring.sides import Spoken, Told
from bench.monitoring.worlds import Floats, World
from jomon.core.findings import Finding
from jomon.core.segments import Segment
from jomon.monitoring.causes import CalendarFacts, Evidence, PlaceHistory, cause_of
from jomon.monitoring.troubles import troubles_of

REFERENCE = 28
"""So many matched windows are the reference of raw rows."""
VOLUMES = 12


def incidents(
    world: World,
    window: int,
    rows: pl.DataFrame,
    earlier: Mapping[int, pl.DataFrame],
    found: Sequence[tuple[Finding, ...]],
) -> tuple[Told, ...]:
    """What a check tells as incidents: `found` are findings by place, `rows` those of the window, `earlier` the rows of
    windows before it that are not the world's own."""
    if not found:
        return ()
    by_window = {**world.by_window, **earlier}
    matched = [w for w in range(window) if world.occasion[w] == 0 and world.season[w] == world.season[window]]
    matched = matched or [w for w in range(window) if world.occasion[w] == 0]
    before = pl.concat([by_window[w] for w in matched[-REFERENCE:]])
    same_day = [w for w in matched if world.weekday[w] == world.weekday[window]][-VOLUMES:]
    explained = []
    for findings in found:
        items = findings[0].segment.items
        volumes = [float(inside(by_window[w], items).sum()) for w in same_day]
        explained.append((findings, cause_of(_evidence(world, window, findings, rows, before, volumes))))
    return tuple(
        Told(tuple(spoken(finding) for finding in trouble.findings), trouble.cause.kind)
        for trouble in troubles_of(explained, _cells(world, rows), world.levels)
    )


def spoken(finding: Finding) -> Spoken:
    """A finding as sides say it."""
    return Spoken(dict(finding.segment.items), finding.column, finding.kind, finding.surprise)


def _evidence(
    world: World,
    window: int,
    findings: tuple[Finding, ...],
    rows: pl.DataFrame,
    before: pl.DataFrame,
    volumes: Sequence[float],
) -> Evidence:
    items = findings[0].segment.items
    parent = items[:-1]
    frames = [_named(world, each) for each in (rows, before)]
    parts = []
    for frame in frames:
        own = inside(frame, items)
        parts += [frame.filter(own), frame.filter(inside(frame, parent) & ~own)]
    mine, peers, reference, peers_reference = parts
    names = list(world.settings.member)
    whole, lie = rows.select(names).n_unique(), mine.select(names).n_unique() if mine.height else 1

    def rescore(frame: pl.DataFrame) -> Floats:
        return world.answered(frame.with_columns(pl.col(world.spec.data.time).alias("time")))[
            "margin"
        ].to_numpy()

    return Evidence(
        findings,
        findings[0].window,
        world.spec,
        mine,
        reference,
        peers,
        peers_reference,
        calendar=CalendarFacts(season=str(world.season[window])),
        history=PlaceHistory(volumes=tuple(volumes), members=lie, fleet=whole),
        rescore=rescore,
    )


def _named(world: World, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with the columns that evidence has."""
    time = world.spec.data.time
    kept = rows.drop(time) if time in rows.columns else rows
    return kept.with_columns(pl.col("time").alias(time), pl.col("target").alias("outcome"))


def _cells(world: World, rows: pl.DataFrame) -> dict[Segment, int]:
    axes = list(world.axes)
    return {
        Segment(tuple(zip(axes, map(str, values), strict=True))): count
        for *values, count in rows.drop_nulls(axes).group_by(axes).len().rows()
    }
