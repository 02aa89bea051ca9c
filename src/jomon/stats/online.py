"""False discoveries in a stream of checks that has no end: each is decided when it comes, for good."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise


@lru_cache(maxsize=1 << 16)
def gamma(test: int) -> float:
    """The share of `alpha` set aside for a test, counted from 1; over all tests they sum to 0.976.

    log(max(j, 2)) / (j exp(sqrt(log j))), times 0.0772: Javanmard & Montanari (2018), Online rules for control
    of false discovery rate and false discovery exceedance, equation 31. Every series that sums to at most 1 is
    valid; this one falls slowly and so keeps power for late tests.

    >>> [round(gamma(j), 5) for j in (1, 2, 3, 1000)]
    [0.05351, 0.01164, 0.00991, 4e-05]
    """
    return 0.0772 * math.log(max(test, 2)) / (test * math.exp(math.sqrt(math.log(test))))


@dataclass(frozen=True)
class ELond:
    """e-LOND: of what a stream of e values rejects, a share of at most `alpha` is false on average.

    Holds however the e values depend on each other, and whenever one looks; each has a mean of at most 1 if
    its null is true. Test t rejects if its e value is at least 1 / level, with

        level = alpha * gamma(t) * (rejections so far + 1)

    `tests` and `rejections` are counts of what has been. `dataclasses.asdict` of a state is JSON, and
    `ELond(**stored)` goes on from it. ValueError: alpha outside (0, 1), impossible counts, an e value that is NaN
    or negative.

    Xu & Ramdas (2024), Online multiple testing with e-values.

    >>> state = ELond(alpha=0.1)
    >>> rejected, state = state.step(500.0)
    >>> rejected, round(state.level(), 6)
    (True, 0.002327)
    """

    alpha: float
    tests: int = 0
    rejections: int = 0

    def __post_init__(self) -> None:
        _check_alpha(self.alpha)
        if not 0 <= self.rejections <= self.tests:
            raise ValueError("rejections are between none and all of the tests")

    def level(self) -> float:
        """The level of the next test."""
        return self.alpha * gamma(self.tests + 1) * (self.rejections + 1)

    def step(self, e: float) -> tuple[bool, ELond]:
        """Whether the next test rejects, and the state after it."""
        if not e >= 0.0:
            raise ValueError("an e value is not negative")
        rejected = e * self.level() >= 1.0
        return rejected, replace(self, tests=self.tests + 1, rejections=self.rejections + rejected)


@dataclass(frozen=True)
class LordPlus:
    """LORD++: of what a stream of independent p values rejects, a share of at most `alpha` is false on average.

    Test t rejects if its p value is at most its level: what is left of the first `wealth`, by default half of
    `alpha`, and what each rejection at an earlier test s has earned,

        level = wealth * gamma(t) + (alpha - wealth) * gamma(t - s_1) + alpha * (gamma(t - s_2) + ...)

    `rejected` lists the tests that rejected, counted from 1. `dataclasses.asdict` of a state is JSON, and
    `LordPlus(**stored)` goes on from it. A level costs time in proportion to the rejections. For p values that
    depend use `ELond`. ValueError: alpha outside (0, 1), a wealth outside (0, alpha], rejections that are not
    among the tests in rising order, a p value that is NaN or outside [0, 1].

    Ramdas, Yang, Wainwright & Jordan (2017), Online control of the false discovery rate with decaying memory.

    >>> state = LordPlus(alpha=0.1)
    >>> rejected, state = state.step(0.001)
    >>> rejected, round(state.level(), 6)
    (True, 0.003257)
    """

    alpha: float
    wealth: float | None = None
    tests: int = 0
    rejected: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _check_alpha(self.alpha)
        if self.wealth is None:
            object.__setattr__(self, "wealth", self.alpha / 2.0)
        elif not 0.0 < self.wealth <= self.alpha:
            raise ValueError("the wealth lies above 0 and is at most alpha")
        object.__setattr__(self, "rejected", tuple(self.rejected))  # JSON has lists
        ends = (0, *self.rejected, self.tests + 1)
        if any(a >= b for a, b in pairwise(ends)):
            raise ValueError("rejections are among the tests, in rising order")

    def level(self) -> float:
        """The level of the next test."""
        test, wealth = self.tests + 1, self.wealth or 0.0
        earned = [self.alpha * gamma(test - s) for s in self.rejected]
        if earned:
            earned[0] *= 1.0 - wealth / self.alpha
        return wealth * gamma(test) + math.fsum(earned)

    def step(self, p: float) -> tuple[bool, LordPlus]:
        """Whether the next test rejects, and the state after it."""
        if not 0.0 <= p <= 1.0:
            raise ValueError("a p value lies between 0 and 1")
        hit, test = p <= self.level(), self.tests + 1
        return hit, replace(self, tests=test, rejected=(*self.rejected, test) if hit else self.rejected)


def _check_alpha(alpha: float) -> None:
    if not 0.0 < alpha < 1.0:
        raise ValueError("alpha lies strictly between 0 and 1")
