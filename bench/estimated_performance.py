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
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench import peer
from bench.common import Row, document, full_run, last_json, run, single, step, versions, write
from jomon.core.table import Coded
from jomon.data.gold import read_gold
from jomon.monitoring.estimating import Estimated, EstimatingRules, estimate_performance
from jomon.monitoring.score_table import score_edges, score_table
from jomon.project import open_project
from jomon.stats.auc import roc_auc
from jomon.stats.links import Kind
from jomon.stats.losses import absolute_error, log_loss, poisson_deviance, squared_error
from jomon.stats.measure import mean_response
from jomon.stats.support import outside_earlier
from jomon.stats.wilson import wilson_interval
from jomon.training.build import days_of

HERE = Path(__file__).parent
Array = np.ndarray[Any, Any]
REFERENCES = {"kept": "reference kept", "refitted": "all known windows", "recent": "latest windows"}
SAID = {
    "log_loss": "log loss",
    "roc_auc": "ROC AUC",
    "brier": "Brier score",
    "poisson_deviance": "Poisson deviance",
    "absolute_error": "absolute error",
}


@dataclass(frozen=True)
class Study:
    """A fleet's windows of `days` days: `reference` ones, and from `counted` on those that are quoted.

    `levels` are columns whose segments are estimated, those with a median of `rows` rows in a window; NannyML gets the
    fleet and the segments of `beside` (none: the fleet alone), `anew` of which, as the fleet, with references fitted
    anew in every `every`th window. `leaves`: a column that is made to leave the reference in half of the rows of
    one window after another, to see whether estimates are refused.
    """

    name: str
    folder: Path
    holdout: str
    days: int
    reference: int
    counted: int
    levels: tuple[tuple[str, ...], ...]
    rows: int
    beside: tuple[tuple[str, ...], ...] = ()
    beside_rows: int = 0
    anew: int = 8
    every: int = 1
    leaves: str = ""


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
    Study("groceries, days", HERE / "fleets" / "groceries", "12w", 1, 28, 56, (("category",),), 1, every=14),
)


@dataclass(frozen=True, eq=False)
class Scored:
    """Held-out rows in order of time, scored; of each window the first at whose end all its outcomes are known."""

    kind: Kind
    margin: Array
    target: Array
    window: Array
    known_from: Array
    columns: dict[str, Any]
    codes: dict[tuple[str, ...], Array] = field(default_factory=dict)

    @property
    def windows(self) -> int:
        """How many windows."""
        return len(self.known_from)


def built(study: Study, folder: Path) -> Any:
    """The project with its hold-out, ingested and built; made once for all studies of a folder."""
    if not folder.exists():
        shutil.copytree(study.folder, folder, ignore=shutil.ignore_patterns(".jomon", "__pycache__"))
        file = folder / "jomon.yaml"
        file.write_text(re.sub(r"holdout: [\w-]+", f"holdout: {study.holdout}", file.read_text()))
        project = open_project(folder)
        with step(f"{study.name}: ingest and build"):
            project.ingest()
            project.build()
    return open_project(folder)


def scored(study: Study, project: Any) -> Scored:
    """The rows of whole windows after the hold-out; weeks begin on Mondays."""
    runtime = project.load().runtime
    gold = read_gold(project.home.tables, runtime.spec)
    serve_day, learn_day = days_of(gold, runtime.context.local)
    first = runtime.end_day
    if study.days == 7:
        first += (-(first + 3)) % 7
    count = (int(serve_day.max()) + 1 - first) // study.days
    inside = (serve_day >= first) & (serve_day < first + count * study.days)
    gold, window, learn = gold.take(inside), (serve_day[inside] - first) // study.days, learn_day[inside]
    latest = np.zeros(count, np.int64)
    np.maximum.at(latest, window, learn)
    ends = first + study.days * np.arange(1, count + 1)
    margin = runtime.engine.score(runtime.encoder.encode(gold.table), gold.codes, gold.has).margin
    columns: dict[str, Any] = {name: gold.table.columns[name] for name in runtime.spec.data.features.columns}
    found = Scored(
        runtime.kind,
        margin,
        gold.target,
        window,
        np.searchsorted(ends, latest),
        columns | {"": serve_day[inside]},
    )
    for level in study.levels:
        found.codes[level] = codes_of([columns[name] for name in level])
    return found


def codes_of(columns: list[Coded]) -> Array:
    """One code per row for a combination of categories, from 0; -1 where one is missing."""
    code = np.zeros(len(columns[0].codes), np.int64)
    missing = np.zeros(len(code), bool)
    for column in columns:
        code = code * (len(column.values) + 1) + column.codes
        missing |= column.codes < 0
    out = np.full(len(code), -1, np.int64)
    out[~missing] = np.unique(code[~missing], return_inverse=True)[1]
    return out


def members_of(
    study: Study, data: Scored, levels: tuple[tuple[str, ...], ...], rows: int
) -> list[tuple[int, int]]:
    """The fleet (-1, 0) and the segments (level, code) with at least so many rows in a usual window."""
    out = [(-1, 0)]
    for at, level in enumerate(study.levels):
        if level not in levels:
            continue
        codes = data.codes[level]
        counts = np.zeros((data.windows, int(codes.max()) + 1))
        np.add.at(counts, (data.window[codes >= 0], codes[codes >= 0]), 1)
        out += [(at, int(code)) for code in np.flatnonzero(np.median(counts, axis=0) >= rows)]
    return out


def outside(data: Scored, reference: int) -> Array:
    """Rows with a recorded value that no earlier window had."""
    recorded = {name: values for name, values in data.columns.items() if name and name not in CALENDAR}
    numbers = {name: v for name, v in recorded.items() if not isinstance(v, Coded)} | {"margin": data.margin}
    categories = {name: v.codes for name, v in recorded.items() if isinstance(v, Coded)}
    return outside_earlier(data.window, numbers, categories, reference)


CALENDAR = (
    "hour",
    "minute_of_day",
    "weekday",
    "month",
    "year_phase_sin",
    "year_phase_cos",
    "days_to_occasion",
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


def realised(data: Scored, members: list[tuple[int, int]], study: Study, first: int) -> dict[str, Array]:
    """Realised performance from the rows themselves, float64[windows, members] by metric."""
    names = (
        ("log_loss", "roc_auc", "brier") if data.kind == "binary" else ("poisson_deviance", "absolute_error")
    )
    out = {name: np.full((data.windows, len(members)), np.nan) for name in names}
    known = ~np.isnan(data.target)
    for column, (level, code) in enumerate(members):
        mine = known if level < 0 else known & (data.codes[study.levels[level]] == code)
        for window in range(first, data.windows):
            rows = np.flatnonzero(mine & (data.window == window))
            if len(rows):
                y, m = data.target[rows], data.margin[rows]
                for name in names:
                    out[name][window, column] = HOW[name](y, m, mean_response(m, data.kind))
    return out


HOW = {
    "log_loss": lambda y, m, p: log_loss(y, m).mean(),
    "roc_auc": lambda y, m, p: roc_auc(y, m),
    "brier": lambda y, m, p: squared_error(y, p).mean(),
    "poisson_deviance": lambda y, m, p: poisson_deviance(y, m).mean(),
    "absolute_error": lambda y, m, p: absolute_error(y, p).mean(),
}


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
