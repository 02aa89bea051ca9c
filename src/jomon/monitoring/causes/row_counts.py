"""Rows that came twice, and rows that did not come."""

from __future__ import annotations

import numpy as np
import polars as pl

from jomon.core.findings import Finding
from jomon.monitoring.causes.candidate import Candidate, divergence, free, percent, rows_in_words
from jomon.monitoring.causes.evidence import ANSWER, IMAGE, MARGIN, MEMBER, OUTCOME, Evidence

LEAST_VOLUMES = 5
HALF_HOUR_EVIDENCE = 3.0
VANISHED = 0.5
NOT_RECORDED = (ANSWER, MARGIN, OUTCOME, IMAGE, MEMBER)


def volume_finding(evidence: Evidence) -> Finding | None:
    """The finding about the number of rows, if there is one."""
    return next((f for f in evidence.findings if f.kind in ("volume", "freshness")), None)


def volume_gain(rows: float, expected: float, volumes: tuple[float, ...]) -> float:
    """Log likelihood that the number of rows gains over what was expected, by Poisson, divided by how much more than
    that the number of rows of earlier windows spread."""
    meant = max(expected, 0.5)
    gain = (rows * np.log(rows / meant) if rows > 0 else 0.0) - (rows - meant)
    over = 1.0
    if len(volumes) >= LEAST_VOLUMES and np.mean(volumes) > 0:
        middle = float(np.median(volumes))
        spread = 1.4826 * float(np.median(np.abs(np.array(volumes) - middle)))
        over = max(1.0, spread**2 / max(middle, 1.0))
    return float(gain) / over


def duplicated_rows(evidence: Evidence) -> Candidate | None:
    """Rows with the key of an earlier one, and whether all that was recorded is the same."""
    key = [c for c in evidence.spec.data.key if c in evidence.rows.columns]
    rows = evidence.rows.height
    if not rows or evidence.time not in {*key} or len(key) != len(evidence.spec.data.key):
        return None
    doubled = rows - evidence.rows.select(key).n_unique()
    before = evidence.reference
    usual = (before.height - before.select(key).n_unique() + 0.5) / (before.height + 1.0)
    if doubled < 2 or doubled / rows <= 2 * usual:
        return None
    recorded = [c for c in (*key, *evidence.numbers, *evidence.categories) if c in evidence.rows.columns]
    identical = rows - evidence.rows.select(list(dict.fromkeys(recorded))).n_unique()
    gain = divergence(doubled, rows, usual)
    found = volume_finding(evidence)
    if found is not None:
        volumes = evidence.history.volumes
        gain += volume_gain(rows, found.expected_rows, volumes)
        gain -= volume_gain(rows - doubled, found.expected_rows, volumes)
    share = doubled / rows
    same = (
        "all of them the same in every column"
        if identical == doubled
        else "not all of them the same otherwise"
    )
    return Candidate(
        "duplicated_rows",
        (),
        gain,
        free(1, rows),
        f"{percent(share)} of {rows_in_words(rows)} repeat the key of another one, {same}.",
        {"share": share, "rows": doubled, "identical": identical, "expected_share": usual},
    )


def missing_rows(evidence: Evidence) -> Candidate | None:
    """Fewer rows than expected (or more, without a repeated key); which hours and which values lack them."""
    found = volume_finding(evidence)
    if found is None:
        return None
    rows, expected = float(max(evidence.rows.height, 0)), found.expected_rows
    gain = volume_gain(rows, expected, evidence.history.volumes)
    share = 1 - rows / max(expected, 1e-9)
    hours = _hours(evidence, expected) if share > 0 else []
    values = _values(evidence, expected) if share > 0 else {}
    if share > 0:
        words = f"{percent(min(share, 1.0))} of the rows are missing: {rows:,.0f} came where {expected:,.0f} were to be"
        words += " expected"
        if hours and len(hours) < 12:
            words += ", most of them at " + ", ".join(f"{hour:02d}:00" for hour in hours[:6])
        if values:
            column, lost = next(iter(values.items()))
            words += f", and none with {column} {', '.join(lost[:3])}"
    else:
        words = f"{rows:,.0f} rows came where {expected:,.0f} were to be expected, none of them twice"
    return Candidate(
        "missing_rows",
        (),
        gain,
        free(1, expected + rows),
        words + ".",
        {
            "rows": rows,
            "expected_rows": expected,
            "missing_share": share,
            "hours": hours,
            "values": {column: list(lost) for column, lost in values.items()},
        },
    )


def _hours(evidence: Evidence, expected: float) -> list[int]:
    """Local hours that have less than half of their expected rows beyond chance."""
    if not evidence.reference.height:
        return []
    profile = np.bincount(evidence.minutes_of(evidence.earlier) // 60, evidence.weights, minlength=24)
    meant = expected * profile / max(profile.sum(), 1e-12)
    seen = (
        np.bincount(evidence.minutes_of(evidence.rows) // 60, minlength=24)
        if evidence.rows.height
        else 0 * meant
    )
    gain = [volume_gain(float(k), float(m), ()) if m > 0.5 else 0.0 for k, m in zip(seen, meant, strict=True)]
    return [h for h in range(24) if seen[h] < VANISHED * meant[h] and gain[h] > HALF_HOUR_EVIDENCE]


def _values(evidence: Evidence, expected: float) -> dict[str, tuple[str, ...]]:
    """Values of categories that lack all of their rows beyond chance, if others have theirs."""
    out = {}
    for column in evidence.categories:
        counts = evidence.earlier.group_by(pl.col(column).cast(pl.String).alias("v")).len()
        here = set(evidence.rows[column].cast(pl.String).to_list()) if evidence.rows.height else set()
        meant = {v: n / evidence.earlier.height * expected for v, n in counts.iter_rows() if v is not None}
        lost = [v for v, m in sorted(meant.items(), key=lambda item: -item[1]) if v not in here and m > 5]
        if lost and here:
            out[column] = tuple(lost)
    return out
