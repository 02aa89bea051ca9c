from __future__ import annotations

import json
from dataclasses import asdict, replace
from itertools import pairwise
from math import exp, log, sqrt

import numpy as np
import pytest
from scipy.stats import norm

from jomon.stats.online import ELond, LordPlus, gamma

ALPHA = 0.1
STREAMS, TESTS = 200, 250


def decisions(state: ELond | LordPlus, evidence: list[float]) -> tuple[list[bool], ELond | LordPlus]:
    out = []
    for value in evidence:
        rejected, state = state.step(value)
        out.append(rejected)
    return out, state


def shares(state: ELond | LordPlus, streams: np.ndarray, real: np.ndarray) -> tuple[float, float]:
    """The mean share of false rejections, and of the signals that were found."""
    false, found = [], []
    for evidence, signal in zip(streams, real, strict=True):
        hits = np.array(decisions(state, evidence.tolist())[0])
        false.append((hits & ~signal).sum() / max(hits.sum(), 1))
        found.append((hits & signal).sum() / max(signal.sum(), 1))
    return float(np.mean(false)), float(np.mean(found))


def test_the_shares_of_alpha_sum_to_at_most_one_and_never_rise() -> None:
    first = [gamma(j) for j in range(1, 20_001)]
    # what is left is below the integral of the series: with s = sqrt(log(20,000)) it is in closed form
    s = sqrt(log(20_000))
    rest = 0.0772 * 2.0 * exp(-s) * (s**3 + 3 * s**2 + 6 * s + 6)
    assert 0.97 < sum(first) + rest <= 1.0
    assert all(a >= b > 0.0 for a, b in pairwise(first))


@pytest.mark.parametrize("common", [0.0, 0.5, 0.9])
def test_e_lond_keeps_the_rate_with_dependent_e_values_and_finds_signals(common: float) -> None:
    """Likelihood ratios of a shift of 4 standard deviations; 20% signals; noise shared by the whole stream."""
    rng = np.random.default_rng(0)
    real = rng.random((STREAMS, TESTS)) < 0.2
    noise = sqrt(common) * rng.standard_normal((STREAMS, 1)) + sqrt(1 - common) * rng.standard_normal(
        real.shape
    )
    false, found = shares(ELond(ALPHA), np.exp(4.0 * (noise + 4.0 * real) - 8.0), real)
    assert false <= ALPHA
    assert found > 0.3


def test_e_lond_keeps_the_rate_when_all_nulls_mislead_together() -> None:
    """One e value for all nulls: it just passes the first level as often as a mean of 1 allows, else it is 0."""
    rng = np.random.default_rng(1)
    start = ELond(0.9)
    top = 1.0001 / start.level()
    wrong = [any(decisions(start, [top * bool(up)] * 20)[0]) for up in rng.random(4000) < 1.0 / top]
    assert 0.0 < np.mean(wrong) <= 0.9 * gamma(1) + 3 * sqrt(0.9 * gamma(1) / 4000)


def test_lord_keeps_the_rate_with_independent_p_values_and_finds_signals() -> None:
    rng = np.random.default_rng(2)
    real = rng.random((STREAMS, TESTS)) < 0.2
    false, found = shares(LordPlus(ALPHA), norm.sf(rng.standard_normal(real.shape) + 3.0 * real), real)
    assert false <= ALPHA
    assert found > 0.4


def test_lord_keeps_the_rate_when_nothing_is_there() -> None:
    rng = np.random.default_rng(3)
    nothing = np.zeros((2000, 50), bool)
    false, _ = shares(LordPlus(ALPHA, wealth=ALPHA), rng.random(nothing.shape), nothing)
    assert false <= ALPHA + 3 * sqrt(ALPHA * (1 - ALPHA) / 2000)


def test_the_first_levels_are_the_ones_worked_out_by_hand() -> None:
    g1 = 0.0772 * log(2)
    g2 = 0.0772 * log(2) / (2 * exp(sqrt(log(2))))
    g3 = 0.0772 * log(3) / (3 * exp(sqrt(log(3))))
    e = ELond(ALPHA)
    levels = [e.level()]
    for value in (1e6, 0.0):
        _, e = e.step(value)
        levels.append(e.level())
    assert levels == pytest.approx([0.1 * g1, 0.1 * g2 * 2, 0.1 * g3 * 2])
    p = LordPlus(ALPHA, wealth=0.04)
    levels = [p.level()]
    for value in (0.0, 0.0):
        _, p = p.step(value)
        levels.append(p.level())
    assert levels == pytest.approx(
        [0.04 * g1, 0.04 * g2 + 0.06 * g1, 0.04 * g3 + 0.06 * g2 + 0.1 * g1]  # the second earns all of alpha
    )


@pytest.mark.parametrize("start", [ELond(ALPHA), LordPlus(ALPHA)])
def test_a_stream_resumed_from_json_decides_the_same(start: ELond | LordPlus) -> None:
    rng = np.random.default_rng(4)
    z = rng.standard_normal(200) + 4.0 * (rng.random(200) < 0.3)
    evidence = (np.exp(4 * z - 8) if isinstance(start, ELond) else norm.sf(z)).tolist()
    whole, end = decisions(start, evidence)
    before, state = decisions(start, evidence[:90])
    stored = json.loads(json.dumps(asdict(state)))
    after, resumed = decisions(type(start)(**stored), evidence[90:])
    assert sum(before) > 0
    assert before + after == whole
    assert resumed == end


def test_a_value_at_the_level_rejects() -> None:
    p = LordPlus(ALPHA)
    assert p.step(p.level())[0]
    assert not p.step(np.nextafter(p.level(), 1.0))[0]
    assert ELond(ALPHA).step(float("inf"))[0]
    assert not ELond(ALPHA).step(0.99 / ELond(ALPHA).level())[0]


def test_what_is_no_evidence_is_refused() -> None:
    for bad in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="not negative"):
            ELond(ALPHA).step(bad)
        with pytest.raises(ValueError, match="between 0 and 1"):
            LordPlus(ALPHA).step(bad)


def test_states_that_cannot_be_are_refused() -> None:
    for alpha in (0.0, 1.0, float("nan")):
        with pytest.raises(ValueError, match="alpha lies"):
            ELond(alpha)
        with pytest.raises(ValueError, match="alpha lies"):
            LordPlus(alpha)
    with pytest.raises(ValueError, match="between none and all"):
        ELond(ALPHA, tests=1, rejections=2)
    with pytest.raises(ValueError, match="at most alpha"):
        LordPlus(ALPHA, wealth=0.2)
    for rejected in ((0,), (3,), (2, 1), (1, 1)):
        with pytest.raises(ValueError, match="in rising order"):
            replace(LordPlus(ALPHA, tests=2), rejected=rejected)
