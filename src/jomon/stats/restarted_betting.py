"""Betting that starts again at every row: finds a mean that moves after a long good stretch, and stays valid."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .online import gamma

Floats = NDArray[np.float64]

SHARES = tuple(0.5 * 0.5**k for k in range(7))
"""What each of seven equally rich gamblers stakes of all he has on one value; none can lose more than a half."""
_LARGEST_LOG = math.log(np.finfo(np.float64).max)


def started(log_wealth: Floats, log_factor: Floats, stake: float | Floats) -> Floats:
    """Log wealth after a step at whose beginning further gamblers came with `stake` together; -inf: nobody yet."""
    with np.errstate(divide="ignore"):
        return np.logaddexp(log_wealth, np.log(stake)) + log_factor


@dataclass(frozen=True)
class RestartedBetting:
    """Evidence against "the mean given all before is at most `mean`" which also a late change brings quickly.

    At every step new gamblers begin, who bet fixed shares (`SHARES`) that values lie above the mean; so wealth that
    a good stretch has cost the earlier ones is no burden. Two sums of their wealth are kept:

    - `evidence`: the gambler of step j has the share `gamma(j)` of a whole of 1, and until then keeps it. If the claim
      is true of all values, however they depend, this reaches 1 / alpha at any time with probability at most alpha
      (Ville 1939), and at any moment at which one looks its mean is at most 1: an e value, for `ELond` or e-BH.
    - `run_evidence`: each has 1 (Shiryaev-Roberts). If the claim is true of all values, it takes at least 1 / alpha
      steps on average until this reaches 1 / alpha; a change is found without the price of `gamma`, however late.

    After a change is settled, begin anew with the state `RestartedBetting(mean)`. `dataclasses.asdict` of a state is
    JSON of 14 numbers, and `RestartedBetting(**stored)` goes on from it. For "at least" give 1 - value and 1 - mean.
    Values lie at or above 0; nothing bounds them above. ValueError: a mean that is not above 0, a value that is NaN,
    infinite or negative, a weight outside [0, 1].

    Shin, Ramdas & Rinaldo (2023), E-detectors: a nonparametric framework for sequential change detection; bets as in
    Waudby-Smith & Ramdas (2024), Estimating means of bounded random variables by betting.

    >>> state = RestartedBetting(mean=0.2)
    >>> for value in [0.0] * 50 + [1.0] * 10:
    ...     state = state.step(value)
    >>> state.evidence > 3.0, state.run_evidence > 100.0
    (True, True)
    """

    mean: float
    steps: int = 0
    waiting: float = 1.0
    shared: tuple[float, ...] = ()
    whole: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not (self.mean > 0.0 and math.isfinite(self.mean)):
            raise ValueError("the mean is a number above 0")
        object.__setattr__(self, "shared", tuple(self.shared))  # JSON has lists
        object.__setattr__(self, "whole", tuple(self.whole))

    def step(self, value: float, weight: float = 1.0) -> RestartedBetting:
        """The state after one more value. `weight` in [0, 1], which must not depend on the value: how much of their
        stakes gamblers bet, less for a value that is known to be noisy."""
        if not (value >= 0.0 and math.isfinite(value)):
            raise ValueError("a value is a number at or above 0")
        if not 0.0 <= weight <= 1.0:
            raise ValueError("a weight lies between 0 and 1")
        factor = np.log1p(weight * np.array(SHARES) * (value / self.mean - 1.0))
        nobody = np.full(len(SHARES), -np.inf)
        coming = gamma(self.steps + 1)
        shared = started(np.array(self.shared) if self.shared else nobody, factor, coming)
        whole = started(np.array(self.whole) if self.whole else nobody, factor, 1.0)
        return replace(
            self,
            steps=self.steps + 1,
            waiting=self.waiting - coming,
            shared=tuple(shared.tolist()),
            whole=tuple(whole.tolist()),
        )

    def batch(self, total: float, rows: float, weight: float = 1.0) -> RestartedBetting:
        """The state after a batch of `rows` values that sum to `total`, taken as one value, their mean: so rows of one
        day may share what the day has. A batch without rows changes nothing."""
        return self.step(total / rows, weight) if rows > 0 else self

    @property
    def evidence(self) -> float:
        """See above; 1 before the first step."""
        return self.waiting + _mean_of(self.shared)

    @property
    def run_evidence(self) -> float:
        """See above; 0 before the first step."""
        return _mean_of(self.whole)


def _mean_of(logs: tuple[float, ...]) -> float:
    if not logs:
        return 0.0
    found = float(np.logaddexp.reduce(np.array(logs))) - math.log(len(logs))
    return math.exp(min(found, _LARGEST_LOG))
