"""Faults of what was recorded: units, shifts, nulls, constants, categories, swapped columns, and slow drift."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from bench.monitoring.faults import DRIFT_DAYS, NEW, SHIFT, Change, Fault, Making, answered_anew, inside


def _changed(
    make: Making,
    columns: tuple[str, ...],
    new: Callable[[pl.DataFrame], dict[str, pl.Expr]],
    share: float | None = None,
) -> Callable[[pl.DataFrame, int, np.random.Generator], Change]:
    """Puts other values into the rows that the fault takes."""

    def apply(rows: pl.DataFrame, _: int, draw: np.random.Generator) -> Change:
        taken = pl.Series(make.taken(rows, draw, share))
        values = {
            name: pl.when(taken).then(_fit(make, name, value)).otherwise(pl.col(name)).alias(name)
            for name, value in new(rows).items()
        }
        return answered_anew(make.world, rows, rows.with_columns(**values), columns)

    return apply


def _fit(make: Making, name: str, value: pl.Expr) -> pl.Expr:
    """Whole numbers stay whole where the contract wants them so."""
    rule = make.world.spec.data.contract.get(name)
    return value.round() if rule is not None and rule.type == "int" else value


def unit_changed(make: Making) -> Fault:
    """Miles become kilometres."""
    known = {name for name, _ in make.world.settings.units}
    name = make.column(tuple(n for n, _ in make.world.settings.units if n in known))
    factor = dict(make.world.settings.units)[name]
    return make.fault(
        (name,), ("unit_changed",), _changed(make, (name,), lambda _: {name: pl.col(name) * factor})
    )


def shifted(make: Making) -> Fault:
    """All values of a column are off by a share of its standard deviation."""
    name = make.column(make.world.settings.numbers)
    by = SHIFT[make.size] * make.world.spread[name]
    return make.fault(
        (name,), ("shifted",), _changed(make, (name,), lambda _: {name: pl.col(name) + by}, 1.0)
    )


def gradual_drift(make: Making) -> Fault:
    """A column moves by one standard deviation over 28 days, evenly, in a share of the rows."""
    name = make.column(make.world.settings.numbers)
    step = 7 if make.world.settings.weeks else 1
    spread = make.world.spread[name]

    def apply(rows: pl.DataFrame, since: int, draw: np.random.Generator) -> Change:
        by = min((since + 1) * step / DRIFT_DAYS, 1.0) * spread
        return _changed(make, (name,), lambda _: {name: pl.col(name) + by})(rows, since, draw)

    return make.fault((name,), ("gradual_drift",), apply)


def nulls(make: Making) -> Fault:
    """Nothing instead of values."""
    contract = make.world.spec.data.contract
    names = tuple(n for n in make.world.settings.numbers if not (n in contract and contract[n].required))
    name = make.column(names)
    return make.fault(
        (name,), ("nulls",), _changed(make, (name,), lambda _: {name: pl.lit(None, pl.Float64)})
    )


def stuck(make: Making) -> Fault:
    """The value of the first row of the segment, over and over."""
    name = make.column(make.world.settings.numbers)
    mine = make.rows.filter(pl.Series(inside(make.rows, make.scope.items)))[name].drop_nulls()
    constant = float(mine[0]) if len(mine) else 0.0
    return make.fault((name,), ("stuck",), _changed(make, (name,), lambda _: {name: pl.lit(constant)}))


def renamed_category(make: Making) -> Fault:
    """One of the three most frequent values of the segment is written another way."""
    name = make.column(make.world.settings.categories)
    mine = make.rows.filter(pl.Series(inside(make.rows, make.scope.items)))
    top = mine[name].drop_nulls().value_counts(sort=True)[name].to_list()[:3]
    value = str(top[make.pick(tuple(top))])
    new = pl.when(pl.col(name) == value).then(pl.lit(f"{value}_")).otherwise(pl.col(name))
    also = ((name, value), (name, f"{value}_")) if name in make.world.axes else ()
    return make.fault(
        (name,), ("renamed_category",), _changed(make, (name,), lambda _: {name: new}), also=also
    )


def unseen_category(make: Making) -> Fault:
    """A value that was never there stands in a share of the rows, whatever they had before."""
    name = make.column(make.world.settings.categories)
    also = ((name, None),) if name in make.world.axes else ()
    return make.fault(
        (name,), ("unseen_category",), _changed(make, (name,), lambda _: {name: pl.lit(NEW)}), also=also
    )


def swapped_columns(make: Making) -> Fault:
    """Two columns stand in one another's place."""
    pairs = make.world.settings.swaps
    one, two = pairs[make.pick(pairs)]
    both = (one, two)
    return make.fault(
        both, ("swapped_columns",), _changed(make, both, lambda _: {one: pl.col(two), two: pl.col(one)})
    )


MAKERS: dict[str, Callable[[Making], Fault]] = {
    each.__name__: each
    for each in (
        unit_changed,
        shifted,
        gradual_drift,
        nulls,
        stuck,
        renamed_category,
        unseen_category,
        swapped_columns,
    )
}
