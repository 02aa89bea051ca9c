"""Stuck: one value takes far more rows of a window than in any window before."""

from __future__ import annotations

import numpy as np

from jomon.monitoring.causes.backgrounds import CategoryBackground, NumberBackground
from jomon.monitoring.causes.candidate import Candidate, divergence, percent, rows_in_words
from jomon.monitoring.causes.distribution import ordinary_gain
from jomon.monitoring.causes.evidence import Evidence, Floats, Ints, Texts, numbers_of, texts_of
from jomon.monitoring.causes.views import hours_of, keys_of
from jomon.stats.mixed_share import gains, mixed_share
from jomon.stats.mixed_share import price as mixed_price

LEAST_ROWS = 5
LEAST_BEYOND = 3.0
"""Nats by which the value must be ahead of what comparable values ever took of a window."""
LEAST_MASS = 1e-6
AGREED, DISAGREED = 0.95, 0.9
NEW_VALUE = 6.0
"""Nats by which a value that never was is the less likely one to be stuck at."""
STAND_INS = (0.0, 1.0, -1.0, 9.0, 99.0, 999.0, 9999.0, -9.0, -99.0, -999.0, -9999.0)
AS_COMMON = 1.5
"""A value is compared with those at most so many times as common as itself."""


def stuck(evidence: Evidence, background: NumberBackground | CategoryBackground) -> Candidate | None:
    """One value stands in a share of the rows, whatever stood there before.

    Rows have the value with probability (1 - s) g(v) + s. Real values cluster (many rows of an hour share the weather),
    so the share must also be beyond the largest that a comparable value had in any earlier window.
    """
    column = background.column
    number = isinstance(background, NumberBackground)
    values = (
        background.values[background.known].astype(np.object_)
        if isinstance(background, NumberBackground)
        else background.values
    )
    values = np.array([v for v in values if v is not None], np.object_)
    if len(values) < LEAST_ROWS:
        return None
    kinds, counts = np.unique(values.astype(np.float64) if number else values.astype(str), return_counts=True)
    earlier = _known(numbers_of(evidence.earlier, column) if number else texts_of(evidence.earlier, column))
    if not len(earlier[0]):
        return None
    seen, seen_counts = np.unique(earlier[0], return_counts=True)
    common = {v: n / len(earlier[0]) for v, n in zip(seen.tolist(), seen_counts.tolist(), strict=True)}
    beyond = [n / len(values) - common.get(v, 0.0) for v, n in zip(kinds.tolist(), counts, strict=True)]
    best = int(np.argmax(beyond))
    value, count = kinds[best].item(), int(counts[best])
    if not number and value not in common:  # a category that nobody knew is another cause
        return None
    share = count / len(values)
    anywhere = number and value not in STAND_INS and not _seen(evidence, column, value, common)
    own = 1.0 if anywhere else common.get(value, 0.0)  # a new number may be where the common one went
    ever = _largest(evidence.earlier_windows[earlier[1]], earlier[0], common, own, len(values))
    beyond_all = share > ever and divergence(count, len(values), ever) >= LEAST_BEYOND
    if not beyond_all and (anywhere or not _discord(evidence, column, number)):
        return None
    usual, ratio = _ratio(background, values, value)
    fit = mixed_share(ratio)
    gain, stuck_share = fit.gain, fit.share
    cost = gain - float(mixed_price(gains(ratio[None], np.ones(len(ratio))), len(ratio))[0])
    cost += _choice(background, value, len(common))
    if isinstance(background, NumberBackground):
        rest = values.astype(np.float64) != value
        gain += ordinary_gain(
            background, values[rest].astype(np.float64), background.group[background.known][rest]
        )
    since = _since(evidence, column, value, number)
    shown = f"{value:g}" if number else f"{value!r}"
    return Candidate(
        "stuck",
        (column,),
        gain,
        cost,
        f"{column} is {shown} in {percent(share)} of {rows_in_words(len(values))}, where {percent(usual)} were to be"
        f" expected and earlier windows had up to {percent(ever)} of such a value.",
        {
            "column": column,
            "value": value,
            "share": share,
            "stuck_share": stuck_share,
            "expected_share": usual,
            "largest_share_before": ever,
            "since": since,
        },
    )


def _known(values: Floats | Texts) -> tuple[Floats | Texts, Ints]:
    if values.dtype == np.float64:
        at = np.flatnonzero(np.isfinite(values.astype(np.float64)))
        return values[at], at
    at = np.flatnonzero([v is not None for v in values])
    return values[at].astype(str), at


