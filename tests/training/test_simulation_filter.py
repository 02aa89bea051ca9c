"""What the filter is: its derivatives, daily step, closed form for squared error, and that nothing breaks it."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from jomon.stats.links import Kind, Link
from jomon.training.fast import FastParams, FilterState, Stretch
from jomon.training.filter import LEAST_SLOPE, STEP_LIMIT, _slope_and_curvature
from jomon.training.served import Served

Floats = NDArray[np.float64]
KINDS: tuple[Kind, ...] = ("binary", "regression", "count")


class Rows(NamedTuple):
    """Rows of some segments in time order: margins that enter, outcomes, segments, days."""

    z: Floats
    y: Floats
    segment: NDArray[np.int32]
    day: NDArray[np.int32]


def rows(kind: Kind, n: int, segments: int, days: int, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    day = np.sort(rng.integers(0, days, n)).astype(np.int32)
    segment = rng.integers(0, segments, n).astype(np.int32)
    z = 0.7 * rng.standard_normal(n)
    eta = z + 0.5 * rng.standard_normal(segments)[segment]
    if kind == "binary":
        y = (rng.random(n) < 1.0 / (1.0 + np.exp(-eta))).astype(np.float64)
    elif kind == "count":
        y = rng.poisson(np.exp(eta)).astype(np.float64)
    else:
        y = eta + rng.standard_normal(n)
    return Rows(z, y, segment, day)


def stretch(kind: Kind, r: Rows, last_day: int, resets: tuple[int, ...] = (), delay: int = 1) -> Stretch:
    """The filter over these rows, outcomes known `delay` days later."""
    learn = (r.day + delay).astype(np.int32)
    served = Served(r.z, r.z.copy())
    segments = int(r.segment.max()) + 1
    return Stretch(Link(kind), r.segment, segments, r.y, r.day, learn, served, 0, last_day, resets)


@pytest.mark.parametrize("kind", KINDS)
def test_the_derivatives_are_those_of_the_loss(kind: Kind) -> None:
    """Losses of counts and squares are twice the half loss that the filter descends."""
    link, step = Link(kind), 1e-4
    half = 1.0 if kind == "binary" else 0.5
    for z in np.linspace(-3.0, 3.0, 13):
        for y in (0.0, 1.0, 4.0) if kind != "binary" else (0.0, 1.0):
            around = half * link.losses(np.array([z - step, z, z + step]), np.full(3, y))
            slope, curvature = _slope_and_curvature(link.code, z, y)
            assert slope == pytest.approx((around[2] - around[0]) / (2 * step), abs=1e-6)
            assert curvature == pytest.approx((around[2] - 2 * around[1] + around[0]) / step**2, abs=1e-5)
            same_slope, same_curvature = link.derivatives(np.array([z]), np.array([y]))
            assert (slope, curvature) == pytest.approx((same_slope[0], same_curvature[0]))


@pytest.mark.parametrize("saturation", [0.0, 30.0])
@pytest.mark.parametrize("kind", KINDS)
def test_a_days_update_is_one_newton_step_of_the_penalised_loss(kind: Kind, saturation: float) -> None:
    """Against numpy: a prior at zero of precision diag(p, q), the day's gradient and Hessian at theta = 0."""
    r = rows(kind, 400, 1, 1)
    params = FastParams(10.0, 50.0, saturation, 200.0, 0.0, center=0.2, unit=0.5)
    _, state = stretch(kind, r, 1).run(params)
    slope, curvature = Link(kind).derivatives(r.z, r.y)
    basis = np.column_stack([np.ones(len(r.z)), r.z - 0.2])
    gradient, hessian = basis.T @ slope, (basis.T * curvature) @ basis
    weight = 1.0 / (1.0 + curvature.sum() / (saturation * 0.5)) if saturation else 1.0
    prior = np.diag([50.0 * 0.5, 200.0 * 0.5])
    assert state.theta[0] == pytest.approx(
        -np.linalg.solve(weight * hessian + prior, weight * gradient), rel=1e-9
    )


@pytest.mark.parametrize("slope_rows", [0.0, 100.0])
def test_for_squared_error_the_filter_is_exponentially_weighted_ridge(slope_rows: float) -> None:
    """Every day's answers against the closed form on all outcomes known by then."""
    r = rows("regression", 600, 3, 40)
    params = FastParams(5.0, 20.0, 0.0, slope_rows, 0.0, center=0.1, unit=1.0)
    answer = stretch("regression", r, 40, delay=2).run(params)[0].answer
    for day in range(40):
        for s in range(3):
            known = (r.segment == s) & (r.day + 2 <= day)
            weight = 0.5 ** ((day - r.day[known] - 2) / 5.0)
            basis = np.column_stack([np.ones(known.sum()), r.z[known] - 0.1])
            basis = basis if slope_rows else basis[:, :1]
            ridge = np.diag([20.0, slope_rows][: basis.shape[1]])
            theta = np.linalg.solve(
                (basis.T * weight) @ basis + ridge, (basis.T * weight) @ (r.y - r.z)[known]
            )
            today = (r.segment == s) & (r.day == day)
            more = theta[0] + (theta[1] * (r.z[today] - 0.1) if slope_rows else 0.0)
            assert answer[today] == pytest.approx(r.z[today] + more, abs=1e-10)


