"""Faults of what came of the rows, and of who answered them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from bench.monitoring.faults import CHANGED, OUTCOMES, Change, Fault, Making, inside, with_values
from bench.monitoring.worlds import Bools, Floats, Ints, World
from jomon.core.findings import CauseKind


def labels_flipped(make: Making) -> Fault:
    """Yes for no and no for yes; of counts, those of a member in reversed order, the largest for the smallest, which is
    a changed behaviour as well: counts have no labels."""
    world = make.world

    def apply(rows: pl.DataFrame, _: int, draw: np.random.Generator) -> Change:
        taken = make.taken(rows, draw) & rows["target"].is_not_null().to_numpy()
        old = rows["target"].to_numpy()[taken]
        new = 1 - old if world.fleet.kind == "binary" else _reversed(world, rows.filter(pl.Series(taken)))
        return with_values(rows, taken, {"target": new}), int((new != old).sum())

    more: tuple[CauseKind, ...] = () if world.fleet.kind == "binary" else ("changed_behaviour",)
    return make.fault((), ("labels_flipped", *more), apply, kinds=OUTCOMES[:-1])


def _reversed(world: World, rows: pl.DataFrame) -> Floats:
    """Outcomes of each member with the ranks turned round."""
    out = rows["target"].to_numpy().copy()
    keyed = rows.select(*world.settings.member).with_row_index("at")
    for _, part in keyed.group_by(*world.settings.member, maintain_order=True):
        at = part["at"].to_numpy()
        ranked = at[np.argsort(out[at], kind="stable")]
        out[ranked] = out[ranked[::-1]]
    return out


def relation_reversed(make: Making) -> Fault:
    """Outcomes as they would be were one feature mirrored about its median, rank for rank: the model answers the rows
    with the mirrored feature, and outcomes are drawn from these answers; the rows are recorded as they were."""
    world = make.world
    name = make.column(world.settings.mirrored)
    known = np.sort(world.rows[name].drop_nulls().to_numpy())
    rule = world.spec.data.contract.get(name)
    whole = rule is not None and rule.type == "int"

    def apply(rows: pl.DataFrame, _: int, draw: np.random.Generator) -> Change:
        taken = make.taken(rows, draw) & rows["target"].is_not_null().to_numpy()
        if not taken.any():
            return rows, 0
        mine = rows.filter(pl.Series(taken))
        values = mine[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        mirrored = mirror(known, values)
        series = pl.Series(name, np.round(mirrored) if whole else mirrored).fill_nan(None)
        answer = world.answered(mine.with_columns(series))["answer"].to_numpy()
        new = drawn(world.fleet.kind, answer, draw)
        return with_values(rows, taken, {"target": new}), int(taken.sum())

    return make.fault((name,), ("changed_behaviour",), apply, kinds=OUTCOMES[:-1])


def mirror(known: Floats, values: Floats) -> Floats:
    """Values at the opposite rank among the sorted `known`; NaN stays.

    >>> mirror(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 3.0, np.nan])).tolist()
    [4.0, 2.0, nan]
    """
    low, high = np.searchsorted(known, values, "left"), np.searchsorted(known, values, "right")
    at = np.clip(len(known) - 1 - (low + np.maximum(high - 1, low)) // 2, 0, len(known) - 1)
    return np.where(np.isnan(values), np.nan, known[at])


def drawn(kind: str, answer: Floats, draw: np.random.Generator) -> Floats:
    """Outcomes that the answers make likely."""
    if kind == "binary":
        return (draw.random(len(answer)) < answer).astype(np.float64)
    return draw.poisson(answer).astype(np.float64)


def release_defect(make: Making) -> Fault:
    """The packs of members are mixed up: rows are answered by another member's (its corrections at the stages of a
    member; fast parts and coarser stages stay). A row is affected if its answer changed."""
    world = make.world
    donors = _donors(make)

    def apply(rows: pl.DataFrame, _: int, draw: np.random.Generator) -> Change:
        taken = make.taken(rows, draw)
        if not taken.any():
            return rows, 0
        mine = rows.filter(pl.Series(taken))
        new = answered_by(world, mine, donors)
        old = mine["answer"].to_numpy()
        answer = new["answer"].to_numpy()
        least = CHANGED[world.fleet.kind] * (1.0 if world.fleet.kind == "binary" else np.maximum(old, 1e-9))
        values = {n: new[n].to_numpy() for n in ("answer", "margin")}
        return with_values(rows, taken, values), int((np.abs(answer - old) >= least).sum())

    causes = ("defective_member", "defective_release")
    return make.fault((), causes, apply)


def answered_by(
    world: World, rows: pl.DataFrame, donors: dict[tuple[str, ...], tuple[str, ...]]
) -> pl.DataFrame:
    """The rows as the members in `donors` (by the values of the member's axes) answer them."""
    names = world.settings.member
    keys = rows.select(*names).rows()
    others = [donors.get(key, key) for key in keys]
    posing = rows.with_columns(
        *(pl.Series(name, [other[at] for other in others]) for at, name in enumerate(names)),
        pl.col("asked").alias(world.spec.data.time),
    )
    _, foreign, _ = world.fleet.prepare(posing)
    stages = [at for at, stage in enumerate(world.spec.stages) if set(names) <= set(stage.level)]

    def codes(own: Ints) -> Ints:
        mixed = own.copy()
        mixed[:, stages] = foreign[:, stages]
        return mixed

    return world.answered(rows, codes)


def _donors(make: Making) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Who answers for whom: another member that has a pack of its own, by chance."""
    world, names = make.world, make.world.settings.member
    stage = next(at for at, each in enumerate(world.spec.stages) if set(each.level) == set(names))
    slow = set(world.fleet.runtime.slow_codes[stage].tolist())
    table = make.rows.unique(list(names), maintain_order=True).sort(*names)
    _, codes, _ = world.fleet.prepare(table.with_columns(pl.col("asked").alias(world.spec.data.time)))
    members = table.select(*names).rows()
    with_pack = [m for m, code in zip(members, codes[:, stage].tolist(), strict=True) if code in slow]
    mine: Bools = inside(table, make.scope.items)
    out = {}
    for member, own in zip(members, mine, strict=True):
        choices = [other for other in with_pack if other != member]
        if own and choices:
            out[member] = choices[int(make.draw.integers(len(choices)))]
    return out


MAKERS: dict[str, Callable[[Making], Fault]] = {
    each.__name__: each for each in (labels_flipped, relation_reversed, release_defect)
}
