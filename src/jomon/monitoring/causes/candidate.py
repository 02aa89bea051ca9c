"""Candidates: one possible cause each, with the log likelihood that it gains over "nothing changed"."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jomon.core.findings import CauseKind

NOTHING = -np.inf


@dataclass(frozen=True)
class Candidate:
    """A cause of `columns` with what it gains and costs in nats, the share of the rows that it concerns, the sentence
    for people and the evidence in numbers.

    `gain` is the log likelihood of the window's rows under the cause less that under "nothing changed"; `price` what
    its free numbers and the choice among its variants cost (Schwarz 1978, Estimating the dimension of a model).
    """

    kind: CauseKind
    columns: tuple[str, ...]
    gain: float
    price: float
    sentence: str
    evidence: dict[str, Any] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """Gain less price, nats."""
        return self.gain - self.price


def free(numbers: float, rows: float) -> float:
    """The price of free numbers that `rows` rows settle: half the log of the rows each."""
    return 0.5 * numbers * float(np.log(max(rows, 2.0)))


def divergence(count: float, rows: float, share: float) -> float:
    """Log likelihood that the share `count` of `rows` gains over `share`.

    >>> round(divergence(5, 10, 0.1), 2)
    5.11
    """
    if rows <= 0:
        return 0.0
    p = min(max(share, 1e-9), 1 - 1e-9)
    rest = rows - count
    gain = count * np.log(count / rows / p) if count > 0 else 0.0
    return float(gain + (rest * np.log(rest / rows / (1 - p)) if rest > 0 else 0.0))


def percent(share: float) -> str:
    """A share in words.

    >>> percent(0.5), percent(0.004)
    ('50%', '0.4%')
    """
    return f"{100 * share:.0f}%" if share >= 0.01 or share <= 0 else f"{100 * share:.1g}%"


def rows_in_words(rows: int) -> str:
    """A number of rows in words.

    >>> rows_in_words(1), rows_in_words(12345)
    ('1 row', '12,345 rows')
    """
    return f"{rows:,} row" + ("" if rows == 1 else "s")
