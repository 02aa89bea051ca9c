"""Numbers that are measured otherwise: a changed unit, a shift by a constant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from jomon.core.findings import CauseKind
from jomon.monitoring.causes.backgrounds import NumberBackground
from jomon.monitoring.causes.candidate import Candidate, percent, rows_in_words
from jomon.monitoring.causes.distribution import ordinary_gain
from jomon.monitoring.causes.evidence import Floats, Ints
from jomon.stats.conversions import CONVERSIONS
from jomon.stats.mixed_share import DROP, gains, mixed_share, price

LEAST_CHANGED = 3.0
SEARCHED = 4.0
"""Shifts are sought up to so many standard deviations, or as far as the window's median lies and one more."""
LARGEST = 1000.0
"""Free factors are sought up to this and its inverse."""
NEAR_ONE = 0.03
"""Factors nearer to 1 than this (log) are drift, no unit."""
FREE_LEAD = 3.0
"""Nats that a free factor must be ahead of the best known conversion."""
WORST, ATOMS, SCREEN, KEPT, GRID = 5, 256, 16, 60, 161
FINEST = 1e-6
ON_SCALE, MOST_OF_DAY = 0.8, 0.7


@dataclass(frozen=True)
class _Fit:
    """A map of the values (new = factor * old + offset): its gain net of the share's price and of its own, and the
    range of the searched number that the rows leave open."""

    factor: float
    offset: float
    net: float
    low: float
    high: float


def changed_unit(background: NumberBackground) -> Candidate | None:
    """A known conversion, or else a free factor, that brings a share of the rows back to the background.

    A row has the density (1 - s) g(x) + s g((x - b) / a) / a; nothing is still nothing in every unit. A table of k
    conversions costs log k, a free factor what its likelihood narrows the searched range (MacKay 1992, Bayesian
    interpolation).
    """
    maps = _Maps(background)
    if len(maps.rows) < LEAST_CHANGED:
        return None
    table = np.array([c.factor for c in CONVERSIONS]), np.array([c.offset for c in CONVERSIONS])
    nets = maps.net(*table) - np.log(len(CONVERSIONS))
    nets[table[0] == 1.0] = -np.inf  # to kelvin and back is a shift
    known = int(np.argmax(nets))
    free = maps.free_factor()
    named = free is None or free.net <= nets[known] + FREE_LEAD
    if named:
        factor, offset, net = float(table[0][known]), float(table[1][known]), float(nets[known])
        name: str | None = CONVERSIONS[known].name
    else:
        assert free is not None
        factor, offset, net, name = free.factor, 0.0, free.net - FREE_LEAD, None
    close = [CONVERSIONS[i].name for i in np.argsort(-nets) if nets[i] > net - DROP]
    numbers: dict[str, object] = {
        "name": name,
        "factor": factor,
        "factor_low": free.low if free is not None and not named else factor,
        "factor_high": free.high if free is not None and not named else factor,
        "offset": offset,
        "also": [other for other in close if other != name],
    }
    words = f"{factor:.4g} times{f' plus {offset:.4g}' if offset else ''} what it was{f' ({name})' if name else ''}"
    return maps.candidate("unit_changed", factor, offset, net, words, numbers)


def shifted(background: NumberBackground) -> Candidate | None:
    """A constant that was added to a share of the rows: density (1 - s) g(x) + s g(x - c)."""
    maps = _Maps(background)
    if len(maps.rows) < LEAST_CHANGED:
        return None
    found = maps.free_shift()
    if found is None or abs(found.offset) < background.step / 2:
        return None
    sizes = found.offset / background.density.sd
    numbers: dict[str, object] = {
        "constant": found.offset,
        "constant_low": found.low,
        "constant_high": found.high,
        "standard_deviations": sizes,
    }
    words = f"{abs(found.offset):.4g} {'higher' if sizes > 0 else 'lower'} ({sizes:+.2f} standard deviations)"
    return maps.candidate("shifted", 1.0, found.offset, found.net, words, numbers)


