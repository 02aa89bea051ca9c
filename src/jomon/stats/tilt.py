"""Exponential tilt: how well does a smooth change of the mix explain a window?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
REACH = 4.0  # standard deviations beyond which the tilt stays constant
_RIDGE = 1e-2
_STEPS = 20


def tilt_gain(z: Floats, points: Floats, mass: Floats) -> float:
    """Gain in log likelihood of density(z) * exp(a z + b z**2) over density(z), at the best a and b.

    `z` float64[m], standardized rows of the window; `points` float64[s] and `mass` float64[m, s]: the
    density of each row's group as masses on points. A tilt is what a change of the mix, of the season or
    of the spread does to a feature that is still measured alike (Anderson 1972, Separate sample logistic
    discrimination).

    >>> points = np.linspace(-3, 3, 61)
    >>> mass = np.exp(-(points**2) / 2) / np.exp(-(points**2) / 2).sum()
    >>> round(tilt_gain(np.full(50, 0.5) + np.linspace(-1.6, 1.6, 50), points, np.tile(mass, (50, 1))), 1)
    6.5
    """
    features = _features(points)
    target = _features(z).sum(axis=0)
    with np.errstate(divide="ignore"):
        log_mass = np.log(mass / mass.sum(axis=1, keepdims=True))

    def evaluate(t: Floats) -> tuple[float, Floats, Floats]:
        score = log_mass + features @ t
        top = score.max(axis=1)
        p = np.exp(score - top[:, None])
        total = p.sum(axis=1)
        mean = (p / total[:, None]) @ features
        weight = (p / total[:, None]).sum(axis=0)
        information = (features * weight[:, None]).T @ features - mean.T @ mean
        value = float(target @ t - (np.log(total) + top).sum())
        return value, target - mean.sum(axis=0), information

    t = np.zeros(2)
    value, slope, information = evaluate(t)
    for _ in range(_STEPS):
        step = np.linalg.solve(information + _RIDGE * np.eye(2), slope)
        for _ in range(8):
            new = evaluate(t + step)
            if new[0] >= value:
                break
            step = step / 2
        else:
            break
        gained, t = new[0] - value, t + step
        value, slope, information = new
        if gained < 1e-3:
            break
    return max(value, 0.0)


def _features(z: Floats) -> Floats:
    clipped = np.clip(z, -REACH, REACH)
    return np.stack([clipped, clipped**2], axis=1)
