"""The fast part as an online filter: one pass through time, predict first, then learn what has become known.

Every segment keeps an offset `b` and a slope `s` on top of the margin `z` that enters it: `z + b + s * (z - center)`.
They are the mode of a quadratic approximation of the exponentially weighted loss with a Gaussian prior at zero, which
means "as the chain before it says": partial pooling along the chain. Per segment the filter carries the decayed
precision `P` (2 x 2, symmetric) and the linear term `L`, so that `theta = (P + prior)^-1 L`.

At the start of local day `d` the filter ages every segment by one day, learns from the rows whose outcome became known
before `d` (one Newton step for the whole day), and then answers the rows of day `d`. Nothing of day `d` or
later is used.

Sources: exponentially weighted recursive estimation of generalised linear models, Fahrmeir (1992), "Posterior mode
estimation by extended Kalman filtering for multivariate dynamic generalized linear models", JASA 87; the forgetting
factor as discount, West, Harrison and Migon (1985), "Dynamic generalized linear models and Bayesian
forecasting", JASA 80.
"""

from __future__ import annotations

import numba
import numpy as np

LOGIT, IDENTITY, LOG = 0, 1, 2
STEP_LIMIT = (
    2.0  # most that a day's outcomes move an offset on the logit or log scale (a factor of e^2), for safety
)
LEAST_SLOPE, MOST_SLOPE = (
    -0.9,
    2.0,
)  # bounds of a slope: margins never change their order, nor grow beyond threefold


@numba.njit(cache=True, nogil=True)
def _slope_and_curvature(link: int, z: float, y: float) -> tuple[float, float]:
    """First and second derivative of the loss with respect to the margin."""
    if link == LOGIT:
        p = 1.0 / (1.0 + np.exp(-z))
        return p - y, max(p * (1.0 - p), 1e-6)
    if link == LOG:
        mu = np.exp(min(z, 50.0))
        return mu - y, max(mu, 1e-9)
    return z - y, 1.0


@numba.njit(cache=True, nogil=True)
def run_filter(
    link: int,
    first_day: int,
    last_day: int,
    serve_day: np.ndarray,
    serve_segment: np.ndarray,
    z_serve: np.ndarray,
    tick_day: np.ndarray,
    tick_row: np.ndarray,
    tick_segment: np.ndarray,
    z_update: np.ndarray,
    y: np.ndarray,
    reset_day: np.ndarray,
    decay: float,
    carry: float,
    prior_offset: float,
    prior_slope: float,
    center: float,
    saturation: float,
    linear: np.ndarray,
    precision: np.ndarray,
    theta: np.ndarray,
    out_serve: np.ndarray,
    out_update: np.ndarray,
) -> None:
    """Run the filter from `first_day` to `last_day` (both included), changing the state in place.

    Shapes: n rows to answer, in order of `serve_day` (int32); k rows to learn from, in order of `tick_day` (int32, the
    first local day on which the outcome may be used), `tick_row` their positions in `z_update`, `y` and `out_update`;
    segments are int32, -1 for none; m segments with state `linear` (m, 2), `precision` (m, 3: bb, bs, ss) and `theta`
    (m, 2). `reset_day`: sorted days on which the model below changes and the state is multiplied by `carry`.
    `prior_slope <= 0` turns the slope off; `saturation` is the most curvature a segment learns from in a day (0: no
    limit). Rows of days before `first_day` are answered by the state as it is given. Answers go to `out_serve`
    (n) and, at the time of learning, `out_update`.
    """
    m = linear.shape[0]
    gradient = np.zeros((m, 2))
    curvature = np.zeros((m, 3))
    touched = np.zeros(m, dtype=np.int64)
    aged = np.zeros(m)
    serve = 0
    while serve < serve_day.shape[0] and serve_day[serve] < first_day:
        s = serve_segment[serve]
        z = z_serve[serve]
        out_serve[serve] = z + theta[s, 0] + theta[s, 1] * (z - center) if s >= 0 else z
        serve += 1
    tick = 0
    while tick < tick_day.shape[0] and tick_day[tick] < first_day:
        tick += 1
    reset = 0
    while reset < reset_day.shape[0] and reset_day[reset] < first_day:
        reset += 1
    for day in range(first_day, last_day + 1):
        factor = decay
        while reset < reset_day.shape[0] and reset_day[reset] == day:
            factor *= carry
            reset += 1
        start = tick
        count = 0
        while tick < tick_day.shape[0] and tick_day[tick] == day:
            s = tick_segment[tick]
            if s >= 0:
                row = tick_row[tick]
                u = z_update[row] - center
                g, h = _slope_and_curvature(link, z_update[row] + theta[s, 0] + theta[s, 1] * u, y[row])
                if curvature[s, 0] == 0.0:
                    touched[count] = s
                    count += 1
                gradient[s, 0] += g
                gradient[s, 1] += g * u
                curvature[s, 0] += h
                curvature[s, 1] += h * u
                curvature[s, 2] += h * u * u
            tick += 1
        for s in range(m):
            linear[s, 0] *= factor
            linear[s, 1] *= factor
            precision[s, 0] *= factor
            precision[s, 1] *= factor
            precision[s, 2] *= factor
        for i in range(count):
            s = touched[i]
            aged[s] = _mode(linear, precision, s, prior_offset, prior_slope)[0]
            if saturation > 0.0:
                weight = 1.0 / (1.0 + curvature[s, 0] / saturation)
                for j in range(3):
                    curvature[s, j] *= weight
                gradient[s, 0] *= weight
                gradient[s, 1] *= weight
            linear[s, 0] += curvature[s, 0] * theta[s, 0] + curvature[s, 1] * theta[s, 1] - gradient[s, 0]
            linear[s, 1] += curvature[s, 1] * theta[s, 0] + curvature[s, 2] * theta[s, 1] - gradient[s, 1]
            for j in range(3):
                precision[s, j] += curvature[s, j]
                curvature[s, j] = 0.0
            gradient[s, 0] = 0.0
            gradient[s, 1] = 0.0
            if link != IDENTITY:
                _limit(linear, precision, theta, s, prior_offset, prior_slope, aged[s])
        for s in range(m):
            theta[s, 0], theta[s, 1] = _mode(linear, precision, s, prior_offset, prior_slope)
        for i in range(start, tick):
            s = tick_segment[i]
            row = tick_row[i]
            z = z_update[row]
            out_update[row] = z + theta[s, 0] + theta[s, 1] * (z - center) if s >= 0 else z
        while serve < serve_day.shape[0] and serve_day[serve] == day:
            s = serve_segment[serve]
            z = z_serve[serve]
            out_serve[serve] = z + theta[s, 0] + theta[s, 1] * (z - center) if s >= 0 else z
            serve += 1


