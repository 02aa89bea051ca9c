"""Ridge, logistic and Poisson regression with an offset, by iteratively reweighted least squares.

Numeric columns are standardised and have a term of their own for a missing value; categorical columns are one-hot,
with nothing added for a category that was not seen. Every coefficient but the intercept carries the same ridge
penalty `l2`. Source: McCullagh and Nelder (1989), "Generalized linear models", section 2.5; ridge in GLMs: le Cessie
and van Houwelingen (1992), "Ridge estimators in logistic regression", Applied Statistics 41.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jomon.core.errors import BuildError
from jomon.core.table import Floats
from jomon.engine.linear import NUMERIC, LinearArrays
from jomon.stats.links import Link
from jomon.training.estimators.base import Design, Sample

_MOST_COLUMNS = 2_000  # of the expanded regression: solving for more takes minutes, and gigabytes
_CHUNK = 20_000  # rows whose expanded columns are in memory at once
_ROUNDS, _TOLERANCE = 30, 1e-9
_LONGEST_STEP = 4.0  # of any standardised coefficient in one round, so that separable samples stay finite


@dataclass(frozen=True)
class _Fitted:
    arrays: LinearArrays
    columns: _Columns

    def margin(self, X: Floats) -> Floats:
        out = np.full(len(X), self.arrays.intercept)
        start = 0
        for j in range(X.shape[1]):
            column, size = X[:, j], int(self.arrays.sizes[j])
            if size == NUMERIC:
                out += np.where(np.isnan(column), self.arrays.missing[j], self.arrays.weights[j] * column)
                continue
            inside = ~np.isnan(column) & (column >= 0) & (column < size)
            code = np.where(inside, column, 0).astype(np.intp)
            table = self.arrays.tables[start : start + size]
            out += np.where(inside, table[code], self.arrays.missing[j]) if size else self.arrays.missing[j]
            start += size
        return out

    @property
    def packed(self) -> LinearArrays:
        return self.arrays

    @property
    def opaque(self) -> None:
        return None


@dataclass(frozen=True)
class _Columns:
    """How feature columns become regression columns: intercept, then per numeric two, per categorical its size."""

    mean: Floats
    sd: Floats
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, X: Floats, design: Design) -> _Columns:
        sizes = [NUMERIC] * X.shape[1]
        for place, size in zip(design.categorical, design.sizes, strict=True):
            sizes[place] = size
        mean, sd = np.zeros(X.shape[1]), np.ones(X.shape[1])
        for j, size in enumerate(sizes):
            seen = X[:, j][~np.isnan(X[:, j])]
            if size == NUMERIC and len(seen):
                mean[j], spread = seen.mean(), seen.std()
                sd[j] = spread if spread > 1e-12 * max(1.0, abs(mean[j])) else np.inf
        return cls(mean, sd, tuple(sizes))

    @property
    def width(self) -> int:
        return 1 + sum(2 if size == NUMERIC else size for size in self.sizes)

    def expand(self, X: Floats) -> Floats:
        out = np.zeros((len(X), self.width))
        out[:, 0] = 1.0
        place, rows = 1, np.arange(len(X))
        for j, size in enumerate(self.sizes):
            missing = np.isnan(X[:, j])
            if size == NUMERIC:
                out[:, place] = np.where(missing, 0.0, (X[:, j] - self.mean[j]) / self.sd[j])
                out[:, place + 1] = missing
                place += 2
            else:
                seen = ~missing
                out[rows[seen], place + X[seen, j].astype(np.intp)] = 1.0
                place += size
        return out

    def fold(self, beta: Floats) -> LinearArrays:
        """Coefficients of standardised columns as weights of raw ones."""
        width = len(self.sizes)
        weights, missing, tables = np.zeros(width), np.zeros(width), []
        intercept, place = float(beta[0]), 1
        for j, size in enumerate(self.sizes):
            if size == NUMERIC:
                weights[j] = beta[place] / self.sd[j]
                intercept -= weights[j] * self.mean[j]
                missing[j] = beta[place + 1] + weights[j] * self.mean[j]
                place += 2
            else:
                tables.append(beta[place : place + size])
                place += size
        sizes = np.array(self.sizes, np.int64)
        return LinearArrays(intercept, weights, missing, sizes, np.concatenate([np.zeros(0), *tables]))


class Linear:
    """`estimator: linear`; `params: {l2: 1.0}` is the ridge penalty in rows."""

    def resolve(self, params: Mapping[str, Any], root: bool) -> dict[str, Any]:
        """See `Estimator.resolve`."""
        unknown = sorted(set(params) - {"l2"})
        if unknown:
            raise BuildError(f"params.{unknown[0]} is not known to the linear estimator; it takes l2.")
        return {"l2": 1.0 if root else 10.0, **params}

    def libraries(self) -> tuple[str, ...]:
        """See `Estimator.libraries`."""
        return ("numpy",)

    def fit(
        self, sample: Sample, design: Design, link: Link, params: Mapping[str, Any], seed: int
    ) -> _Fitted:
        """See `Estimator.fit`."""
        columns = _Columns.of(sample.X, design)
        if columns.width > _MOST_COLUMNS:
            raise BuildError(
                f"The linear estimator would have {columns.width:,} coefficients, more than {_MOST_COLUMNS:,}; "
                "leave categorical columns of many values out of the stage's features, or use lightgbm."
            )
        offset = np.zeros(len(sample.y)) if sample.offset is None else sample.offset
        beta = np.zeros(columns.width)
        beta[0] = link.base(sample.y) if sample.offset is None else 0.0
        penalty = np.full(columns.width, max(float(params["l2"]), 1e-8))
        penalty[0] = 1e-8
        for _ in range(_ROUNDS):
            gradient, information = _normal_equations(sample, offset, columns, link, beta)
            gradient += penalty * beta
            information[np.diag_indices_from(information)] += penalty
            step = np.linalg.solve(information, gradient)
            largest = float(np.abs(step).max())
            if link.kind != "regression" and largest > _LONGEST_STEP:
                step *= _LONGEST_STEP / largest
            beta -= step
            if largest < _TOLERANCE or link.kind == "regression":
                break
        return _Fitted(columns.fold(beta), columns)


def _normal_equations(
    sample: Sample, offset: Floats, columns: _Columns, link: Link, beta: Floats
) -> tuple[Floats, Floats]:
    """Gradient and expected information of the unpenalised loss at `beta`, summed over chunks of rows."""
    gradient, information = np.zeros(columns.width), np.zeros((columns.width, columns.width))
    for start in range(0, len(sample.y), _CHUNK):
        rows = slice(start, start + _CHUNK)
        design = columns.expand(sample.X[rows])
        slope, curvature = link.derivatives(offset[rows] + design @ beta, sample.y[rows])
        gradient += design.T @ slope
        information += design.T @ (design * curvature[:, None])
    return gradient, information
