"""Linear members: a weight per numeric feature, a table of contributions per categorical one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jomon.core.table import Floats, Ints

NUMERIC = -1


@dataclass(frozen=True, eq=False)
class LinearArrays:
    """A linear model over F feature columns; its margin is the intercept plus one term per column, in order.

    intercept: float; weights: float64[F] for numeric columns (mean and standard deviation folded in; 0
    elsewhere); missing: float64[F], the term of a NaN, and of a category outside the column's table; sizes:
    int64[F], `NUMERIC` or the number of categories in the column's table; tables: float64[sum of sizes],
    the tables one after the other: the term of category code k of a column is its table's item k.
    """

    intercept: float
    weights: Floats
    missing: Floats
    sizes: Ints
    tables: Floats

    @property
    def width(self) -> int:
        """How many feature columns rows have."""
        return len(self.weights)

    @property
    def coefficients(self) -> Floats:
        """All numbers in one array, as files hold them: intercept, weights, missing, tables."""
        return np.concatenate([[np.float64(self.intercept)], self.weights, self.missing, self.tables])

    @classmethod
    def of_coefficients(cls, coefficients: Floats, sizes: Ints) -> LinearArrays:
        """The inverse of `coefficients`; the arrays are views."""
        width = len(sizes)
        return cls(
            intercept=float(coefficients[0]),
            weights=coefficients[1 : 1 + width],
            missing=coefficients[1 + width : 1 + 2 * width],
            sizes=sizes,
            tables=coefficients[1 + 2 * width :],
        )

    def with_columns(self, columns: Sequence[int], width: int) -> LinearArrays:
        """The same model for rows of `width` columns; column j of the old rows stands at `columns[j]`."""
        place = np.asarray(columns, np.intp)
        if len(set(columns)) != self.width or (len(place) and not 0 <= place.min() <= place.max() < width):
            raise ValueError(f"{len(columns)} places among {width} columns cannot hold {self.width} columns")
        weights, missing = np.zeros(width), np.zeros(width)
        sizes = np.full(width, NUMERIC, np.int64)
        weights[place], missing[place], sizes[place] = self.weights, self.missing, self.sizes
        ends = np.cumsum(np.maximum(self.sizes, 0))
        tables = [self.tables[ends[j] - max(int(self.sizes[j]), 0) : ends[j]] for j in np.argsort(place)]
        return LinearArrays(self.intercept, weights, missing, sizes, np.concatenate([np.zeros(0), *tables]))