def _ratio(
    background: NumberBackground | CategoryBackground, values: np.ndarray, value: object
) -> tuple[float, Floats]:
    """The share of the value to expect, and each row's probability if the column is stuck over that if it is not."""
    if isinstance(background, NumberBackground):
        known = background.known
        dense = background.at(np.full((1, len(known)), float(str(value))), known)[0] * background.step
        mass = np.clip(dense, LEAST_MASS, 1.0)
        return float(mass.mean()), np.where(values.astype(np.float64) == value, 1 / mass, 0.0)
    share = background.shares.get(str(value), background.least)
    return share, np.where(values.astype(str) == value, 1 / share, 0.0)


def _choice(background: NumberBackground | CategoryBackground, value: object, kinds: int) -> float:
    """The price of the value: one of those seen before, of the usual stand-ins, or any number within reach."""
    if isinstance(background, CategoryBackground) or value in background.reference:
        return float(np.log(kinds + 1.0))
    if value in STAND_INS:
        return float(np.log(len(STAND_INS) + kinds))
    reach = abs(float(str(value)) - background.density.median) + background.density.sd
    return max(float(np.log(reach / background.step)), float(np.log(kinds + 1.0))) + NEW_VALUE


def _largest(
    windows: Ints, values: Floats | Texts, common: dict[object, float], own: float, rows: int
) -> float:
    """The largest share that a value about as common as `own` took in an earlier window.

    Windows of fewer than half of `rows` rows are left out where others are.
    """
    code = np.unique(values, return_inverse=True)[1]
    at = np.unique(windows, return_inverse=True)[1]
    width, length = int(code.max()) + 1, int(at.max()) + 1
    counts = np.bincount(at * width + code, minlength=width * length).reshape(length, width)
    total = counts.sum(axis=1)
    large = total >= min(rows / 2, np.quantile(total, 0.5))
    allowed = np.array(list(common.values())) <= max(AS_COMMON * own, 2.0 / len(values))
    if not allowed.any():
        return 0.0
    return float((counts[large][:, allowed] / total[large, None]).max())


def _seen(evidence: Evidence, column: str, value: object, common: dict[object, float]) -> bool:
    """Whether a number was there before, at the place or among its peers."""
    frames = (evidence.peers, evidence.peers_reference)
    return value in common or any(
        column in frame.columns and bool((numbers_of(frame, column) == value).any()) for frame in frames
    )


def _discord(evidence: Evidence, column: str, number: bool) -> bool:
    """Whether rows of one hour, which always had one value, no longer agree: then a long run of the same weather is not
    what happened, and the value need not be beyond the rarest of days."""
    now, before = evidence.rows, evidence.earlier
    read = numbers_of if number else texts_of
    keys = keys_of(evidence, column)
    codes: dict[tuple[object, ...], int] = {}
    hours = [hours_of(evidence, frame, keys, codes) for frame in (before, now)]
    length = 24 * max(len(codes), 1)
    usual = _agreement(evidence.windows_of(before) * length + hours[0], read(before, column))
    today = _agreement(evidence.windows_of(now) * length + hours[1], read(now, column))
    return usual >= AGREED and today < DISAGREED


def _agreement(hour: Ints, values: Floats | Texts) -> float:
    """The share of rows that have the commonest value of their hour, of hours with two rows or more."""
    known, at = _known(values)
    hours = np.unique(hour[at], return_inverse=True)[1]
    code = np.unique(known, return_inverse=True)[1]
    pair, counts = np.unique(hours * (int(code.max(initial=0)) + 1) + code, return_counts=True)
    owner = pair // (int(code.max(initial=0)) + 1)
    most = np.zeros(int(hours.max(initial=0)) + 1)
    np.maximum.at(most, owner, counts)
    total = np.bincount(hours, minlength=len(most))
    large = total >= 2
    return float(most[large].sum() / total[large].sum()) if large.any() else 0.0


def _since(evidence: Evidence, column: str, value: object, number: bool) -> str | None:
    rows = evidence.rows.sort(evidence.time)
    same = (numbers_of(rows, column) if number else texts_of(rows, column)) == value
    at = np.flatnonzero(same)
    return str(rows[evidence.time][int(at[0])].isoformat()) if len(at) else None
