"""Time stamps in another zone: the day of the window is that of earlier rows, some hours later or earlier."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np

from jomon.monitoring.causes.candidate import Candidate, free, percent, rows_in_words
from jomon.monitoring.causes.evidence import Evidence, Floats, Ints, texts_of
from jomon.stats.clock_shift import clock_shift
from jomon.stats.mixed_share import gains, mixed_share, price

LEAST_ROWS = 10
LEAST_CHANGED = 3.0
EVEN = 0.01
BLUR = 0.05
OWN = 2.0
"""Rows of the place's day that are added to the hours at which an entity was seen."""


def time_zone(evidence: Evidence) -> Candidate | None:
    """The shift in whole hours under which each row comes at its usual hour, with the share of rows shifted.

    Rows whose key without the time was seen before (a flight number) have hours of their own; the others follow the
    place's day. `stats.clock_shift` says which other shifts the day allows.
    """
    rows = evidence.some
    if rows.height < LEAST_ROWS or evidence.reference.height < LEAST_ROWS:
        return None
    hour = evidence.minutes_of(rows) // 60
    usual = _usual_hours(evidence)
    at = np.arange(len(hour))
    base = usual[at, hour]
    shifts = np.arange(1, 24)
    ratio = np.stack([usual[at, (hour - k) % 24] for k in shifts]) / base
    net = price(gains(ratio, np.ones(len(hour))), len(hour)) - np.log(len(shifts))
    best = int(np.argmax(net))
    fit = mixed_share(ratio[best])
    hours = int(shifts[best]) if shifts[best] <= 12 else int(shifts[best]) - 24
    if fit.share * len(hour) < LEAST_CHANGED:
        return None
    profile = _counts(evidence.minutes_of(evidence.earlier) // 60, evidence.weights)
    day = clock_shift(profile, _counts(hour, np.ones(len(hour))))
    hint = _hint(evidence, hours)
    return Candidate(
        "time_zone",
        (evidence.time,),
        fit.gain,
        fit.gain - float(net[best]),
        f"{evidence.time} is {abs(hours)} h {'late' if hours > 0 else 'early'} in {percent(fit.share)} of"
        f" {rows_in_words(len(hour))}{f': {hint}' if hint else ''}.",
        {
            "column": evidence.time,
            "hours": hours,
            "share": fit.share,
            "share_low": fit.low,
            "share_high": fit.high,
            "hint": hint,
            "hours_by_profile": day.hours if day.changed else None,
            "also": list(day.also),
        },
    )


def changed_day(evidence: Evidence) -> Candidate | None:
    """A day that is fuller at some hours than usual, for no shift of the clock."""
    rows = evidence.some
    if rows.height < LEAST_ROWS or evidence.reference.height < LEAST_ROWS:
        return None
    profile = _counts(evidence.minutes_of(evidence.earlier) // 60, evidence.weights)
    seen = _counts(evidence.minutes_of(rows) // 60, np.ones(rows.height))
    cuts = np.searchsorted(np.cumsum(profile) / profile.sum(), np.arange(1, 6) / 6)
    block = np.searchsorted(np.unique(cuts), np.arange(24), side="left")
    meant = np.bincount(block, _smooth(profile))
    got = np.bincount(block, seen)
    some = got > 0
    gain = float((got[some] * np.log(got[some] / rows.height / meant[some])).sum())
    fuller = int(np.argmax(np.where(meant > 0, got / rows.height - meant, -1.0)))
    span = np.flatnonzero(block == fuller)
    return Candidate(
        "changed_distribution",
        (evidence.time,),
        gain,
        free(len(meant) - 1, rows.height),
        f"More rows than usual come from {span[0]:02d}:00 to {(span[-1] + 1) % 24:02d}:00"
        f" ({percent(got[fuller] / rows.height)} instead of {percent(float(meant[fuller]))}).",
        {"column": evidence.time, "observed": got.tolist(), "expected": (meant * rows.height).tolist()},
    )


def _counts(hour: Ints, weight: Floats) -> Floats:
    return np.bincount(hour, weight, minlength=24).astype(np.float64)


def _smooth(counts: Floats) -> Floats:
    p = counts / counts.sum()
    near = (np.roll(p, 1) + p + np.roll(p, -1)) / 3
    out: Floats = (1 - BLUR - EVEN) * p + BLUR * near + EVEN / 24
    return out


def _usual_hours(evidence: Evidence) -> Floats:
    """Probability of each local hour for each of the rows, float64[m, 24]."""
    rows, before = evidence.some, evidence.earlier
    hours = evidence.minutes_of(before) // 60
    whole = _smooth(_counts(hours, evidence.weights))
    usual = np.tile(whole, (rows.height, 1))
    entity = [c for c in evidence.spec.data.key if c != evidence.time and c in before.columns]
    if not entity:
        return usual
    codes: dict[tuple[object, ...], int] = {}
    mine = np.array(
        [codes.setdefault(k, len(codes)) for k in zip(*(texts_of(before, c) for c in entity), strict=True)]
    )
    counts = np.zeros((len(codes), 24))
    np.add.at(counts, (mine, hours), 1.0)
    counts = 0.85 * counts + 0.075 * (np.roll(counts, 1, axis=1) + np.roll(counts, -1, axis=1))
    own = (counts + OWN * whole) / (counts.sum(axis=1, keepdims=True) + OWN)
    for at, k in enumerate(zip(*(texts_of(rows, c) for c in entity), strict=True)):
        if k in codes:
            usual[at] = own[codes[k]]
    return usual


def _hint(evidence: Evidence, hours: int) -> str | None:
    """Which confusion of zones shifts by so much."""
    moment = dt.datetime.fromtimestamp(evidence.window.start / 1e6, dt.UTC)
    offset = moment.astimezone(ZoneInfo(evidence.spec.data.zone)).utcoffset()
    zone = round((offset or dt.timedelta(0)).total_seconds() / 3600)
    if zone and hours == -zone:
        return f"UTC was read as {evidence.spec.data.zone}"
    if zone and hours == zone:
        return f"{evidence.spec.data.zone} was read as UTC"
    if abs(hours) == 1:
        return "daylight saving time, or a neighbouring zone"
    return None
