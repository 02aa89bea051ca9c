"""Nulls: values that are missing, or that came back."""

from __future__ import annotations

import numpy as np

from jomon.monitoring.causes.candidate import Candidate, divergence, free, percent, rows_in_words
from jomon.monitoring.causes.evidence import Evidence

LEAST_PEERS = 30
LEAST_BEYOND = 2.0
PEER_PRIOR = 3.0
TOGETHER = 0.9
"""A lookup is named if at least so many of the column's new nulls are nulls in all that the lookup brings."""


def nulls(evidence: Evidence, column: str) -> Candidate | None:
    """The share of nulls differs from earlier rows' and from the peers' of the same window.

    Where peers are few, the share must be beyond that of every earlier window.
    """
    rows = evidence.rows
    if not rows.height or not evidence.reference.height:
        return None
    count = rows[column].null_count()
    before = evidence.earlier[column].is_null().to_numpy().astype(np.float64)
    weight = evidence.weights
    usual = float((before @ weight + 0.25) / (weight.sum() + 0.5))
    if evidence.peers.height >= LEAST_PEERS and column in evidence.peers.columns:
        peers = evidence.peers[column].null_count()
        expected = (peers + PEER_PRIOR * usual) / (evidence.peers.height + PEER_PRIOR)
        extreme = expected
    else:
        expected = usual
        extreme = _extreme(evidence, before, count / rows.height > usual, rows.height)
    share = count / rows.height
    if (share - expected) * (share - extreme) <= 0 or divergence(count, rows.height, extreme) < LEAST_BEYOND:
        return None
    more = share > expected
    source, columns = _source(evidence, column) if more else (None, (column,))
    where = f" (nothing came from the lookup {source})" if source else ""
    words = "has no value" if more else "lacks a value only"
    return Candidate(
        "nulls",
        columns,
        divergence(count, rows.height, expected),
        free(0 if share in (0.0, 1.0) else 1, rows.height) + float(np.log(2.0)),
        f"{column} {words} in {percent(share)} of {rows_in_words(rows.height)} where {percent(expected)} were to be"
        f" expected{where}.",
        {
            "column": column,
            "share": share,
            "expected_share": expected,
            "lookup": source,
            "columns": list(columns),
        },
    )


def _extreme(evidence: Evidence, before: np.ndarray, more: bool, rows: int) -> float:
    at = np.unique(evidence.earlier_windows, return_inverse=True)[1]
    total = np.bincount(at)
    shares = (np.bincount(at, before) / total)[total >= min(rows / 2, np.quantile(total, 0.5))]
    return float(shares.max() if more else shares.min())


def _source(evidence: Evidence, column: str) -> tuple[str | None, tuple[str, ...]]:
    name = evidence.lookup_of(column)
    if name is None:
        return None, (column,)
    columns = tuple(c for c in evidence.spec.lookups[name].features if c in evidence.rows.columns)
    own = evidence.rows[column].is_null().to_numpy()
    all_null = np.ones(len(own), bool)
    for other in columns:
        all_null &= evidence.rows[other].is_null().to_numpy()
    if len(columns) > 1 and all_null.sum() >= TOGETHER * own.sum():
        return name, columns
    return None, (column,)
