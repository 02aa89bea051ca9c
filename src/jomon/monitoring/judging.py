"""Judging: the statistics of a window beside those of earlier windows, under the ways to explain away that fit best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jomon.monitoring.cells import Floats, Ints
from jomon.monitoring.family import Family
from jomon.stats.history import HistoryVerdict, against_history, pooled_surprise

Statistics = Mapping[Family, Floats]
"""The statistics of a window by family, float64[ways, S] each."""
NEW_SEASON_MARGIN = 1.0
"""In a season that is new, a window has to be more surprising than all before it by this much."""


@dataclass(frozen=True, eq=False)
class Past:
    """The statistics of n earlier windows: by family float64[n, ways, S], and the way that is used (int).

    The way is the one under which the statistics were smallest on average: what explains most.
    """

    families: Mapping[Family, Floats]
    ways: Mapping[Family, int]

    @classmethod
    def of(cls, windows: Sequence[Statistics]) -> Past:
        """Windows whose segments are the same; a family that a window lacks is NaN there."""
        shapes = {key: values.shape for statistics in windows for key, values in statistics.items()}
        families, ways = {}, {}
        for key, shape in shapes.items():
            nothing = np.full(shape, np.nan)
            families[key] = np.stack([statistics.get(key, nothing) for statistics in windows])
            ways[key] = _best(families[key])
        return cls(families, ways)

    def take(self, windows: NDArray[np.bool_] | Ints) -> Past:
        """Some of the windows, the ways unchanged."""
        return Past({key: values[windows] for key, values in self.families.items()}, self.ways)

    def __len__(self) -> int:
        return len(next(iter(self.families.values()), np.zeros(0)))


def _best(values: Floats) -> int:
    """The way (second axis) with the smallest mean root, over tests that are known under all ways."""
    return best_first(values)[0]


def best_first(values: Floats) -> list[int]:
    """The ways of a family, float64[n, ways, S], those under which its statistics were smallest first."""
    roots = np.sqrt(values)
    known = ~np.isnan(roots).any(axis=1, keepdims=True)
    sums = np.where(known, roots, 0.0).sum(axis=(0, 2))
    return [int(way) for way in np.argsort(sums, kind="stable")]


@dataclass(frozen=True, eq=False)
class Judged:
    """A window judged: the verdict over all tests in one row, where each family's tests are in it, and the surprise
    from which on a test is found (infinite: nothing can be)."""

    verdict: HistoryVerdict
    places: Mapping[Family, slice]
    critical: float

    def surprise(self, key: Family) -> Floats:
        """The surprise of a family's tests, float64[S]."""
        return self.verdict.surprise[self.places[key]]

    def adjusted(self, key: Family) -> Floats:
        """How often a quiet check has anything as surprising, float64[S]."""
        return self.verdict.adjusted[self.places[key]]


def judge(now: Statistics, past: Past, level: float, *, new_season: bool = False) -> Judged:
    """Judge a window at `level`, the share of quiet windows in which anything may be found."""
    keys = [key for key in past.families if key in now]
    places, at = {}, 0
    for key in keys:
        size = now[key].shape[1]
        places[key] = slice(at, at + size)
        at += size
    rows = [now[key][past.ways[key]] for key in keys]
    before = [past.families[key][:, past.ways[key]] for key in keys]
    family = np.repeat(np.arange(len(keys)), [len(row) for row in rows])
    one = np.concatenate(rows) if rows else np.zeros(0)
    many = np.concatenate(before, axis=1) if rows else np.zeros((0, 0))
    verdict = against_history(one + 1.0, many + 1.0, family)
    return Judged(verdict, places, critical_surprise(verdict, level, new_season=new_season))


def critical_surprise(verdict: HistoryVerdict, level: float, *, new_season: bool = False) -> float:
    """The surprise above which a test is found at `level`; infinite where there are too few earlier windows."""
    allowed = int(np.floor(level * (verdict.windows + 1) + 1e-9)) - 1
    if allowed < 0:
        return float("inf")
    peaks = np.sort(verdict.peaks)[::-1]
    if new_season:
        return float(peaks[0] + NEW_SEASON_MARGIN)
    return float(peaks[allowed]) if allowed < len(peaks) else 0.0


def surprise_of(values: Floats, key: Family, past: Past, way: int | None = None) -> Floats:
    """The surprise of values float64[S] of a family's tests beside the same past, under the way used or another."""
    way = past.ways[key] if way is None else way
    return pooled_surprise(values + 1.0, past.families[key][:, way] + 1.0)
