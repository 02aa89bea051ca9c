"""Categories that nobody knew: a value that took another's name, or one that is new."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jomon.monitoring.causes.backgrounds import CategoryBackground
from jomon.monitoring.causes.candidate import Candidate, free, percent, rows_in_words
from jomon.monitoring.causes.evidence import Evidence, Floats, numbers_of, texts_of
from jomon.monitoring.causes.views import explained
from jomon.stats.reference_density import ReferenceDensity

MOST_VALUES = 200
TELLING = 0.3
ALIKE_PRICE = float(np.log(2.0))
"""The price of taking a new value for an old one that reads like it."""
LEAST_ROWS = 2


@dataclass(frozen=True)
class _Renamed:
    new: str
    old: str
    rows: int
    share: float
    gain: float
    price: float


def new_values(evidence: Evidence, background: CategoryBackground) -> tuple[str, ...]:
    """Values that neither the place nor its peers ever had, the most common first."""
    known = set(background.shares)
    for frame in (evidence.reference, evidence.peers_reference):
        if background.column in frame.columns:
            known |= {str(v) for v in texts_of(frame, background.column) if v is not None}
    here = [str(v) for v in background.values if v is not None and str(v) not in known]
    values, counts = np.unique(np.array(here, dtype=str), return_counts=True)
    return tuple(values[np.argsort(-counts)].tolist())


def unseen_category(evidence: Evidence, background: CategoryBackground) -> Candidate | None:
    """New values take a share of the rows from all others alike."""
    new = new_values(evidence, background)
    values = np.array([v for v in background.values if v is not None], np.object_).astype(str)
    counts = {v: int((values == v).sum()) for v in new}
    total, rows = sum(counts.values()), len(values)
    if not total:
        return None
    gain = sum(k * np.log(k / rows / background.least) for k in counts.values())
    if rows > total:
        gain += (rows - total) * np.log((rows - total) / rows)
    shown = ", ".join(repr(v) for v in new[:3]) + (" and others" if len(new) > 3 else "")
    column = background.column
    return Candidate(
        "unseen_category",
        (column,),
        float(gain),
        free(len(new) if rows > total or len(new) > 1 else 0, rows),
        f"{column} is {shown} in {percent(total / rows)} of {rows_in_words(rows)}: no earlier row had that.",
        {"column": column, "values": list(new[:20]), "share": total / rows, "rows": total},
    )


def renamed_category(evidence: Evidence, background: CategoryBackground) -> Candidate | None:
    """Each new value stands for an old one in a share of its rows: it is as frequent as the old one has become rarer,
    and what other columns are beside it is what they were beside the old one."""
    new = new_values(evidence, background)
    if not new or not background.shares:
        return None
    values = np.array([("" if v is None else v) for v in background.values], np.object_).astype(str)
    olds = sorted(background.shares, key=lambda v: -background.shares[v])[:MOST_VALUES]
    beside = _beside(evidence, background, olds)
    found = []
    for value in new[:20]:
        at = values == value
        if at.sum() < LEAST_ROWS:
            continue
        found.append(_best(background, values, value, olds, beside[at] if beside is not None else None))
    if not found or sum(one.rows for one in found) < 3:
        return None
    column, rows = background.column, len(values)
    total = sum(one.rows for one in found)
    shown = ", ".join(f"{one.old!r} is now {one.new!r}" for one in found[:3])
    return Candidate(
        "renamed_category",
        (column,),
        sum(one.gain for one in found),
        sum(one.price for one in found),
        f"{column}: {shown}{' and others' if len(found) > 3 else ''}, in {rows_in_words(total)} of {rows:,}"
        f" ({percent(found[0].share)} of the first).",
        {
            "column": column,
            "renamed": [
                {"old": one.old, "new": one.new, "rows": one.rows, "share": one.share} for one in found
            ],
            "share": total / rows,
        },
    )


def _best(
    background: CategoryBackground, values: np.ndarray, new: str, olds: list[str], beside: Floats | None
) -> _Renamed:
    count = int((values == new).sum())
    best: _Renamed | None = None
    for number, old in enumerate(olds):
        left = int((values == old).sum())
        share = count / (count + left)
        gain = count * np.log(share * background.shares[old] / background.least)
        gain += left * np.log(1 - share) if left else 0.0
        gain += float(beside[:, number].sum()) if beside is not None else 0.0
        price = ALIKE_PRICE if alike(new, old) else float(np.log(len(olds) + 1.0))
        price += free(1, count + left) if left else 0.0
        if best is None or gain - price > best.gain - best.price:
            best = _Renamed(new, old, count, share, float(gain), price)
    assert best is not None
    return best


def alike(one: str, other: str) -> bool:
    """Whether two names differ in case, blanks and signs only, or one holds the other.

    >>> alike("lax ", "LAX"), alike("KLAX", "LAX"), alike("BOS", "LAX")
    (True, True, False)
    """
    a, b = ("".join(c for c in text.casefold() if c.isalnum()) for text in (one, other))
    return bool(a) and bool(b) and (a == b or (min(len(a), len(b)) >= 2 and (a in b or b in a)))


def _beside(evidence: Evidence, background: CategoryBackground, olds: list[str]) -> Floats | None:
    """Log of the density of each row's telling number beside each old value over that beside any, float64[m, olds]."""
    before = evidence.earlier
    places = {v: i for i, v in enumerate(olds)}
    codes = np.array([places.get(str(v), -1) for v in texts_of(before, background.column)], np.int64)
    told = [
        (explained(np.where(codes >= 0, numbers_of(before, c), np.nan), codes), c) for c in evidence.numbers
    ]
    if not told or max(told)[0] < TELLING:
        return None
    column = max(told)[1]
    reference, values = numbers_of(before, column), numbers_of(evidence.some, column)
    kept = np.isfinite(reference) & (codes >= 0)
    density = ReferenceDensity.fit(reference[kept], codes[kept], np.arange(len(olds)))
    filled = np.where(np.isfinite(values), values, 0.0)[None]
    each = np.stack(
        [density.at(filled, np.full(len(values), v), np.ones(1))[0] for v in range(len(olds))], axis=1
    )
    shares = np.array([background.shares[v] for v in olds])
    out = np.log(each / np.maximum(each @ (shares / shares.sum()), 1e-300)[:, None])
    out[~np.isfinite(values)] = 0.0
    return np.asarray(np.clip(out, -20.0, 20.0))
