"""A check of many tests at once, judged by what the same tests showed in earlier windows when nothing was wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
TYPICAL = 0.9
"""The size of a test is the mean of this share of its windows, the smaller ones: what stands out does not count."""
TAIL = 0.03
"""Surprises beyond this share of the pool follow a generalised Pareto tail, as a pool is too small to count there."""
TAIL_TESTS = 12
"""The tail has at least so many tests of the pool, up to a quarter of it."""
PRIOR_SHAPE, PRIOR_TESTS = 0.25, 20.0
"""The shape of the tail is shrunk to this one with so many tests of weight: rare things happen that a small pool has
not shown yet."""
LEAST_SHAPE, MOST_SHAPE = 0.02, 0.5
LEAST_STEP = 0.15
"""The step of the tail at least, in typical sizes: of tests that never moved little can be known."""
UPPER = 0.2
"""The share of the peaks from which their tail is extrapolated."""
SHRINKAGE = 20.0
"""Windows of its own at which a test's size counts as much as the mean size of its family."""


@dataclass(frozen=True, eq=False)
class HistoryVerdict:
    """What a window shows beside its history.

    `p` is the probability that a quiet window is as surprising somewhere, `adjusted` float64[m] the same for each test
    (NaN: no value, so nothing is known), `surprise` float64[m] its size as -log10 of a pooled p value, `peaks`
    float64[windows] the largest surprise of each earlier window that had any value. With n windows no p is below
    1 / (n + 1); `least` says so.
    """

    p: float
    adjusted: Floats
    surprise: Floats
    peaks: Floats

    @property
    def windows(self) -> int:
        """How many earlier windows had any value."""
        return len(self.peaks)

    @property
    def least(self) -> float:
        """The smallest p that so many windows can show."""
        return 1.0 / (self.windows + 1)

    def tail(self, surprise: float) -> float:
        """How often a quiet window is as surprising, beyond what n windows can count: the upper fifth of the peaks has
        an exponential tail. For streams of checks, which need p values below 1 / (n + 1); it is extrapolated.
        """
        if not self.windows:
            return 1.0
        peaks = np.sort(self.peaks)
        start = peaks[int(len(peaks) * (1 - UPPER))]
        step = float((peaks[peaks >= start] - start).mean())
        at_least = float((peaks >= surprise).sum() + 1) / (self.windows + 1)
        if surprise <= start or step <= 0:
            return at_least
        return min(at_least, UPPER * math.exp(-(surprise - start) / step))

    def findings(self, level: float) -> NDArray[np.bool_]:
        """Which tests are found at `level`, bool[m]: of quiet windows at most that share has any."""
        return self.adjusted <= level


def windows_needed(level: float) -> int:
    """How many earlier windows it takes before a check at `level` can find anything.

    >>> windows_needed(0.05)
    19
    """
    if not 0 < level < 1:
        raise ValueError("a level lies between 0 and 1")
    return math.ceil(1 / level - 1e-9) - 1


def against_history(now: ArrayLike, past: ArrayLike, family: ArrayLike) -> HistoryVerdict:
    """Judge the tests of a window by those of earlier windows; sizes differ between tests, and so do their tails.

    `now` float64[m] holds the statistic of each test, at least 0 and larger where more is off (a chi-square, say);
    `past` float64[n, m] the same of earlier quiet windows; NaN where there was none. `family` int[m] groups tests whose
    statistics have tails of one kind (one feature over all members): they pool theirs.

    Each statistic's root is divided by its typical size, shrunk to that of its family, and becomes a surprise by the
    family's pooled distribution with a generalised Pareto tail. The window is judged by its largest surprise among
    those of the n + 1 windows, and every test by the same maxima: the single-step procedure of Westfall & Young (1993,
    Resampling-based multiple testing), with earlier windows in place of permutations. Sizes and pools are taken over
    all n + 1 windows alike, so that where windows are exchangeable the p value holds exactly (Vovk, Gammerman & Shafer
    2005, Algorithmic learning in a random world), whatever the tests' distributions and dependence.

    Raises ValueError for negative or infinite statistics and for shapes that do not fit.

    >>> past = np.random.default_rng(0).chisquare(4, (99, 3))
    >>> found = against_history([3.0, 40.0, np.nan], past, [0, 0, 0])
    >>> found.findings(0.05).tolist(), round(found.p, 2), found.windows
    ([False, True, False], 0.01, 99)
    """
    now, past, family = np.asarray(now, np.float64), np.asarray(past, np.float64), np.asarray(family)
    _refuse(now, past, family)
    surprise = _surprises(np.vstack([past, now[None]]), family)
    peaks = _peaks(surprise[:-1])
    windows = len(peaks)
    own = surprise[-1]
    at_least = windows - np.searchsorted(np.sort(peaks), own, side="left")
    adjusted = np.where(np.isnan(own), np.nan, (1.0 + at_least) / (windows + 1.0))
    known = ~np.isnan(own)
    p = float(adjusted[known].min()) if known.any() else math.nan
    return HistoryVerdict(p, adjusted, own, peaks)


