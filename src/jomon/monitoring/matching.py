"""Matched history: how much each earlier window says about a window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FADE = 0.98
"""A window counts this much less than the one after it."""
OTHER_WEEKDAY = 0.6
OTHER_SEASON = 0.7
OTHER_OCCASION = 0.2
SEASON_WINDOWS = 21
"""Earlier windows of a season at which it is known."""
OTHER_WEEKDAY_VOLUME = 0.1
"""How many rows come depends on the weekday more than what is in them."""


@dataclass(frozen=True, eq=False)
class WindowFacts:
    """What the calendar says of W windows, in order: `weekday` int64[W] (0: Monday; one number for all where windows
    are longer than a day), `season` int64[W], `occasion` int64[W] (0: an ordinary day). `left_out` bool[W]: known
    events, which no other window is compared with."""

    weekday: Ints
    season: Ints
    occasion: Ints
    left_out: NDArray[np.bool_]

    def weights(self, window: int, past: int, *, volume: bool = False) -> Floats:
        """The weight of each of the first `past` windows for `window`, float64[past].

        A window of an occasion is compared with all, most with those of the same occasion; an ordinary window with
        ordinary ones only.
        """
        at = np.arange(past)
        weight = FADE ** (past - 1.0 - at)
        other = OTHER_WEEKDAY_VOLUME if volume else OTHER_WEEKDAY
        weight = weight * np.where(self.weekday[:past] == self.weekday[window], 1.0, other)
        same = self.season[:past] == self.season[window]
        weight = weight * np.where(same, 1.0, OTHER_SEASON)
        if self.occasion[window]:
            weight = weight * np.where(self.occasion[:past] == self.occasion[window], 1.0, OTHER_OCCASION)
        return np.where(self.comparable(window, past), weight, 0.0)

    def comparable(self, window: int, past: int) -> NDArray[np.bool_]:
        """Which of the first `past` windows `window` is compared with, bool[past]."""
        kept = ~self.left_out[:past]
        if self.occasion[window]:
            return kept
        ordinary = kept & (self.occasion[:past] == 0)
        return ordinary if ordinary.any() else kept

    def new_season(self, window: int) -> bool:
        """Whether fewer than `SEASON_WINDOWS` earlier windows are of the season of `window`, but others are there."""
        known = self.comparable(window, window)
        same = known & (self.season[:window] == self.season[window])
        return bool(same.sum() < SEASON_WINDOWS and known.sum() > same.sum())
