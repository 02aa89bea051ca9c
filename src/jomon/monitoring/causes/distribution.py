"""Changed distribution: values come in other shares than before, for no reason found in the values themselves."""

from __future__ import annotations

import numpy as np

from jomon.core.findings import Finding
from jomon.monitoring.causes.backgrounds import CategoryBackground, NumberBackground
from jomon.monitoring.causes.candidate import Candidate, free, percent, rows_in_words
from jomon.monitoring.causes.evidence import Evidence, Floats
from jomon.stats.tilt import tilt_gain

BINS = (2, 4, 8, 16)
MOST_VALUES = (4, 12)
POINTS = 200
LEAST_ROWS = 2
FLAT = 0.5
STRAY = 0.01


def ordinary_gain(background: NumberBackground, values: Floats, group: np.ndarray) -> float:
    """What a change of the mix gains on values that something else has already been done to, net and at least 0."""
    return max(0.0, _best(background, values, group)[0]) if len(values) >= LEAST_ROWS else 0.0


def changed_numbers(background: NumberBackground) -> Candidate | None:
    """Other shares of a number's quantile bins, or a smooth tilt of its density, whichever gains most net."""
    rows = background.known
    values = background.values[rows]
    if len(values) < LEAST_ROWS:
        return None
    _, gain, price = _best(background, values, background.group[rows])
    old, new = float(np.median(background.reference)), float(np.median(values))
    column = background.column
    return Candidate(
        "changed_distribution",
        (column,),
        gain,
        price,
        f"{column} is distributed otherwise in {rows_in_words(len(values))}: half of them are below {new:.4g},"
        f" earlier ones below {old:.4g}.",
        {"column": column, "median": new, "earlier_median": old},
    )


def _best(background: NumberBackground, values: Floats, group: np.ndarray) -> tuple[float, float, float]:
    """Net, gain and price of the best change of the mix."""
    best = (-np.inf, 0.0, 0.0)
    for bins in BINS:
        gain = _binned(background, values, group, bins)
        price = free(bins - 1, len(values))
        best = max(best, (gain - price, gain, price))
    if not background.by:
        density = background.density
        points = np.quantile(density.pooled.values, np.linspace(0.0025, 0.9975, POINTS))
        z = np.clip((values - density.median) / density.sd, points[0], points[-1])
        gain = tilt_gain(z, points, np.full((1, POINTS), 1 / POINTS).repeat(len(z), axis=0))
        price = free(2, len(values))
        best = max(best, (gain - price, gain, price))
    return best


def _binned(background: NumberBackground, values: Floats, group: np.ndarray, bins: int) -> float:
    reference, strata = background.reference, background.reference_group
    edges = np.unique(np.quantile(reference, np.arange(1, bins) / bins))
    codes = np.searchsorted(edges, reference, side="right")
    width = len(edges) + 1
    pooled = np.bincount(codes, minlength=width) + FLAT / width
    pooled = pooled / pooled.sum()
    weights = background.density.weights
    kernels = len(weights) // 2
    expected = pooled
    if background.by:  # as the density has it: the pool, the stratum's own, and what follows no kernel
        table = np.zeros((int(max(group.max(), strata.max())) + 1, width))
        np.add.at(table, (strata[strata >= 0], codes[strata >= 0]), 1.0)
        known = table.sum(axis=1, keepdims=True)
        own = np.where(known > 0, table / np.maximum(known, 1.0), pooled)[group].mean(axis=0)
        split = weights[kernels:-1].sum() / max(weights[:-1].sum(), 1e-12)
        expected = (1 - split) * pooled + split * own
    stray = STRAY + float(weights[-1])
    expected = (1 - stray) * expected + stray / width
    seen = np.bincount(np.searchsorted(edges, values, side="right"), minlength=width)
    some = seen > 0
    return float((seen[some] * np.log(seen[some] / len(values) / expected[some])).sum())