def warmer_day(background: NumberBackground, shift: Candidate) -> Candidate | None:
    """The same shift as an ordinary day's way to be off, as earlier windows were: likely if it is no larger than theirs
    and if the values are still ones that the column had before (a shift leaves the scale, a day does not)."""
    values = background.values[background.known]
    seen = np.unique(background.reference)
    place = np.searchsorted(seen, values).clip(0, len(seen) - 1)
    on_scale = np.mean(np.abs(seen[place] - values) <= background.step) >= ON_SCALE
    if not on_scale or shift.evidence["share"] < MOST_OF_DAY:
        return None
    spread = max(1.2 * background.offsets, background.step)
    constant = shift.evidence["constant"]
    reach = max(SEARCHED * background.density.sd, abs(constant))
    more = np.log(2 * reach / (np.sqrt(2 * np.pi) * spread)) - 0.5 * (constant / spread) ** 2
    return replace(
        shift,
        kind="changed_distribution",
        price=shift.price - float(more),
        sentence=shift.sentence.removesuffix(".") + ", no more than whole windows are off now and then.",
        evidence={**shift.evidence, "usual_offset": background.offsets},
    )


class _Maps:
    """The window's known rows under maps of their values."""

    def __init__(self, background: NumberBackground) -> None:
        self.background = background
        self.rows = background.known
        self.values = background.values[self.rows]
        self.base = background.at(self.values[None], self.rows)[0] if len(self.rows) else np.zeros(0)
        self.digit = last_digit(self.values)
        sd, middle = background.density.sd, background.density.median
        far = abs(float(np.median(self.values)) - middle) if len(self.values) else 0.0
        self.reach = max(SEARCHED * sd, far + sd)

    def ratio(self, factor: Floats, offset: Floats, some: slice | Ints = slice(None)) -> Floats:
        """Density after a map over density before, float64[r, k]."""
        values, rows = self.values[some], self.rows[some]
        back = (values[None] - offset[:, None]) / factor[:, None]
        narrow = np.maximum(1.0, self.digit / 2 / self.background.step) / np.abs(
            factor
        )  # rounding, seen from before
        there = self.background.at(back, rows, narrow) / factor[:, None]
        still = (values == 0)[None] & (offset == 0)[:, None]
        out: Floats = np.where(still, 1.0, there / self.base[some])
        return out

    def gain(self, factor: Floats, offset: Floats, some: slice | Ints = slice(None)) -> Floats:
        """Log likelihood gained at the best share, float64[r]."""
        ratio = self.ratio(factor, offset, some)
        out: Floats = gains(ratio, np.ones(ratio.shape[1])).max(axis=1)
        return out

    def net(self, factor: Floats, offset: Floats) -> Floats:
        """Gain net of the price of the share, float64[r]."""
        ratio = self.ratio(factor, offset)
        return price(gains(ratio, np.ones(ratio.shape[1])), ratio.shape[1])

    def free_factor(self) -> _Fit | None:
        """The best factor, at the price of finding it between 1 / LARGEST and LARGEST."""
        new, old = self._pairs()
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(new / old)
        span = float(np.log(LARGEST))
        logs = np.concatenate([logs[np.isfinite(logs)], np.linspace(-span, span, GRID)])
        logs = np.unique(logs[(np.abs(logs) > NEAR_ONE) & (np.abs(logs) <= span)])
        log, low, high, narrowed = self._searched(logs, lambda x: (np.exp(x), np.zeros(len(x))), span)
        if abs(log) <= NEAR_ONE:
            return None
        net = float(self.net(np.exp(np.array([log])), np.zeros(1))[0]) - narrowed
        return _Fit(float(np.exp(log)), 0.0, net, float(np.exp(low)), float(np.exp(high)))

    def free_shift(self) -> _Fit | None:
        """The best constant, at the price of finding it within the reach."""
        new, old = self._pairs()
        shifts = np.concatenate([new - old, np.linspace(-self.reach, self.reach, GRID)])
        shifts = np.unique(
            shifts[(np.abs(shifts) <= self.reach) & (np.abs(shifts) > self.background.step / 4)]
        )
        if not len(shifts):
            return None
        best, low, high, narrowed = self._searched(shifts, lambda x: (np.ones(len(x)), x), self.reach)
        net = float(self.net(np.ones(1), np.array([best]))[0]) - narrowed
        return _Fit(1.0, best, net, low, high)

    def _pairs(self) -> tuple[Floats, Floats]:
        """Values of the rows that suit the background least, each beside values it may have had."""
        density = self.background.density
        new, old = [], []
        for row in np.argsort(self.base)[:WORST]:
            kernel = density.groups[self.background.group[self.rows[row]]] if density.groups else None
            atoms = np.unique((kernel or density.pooled).values) * density.sd + density.median
            if len(atoms) > ATOMS:
                atoms = atoms[np.linspace(0, len(atoms) - 1, ATOMS).astype(np.int64)]
            old.append(atoms)
            new.append(np.full(len(atoms), self.values[row]))
        return np.concatenate(new), np.concatenate(old)

    def _searched(
        self, tried: Floats, mapped: Callable[[Floats], tuple[Floats, Floats]], reach: float
    ) -> tuple[float, float, float, float]:
        """The best number, where its likelihood ends (95%), and the price of having found it."""
        if len(self.values) > SCREEN:
            worst = np.argsort(self.base)[:SCREEN]
            factor, offset = mapped(tried)
            tried = tried[np.argsort(-self.gain(factor, offset, worst))[:KEPT]]
        best = float(tried[np.argmax(self.gain(*mapped(tried)))])
        step = self.background.step * reach / self.reach
        for span in (2 * reach / GRID, step, 0.2 * step):
            near = best + np.linspace(-span, span, 21)
            best = float(near[np.argmax(self.gain(*mapped(near)))])
        steps = np.geomspace(max(step / 50, FINEST * reach), reach, 40)
        near = best + np.concatenate([-steps[::-1], [0.0], steps])
        gain = self.gain(*mapped(near))
        inside = near[gain >= gain.max() - DROP]
        low, high = float(inside.min()), float(inside.max())
        width = max(high - low, float(steps[0]))
        narrowed = max(float(np.log(2 * reach / width)), 0.5 * float(np.log(len(self.values))))
        return best, low, high, narrowed

    def candidate(
        self,
        kind: CauseKind,
        factor: float,
        offset: float,
        net: float,
        words: str,
        numbers: dict[str, object],
    ) -> Candidate | None:
        """The cause that a map is; None if it took too few rows."""
        ratio = self.ratio(np.array([factor]), np.array([offset]))[0]
        fit = mixed_share(ratio)
        if fit.share * len(ratio) < LEAST_CHANGED:
            return None
        moved = fit.share * ratio > 1 - fit.share
        back = np.where(moved, (self.values - offset) / factor, self.values)
        # the day's own ways come on top
        world = ordinary_gain(self.background, back, self.background.group[self.rows])
        column = self.background.column
        return Candidate(
            kind,
            (column,),
            fit.gain + world,
            fit.gain - net,
            f"{column} is {words} in {percent(fit.share)} of {rows_in_words(len(ratio))}.",
            {"column": column, **numbers, "share": fit.share, "share_low": fit.low, "share_high": fit.high},
        )


def last_digit(values: Floats) -> float:
    """The unit of the last decimal that values are written to: 1, 0.1, ...; 1e-9 if there is none.

    >>> last_digit(np.array([2.5, 3.0])), last_digit(np.array([800.0, 1180.0]))
    (0.1, 1.0)
    """
    for digits in range(7):
        if np.allclose(values, np.round(values, digits), rtol=0, atol=1e-9):
            return float(10.0**-digits)
    return 1e-9
