"""The three kinds of target and the scale on which their margins add up.

| kind | loss | margin | answer |
|---|---|---|---|
| binary | log loss | logit of the probability | probability |
| regression | half the squared error | the value itself | value |
| count | Poisson deviance / 2 | logarithm of the expected count | expected count |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .losses import log_loss, poisson_deviance, squared_error

Floats = NDArray[np.float64]

Kind = Literal["binary", "regression", "count"]
LOGIT, IDENTITY, LOG = 0, 1, 2
_LOGIT_LIMIT, _LOG_LIMIT = 30.0, 50.0  # beyond these the exponential says nothing more in float64
_LEAST_RATE = 1e-6  # the mean taken for a sample that has no event at all


@dataclass(frozen=True, slots=True)
class Link:
    """How margins of one kind of target become answers and losses; arrays are float64 of one shape."""

    kind: Kind

    @property
    def code(self) -> int:
        """The number by which compiled loops know the link."""
        return {"binary": LOGIT, "regression": IDENTITY, "count": LOG}[self.kind]

    @property
    def objective(self) -> str:
        """LightGBM's name of the loss."""
        return {"binary": "binary", "regression": "regression", "count": "poisson"}[self.kind]

    @property
    def loss_name(self) -> str:
        """The metric by which stages and members are judged."""
        return {"binary": "log_loss", "regression": "squared_error", "count": "poisson_deviance"}[self.kind]

    def answer(self, margin: Floats) -> Floats:
        """Probability, value or expected count."""
        if self.kind == "binary":
            return 1.0 / (1.0 + np.exp(-np.clip(margin, -_LOGIT_LIMIT * 10, _LOGIT_LIMIT * 10)))
        return np.exp(np.minimum(margin, _LOG_LIMIT)) if self.kind == "count" else margin

    def losses(self, margin: Floats, y: Floats) -> Floats:
        """Loss of each row: log loss, squared error or Poisson deviance."""
        if self.kind == "binary":
            return log_loss(y, margin)
        if self.kind == "regression":
            return squared_error(y, margin)
        return poisson_deviance(y, np.minimum(margin, _LOG_LIMIT))

    def derivatives(self, margin: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Slope and curvature of the (half) loss with respect to the margin, curvature above zero."""
        if self.kind == "regression":
            return margin - y, np.ones_like(margin)
        mean = self.answer(margin)
        curvature = mean * (1.0 - mean) if self.kind == "binary" else mean
        return mean - y, np.maximum(curvature, 1e-9)

    def base(self, y: Floats) -> float:
        """The constant margin that fits `y` best; a target that never or always happens gets a finite one."""
        mean = float(np.mean(y)) if len(y) else 0.0
        if self.kind == "regression":
            return mean
        if self.kind == "count":
            return float(np.log(max(mean, _LEAST_RATE)))
        mean = min(max(mean, _LEAST_RATE), 1.0 - _LEAST_RATE)
        return float(np.log(mean / (1.0 - mean)))
