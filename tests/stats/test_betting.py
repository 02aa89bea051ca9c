from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from jomon.stats.betting import confidence_sequence, e_process

ROWS = 1000


def at_most(share: float, runs: int) -> float:
    """Three standard errors above a share counted in so many runs."""
    return share + 3.0 * float(np.sqrt(share * (1.0 - share) / runs))


def dependent(rng: np.random.Generator, runs: int, mean: float, *, below: bool) -> NDArray[np.float64]:
    """Rows whose spread, and with `below` whose mean too, follows the rows before; the mean is at most `mean`."""
    x = np.empty((runs, ROWS))
    total = np.zeros(runs)
    for t in range(ROWS):
        ahead = total > mean * t
        expected = np.where(ahead, mean, 0.8 * mean) if below else np.full(runs, mean)
        wild = rng.random(runs) < expected  # 0 or 1 while ahead, near the mean while behind
        calm = expected + 0.1 * rng.choice([-1.0, 1.0], runs)
        x[:, t] = np.where(ahead, wild, calm)
        total += x[:, t]
    return x


@pytest.mark.parametrize("mean", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("side", ["at_most", "at_least"])
def test_looking_after_every_row_finds_what_is_not_there_at_most_at_the_rate(mean: float, side: str) -> None:
    rng = np.random.default_rng(0)
    runs = 2000
    most = np.array([e_process(rng.random(ROWS) < mean, mean, side).max() for _ in range(runs)])  # type: ignore[arg-type]
    for alpha in (0.05, 0.2):
        assert np.mean(most >= 1.0 / alpha) <= at_most(alpha, runs)


@pytest.mark.parametrize("below", [False, True])
def test_the_rate_holds_for_rows_that_depend_on_the_rows_before(below: bool) -> None:
    x = dependent(np.random.default_rng(1), 1000, 0.3, below=below)
    most = np.array([e_process(row, 0.3).max() for row in x])
    for alpha in (0.05, 0.2):
        assert np.mean(most >= 1.0 / alpha) <= at_most(alpha, len(x))


def test_a_share_of_35_in_place_of_20_per_cent_is_found_within_200_rows_nine_times_in_ten() -> None:
    rng = np.random.default_rng(2)
    found = [(e_process(rng.random(200) < 0.35, 0.2) >= 20.0).any() for _ in range(1000)]
    assert np.mean(found) >= 0.9


def test_a_share_that_moves_after_200_rows_is_found_within_300_more_nine_times_in_ten() -> None:
    rng = np.random.default_rng(3)
    share = np.repeat([0.2, 0.35], [200, 300])
    found = [(e_process(rng.random(500) < share, 0.2) >= 20.0).any() for _ in range(1000)]
    assert np.mean(found) >= 0.9


def test_evidence_is_the_product_of_the_bets_worked_out_by_hand() -> None:
    # Before row 2: average 0.65, variance 0.18625, so the bet 0.35 / (0.18625 + 0.35**2) is below 0.5 / 0.3.
    bet = 0.35 / (0.18625 + 0.35**2)
    assert e_process([1.0, 0.5], 0.3) == pytest.approx([1.0, 1.0 + bet * 0.2])
    assert bet < 0.5 / 0.3


def test_a_row_never_knows_its_own_value() -> None:
    x = np.random.default_rng(4).random(50)
    assert e_process(np.append(x[:20], 1.0 - x[20:]), 0.4)[:20] == pytest.approx(e_process(x, 0.4)[:20])
    assert confidence_sequence(x)[0][:20] == pytest.approx(confidence_sequence(x[:20])[0])


def test_evidence_without_end_is_the_largest_number() -> None:
    e = e_process(np.ones(20_000), 0.2)
    assert np.isfinite(e).all()
    assert e[-1] == pytest.approx(np.finfo(np.float64).max)


@pytest.mark.parametrize("kind", ["share", "narrow", "dependent"])
def test_the_bounds_hold_at_all_rows_at_once(kind: str) -> None:
    """With a grid of 10 the true mean 0.3 is on it: it counts as missed as soon as it is excluded itself."""
    rng = np.random.default_rng(5)
    runs = 1000
    if kind == "share":
        x = (rng.random((runs, ROWS)) < 0.3).astype(np.float64)
    elif kind == "narrow":
        x = rng.beta(6.0, 14.0, (runs, ROWS))
    else:
        x = dependent(rng, runs, 0.3, below=False)
    missed = 0
    for row in x:
        low, high = confidence_sequence(row, grid=10)
        missed += bool(low[-1] > 0.3 - 1e-9 or high[-1] < 0.3 + 1e-9)
    assert missed / runs <= at_most(0.05, runs)


def test_the_price_of_bounds_for_every_row_is_below_two_and_a_half_times_the_width_of_one_look() -> None:
    rng = np.random.default_rng(6)
    widths = []
    for _ in range(30):
        low, high = confidence_sequence(rng.random(ROWS) < 0.3)
        widths.append(high[-1] - low[-1])
        assert (np.diff(low) >= 0).all()
        assert (np.diff(high) <= 0).all()
    assert np.mean(widths) < 2.5 * (2 * 1.96 * np.sqrt(0.21 / ROWS))


def test_bounds_of_flipped_values_are_the_flipped_bounds() -> None:
    x = np.random.default_rng(7).random(300) ** 2
    low, high = confidence_sequence(x)
    flipped_low, flipped_high = confidence_sequence(1.0 - x)
    assert low == pytest.approx(1.0 - flipped_high)
    assert high == pytest.approx(1.0 - flipped_low)


def test_a_mean_that_moves_far_leaves_no_single_mean() -> None:
    low, high = confidence_sequence(np.repeat([0.0, 1.0], 500))
    assert low[-1] > high[-1]


def test_no_values_give_no_evidence_and_no_bounds() -> None:
    assert e_process([], 0.5).shape == (0,)
    assert [v.shape for v in confidence_sequence([])] == [(0,), (0,)]


@pytest.mark.parametrize("bad", [[0.5, np.nan], [-0.1], [1.1], [np.inf]])
def test_values_outside_the_unit_interval_are_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        e_process(bad, 0.5)
    with pytest.raises(ValueError, match="between 0 and 1"):
        confidence_sequence(bad)


def test_impossible_demands_are_refused() -> None:
    with pytest.raises(ValueError, match="one list"):
        e_process([[0.5]], 0.5)
    with pytest.raises(ValueError, match="the mean lies strictly"):
        e_process([0.5], 1.0)
    with pytest.raises(ValueError, match="the level lies strictly"):
        confidence_sequence([0.5], level=1.0)
    with pytest.raises(ValueError, match="at least 2 steps"):
        confidence_sequence([0.5], grid=1)
