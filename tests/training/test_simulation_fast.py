"""What choosing the settings of fast parts promises, on simulated fleets whose drift is known.

Settings for a block of time are chosen from what was known when it began, as a build does; only the rows of later
blocks are compared.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from jomon.stats.links import Kind, Link
from jomon.training.fast import FOREVER, Chooser, FastParams, Stretch
from jomon.training.rows import TrainingRows, block_edges
from jomon.training.served import Served

Floats = NDArray[np.float64]
DAYS, SEGMENTS, BLOCKS = 210, 20, 6


class World(NamedTuple):
    """A stretch of simulated history, the block of each row, and from which block on its outcome may be used."""

    stretch: Stretch
    block: NDArray[np.int16]
    known_block: NDArray[np.int16]


def world(
    kind: Kind,
    seed: int,
    walk: float = 0.0,
    spread: float = 0.0,
    shock: float = 0.0,
    daily: float = 5.0,
    burst: float = 0.0,
    delay: int = 1,
) -> World:
    """Segments whose offset starts with `spread` and walks by `walk` a day, with `shock` of its own each day.

    `daily` rows a segment and day on average; sizes of segments differ (log-normal), those of days by `burst` (same).
    Outcomes are known `delay` days later. The margin that enters is the truth without offsets.
    """
    rng = np.random.default_rng(seed)
    rate = daily * np.exp(0.7 * rng.standard_normal(SEGMENTS))
    counts = rng.poisson(rate * np.exp(burst * rng.standard_normal((DAYS, SEGMENTS))))
    day, segment = (
        a.astype(np.int32) for a in np.divmod(np.repeat(np.arange(DAYS * SEGMENTS), counts.ravel()), SEGMENTS)
    )
    offset = spread * rng.standard_normal(SEGMENTS) + np.cumsum(
        walk * rng.standard_normal((DAYS, SEGMENTS)), axis=0
    )
    offset += shock * rng.standard_normal((DAYS, SEGMENTS))
    z = -0.8 + 0.8 * rng.standard_normal(len(day))
    eta = z + offset[day, segment]
    if kind == "binary":
        y = (rng.random(len(day)) < 1.0 / (1.0 + np.exp(-eta))).astype(np.float64)
    elif kind == "count":
        y = rng.poisson(np.exp(eta)).astype(np.float64)
    else:
        y = eta + rng.standard_normal(len(day))
    learn = (day + delay).astype(np.int32)
    edges = block_edges(day, DAYS + delay, BLOCKS)
    rows = TrainingRows(np.zeros((len(day), 0)), y, day, learn, edges, ())
    served = Served(z, z.copy())
    whole = Stretch(Link(kind), segment, SEGMENTS, y, day, learn, served, int(edges[1]), int(edges[-1]), ())
    return World(whole, rows.block, rows.known_block)


class Outcome(NamedTuple):
    """Mean loss on the judged rows (blocks after 1) with no fast part, with chosen settings, with a plain running mean
    of each segment; the settings chosen in the end."""

    without: float
    chosen: float
    running: float
    params: FastParams | None


def live(w: World) -> Outcome:
    """Answer each block by settings chosen from what was known before it; nothing is known in blocks 0 and 1."""
    s = w.stretch
    inside = w.block >= 1
    s = Stretch(
        **{
            **s.__dict__,
            "served": Served(*(np.where(inside, z, np.nan) for z in (s.served.answer, s.served.learn))),
        }
    )
    chooser = Chooser(s, w.known_block, inside, None, True)
    after = s.served
    for block in range(2, BLOCKS):
        params = chooser.choose(block)
        if params is not None:
            after = s.run(params)[0].where(w.block == block, after)
    judged = w.block > 1
    plain = FastParams(FOREVER, 1e-3, 0.0, 0.0, 1.0, unit=1.0 if s.link.kind == "regression" else 0.2)
    losses = [
        float(s.link.losses(served.answer[judged], s.y[judged]).mean())
        for served in (s.served, after, s.run(plain)[0])
    ]
    return Outcome(losses[0], losses[1], losses[2], chooser.choose(BLOCKS))


@pytest.mark.parametrize("kind", ["binary", "regression", "count"])
def test_where_offsets_walk_chosen_settings_beat_no_fast_part_and_a_running_mean_of_each_segment(
    kind: Kind,
) -> None:
    """A walk of 0.05 a day; 8 worlds. Measured: 5, 23, 24% less than none; 0.2, 2, 2% less than the mean."""
    lived = [live(world(kind, seed, walk=0.05)) for seed in range(8)]
    assert all(out.chosen < out.without for out in lived)
    assert np.mean([out.chosen - out.running for out in lived]) < 0.0
    assert sum(out.chosen < out.running for out in lived) >= 6


@pytest.mark.parametrize("kind", ["binary", "regression", "count"])
def test_where_segments_differ_and_nothing_drifts_pooling_beats_a_running_mean_of_few_rows(
    kind: Kind,
) -> None:
    """Two rows a segment and day, offsets with a spread of 0.3 that stay."""
    lived = [live(world(kind, seed, spread=0.3, daily=2.0)) for seed in range(8)]
    assert np.mean([out.chosen - out.without for out in lived]) < 0.0
    assert np.mean([out.chosen / out.running - 1.0 for out in lived]) < 0.0005


@pytest.mark.parametrize("shock", [0.0, 0.3])
@pytest.mark.parametrize("kind", ["binary", "regression", "count"])
def test_where_nothing_lasts_a_fast_part_costs_almost_nothing(kind: Kind, shock: float) -> None:
    """No drift, or effects of single days that do not last; 10 worlds. Measured: 0.02% on average, 0.13% at most."""
    lived = [live(world(kind, 100 + seed, shock=shock)) for seed in range(10)]
    excess = np.array([out.chosen / out.without - 1.0 for out in lived])
    assert excess.mean() <= 0.0005
    assert excess.max() <= 0.003


def test_with_no_effect_most_worlds_end_without_a_fast_part_or_with_the_default_settings() -> None:
    """Under the one-standard-error rule a setting moves by chance in about one case in six; measured: 25 of 40 worlds
    end without a fast part or with the defaults, and 29 of 200 settings moved."""
    ended = [live(world("regression", 200 + seed, daily=2.0)).params for seed in range(40)]
    names = ("half_life", "prior_rows", "saturation_rows", "slope_rows", "carry")
    moved = [
        [getattr(p, name) != getattr(FastParams(), name) for name in names] for p in ended if p is not None
    ]
    quiet = len(ended) - len(moved) + sum(not any(m) for m in moved)
    assert quiet >= 24
    assert np.sum(moved) <= 0.2 * len(names) * len(ended)


def test_where_rows_of_a_day_share_its_shock_saturation_helps_and_is_kept() -> None:
    """A few to hundreds of rows a segment and day, a shock of 0.5 to each, a slow walk beneath; 8 worlds."""
    gain = []
    for seed in range(8):
        w = world("regression", seed, walk=0.03, shock=0.5, daily=20.0, burst=1.0)
        chosen = live(w).params
        assert chosen is not None and chosen.saturation_rows > 0.0
        judged = w.block > 1
        losses = []
        for rows in (0.0, chosen.saturation_rows):
            settings = FastParams(chosen.half_life, chosen.prior_rows, rows, 0.0, 1.0)
            answer = w.stretch.run(settings)[0].answer[judged]
            losses.append(float(w.stretch.link.losses(answer, w.stretch.y[judged]).mean()))
        gain.append(losses[1] - losses[0])
    assert np.mean(gain) < 0.0
    assert sum(g < 0.0 for g in gain) >= 6


def test_where_rows_of_a_day_are_independent_saturation_is_given_up_if_it_costs() -> None:
    """A walk fast enough that every row of a day is needed."""
    ended = [live(world("regression", seed, walk=0.1, daily=20.0)).params for seed in range(6)]
    assert sum(p is not None and p.saturation_rows in (0.0, 100.0) for p in ended) >= 5


def test_a_fixed_half_life_and_no_slope_are_respected() -> None:
    w = world("binary", 1, walk=0.05)
    params = Chooser(w.stretch, w.known_block, w.block >= 1, 10.0, False).choose(BLOCKS)
    assert params is not None
    assert (params.half_life, params.slope_rows) == (10.0, 0.0)


@pytest.mark.parametrize("delay", [1, 20, 60])
def test_settings_for_a_block_do_not_hang_on_outcomes_that_were_not_known_when_it_began(delay: int) -> None:
    """Every outcome that was learned later is replaced by nonsense: the settings stay the same to the last digit."""
    w = world("regression", 7, walk=0.05, delay=delay)
    for block in range(2, BLOCKS):
        changed = np.where(w.known_block > block, 50.0 - w.stretch.y, w.stretch.y)
        other = replace(w.stretch, y=changed)
        said = [Chooser(s, w.known_block, w.block >= 1, None, True).choose(block) for s in (w.stretch, other)]
        assert said[0] == said[1]