def pooled_surprise(now: ArrayLike, past: ArrayLike) -> Floats:
    """The surprise of other values `now` float64[m] of one family's tests beside its `past` float64[n, m].

    Sizes and pool are those of `against_history`.
    """
    both = np.vstack([np.asarray(past, np.float64), np.asarray(now, np.float64)[None]])
    surprises: Floats = _surprises(both, np.zeros(both.shape[1], np.int64))[-1]
    return surprises


def _refuse(now: Floats, past: Floats, family: NDArray[np.generic]) -> None:
    if now.ndim != 1 or past.ndim != 2 or past.shape[1] != len(now) or family.shape != now.shape:
        raise ValueError("now is float64[m], past float64[n, m] and family int[m]")
    for values in (now, past):
        known = values[~np.isnan(values)]
        if known.size and (known.min() < 0 or np.isinf(known).any()):
            raise ValueError("a statistic is finite and not negative, or NaN where there is none")


def _surprises(statistics: Floats, family: NDArray[np.generic]) -> Floats:
    """Statistics float64[windows, m] as -log10 p, each by the pool of its family."""
    out = np.full(statistics.shape, np.nan)
    roots = np.sqrt(statistics)
    for one in np.unique(family):
        of = np.flatnonzero(family == one)
        own = roots[:, of]
        if not np.isnan(own).all():
            out[:, of] = _pooled(own / _sizes(own))
    return out


def _sizes(roots: Floats) -> Floats:
    """The typical size of each test, float64[m], shrunk to the mean of the family."""
    ordered = np.sort(roots, axis=0)  # NaN last
    counts = (~np.isnan(roots)).sum(axis=0)
    kept = np.arange(len(roots))[:, None] < np.ceil(TYPICAL * counts)
    sums = np.where(kept, ordered, 0.0).sum(axis=0)
    used = kept.sum(axis=0)
    of_family = sums.sum() / used.sum()
    sizes: Floats = (sums + SHRINKAGE * of_family) / (used + SHRINKAGE)
    return np.where(sizes > 0, sizes, 1.0)


def _pooled(ratios: Floats) -> Floats:
    """-log10 of the share of the pool that is at least as large, with a generalised Pareto tail; NaN stays.

    Step and shape of the tail come from the *other* windows, so that a window which stands out does not make itself
    ordinary, and one like several before it is not astonishing.
    """
    known = ~np.isnan(ratios)
    pool = np.sort(ratios[known])
    share = max(TAIL, min(TAIL_TESTS / len(pool), 0.25))
    start = pool[int(len(pool) * (1 - share))]
    tests = share * known.sum(axis=1)
    excess = np.where(known, np.maximum(np.nan_to_num(ratios) - start, 0.0), 0.0)
    step, shape = _tail(excess, tests)
    at_least = len(pool) - np.searchsorted(pool, ratios, side="left")
    body = -np.log10(np.clip(at_least / len(pool), share, 1.0))
    tail = -math.log10(share) + np.log1p(shape * excess / step) / (shape * math.log(10))
    return np.where(~known, np.nan, np.where(ratios > start, tail, body))


def _tail(excess: Floats, tests: Floats) -> tuple[Floats, Floats]:
    """Step and shape, float64[windows, 1] each, of a generalised Pareto tail by moments of all windows but each.

    `excess` float64[windows, m] beyond the start, `tests` float64[windows]: how many belong to the tail. For shape k
    and step s the mean is s / (1 - k), and the variance that times s / (1 - 2 k): Hosking & Wallis (1987), Parameter
    and quantile estimation for the generalized Pareto distribution.
    """
    count = np.maximum(tests.sum() - tests, 1e-12)
    first, second = excess.sum(axis=1), (excess**2).sum(axis=1)
    mean = np.maximum((first.sum() - first) / count, LEAST_STEP)
    variance = np.maximum((second.sum() - second) / count - mean**2, 1e-12)
    raw = np.clip((1.0 - mean**2 / variance) / 2.0, LEAST_SHAPE, MOST_SHAPE)
    shape = (raw * count + PRIOR_SHAPE * PRIOR_TESTS) / (count + PRIOR_TESTS)
    return (mean * (1.0 - shape))[:, None], shape[:, None]


def _peaks(surprise: Floats) -> Floats:
    """The largest surprise of each window that has any value."""
    some = surprise[~np.isnan(surprise).all(axis=1)]
    peaks: Floats = np.nanmax(some, axis=1) if len(some) else np.zeros(0)
    return peaks