def changed_categories(background: CategoryBackground) -> Candidate | None:
    """Other shares of the commonest values, the rest together; values that nobody knew are left out."""
    values = [str(v) for v in background.values if v is not None and str(v) in background.shares]
    if len(values) < 2:
        return None
    best, moved = (-np.inf, 0.0, 0.0), ("", 0.0, 0.0)
    ordered = sorted(background.shares, key=lambda v: -background.shares[v])
    for most in MOST_VALUES:
        some = ordered[:most]
        seen = np.array([*(values.count(v) for v in some), 0.0])
        seen[-1] = len(values) - seen.sum()
        share = np.array([*(background.shares[v] for v in some), 0.0])
        share[-1] = max(1 - share.sum(), background.least)
        kept = seen > 0
        gain = float((seen[kept] * np.log(seen[kept] / len(values) / share[kept])).sum())
        price = free(len(some) - (share[-1] <= background.least), len(values))
        if gain - price > best[0]:
            best = (gain - price, gain, price)
            at = int(np.argmax(np.abs(seen / len(values) - share)))
            name = some[at] if at < len(some) else "another value"
            moved = (name, float(seen[at] / len(values)), float(share[at]))
    column = background.column
    return Candidate(
        "changed_distribution",
        (column,),
        best[1],
        best[2],
        f"{column} is {moved[0]} in {percent(moved[1])} of {rows_in_words(len(values))} instead of"
        f" {percent(moved[2])}.",
        {"column": column, "value": moved[0], "share": moved[1], "expected_share": moved[2]},
    )


def changed_bins(finding: Finding) -> Candidate | None:
    """What a finding's own bins show, for columns whose rows are not at hand (scores)."""
    seen, meant = np.array(finding.observed, np.float64), np.array(finding.expected, np.float64)
    if len(seen) != len(meant) or seen.sum() < 2 or meant.sum() <= 0:
        return None
    some = seen > 0
    share = (meant + 0.1) / (meant + 0.1).sum()
    gain = float((seen[some] * np.log(seen[some] / seen.sum() / share[some])).sum())
    name = finding.column or finding.kind
    words = {1: "more than before", -1: "less than before"}.get(finding.direction, "otherwise than before")
    return Candidate(
        "changed_distribution",
        (finding.column,) if finding.column else (),
        gain,
        free(max(len(seen) - 1, 1), seen.sum()),
        f"{name} is distributed {words} in {rows_in_words(finding.rows)}.",
        {"column": name, "effect": finding.effect},
    )


def gradual(evidence: Evidence) -> tuple[float, int] | None:
    """How much more probable the sizes of the windows are on a ramp than on a step (nats), and for how many windows the
    ramp goes on; None if there are too few windows.

    Gaussian profile likelihoods of "0, then growing evenly" and "0, then the same", each with a free begin.
    """
    sizes = np.abs(np.array(evidence.history.sizes, np.float64))
    if len(sizes) < 6 or not np.isfinite(sizes).all():
        return None
    at = np.arange(len(sizes))
    best: dict[str, tuple[float, int]] = {}
    for begin in range(len(sizes) - 1):
        shapes = {"ramp": np.maximum(at - begin, 0.0), "step": (at > begin).astype(np.float64)}
        for name, shape in shapes.items():
            if name == "ramp" and len(sizes) - begin < 5:
                continue
            design = np.stack([np.ones(len(at)), shape], axis=1)
            rest = sizes - design @ np.linalg.lstsq(design, sizes, rcond=None)[0]
            fit = (float((rest**2).mean()), begin)
            if name not in best or fit < best[name]:
                best[name] = fit
    floor = 1e-4 * float(sizes.max()) ** 2 + 1e-12
    lead = 0.5 * len(sizes) * float(np.log((best["step"][0] + floor) / (best["ramp"][0] + floor)))
    if sizes[-1] < sizes.max() / 2:
        return None
    return lead, len(sizes) - 1 - best["ramp"][1]