@pytest.mark.parametrize("kind", ["binary", "count"])
def test_repeated_days_lead_to_the_mode_of_the_penalised_loss(kind: Kind) -> None:
    """Single steps accumulate: with outcomes of one kind for long, the offset is where the loss is least."""
    one = rows(kind, 60, 1, 1, seed=3)
    day = np.repeat(np.arange(200), 60).astype(np.int32)
    r = Rows(np.tile(one.z, 200), np.tile(one.y, 200), np.zeros(len(day), np.int32), day)
    _, state = stretch(kind, r, 200).run(FastParams(1e5, 10.0, 0.0, 0.0, 0.0, unit=0.2))
    tried = np.linspace(-2.0, 2.0, 4001)
    losses = [float(Link(kind).losses(one.z + b, one.y).mean()) for b in tried]
    assert state.theta[0, 0] == pytest.approx(tried[int(np.argmin(losses))], abs=0.01)


ABSURD = {
    "all ones, entering as never": ("binary", -30.0, 1.0),
    "all ones, entering as certain": ("binary", 800.0, 1.0),
    "all zeros, entering as certain": ("binary", 800.0, 0.0),
    "a million each, entering as none": ("count", -20.0, 1e6),
    "none, entering as e^60": ("count", 60.0, 0.0),
    "none, entering as one": ("count", 0.0, 0.0),
    "a value of 1e12": ("regression", 0.0, 1e12),
}


@pytest.mark.parametrize("slope_rows", [0.0, 1000.0])
@pytest.mark.parametrize("saturation", [0.0, 30.0])
@pytest.mark.parametrize("case", ABSURD)
def test_absurd_outcomes_leave_the_state_and_the_answers_finite(
    case: str, saturation: float, slope_rows: float
) -> None:
    kind, z, y = ABSURD[case]
    n = 3000
    day = np.repeat(np.arange(60), 50).astype(np.int32)
    noise = 0.1 * np.random.default_rng(0).standard_normal(n)
    r = Rows(z + noise, np.full(n, y), np.zeros(n, np.int32), day)
    params = FastParams(14.0, 25.0, saturation, slope_rows, 1.0, unit=0.2)
    served, state = stretch(kind, r, 60).run(params)  # type: ignore[arg-type]
    for array in (served.answer, served.learn, state.theta, state.linear, state.precision):
        assert np.isfinite(array).all()
    first, last = r.day == 1, r.day == 59
    link = Link(kind)  # type: ignore[arg-type]
    assert (
        link.losses(served.answer[last], r.y[last]).mean()
        <= link.losses(r.z[first], r.y[first]).mean() + 1e-9
    )


def test_an_offset_moves_by_no_more_than_the_limit_in_a_day() -> None:
    day = np.repeat(np.arange(10), 1000).astype(np.int32)
    r = Rows(np.full(10_000, -8.0), np.full(10_000, 1e5), np.zeros(10_000, np.int32), day)
    answer = stretch("count", r, 10).run(FastParams(14.0, 25.0, 0.0, 0.0, 0.0, unit=1e-3))[0].answer
    daily = answer[::1000]
    assert np.diff(daily).max() <= STEP_LIMIT + 1e-9
    assert daily[1] - daily[0] == pytest.approx(STEP_LIMIT)


def test_a_new_model_below_forgets_even_an_offset_beyond_the_limit_of_a_day() -> None:
    """Without later outcomes, and with a half-life that forgets nothing: the chain before answers again."""
    day = np.repeat(np.arange(30), 200).astype(np.int32)
    r = Rows(np.full(6000, -6.0), np.full(6000, 1.0), np.zeros(6000, np.int32), day)
    params = FastParams(1e5, 25.0, 0.0, 0.0, 0.0, unit=0.1)
    _, before = stretch("count", r, 30).run(params)
    assert before.theta[0, 0] > 2 * STEP_LIMIT
    _, after = stretch("count", r, 50, resets=(40,)).run(params)
    assert np.abs(after.theta).max() < 1e-12


def test_where_the_slope_meets_its_bound_the_offset_is_the_best_one_for_that_slope() -> None:
    """Outcomes that run against the margin ask for a slope of -2; the bound keeps the order of rows."""
    rng = np.random.default_rng(0)
    z = 1.0 + rng.standard_normal(4000)
    r = Rows(z, 3.0 - z, np.zeros(4000, np.int32), np.zeros(4000, np.int32))
    _, state = stretch("regression", r, 1).run(FastParams(14.0, 1e-6, 0.0, 1e-6, 0.0))
    assert state.theta[0, 1] == LEAST_SLOPE
    assert state.theta[0, 0] == pytest.approx(float(np.mean(r.y - z - LEAST_SLOPE * z)), abs=1e-6)


def test_a_day_never_counts_for_more_rows_than_the_saturation() -> None:
    r = rows("binary", 50_000, 1, 1)
    _, state = stretch("binary", r, 1).run(FastParams(14.0, 100.0, 30.0, 0.0, 0.0, unit=0.25))
    assert 29.0 < state.precision[0, 0] / 0.25 < 30.0


def test_one_stretch_is_the_sum_of_its_parts() -> None:
    """State in, state out: running on from a day gives the same bytes as running through it."""
    r = rows("binary", 5000, 4, 40)
    whole = stretch("binary", r, 39)
    params = FastParams(7.0, 100.0, 30.0, 1000.0, 0.0, unit=0.25)
    served, end = whole.run(params)
    _, half = replace(whole, last_day=19).run(params)
    rest, same = replace(whole, first_day=20).run(params, half)
    later = r.day >= 20
    assert (end.theta == same.theta).all() and (end.precision == same.precision).all()
    assert (served.answer[later] == rest.answer[later]).all()
    assert FilterState.fresh(4).theta.shape == (4, 2)
