"""Area under the ROC curve: how often a row with the event is scored above a row without it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RankedScores:
    """Rows sorted by score once, so that the weighted area costs O(n) for every new set of weights.

    Tied scores count one half (Mann & Whitney 1947; Hanley & McNeil 1982).

    >>> ranked = RankedScores.of([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> ranked.auc(), ranked.auc(np.array([1.0, 0.0, 1.0, 1.0]))
    (0.75, 1.0)
    """

    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    group: NDArray[np.int64]
    target: Floats

    @classmethod
    def of(cls, target: ArrayLike, score: ArrayLike) -> RankedScores:
        """Sort; `target` 0 or 1 [n], `score` float64[n]; raises ValueError on a NaN score."""
        y, s = np.asarray(target, np.float64), np.asarray(score, np.float64)
        if np.isnan(s).any():
            raise ValueError("a score is not a number")
        order = np.argsort(s, kind="stable")
        ranked = s[order]
        new = np.concatenate([[True], ranked[1:] != ranked[:-1]]) if len(s) else np.zeros(0, bool)
        return cls(order, np.flatnonzero(new), np.cumsum(new) - 1, y[order])

    def auc(self, weight: Floats | None = None) -> float:
        """The area, with weights >= 0 per row as given; NaN where a class has no weight."""
        if not len(self.order):
            return float("nan")
        w = np.ones(len(self.order)) if weight is None else np.asarray(weight, np.float64)[self.order]
        events = w * self.target
        pos = np.add.reduceat(events, self.starts)
        neg = np.add.reduceat(w - events, self.starts)
        below = np.cumsum(neg) - neg
        total = float(pos.sum()) * float(neg.sum())
        return float(pos @ (below + 0.5 * neg)) / total if total > 0 else float("nan")

    def influence(self) -> Floats:
        """What each row, in its original order, adds to the area beyond its share: float64[n], mean zero.

        The placement values of DeLong, DeLong & Clarke-Pearson (1988), centred and scaled so that the mean
        over resampled rows is, to first order, the change of the area; for rows that depend on one another
        (Obuchowski 1997) sum them over blocks.
        """
        out = np.zeros(len(self.order))
        pos = np.add.reduceat(self.target, self.starts) if len(out) else out
        neg = np.add.reduceat(1.0 - self.target, self.starts) if len(out) else out
        if pos.sum() == 0 or neg.sum() == 0:
            return np.full(len(out), np.nan)
        beaten = (np.cumsum(neg) - 0.5 * neg) / neg.sum()
        beating = (pos.sum() - np.cumsum(pos) + 0.5 * pos) / pos.sum()
        area = float(pos @ beaten) / float(pos.sum())
        rate = float(pos.sum()) / len(out)
        event = (beaten[self.group] - area) / rate
        quiet = (beating[self.group] - area) / (1.0 - rate)
        out[self.order] = np.where(self.target > 0, event, quiet)
        return out


def roc_auc(target: ArrayLike, score: ArrayLike, weight: Floats | None = None) -> float:
    """Area under the ROC curve of `score` float64[n] for `target` 0 or 1 [n]; NaN where a class is missing.

    >>> roc_auc([0, 1, 0, 1], [0.5, 0.5, 0.2, 0.9])
    0.875
    """
    return RankedScores.of(target, score).auc(weight)
