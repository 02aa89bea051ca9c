"""Answers that their inputs do not explain: another member's pack, a defective release."""

from __future__ import annotations

import numpy as np
import polars as pl

from jomon.monitoring.causes.candidate import Candidate, divergence, free, percent, rows_in_words
from jomon.monitoring.causes.evidence import (
    IMAGE,
    MARGIN,
    MEMBER,
    Evidence,
    Floats,
    Ints,
    numbers_of,
    texts_of,
)

EXACT = 1e-4
"""Margins recomputed from the image agree with the recorded ones to so much of their size."""
USUAL = 1e-3
"""The share of recorded margins that differ from the recomputed ones when nothing is wrong (a lost digit)."""
LEAST_ROWS = 10
LEAST_REFERENCE = 200
KNOTS, MOST_VALUES, RIDGE = 6, 40, 1.0
NEWER = 0.3
"""The share of the reference, the newest windows, on which the explanation of margins is tried."""
LEAST_WINDOWS = 8
RARE_NULL = 0.02
"""Rows that lack what fewer earlier rows lacked are not explained: how a member answers them is not known."""
WITHOUT_IMAGE = 5.0
"""Nats that an explanation by earlier margins must be ahead, beside one by the image itself."""


def defective(evidence: Evidence) -> Candidate | None:
    """Recorded margins against those that the image gives, and those of a new image against what earlier margins make
    likely for the inputs."""
    if MARGIN not in evidence.rows.columns or evidence.rows.height < LEAST_ROWS:
        return None
    recorded = numbers_of(evidence.rows, MARGIN)
    if evidence.rescore is not None:
        meant = np.asarray(evidence.rescore(evidence.rows), np.float64)
        known = np.isfinite(meant) & np.isfinite(recorded)
        if known.sum() >= LEAST_ROWS:
            found = _recomputed(evidence, recorded, meant, known)
            if found is not None:
                return found
    # a new image may be defective itself, and then answers as it did; without one, days differ too much to tell
    return _likely(evidence) if evidence.release.new else None


def _recomputed(evidence: Evidence, recorded: Floats, meant: Floats, known: np.ndarray) -> Candidate | None:
    off = known & (np.abs(recorded - meant) > EXACT * (1 + np.abs(meant)))
    count, rows = int(off.sum()), int(known.sum())
    if count < 3:
        return None
    share = count / rows
    distance = float(np.mean(np.abs(recorded - meant)[off]))
    each = max(
        float(np.log(1 / EXACT)) - 3.0, 1.0
    )  # a recomputed margin is met to its last digit or not at all
    return _named(
        evidence,
        off,
        divergence(count, rows, USUAL) + count * each,
        free(1, rows),
        f"{percent(share)} of {rows_in_words(rows)} were answered otherwise than their member in the image answers"
        f" (by {distance:.3g} in the mean)",
        {"share": share, "rows": rows, "mean_distance": distance, "recomputed": True},
    )


def _named(
    evidence: Evidence, off: np.ndarray, gain: float, price: float, words: str, numbers: dict[str, object]
) -> Candidate:
    """A release's defect if the image is new where answers are off and nowhere else, else a member's."""
    new = evidence.release.new
    images = texts_of(evidence.rows, IMAGE) if IMAGE in evidence.rows.columns else None
    members = _most(texts_of(evidence.rows, MEMBER)[off]) if MEMBER in evidence.rows.columns else []
    numbers = {**numbers, "members": members, "new_images": sorted(new)}
    released = False
    if new and images is not None:
        fresh = np.isin(images.astype(str), sorted(new))
        released = bool(fresh.any()) and float(off[fresh].mean()) > float(
            np.append(off[~fresh], False).mean()
        )
        released = released and float(fresh[off].mean()) > 0.9
    who = f", all by {members[0]}" if len(members) == 1 else ""
    if released:
        words += f", since image {sorted(new)[0][:19]} answers"
    return Candidate(
        "defective_release" if released else "defective_member",
        (MARGIN,),
        gain,
        price,
        words + who + ".",
        numbers,
    )


def _most(values: np.ndarray) -> list[str]:
    kinds, counts = np.unique(values.astype(str), return_counts=True)
    return [str(v) for v in kinds[np.argsort(-counts)][:5]]