@numba.njit(cache=True, nogil=True)
def _mode(
    linear: np.ndarray, precision: np.ndarray, s: int, prior_offset: float, prior_slope: float
) -> tuple[float, float]:
    """Offset and slope of segment `s`: the mode within the slope's bounds."""
    a = precision[s, 0] + prior_offset
    if prior_slope <= 0.0:
        return linear[s, 0] / a, 0.0
    b, c = precision[s, 1], precision[s, 2] + prior_slope
    slope = (a * linear[s, 1] - b * linear[s, 0]) / (a * c - b * b)
    slope = min(max(slope, LEAST_SLOPE), MOST_SLOPE)
    return (linear[s, 0] - b * slope) / a, slope


@numba.njit(cache=True, nogil=True)
def _limit(
    linear: np.ndarray,
    precision: np.ndarray,
    theta: np.ndarray,
    s: int,
    prior_offset: float,
    prior_slope: float,
    aged: float,
) -> None:
    """Cut what a day's outcomes move the offset by: the linear term follows, as if the day had said no more.

    The step counts from yesterday's offset or from where ageing alone would take it (`aged`), whichever is nearer, so
    that forgetting is never taken for evidence.
    """
    offset, _ = _mode(linear, precision, s, prior_offset, prior_slope)
    low, high = min(aged, theta[s, 0]) - STEP_LIMIT, max(aged, theta[s, 0]) + STEP_LIMIT
    if low <= offset <= high:
        return
    cut = min(max(offset, low), high)
    linear[s, 0] = (precision[s, 0] + prior_offset) * cut
    if prior_slope > 0.0:
        slope = (linear[s, 1] - precision[s, 1] * cut) / (precision[s, 2] + prior_slope)
        linear[s, 0] += precision[s, 1] * min(max(slope, LEAST_SLOPE), MOST_SLOPE)


def load_filter() -> None:
    """Load the compiled filter, or compile it, by running it on nothing."""
    days, places, none = np.zeros(0, np.int32), np.zeros(0, np.intp), np.zeros(0)
    state = np.zeros((0, 2)), np.zeros((0, 3)), np.zeros((0, 2))
    run_filter(
        IDENTITY, 0, -1, days, days, none, days, places, days, none, none, days,
        1.0, 1.0, 1.0, 0.0, 0.0, 0.0, *state, none, none,
    )  # fmt: skip
