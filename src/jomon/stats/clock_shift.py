"""Were the time stamps of a window written in another time zone?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .mixed_share import DROP, gains, mixed_share, price

Floats = NDArray[np.float64]

SLOTS = (24, 48, 96)  # of an hour, of half an hour, of a quarter
LEAST_ROWS = 10.0  # rows of a window below which no cause is named
LEAST_CHANGED = 3.0  # rows that must have moved
LEAST_EVIDENCE = 3.0  # log likelihood, net of prices, that a shift must be ahead of "no shift"
LEAST_LEAD = 1.0  # and of a smooth change of the day
_BLUR = 0.05  # share of the profile that is spread over the neighbouring hours
_EVEN = 0.01  # share that is spread over the whole day: an hour never seen is not impossible


@dataclass(frozen=True, slots=True)
class ClockShift:
    """By how many hours, in (-12, 12], a share of the rows is late; NaN if the question was refused.

    The interval of the share is 95% profile likelihood. `also`: other shifts, in hours, whose likelihood is
    within the same distance of the best; on a flat day or with few rows there are some.
    `evidence` and `evidence_other`: log likelihood ratio
    net of the price of the search, over no shift and over a day whose profile changed smoothly.
    """

    changed: bool
    hours: float
    share: float
    share_low: float
    share_high: float
    evidence: float
    evidence_other: float
    rows: int
    also: tuple[float, ...] = ()
    reason: str | None = None


def clock_shift(reference: ArrayLike, window: ArrayLike) -> ClockShift:
    """Find the shift of the clock under which the day of the window is that of the reference.

    `reference` and `window`, float64[24, 48 or 96]: rows in each slot of the day. A row of the window falls
    in slot t with probability (1 - s) p[t] + s p[t - k]; every k is tried, at the price of the log of their
    number and of half the log of the rows for the share (Schwarz 1978). Raises ValueError on other lengths
    and on counts that are negative or not finite.

    >>> day = np.array([0] * 5 + [2, 26, 23, 27, 20, 17, 16, 18, 20, 22, 24, 23, 24, 22, 21, 17, 11, 3, 1])
    >>> found = clock_shift(day * 100, np.roll(day, 5))
    >>> found.changed, found.hours, found.share
    (True, 5.0, 1.0)
    >>> clock_shift(day * 100, day).changed
    False
    """
    ref, counts = np.asarray(reference, np.float64), np.asarray(window, np.float64)
    if ref.shape != counts.shape or ref.shape not in [(n,) for n in SLOTS]:
        raise ValueError("the day must have 24, 48 or 96 slots, the same in the reference and the window")
    if not (np.isfinite(ref).all() and np.isfinite(counts).all() and min(ref.min(), counts.min()) >= 0):
        raise ValueError("counts must be finite and not negative")
    rows, slots, nan = float(counts.sum()), len(ref), float("nan")
    if rows < LEAST_ROWS or ref.sum() < LEAST_ROWS:
        return _refused(rows, f"fewer than {LEAST_ROWS:.0f} rows")
    if np.ptp(ref) == 0:
        return _refused(rows, "the reference is the same all day")
    p = _smooth(ref)
    shifts = np.arange(1, slots)
    ratio = np.stack([np.roll(p, k) for k in shifts]) / p
    net = price(gains(ratio, counts), rows) - np.log(slots - 1)
    best = int(np.argmax(net))
    evidence, fit = float(net[best]), mixed_share(ratio[best], counts)
    lead = evidence - max(0.0, _drift(p, counts) - np.log(rows))
    if evidence < LEAST_EVIDENCE or lead < LEAST_LEAD or fit.share * rows < LEAST_CHANGED:
        return ClockShift(False, 0.0, 0.0, nan, nan, evidence, lead, round(rows))
    hours = 24 / slots * np.where(shifts <= slots // 2, shifts, shifts - slots)
    close = [i for i in np.argsort(-net) if i != best and net[i] > evidence - DROP]
    share, also = (fit.share, fit.low, fit.high), tuple(float(hours[i]) for i in close)
    return ClockShift(True, float(hours[best]), *share, evidence, lead, round(rows), also)


def _smooth(counts: Floats) -> Floats:
    p = counts / counts.sum()
    hour = len(p) // 24
    around = [np.roll(p, k) for k in range(-hour, hour + 1)]
    near = np.mean(around, axis=0)
    out: Floats = (1 - _BLUR - _EVEN) * p + _BLUR * near + _EVEN / len(p)
    return out


def _drift(p: Floats, counts: Floats) -> float:
    """Gain of the best p[t] * exp(a cos + b sin), a day that is fuller in one half, over p."""
    angle = 2 * np.pi * (np.arange(len(p)) + 0.5) / len(p)
    features = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    t = np.zeros(2)
    for _ in range(30):
        q = p * np.exp(features @ t)
        q /= q.sum()
        mean = q @ features
        slope = counts @ features - counts.sum() * mean
        information = counts.sum() * ((features * q[:, None]).T @ features - np.outer(mean, mean))
        step = np.linalg.solve(information + 1e-2 * np.eye(2), slope)
        t = t + step / max(1.0, float(np.abs(step).max()))
    q = p * np.exp(features @ t)
    return float(max(counts @ (features @ t) - counts.sum() * np.log(q.sum()), 0.0))


def _refused(rows: float, reason: str) -> ClockShift:
    nan = float("nan")
    return ClockShift(False, nan, nan, nan, nan, nan, nan, round(rows), reason=reason)