def _likely(evidence: Evidence) -> Candidate | None:
    """Margins of the window against a ridge regression on earlier ones, and against the residuals of the newest of
    them: a mean and a spread of their own must be beyond those of every earlier window."""
    before, now = evidence.earlier, _supported(evidence)
    if before.height < LEAST_REFERENCE or MARGIN not in before.columns:
        return None
    window = evidence.earlier_windows
    cut = np.quantile(window, 1 - NEWER)
    old, new = before.filter(window < cut), before.filter(window >= cut)
    if old.height < LEAST_REFERENCE / 2 or new.height < LEAST_ROWS:
        return None
    explain = _Explanation(evidence, old)
    rest = numbers_of(new, MARGIN) - explain(new)
    today = numbers_of(now, MARGIN) - explain(now)
    today = today[np.isfinite(today)]
    rest_windows = window[window >= cut]
    kept = np.isfinite(rest)
    rest, rest_windows = rest[kept], rest_windows[kept]
    at = np.unique(rest_windows, return_inverse=True)[1]
    size = np.bincount(at)
    if len(today) < LEAST_ROWS or (size >= 5).sum() < LEAST_WINDOWS:
        return None
    middle = float(np.median(rest))
    sd = max(float(np.sqrt(np.mean((rest - middle) ** 2))), 1e-6)
    own = [rest[at == d] - middle for d in np.flatnonzero(size >= 5)]
    energy = (np.bincount(at, (rest - middle) ** 2) / size)[size >= 5] / sd**2
    mean = (np.bincount(at, rest - middle) / size)[size >= 5] / sd
    own_mean, own_energy = float(np.mean(today - middle)) / sd, float(np.mean((today - middle) ** 2)) / sd**2
    usual = float(energy.max())
    if own_energy <= usual * 1.1 and abs(own_mean) <= float(np.abs(mean).max()) * 1.2:
        return None
    ever = max(_gain(one, sd) / len(one) for one in own)
    gain = _gain(today - middle, sd) - len(today) * max(ever, 0.0)
    return _named(
        evidence,
        np.ones(evidence.rows.height, bool),
        float(gain),
        free(2, len(today)) + WITHOUT_IMAGE,
        f"The margins of {rows_in_words(len(today))} are {np.mean(today - middle):+.3g} in the mean and"
        f" {np.sqrt(own_energy) * sd:.3g} in spread from what their inputs made likely (spread {sd:.3g} before)",
        {
            "rows": len(today),
            "mean_distance": float(np.mean(today - middle)),
            "spread": float(np.sqrt(own_energy) * sd),
            "earlier_spread": sd,
            "recomputed": False,
        },
    )


def _supported(evidence: Evidence) -> pl.DataFrame:
    """Rows with inputs such as earlier rows had."""
    rows, before = evidence.some, evidence.earlier
    kept = pl.lit(value=True)
    for column in evidence.numbers:
        if before[column].null_count() < RARE_NULL * before.height:
            kept &= pl.col(column).is_not_null()
    for column in evidence.categories:
        kept &= pl.col(column).is_in(before[column].unique().implode()) | pl.col(column).is_null()
    return rows.filter(kept)


def _gain(rest: Floats, sd: float) -> float:
    """Log likelihood of normal residuals with a mean and a spread of their own over N(0, sd)."""
    spread = max(float(np.var(rest)), (0.1 * sd) ** 2)
    energy = float(np.mean(rest**2))
    return 0.5 * len(rest) * float(np.log(sd**2 / spread) + energy / sd**2 - 1)


class _Explanation:
    """A ridge regression of margins on hinges of numbers, categories and the hour."""

    def __init__(self, evidence: Evidence, frame: pl.DataFrame) -> None:
        self.evidence = evidence
        self.knots: dict[str, Floats] = {}
        self.values: dict[str, list[str]] = {}
        for column in evidence.numbers:
            x = numbers_of(frame, column)
            x = x[np.isfinite(x)]
            self.knots[column] = (
                np.unique(np.quantile(x, np.linspace(0, 1, KNOTS + 1))) if len(x) else np.zeros(1)
            )
        for column in evidence.categories:
            counts = (
                frame.group_by(pl.col(column).cast(pl.String).alias("v")).len().sort("len", descending=True)
            )
            self.values[column] = [v for v in counts["v"].to_list() if v is not None][:MOST_VALUES]
        y = numbers_of(frame, MARGIN)
        x = self._design(frame)
        kept = np.isfinite(y)
        self.mean = float(y[kept].mean())
        gram = x[kept].T @ x[kept] + RIDGE * np.eye(x.shape[1])
        self.weights = np.linalg.solve(gram, x[kept].T @ (y[kept] - self.mean))

    def __call__(self, frame: pl.DataFrame) -> Floats:
        """Margins that the inputs make likely, float64[n]."""
        out: Floats = self.mean + self._design(frame) @ self.weights
        return out

    def _design(self, frame: pl.DataFrame) -> Floats:
        parts: list[Floats] = []
        hour: Ints = self.evidence.minutes_of(frame) // 60
        parts.append(np.eye(24)[hour])
        for column, knots in self.knots.items():
            x = numbers_of(frame, column)
            missing = ~np.isfinite(x)
            # constant beyond the values that are known, as trees are
            x = np.clip(np.where(missing, knots[0], x), knots[0], knots[-1])
            parts.append(missing[:, None].astype(np.float64))
            parts += [((x >= low) * ~missing)[:, None].astype(np.float64) for low in knots[1:-1]]
            span = max(float(knots[-1] - knots[0]), 1e-12)
            parts.append((np.where(missing, 0.0, (x - knots[0]) / span))[:, None])
        for column, values in self.values.items():
            here = texts_of(frame, column)
            parts += [(here == v)[:, None].astype(np.float64) for v in values]
        return np.concatenate(parts, axis=1)
