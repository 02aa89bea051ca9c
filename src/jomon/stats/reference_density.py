"""The density of a feature, by group and at several widths at once: sharp where values repeat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WIDTHS = (0.03, 0.12, 0.5, 1.0)  # half-widths of the kernels, in standard deviations of the reference
FINEST = 1e-4  # the sharpest kernel, in standard deviations: what lies nearer is rounding
BACKGROUND = 0.01  # least share of values that follow no kernel: an outlier must not decide alone
SAMPLE = 1000  # rows from which the weights are learned
STEPS = 40  # of expectation and maximization; the weights are settled long before


@dataclass(frozen=True, slots=True)
class _Sorted:
    values: Floats  # float64[n], ascending
    sums: Floats  # float64[n + 1], sum of the first k values

    @classmethod
    def of(cls, values: Floats) -> _Sorted:
        ordered = np.sort(values)
        return cls(ordered, np.concatenate([[0.0], np.cumsum(ordered)]))

    def ramp(self, y: Floats) -> Floats:
        """Sum of max(y - value, 0)."""
        k = np.searchsorted(self.values, y, side="right")
        out: Floats = k * y - self.sums[k]
        return out

    def kernels(self, x: Floats, h: Floats) -> Floats:
        """Sum over the values of a triangle of half-width h and area 1 at x; `h` float64[k, ...]."""
        right, left = self.ramp(x + h), self.ramp(x - h)
        out = np.maximum(right - 2 * self.ramp(x) + left, 0.0) / h**2
        inside = (x > self.values[0] - h) & (x < self.values[-1] + h)
        return np.where(inside, out, 0.0)


@dataclass(frozen=True, slots=True)
class ReferenceDensity:
    """A mixture of kernels of several widths, on all rows and on those of the group, and a wide background.

    The weights are those under which each reference row is most probable given the others (leave one out,
    Habbema, Hermans & van den Broek 1974), found by expectation and maximization. So a feature of a hundred
    distinct values gets a comb of sharp peaks, one that is constant within a group a peak for each group,
    and a smooth one a smooth density, without a choice by hand. All in standard deviations from the median.
    """

    median: float
    sd: float
    step: float  # width of the sharpest kernel, in sd: the least distance of two different values
    pooled: _Sorted
    groups: tuple[_Sorted | None, ...]  # of the groups asked for; None if the reference has no such row
    weights: Floats  # float64[2 * widths + 1]: pooled, group, background

    @classmethod
    def fit(cls, values: Floats, group: Ints | None, wanted: Ints) -> ReferenceDensity:
        """Density of `values` float64[n], in `group` int64[n] or all alike, for the groups `wanted`."""
        median, sd = float(np.median(values)), float(np.std(values))
        z = (values - median) / sd
        gaps = np.diff(np.unique(z))
        step = float(max(gaps[gaps > 1e-9].min(initial=1.0), FINEST))
        pooled = _Sorted.of(z)
        members = [np.flatnonzero(group == g) for g in wanted] if group is not None else []
        groups = tuple(_Sorted.of(z[rows]) if len(rows) else None for rows in members)
        draft = cls(median, sd, step, pooled, groups, np.ones(0))
        return cls(median, sd, step, pooled, groups, draft._learned(z, members))

    def _widths(self, narrow: Floats) -> Floats:
        sharp = self.step * narrow
        return np.stack([sharp, *(np.maximum(w, sharp) for w in WIDTHS)])

    def _learned(self, z: Floats, members: list[Ints]) -> Floats:
        rng = np.random.default_rng(0)
        rows = np.concatenate(members) if members else np.arange(len(z))
        if not len(rows):
            rows, members = np.arange(len(z)), []
        rows = rng.choice(rows, SAMPLE, replace=False) if len(rows) > SAMPLE else rows
        h = self._widths(np.ones(1))
        n = len(z)
        parts = np.zeros((2 * len(h) + 1, len(rows)))
        parts[: len(h)] = (self.pooled.kernels(z[rows], h) - 1 / h) / (n - 1)
        for own, kernel in zip(members, self.groups, strict=True):
            at = np.isin(rows, own)
            if kernel is not None and len(own) > 1 and at.any():
                parts[len(h) : -1, at] = (kernel.kernels(z[rows[at]], h) - 1 / h) / (len(own) - 1)
        parts = np.maximum(parts, 0.0)
        parts[-1] = _cauchy(z[rows])
        weights = np.full(len(parts), 1 / len(parts))
        if not members:
            weights[len(h) : -1] = 0.0
        for _ in range(STEPS):
            share = weights[:, None] * parts
            weights = np.mean(share / share.sum(axis=0), axis=1)
            weights[-1] = max(weights[-1], BACKGROUND)
            weights /= weights.sum()
        return weights

    def at(self, values: Floats, column: Ints, narrow: Floats) -> Floats:
        """Density float64[r, m] at `values` float64[r, m], per unit of the feature.

        `column` int64[m]: which of the wanted groups (all 0 without groups); `narrow` float64[r]: how much
        wider than the step the sharpest kernel is.
        """
        z = (values - self.median) / self.sd
        h = self._widths(narrow)[:, :, None]  # [k, r, 1]
        k = len(h)
        out = np.tensordot(self.weights[:k], self.pooled.kernels(z, h), 1) / len(self.pooled.values)
        if self.groups:
            lost = self.weights[k:-1].sum()
            for g, kernel in enumerate(self.groups):
                at = column == g
                if kernel is None:  # a new group: what its own kernels would have had goes to the pool
                    out[:, at] *= 1 + lost / max(self.weights[:k].sum(), BACKGROUND)
                    continue
                own = kernel.kernels(z[:, at], h)
                out[:, at] += np.tensordot(self.weights[k:-1], own, 1) / len(kernel.values)
        density: Floats = (out + self.weights[-1] * _cauchy(z)) / self.sd
        return density


def _cauchy(z: Floats) -> Floats:
    out: Floats = 1 / (np.pi * (1 + z**2))
    return out
