"""T6: how near is performance estimated without outcomes to what is realised later, and do its intervals cover?

    python -m bench.estimated_performance          a short run: the groceries, days, the fleet and its categories
    python -m bench.estimated_performance --full   the run whose figures count: flights and births

Each project is ingested and built with an early hold-out, so that all rows after it are scored by models that never saw
them. The image is kept: answers age, as they do in practice. Every window after the reference is estimated from what
was known at its end, and compared with what its outcomes showed later. NannyML (CBPE for probabilities, DLE for counts)
gets the same rows, windows and outcomes known in time, in an environment of its own, with three references: kept (the
windows of the reference, its usual way), fitted anew with all windows known (what we learn from), and with as many of
the latest windows as the kept one has. Its intervals are its own sampling errors times 1.96.

Settings were fixed on the windows before `counted`; only those from `counted` on are quoted. Log loss and Brier score,
which CBPE does not offer, are computed from its own calibrated probabilities; DLE has no Poisson deviance.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench import peer
from bench.common import Row, document, full_run, last_json, run, single, step, versions, write
from bench.estimated_rows import Array, Scored, Study, built, members_of, outside, realised, scored
from jomon.core.table import Coded
from jomon.monitoring.estimating import Estimated, EstimatingRules, estimate_performance
from jomon.monitoring.score_table import score_edges, score_table
from jomon.stats.measure import mean_response
from jomon.stats.wilson import wilson_interval

HERE = Path(__file__).parent
REFERENCES = {"kept": "reference kept", "refitted": "all known windows", "recent": "latest windows"}
SAID = {
    "log_loss": "log loss",
    "roc_auc": "ROC AUC",
    "brier": "Brier score",
    "poisson_deviance": "Poisson deviance",
    "absolute_error": "absolute error",
}


FLIGHTS = HERE.parent / "examples" / "flights"
PLACES = (("carrier",), ("origin",), ("carrier", "origin"), ("origin", "dest"))
FULL = (
    Study("flights, weeks", FLIGHTS, "2013-05-01", 7, 11, 23, PLACES, 30, PLACES[:3], 200, leaves="temp"),
    Study("flights, days", FLIGHTS, "2013-05-01", 1, 60, 166, PLACES, 30),
    Study(
        "births, weeks",
        HERE.parent / "examples" / "births",
        "260w",
        7,
        52,
        156,
        (("state",),),
        7,
        (("state",),),
        7,
        0,
        8,
    ),
)
SHORT = (
    Study("groceries, days", HERE / "fleets" / "groceries", "12w", 1, 28, 56, (("category",),), 1, every=28),
)


def ours(study: Study, data: Scored, members: list[tuple[int, int]]) -> Estimated:
    """Our estimates of all windows for these members."""
    edges = score_edges(data.margin[data.window < study.reference])
    levels = [data.codes[level] for level in study.levels]
    table = score_table(
        data.kind,
        data.margin,
        data.target,
        data.window,
        levels,
        edges,
        windows=data.windows,
        outside=outside(data, study.reference),
    )
    starts = np.cumsum([1, *(int(codes.max()) + 1 for codes in levels)])
    at = [0 if level < 0 else int(starts[level]) + code for level, code in members]
    return estimate_performance(table.take(at), data.known_from, EstimatingRules(rows=study.rows))


def nannyml(
    study: Study, data: Scored, members: list[tuple[int, int]]
) -> tuple[dict[str, Array], dict[str, float]]:
    """What NannyML says of these members: arrays [windows, members] by `reference:metric:part`, and its seconds."""
    rows: dict[str, Array] = {"window": data.window, "target": data.target, "margin": data.margin}
    rows["answer"] = mean_response(data.margin, data.kind)
    for at, level in enumerate(study.levels):
        rows[f"member_{at}"] = data.codes[level]
    categories = []
    if data.kind != "binary":
        for name, values in data.columns.items():
            if name:
                coded = isinstance(values, Coded)
                rows[f"feature_{name}"] = values.codes if coded else values
                categories += [f"feature_{name}"] if coded else []
    chosen = np.linspace(1, len(members) - 1, min(study.anew, len(members) - 1)).round().astype(int).tolist()
    task = {
        "kind": data.kind,
        "members": members,
        "windows": list(range(study.counted, data.windows)),
        "reference": study.reference,
        "known_from": data.known_from.tolist(),
        "refitted": {str(at): study.every for at in (0, *chosen)},
        "categories": categories,
    }
    with tempfile.TemporaryDirectory(prefix="jomon-bench-") as name:
        folder = Path(name)
        np.savez(folder / "rows.npz", **rows)
        (folder / "task.json").write_text(json.dumps(task))
        said = last_json(run([peer.python_of("nannyml"), HERE / "estimated_nannyml.py", folder]))
        with np.load(folder / "estimates.npz") as found:
            return {name: found[name] for name in found.files}, said["seconds"]


def share(what: str, inside: Array) -> Row:
    """A share of estimates as a row, in percent, with Wilson's interval (estimates of one window depend on each other,
    so that for members it is too narrow)."""
    low, high = wilson_interval(inside.sum(), len(inside))
    return {
        "what": what,
        "value": 100 * float(inside.mean()),
        "unit": "%",
        "low": 100 * float(low),
        "high": 100 * float(high),
        "n": len(inside),
    }


def results(study: Study, data: Scored) -> tuple[list[Row], list[dict[str, Any]], dict[str, Any]]:
    """Rows, ratios and the raw series of one study."""
    members = members_of(study, data, study.levels, study.rows)
    beside = members_of(study, data, study.beside, study.beside_rows)
    first = study.counted
    with step(f"{study.name}: our estimates of {len(members)} segments"):
        mine = ours(study, data, members)
    with step(f"{study.name}: realised"):
        truth = realised(data, members, study, first)
    with step(f"{study.name}: NannyML on {len(beside)} segments"):
        theirs, seconds = nannyml(study, data, beside)
    at = [members.index(member) for member in beside]
    rows: list[Row] = []
    ratios: list[dict[str, Any]] = []
    raw: dict[str, Any] = {}
    for metric, real in truth.items():
        called = f"{study.name}: {SAID[metric]}"
        error = np.abs(real - mine.value[metric])[first:]
        known = np.isfinite(error) & np.isfinite(mine.low[metric][first:])
        inside = ((real >= mine.low[metric]) & (real <= mine.high[metric]))[first:]
        groups = (("the fleet", slice(0, 1)), ("members", slice(1, None)))
        for group, part in groups:
            if known[:, part].any():
                rows.append(
                    single(
                        f"{called}, {group}: mean absolute error",
                        error[:, part][known[:, part]].mean(),
                        "",
                        int(known[:, part].sum()),
                    )
                )
                rows.append(
                    share(f"{called}, {group}: intervals that cover", inside[:, part][known[:, part]])
                )
        for how, words in REFERENCES.items():
            if f"{how}:{metric}:value" not in theirs:
                continue
            said, spread = (theirs[f"{how}:{metric}:{part}"][first:] for part in ("value", "error"))
            miss = np.abs(real[first:, at] - said)
            both = np.isfinite(miss) & known[:, at]
            for group, part in groups:
                some = both[:, part]
                if not some.any():
                    continue
                theirs_mean, ours_mean = miss[:, part][some].mean(), error[:, at][:, part][some].mean()
                peer_name = f"NannyML, {words}"
                rows.append(
                    single(
                        f"{called}, {group}: mean absolute error, {peer_name}",
                        theirs_mean,
                        "",
                        int(some.sum()),
                    )
                )
                covered = miss[:, part][some] <= 1.96 * spread[:, part][some]
                rows.append(share(f"{called}, {group}: intervals that cover, {peer_name}", covered))
                low, high = ratio_between(error[:, at][:, part], miss[:, part], some)
                ratios.append(
                    {
                        "against": f"{called}, {group}: our error over that of {peer_name}",
                        "value": float(ours_mean / theirs_mean),
                        "low": low,
                        "high": high,
                        "n": int(some.sum()),
                    }
                )
        series = {
            "realised": real,
            "value": mine.value[metric],
            "low": mine.low[metric],
            "high": mine.high[metric],
        }
        series |= {
            how: theirs[f"{how}:{metric}:value"] for how in REFERENCES if f"{how}:{metric}:value" in theirs
        }
        raw[metric] = {name: listed(values[first:, 0]) for name, values in series.items()}
    if study.leaves:
        with step(f"{study.name}: leaving the reference"):
            rows.append(leaving(study, data, members))
    rows += refusals(study, data, mine, truth, len(members))
    rows += [
        single(f"{study.name}: seconds, NannyML, {REFERENCES[how]}", s, "s") for how, s in seconds.items()
    ]
    return rows, ratios, raw


def listed(values: Array) -> list[float | None]:
    """As JSON has it."""
    return [float(v) if np.isfinite(v) else None for v in values]


def ratio_between(mine: Array, theirs: Array, some: Array, reps: int = 1000) -> tuple[float, float]:
    """95% interval of the ratio of mean errors, whole windows drawn again."""
    top, bottom = (np.where(some, a, 0.0).sum(axis=1) for a in (mine, theirs))
    drawn = np.random.default_rng(0).integers(0, len(top), (reps, len(top)))
    found = top[drawn].sum(axis=1) / np.maximum(bottom[drawn].sum(axis=1), 1e-12)
    low, high = np.quantile(found, (0.025, 0.975))
    return float(low), float(high)


def refusals(study: Study, data: Scored, mine: Estimated, truth: dict[str, Array], members: int) -> list[Row]:
    """How many estimates were refused and why."""
    first = study.counted
    metric = next(iter(truth))
    reasons = Counter(
        re.sub(r"^\d+%? ", "", reason)
        for (name, window, _), reason in mine.reasons.items()
        if name == metric and window >= first
    )
    asked = (data.windows - first) * members
    return [
        single(f"{study.name}: refused of {asked} estimates of {SAID[metric]}: {reason}", n, "", asked)
        for reason, n in reasons.items()
    ] or [single(f"{study.name}: refused of {asked} estimates of {SAID[metric]}", 0, "", asked)]


def leaving(study: Study, data: Scored, members: list[tuple[int, int]]) -> Row:
    """How many estimates are refused in windows in which a column leaves the reference in half of the rows.

    The rows keep their scores, so that the column alone can tell.
    """
    values = np.asarray(data.columns[study.leaves])
    away = np.nanmax(values) + 0.5 * (np.nanmax(values) - np.nanmin(values))
    half = np.random.default_rng(0).random(len(values)) < 0.5
    refused, asked = 0, 0
    for window in range(study.counted, data.windows):
        rows = np.flatnonzero(data.window <= window)
        gone = np.where(half & (data.window == window), away, values)[rows]
        columns = {
            name: column.take(rows) if isinstance(column, Coded) else column[rows]
            for name, column in data.columns.items()
        }
        now = replace(
            data,
            margin=data.margin[rows],
            target=data.target[rows],
            window=data.window[rows],
            known_from=data.known_from[: window + 1],
            columns=columns | {study.leaves: gone},
            codes={level: codes[rows] for level, codes in data.codes.items()},
        )
        found = ours(study, now, members)
        metric = found.metrics[0]
        there = found.rows[window] > 0
        refused += int((there & np.isnan(found.value[metric][window])).sum())
        asked += int(there.sum())
    what = f"{study.name}: refused where {study.leaves} leaves the reference in half of the rows"
    return {**share(what, np.arange(asked) < refused), "n": asked}


def measure(full: bool) -> dict[str, Any]:
    """The document of T6."""
    rows: list[Row] = []
    ratios: list[dict[str, Any]] = []
    series: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="jomon-bench-") as name:
        for study in FULL if full else SHORT:
            data = scored(study, built(study, Path(name, study.folder.name)))
            more, beside, raw = results(study, data)
            rows, ratios, series[study.name] = rows + more, ratios + beside, raw
    found = versions("lightgbm", "numpy") | peer.versions_of(peer.python_of("nannyml"), "nannyml")
    work = "performance estimated without outcomes beside what was realised: " + "; ".join(
        f"{study.name} from the {study.counted + 1}th on" for study in (FULL if full else SHORT)
    )
    return {**document("T6", work, found, rows, ratios), "fleet": series}


def main() -> None:
    full = full_run(__doc__)
    write(measure(full), full)


if __name__ == "__main__":
    main()
