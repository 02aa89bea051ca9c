"""Backgrounds: what a column's values would be if nothing had changed, as probabilities of the window's own rows.

A value is held against earlier rows of the place, in the strata of whatever column tells most about it (a distance by
destination), or against the peers' rows of the same window and hour, where those tell more (all share the weather).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from jomon.monitoring.causes.evidence import Evidence, Floats, Ints, Texts, numbers_of, texts_of
from jomon.monitoring.causes.views import views
from jomon.stats.reference_density import FINEST, ReferenceDensity

LEAST_REFERENCE = 30
NULL_PRIOR = 0.5
SHARPER = 8.0
"""The sharpest kernel is so many times narrower than the least distance of two values."""


@dataclass(frozen=True, eq=False)
class NumberBackground:
    """The density of a numeric column for each of the window's rows.

    `values` float64[m] (NaN: null) and their stratum `group` int64[m] (by number of the density's groups); `reference`
    with `reference_group` (-1: of no stratum) made the density; `nulls`: share of nulls to expect; `by`: what the
    strata are, in words; `offsets`: by how much whole earlier windows were off, root mean square.
    """

    column: str
    values: Floats
    group: Ints
    reference: Floats
    reference_group: Ints
    density: ReferenceDensity
    nulls: float
    by: str
    offsets: float

    @property
    def known(self) -> Ints:
        """Rows that have a value, int64[k]."""
        return np.flatnonzero(np.isfinite(self.values))

    @property
    def step(self) -> float:
        """Width of one value: half of the base of the sharpest kernel, in units of the column."""
        return self.density.step * self.density.sd

    def at(self, values: Floats, rows: Ints | None = None, narrow: Floats | None = None) -> Floats:
        """Density float64[r, k] of values float64[r, k] if they stood in the rows (all by default)."""
        group = self.group if rows is None else self.group[rows]
        one = np.ones(len(values)) if narrow is None else narrow
        return self.density.at(values, group, one)

    def log_mass(self, values: Floats) -> Floats:
        """Log of the probability of each row's value (or of a null), to the width of one value, float64[m]."""
        known = np.isfinite(values)
        dense = self.at(np.where(known, values, 0.0)[None])[0] * self.step
        mass = np.where(known, np.minimum(dense, 1.0) * (1 - self.nulls), self.nulls)
        out: Floats = np.log(np.maximum(mass, 1e-12))
        return out


def number_background(evidence: Evidence, column: str) -> NumberBackground | None:
    """The background of a numeric column, of all the one under which the newest earlier windows are most probable given
    the older ones; None where the reference is too small or has one value alone."""
    values, reference = numbers_of(evidence.some, column), numbers_of(evidence.earlier, column)
    finite = np.isfinite(reference)
    known = reference[finite]
    if len(known) < LEAST_REFERENCE or np.ptp(known) <= 1e-12 * np.abs(known).max():
        return None
    nulls = float(((~finite).sum() + NULL_PRIOR) / (len(reference) + 1.0))
    draft = ReferenceDensity.fit(known, None, np.zeros(1, np.int64))
    # so sharp that values between those of an evenly spaced scale are seen to be none of them
    draft = replace(draft, step=max(draft.step / SHARPER, FINEST))
    best, most = None, -np.inf
    for view in views(evidence, column):
        weights, probable = view.tried(draft)
        if probable > most:
            best, most = (view, weights), probable
    if best is None:
        return None
    view, weights = best
    density = view.density(draft, weights)
    return NumberBackground(
        column,
        values,
        view.window_place,
        view.reference,
        view.reference_place,
        density,
        nulls,
        view.by,
        view.offsets(),
    )


@dataclass(frozen=True, eq=False)
class CategoryBackground:
    """The shares of a category's values in earlier rows.

    `values` object[m]: those of the window's rows (None: null); `shares` by value, nulls left out, of `rows` weighted
    earlier rows; what was never seen has `least`.
    """

    column: str
    values: Texts
    shares: dict[str, float]
    rows: float
    nulls: float

    @property
    def least(self) -> float:
        """The share of a value that was never seen."""
        return 0.5 / (self.rows + len(self.shares) + 1.0)

    def log_mass(self, values: Texts) -> Floats:
        """Log of the probability of each value, float64[m]."""
        out = [
            self.nulls if v is None else (1 - self.nulls) * self.shares.get(str(v), self.least)
            for v in values
        ]
        return np.log(np.maximum(np.array(out, np.float64), 1e-12))


def category_background(evidence: Evidence, column: str) -> CategoryBackground | None:
    """The background of a categorical column; None where the reference is too small."""
    before = evidence.earlier.select(
        pl.col(column).cast(pl.String).alias("value"), pl.Series("weight", evidence.weights)
    )
    if before.height < LEAST_REFERENCE:
        return None
    total = float(evidence.weights.sum())
    scale = before.height / max(total, 1e-12)
    counts = before.group_by("value").agg(pl.col("weight").sum())
    by = dict(zip(counts["value"].to_list(), (counts["weight"] * scale).to_list(), strict=True))
    nulls = (by.pop(None, 0.0) + NULL_PRIOR) / (before.height + 1.0)
    rows = sum(by.values())
    shares = {v: n / max(rows, 1e-12) for v, n in by.items()}
    return CategoryBackground(column, texts_of(evidence.some, column), shares, rows, nulls)
