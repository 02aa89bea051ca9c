"""Partial pooling: means of many segments, each drawn to the common one as far as its noise asks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .quantiles import normal_quantile, t_quantile
from .variances import squeeze_variances

Floats = NDArray[np.float64]
GRID = 64
"""Points at which the spread between segments is tried; the second grid covers only where it is likely."""


@dataclass(frozen=True)
class Pooled:
    """What segments share and what each has of its own.

    `mu` and `mu_sd`: the common mean and its standard deviation. `tau2`: variance between segments
    (posterior mean). `mean`, `sd`: posterior mean and standard deviation per segment, float64[m]. A segment
    without rows has the common mean and the spread of a segment never seen.
    """

    mu: float
    mu_sd: float
    tau2: float
    mean: Floats
    sd: Floats


def pool(
    mean: Floats,
    variance: Floats,
    blocks: NDArray[np.integer],
    rows: NDArray[np.integer] | None = None,
    shared: float = 0.0,
) -> Pooled:
    """Random-effects pooling of the means of m segments, with allowance for everything that was estimated.

    `mean` float64[m], `variance` of each mean float64[m] (from `block_means`), `blocks` int[m] behind each
    variance, `rows` int[m] to compare variances per row rather than per block. NaN means: not known.

    `shared` is the variance of an error that all segments have in common (`shared_variance`), such as days on
    which all err alike; every variance grows by it.

    Three steps. Variances from few blocks are shrunk towards the common one (`squeeze_variances`), then
    widened from normal to t so that a normal interval covers. The spread tau^2 between segments has the
    uniform shrinkage prior of DuMouchel (1994): v0 / (v0 + tau^2) is uniform, v0 the harmonic mean of the
    variances. Given tau^2 all is closed form, and its posterior is integrated on a grid (Rubin 1981, Gelman
    et al., Bayesian Data Analysis, section 5.4): so the standard deviations allow for not knowing mu and
    tau^2, as Morris (1983) asks of empirical Bayes.

    >>> out = pool(np.array([0.0, 0.1, -0.1, 2.0]), np.full(4, 1.0), np.full(4, 50))
    >>> bool(out.mean[3] < 1.5), bool((out.sd < 1.0).all())
    (True, True)
    """
    mean = np.asarray(mean, np.float64)
    plain, wide = _usable_variances(np.asarray(variance, np.float64), np.asarray(blocks), rows)
    known = np.isfinite(mean) & np.isfinite(wide) & (plain > 0)
    if not known.any():
        return _without_noise(mean, plain)
    y = mean[known]
    grid, weight = _spread(y, plain[known])
    mu, mu_var, own, own_var = _given_spread(y, wide[known], grid)
    mu_hat, mu_total = _mix(mu[:, None], mu_var[:, None], weight)
    own_hat, own_total = _mix(own, own_var, weight)
    _, new_total = _mix(mu[:, None], (mu_var + grid)[:, None], weight)
    out_mean = np.full(len(mean), float(mu_hat[0]))
    out_sd = np.full(len(mean), float(np.sqrt(new_total[0] + shared)))
    out_mean[known], out_sd[known] = own_hat, np.sqrt(own_total + shared)
    return Pooled(
        float(mu_hat[0]), float(np.sqrt(mu_total[0] + shared)), float(weight @ grid), out_mean, out_sd
    )


def _without_noise(mean: Floats, variance: Floats) -> Pooled:
    """No segment shows noise: exact where the variance is zero (models that answer alike), else unknown."""
    exact = np.isfinite(mean) & (variance == 0)
    if not exact.any():
        nan = float("nan")
        return Pooled(nan, nan, nan, np.full(len(mean), nan), np.full(len(mean), nan))
    own = mean[exact]
    return Pooled(
        float(own.mean()),
        float(own.std() / np.sqrt(len(own))),
        float(own.var()),
        np.where(exact, mean, np.nan),
        np.where(exact, 0.0, np.nan),
    )


def _usable_variances(
    variance: Floats, blocks: NDArray[np.integer], rows: NDArray[np.integer] | None
) -> tuple[Floats, Floats]:
    """Shrunk variances of the means, plain and widened for their degrees of freedom; infinite: unknown."""
    size = np.asarray(blocks if rows is None else rows, np.float64)
    squeezed = squeeze_variances(variance * size, np.asarray(blocks, np.float64) - 1.0)
    t = t_quantile(0.975, squeezed.df) / normal_quantile(0.975)
    with np.errstate(invalid="ignore", divide="ignore"):
        plain = squeezed.variance / size
        wide = plain * t**2
    usable = np.isfinite(wide) & (size > 0)
    return np.where(usable, plain, np.inf), np.where(usable, wide, np.inf)


def _log_posterior(y: Floats, v: Floats, grid: Floats, v0: float) -> Floats:
    """Log posterior of the spread at each grid point, per unit of the logit of v0 / (v0 + tau^2)."""
    precision = 1.0 / (v[None, :] + grid[:, None])
    total = precision.sum(1)
    mu = precision @ y / total
    likelihood = 0.5 * np.log(precision).sum(1) - 0.5 * np.log(total)
    likelihood -= 0.5 * (precision * (y[None, :] - mu[:, None]) ** 2).sum(1)
    shrink = v0 / (v0 + grid)
    out: Floats = likelihood + np.log(shrink) + np.log1p(-shrink)
    return out


def _spread(y: Floats, v: Floats) -> tuple[Floats, Floats]:
    """Values of tau^2 and their posterior weights."""
    v0 = float(len(v) / np.sum(1.0 / v))
    low, high = -16.0, 16.0
    for _ in range(2):
        logit = np.linspace(low, high, GRID)
        tau2 = v0 * np.exp(-logit)
        score = _log_posterior(y, v, tau2, v0)
        near = np.flatnonzero(score > score.max() - 12.0)
        low, high = logit[max(near[0] - 1, 0)], logit[min(near[-1] + 1, GRID - 1)]
    weight = np.exp(score - score.max())
    return tau2, weight / weight.sum()


def _given_spread(y: Floats, v: Floats, grid: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """For each tau^2: mean and variance of mu [g], and of every segment [g, m]."""
    precision = 1.0 / (v[None, :] + grid[:, None])
    mu_var = 1.0 / precision.sum(1)
    mu = (precision @ y) * mu_var
    shrink = v[None, :] * precision
    own = shrink * mu[:, None] + (1.0 - shrink) * y[None, :]
    own_var = (1.0 - shrink) * v[None, :] + shrink**2 * mu_var[:, None]
    return mu, mu_var, own, own_var


def _mix(mean: Floats, variance: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of a mixture over the first axis."""
    centre = weight @ mean
    return centre, weight @ (variance + (mean - centre[None, :]) ** 2)
