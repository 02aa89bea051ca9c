"""Views of a numeric column: what its values are held against, and how sharply earlier windows allow it.

Days differ even when nothing is wrong. How much kernels of each width count is therefore learned from whole windows:
the newest earlier ones, given what was known before them or what their peers showed in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from jomon.core.segments import Segment
from jomon.monitoring.causes.evidence import Evidence, Floats, Ints, Texts, numbers_of, texts_of
from jomon.stats.reference_density import BACKGROUND, STEPS, WIDTHS, ReferenceDensity

TRIED_ROWS = 300
"""Rows of the newest earlier windows by which a view is judged."""
NEWEST = 12
LEAST_TRIED = 30
BY_PEERS = "the hour among peers"
TELLING = 0.2
"""Share of a column's variance that categories must explain to be tried as strata."""


@dataclass(frozen=True, eq=False)
class View:
    """One way to see a column. `reference` float64[n] in strata `reference_place` int64[n] (-1: in none) and the strata
    `window_place` int64[m] of the window's rows; the same of the trial: `known`, `known_place`, and values `tried`
    float64[t] in strata `tried_place` and windows `tried_window`. `by`: what the strata are, in words; none: ""."""

    by: str
    reference: Floats
    reference_place: Ints
    window_place: Ints
    known: Floats
    known_place: Ints
    tried_values: Floats
    tried_place: Ints
    tried_window: Ints

    def tried(self, draft: ReferenceDensity) -> tuple[Floats, float]:
        """Weights of the kernels under which the tried values are most probable (expectation and maximization), and
        the mean log density then."""
        places = int(max(self.tried_place.max(), 0)) + 1
        density = _made(draft, self.known, self.known_place if self.by else None, places)
        parts = self._parts(density)
        kernels = len(parts)
        weights = np.full(kernels, 1 / kernels)
        if not self.by:
            weights[kernels // 2 : -1] = 0.0  # those of the strata
        for _ in range(STEPS):
            share = weights[:, None] * parts
            weights = np.mean(share / np.maximum(share.sum(axis=0), 1e-300), axis=1)
            weights[-1] = max(weights[-1], BACKGROUND)
            weights /= weights.sum()
        return weights, float(np.log(np.maximum(weights @ parts, 1e-300)).mean())

    def _parts(self, density: ReferenceDensity) -> Floats:
        """The density of each tried value under each kernel alone, float64[kernels, t], as `density` orders them."""
        z = (self.tried_values - density.median) / density.sd
        h = np.maximum(np.array([density.step, *WIDTHS]), density.step)[:, None]
        k = len(h)
        parts = np.zeros((2 * k + 1, len(z)))
        pooled = density.pooled
        parts[:k] = pooled.kernels(z[None], h) / len(pooled.values)
        if density.groups:
            order = np.argsort(self.tried_place, kind="stable")
            cuts = np.searchsorted(self.tried_place[order], np.arange(len(density.groups) + 1))
            for place, own in enumerate(density.groups):
                at = order[cuts[place] : cuts[place + 1]]
                if len(at):
                    parts[k : 2 * k, at] = (
                        parts[:k, at] if own is None else own.kernels(z[None, at], h) / len(own.values)
                    )
        parts[-1] = 1 / (np.pi * (1 + z**2))
        scaled: Floats = parts / density.sd
        return scaled

    def offsets(self) -> float:
        """By how much whole windows of the trial were off what their strata had, root mean square."""
        place = self.known_place if self.by else np.zeros(len(self.known), np.int64)
        inside = place >= 0
        places = int(max(self.tried_place.max(initial=0), place.max(initial=0))) + 1
        count = np.bincount(place[inside], minlength=places)
        mean = np.bincount(place[inside], self.known[inside], places) / np.maximum(count, 1)
        there = count[self.tried_place] > 0
        rest = (self.tried_values - mean[self.tried_place])[there]
        if not len(rest):
            return float(np.std(self.known))
        at = np.unique(self.tried_window[there], return_inverse=True)[1]
        return float(np.sqrt(np.mean((np.bincount(at, rest) / np.bincount(at)) ** 2)))

    def density(self, draft: ReferenceDensity, weights: Floats) -> ReferenceDensity:
        """The density of the window's rows."""
        places = int(max(self.window_place.max(initial=0), 0)) + 1
        made = _made(draft, self.reference, self.reference_place if self.by else None, places)
        return replace(made, weights=weights)


def _made(draft: ReferenceDensity, values: Floats, place: Ints | None, places: int) -> ReferenceDensity:
    sorted_of = type(draft.pooled).of  # a sorted sample, as the density itself keeps it
    z = (values - draft.median) / draft.sd
    groups: tuple[Any, ...] = ()
    if place is not None:
        order = np.argsort(place, kind="stable")
        cuts = np.searchsorted(place[order], np.arange(places + 1))
        pieces = [z[order[cuts[p] : cuts[p + 1]]] for p in range(places)]
        groups = tuple(sorted_of(piece) if len(piece) else None for piece in pieces)
    return replace(draft, pooled=sorted_of(z), groups=groups)


def views(evidence: Evidence, column: str) -> Iterator[View]:
    """The column by itself, in strata of the category that tells most about it, and by hours of the peers."""
    before, now = evidence.earlier, evidence.some
    values, window = numbers_of(before, column), evidence.earlier_windows
    newest = np.unique(window)[-NEWEST:]
    if len(newest) < 2:
        newest = newest[:0]
    held = np.isin(window, newest) & np.isfinite(values)
    rest = ~np.isin(window, newest) & np.isfinite(values)
    if held.sum() < LEAST_TRIED or rest.sum() < LEAST_TRIED:  # one window, or a few rows: every other row
        held = np.isfinite(values) & (np.arange(len(values)) % 2 == 0)
        rest = np.isfinite(values) & ~held
    at = np.flatnonzero(held)
    at = at[np.linspace(0, len(at) - 1, min(len(at), TRIED_ROWS)).astype(np.int64)]
    finite = np.isfinite(values)
    nothing = np.zeros(len(values), np.int64)
    here = np.zeros(now.height, np.int64)

    def own(by: str, codes: Ints, window_codes: Ints) -> View:
        return View(
            by,
            values[finite],
            codes[finite],
            window_codes,
            values[rest],
            codes[rest],
            values[at],
            codes[at],
            window[at],
        )

    yield own("", nothing, here)
    told, name = max(
        ((explained(values, _codes(texts_of(before, c))), c) for c in evidence.categories if c != column),
        default=(0.0, ""),
    )
    if told > TELLING:
        both = _codes(np.concatenate([texts_of(before, name), texts_of(now, name)]))
        yield own(name, both[: len(values)], both[len(values) :])
    keys = keys_of(evidence, column)
    for alike, beside in (
        (None, ()),
        *([(None, keys)] if keys else [(axis, ()) for axis in _axes(evidence)]),
    ):
        shared = _by_peers(evidence, column, values, at, rest, alike, beside)
        if shared is not None:
            yield shared


def keys_of(evidence: Evidence, column: str) -> tuple[str, ...]:
    """Beside the time, what decides a column that comes from a lookup."""
    name = evidence.lookup_of(column)
    if name is None:
        return ()
    return tuple(
        c for c in evidence.spec.lookups[name].on if c in evidence.rows.columns and c != evidence.time
    )


def _axes(evidence: Evidence) -> list[str]:
    """Axes of the place in which its peers differ: those that share its value may tell more than all."""
    segment = evidence.findings[0].segment if evidence.findings else Segment()
    return [a for a in segment.axes if a in evidence.peers.columns and evidence.peers[a].n_unique() > 1]


def _by_peers(
    evidence: Evidence,
    column: str,
    values: Floats,
    at: Ints,
    rest: NDArray[np.bool_],
    alike: str | None,
    keys: tuple[str, ...],
) -> View | None:
    """By the hour among peers (those that share the place's value of the axis `alike`), and by what they have in
    `keys`."""
    peers, past, before, now = evidence.peers, evidence.peers_reference, evidence.earlier, evidence.some
    needed = {column, *keys}
    if not needed <= {*peers.columns} & {*past.columns} or peers.height < LEAST_TRIED:
        return None
    if alike is not None:
        same = pl.col(alike).cast(pl.String) == evidence.findings[0].segment[alike]
        peers, past = peers.filter(same), past.filter(same)
    window = evidence.earlier_windows
    past = past.filter(np.isin(evidence.windows_of(past), np.unique(window[at])))
    if min(past.height, peers.height) < LEAST_TRIED:
        return None
    codes: dict[tuple[object, ...], int] = {}
    here, beside, there, tried = (
        hours_of(evidence, frame, keys, codes) for frame in (now, peers, past, before)
    )
    length = 24 * len(codes) if codes else 24
    there = evidence.windows_of(past) * length + there
    tried = window[at] * length + tried[at]
    theirs, peer_values = numbers_of(past, column), numbers_of(peers, column)
    finite, some, known = np.isfinite(theirs), np.isfinite(peer_values), np.isfinite(values)
    strata, today = np.unique(tried), np.unique(here)
    return View(
        BY_PEERS,
        np.concatenate([values[known], peer_values[some]]),
        np.concatenate([np.full(int(known.sum()), -1), _place(today, beside[some])]).astype(np.int64),
        np.searchsorted(today, here).astype(np.int64),
        np.concatenate([values[rest], theirs[finite]]),
        np.concatenate([np.full(int(rest.sum()), -1), _place(strata, there[finite])]).astype(np.int64),
        values[at],
        np.searchsorted(strata, tried).astype(np.int64),
        window[at],
    )


def hours_of(
    evidence: Evidence, frame: pl.DataFrame, keys: tuple[str, ...], codes: dict[tuple[object, ...], int]
) -> Ints:
    """A number for each hour of the day and combination of keys, int64[n]."""
    hour = evidence.minutes_of(frame) // 60
    if not keys:
        return hour
    rows = zip(*(texts_of(frame, key) for key in keys), strict=True)
    out: Ints = hour + 24 * np.array([codes.setdefault(row, len(codes)) for row in rows], np.int64)
    return out


def _place(strata: Ints, codes: Ints) -> Ints:
    place = np.searchsorted(strata, codes).clip(0, len(strata) - 1)
    out: Ints = np.where(strata[place] == codes, place, -1)
    return out


def explained(values: Floats, group: Ints) -> float:
    """The share of the variance of values that their group explains, less what as many groups explain by chance."""
    known = np.isfinite(values)
    x, g = values[known], np.unique(group[known], return_inverse=True)[1]
    groups = int(g.max()) + 1 if len(g) else 0
    if groups < 2 or len(x) <= groups + 1:
        return 0.0
    total = float(((x - x.mean()) ** 2).sum())
    if total <= 0:
        return 0.0
    mean = np.bincount(g, x) / np.bincount(g)
    within = float(((x - mean[g]) ** 2).sum())
    return 1 - (within / (len(x) - groups)) / (total / (len(x) - 1))


def _codes(values: Texts) -> Ints:
    """Numbers of the categories, in the order in which they come."""
    places: dict[object, int] = {}
    return np.array([places.setdefault(v, len(places)) for v in values], np.int64)
