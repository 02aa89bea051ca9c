"""Betting against a mean: evidence that may be looked at after every row, and bounds that hold at all of them."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

STAKE = 0.5
"""The largest share of the wealth that one row can lose: the `c` of the paper, which proposes 1/2 or 3/4."""
_LARGEST_LOG = float(np.log(np.finfo(np.float64).max))


def e_process(values: ArrayLike, mean: float, side: Literal["at_most", "at_least"] = "at_most") -> Floats:
    """The evidence after each row against "the mean given the rows before is `side` `mean`", float64[n].

    `values` float64[n] within [0, 1], in order of time; `mean` strictly between 0 and 1, in their unit.
    If the claim is true of every row, however rows depend, the wealth of somebody who bets against it reaches
    1 / alpha at any time with probability at most alpha (Ville 1939): look after every row, and stop when it
    does. A claim that fails only from some row on is found later, as the first rows bet on too little.

    The bet is what the rows before make the best one approximately (aGRAPA), its sign that of the alternative,
    and no row can lose more than `STAKE`. Before the first row the mean is guessed as `mean` and the variance as
    1/4, as one row of weight. Wealth that float64 cannot hold is given as the largest float64: lower evidence
    is still valid. ValueError: a value that is NaN or outside [0, 1], values that are not one list, a mean
    outside (0, 1).

    Waudby-Smith & Ramdas (2024), Estimating means of bounded random variables by betting.

    >>> e_process([1, 1, 0, 1, 1, 1], 0.5).round(2).tolist()
    [1.0, 1.5, 0.75, 0.99, 1.47, 2.2]
    >>> e_process([0, 0, 1, 0, 0, 0], 0.5, "at_least").round(2).tolist()
    [1.0, 1.5, 0.75, 0.99, 1.47, 2.2]
    """
    x = _unit_values(values)
    if not 0.0 < mean < 1.0:
        raise ValueError("the mean lies strictly between 0 and 1")
    if side == "at_least":
        x, mean = 1.0 - x, 1.0 - mean
    average, variance = _before(x, mean)
    gain = average - mean
    bets = np.clip(gain / (variance + gain**2), 0.0, STAKE / mean)
    wealth: Floats = np.exp(np.minimum(np.cumsum(np.log1p(bets * (x - mean))), _LARGEST_LOG))
    return wealth


def confidence_sequence(values: ArrayLike, level: float = 0.95, grid: int = 1000) -> tuple[Floats, Floats]:
    """Low and high bounds of the mean after each row, float64[n] each, which hold at all rows at once.

    `values` float64[n] within [0, 1], in order of time, whose mean given the rows before is always the same;
    they may depend otherwise. With probability at least `level` that mean is within the bounds after every
    row. Bounds only tighten; a low above its high says that no single mean fits, so that the mean has moved
    or the 1 - `level` has happened. They are rounded outwards to multiples of 1 / `grid`, at a cost in time
    of at most 2 * n * grid. ValueError: a value that is NaN or outside [0, 1], values that are not one list,
    a level outside (0, 1), a grid below 2.

    Hedged capital: half of the wealth bets that the mean is higher, half that it is lower, with predictable
    plug-in bets; a mean against which either half has come to 1 / (1 - level) of the whole is excluded.
    Waudby-Smith & Ramdas (2024), Estimating means of bounded random variables by betting.

    >>> low, high = confidence_sequence([0.4, 0.6] * 50)
    >>> [round(float(v), 3) for v in (low[0], high[0], low[-1], high[-1])]
    [0.0, 1.0, 0.46, 0.54]
    """
    x = _unit_values(values)
    if not 0.0 < level < 1.0:
        raise ValueError("the level lies strictly between 0 and 1")
    if grid < 2:
        raise ValueError("a grid has at least 2 steps")
    wanted = float(np.log(2.0 / (1.0 - level)))
    rows = np.arange(1, len(x) + 1)
    bets = np.sqrt(2.0 * wanted / (_before(x, 0.5)[1] * rows * np.log1p(rows)))
    return _lower(x, bets, wanted, grid), 1.0 - _lower(1.0 - x, bets, wanted, grid)


def _lower(x: Floats, bets: Floats, wanted: float, grid: int) -> Floats:
    """The highest mean of the grid excluded from below after each row: wealth falls as the mean rises."""
    low = np.zeros(len(x))
    for step in range(1, grid):
        mean = step / grid
        reached = np.cumsum(np.log1p(np.minimum(bets, STAKE / mean) * (x - mean))) >= wanted
        if not reached.any():
            break
        low[int(reached.argmax()) :] = mean
    return low


def _before(x: Floats, guess: float) -> tuple[Floats, Floats]:
    """Average and variance that the rows before each row show, with a guess as one row of weight."""
    weight = np.arange(2, len(x) + 2)
    average = (guess + np.cumsum(x)) / weight
    variance = (0.25 + np.cumsum((x - average) ** 2)) / weight
    return np.concatenate(([guess], average))[: len(x)], np.concatenate(([0.25], variance))[: len(x)]


def _unit_values(values: ArrayLike) -> Floats:
    x = np.asarray(values, np.float64)
    if x.ndim != 1:
        raise ValueError("values are one list")
    if not np.all((x >= 0.0) & (x <= 1.0)):
        raise ValueError("a value lies between 0 and 1")
    return x
