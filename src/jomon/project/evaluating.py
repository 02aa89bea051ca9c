"""Evaluate: the fleet as operated beside its peers on held-out time; the result is attached to the image."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jomon.core.errors import DataError
from jomon.core.table import Floats
from jomon.engine.fasttable import FastState
from jomon.engine.runtime import Runtime
from jomon.evaluation.compare import Comparison, StageOnTest, compare
from jomon.oci import media
from jomon.oci.digest import Digest, canonical_json
from jomon.oci.ports import NewBlob
from jomon.project.fleet import Fleet
from jomon.project.opened import day_text, require_gold
from jomon.project.operating import traffic_of
from jomon.stats.links import Link
from jomon.training.build import days_of
from jomon.training.estimators import Design
from jomon.training.executors import local_processes
from jomon.training.operate import Traffic, operate
from jomon.training.peers import PeerLab, PeerStudy
from jomon.training.rows import StageRows

if TYPE_CHECKING:
    from jomon.core.rows import GoldRows
    from jomon.project.opened import OpenProject
    from jomon.training.peers import Peer

_ROOMS = ("core", "stats", "engine", "training", "evaluation", "project")  # whose code decides what it finds

Told = Callable[[str, int], None]
"""Told of a step by name, and of how much was done of it."""


def evaluate(
    project: OpenProject, reference: str, *, again: bool = False, told: Told = lambda step, done: None
) -> dict[str, Any]:
    """The result of `jomon evaluate REF`; one that is attached already for the same data and settings is given
    as it is."""
    started = time.perf_counter()
    gold_digest = require_gold(project)
    fleet = Fleet.load(project.home, reference)
    key = _key(project, gold_digest)
    if not again:
        attached = attached_evaluation(project, fleet.digest, key)
        if attached is not None:
            return {**attached, "name": reference, "cached": True}
    from jomon.data.gold import read_gold

    gold = read_gold(project.home.tables, fleet.runtime.spec)
    gold = gold.take(gold.known)
    told("operate", 0)
    seconds = stage_seconds(project, fleet)
    test, traffic, stages, margins = _fleet_on_test(fleet, gold, seconds)
    told("operate", 1)
    peers = _peers(project, fleet, gold, told)
    compute = {name: {"seconds": round(p.seconds, 3), "fits": p.fits} for name, p in peers.items()}
    fits = sum(bool(m.get("key")) for stage in fleet.runtime.members["stages"] for m in stage["members"])
    compute["fleet"] = {"seconds": round(sum(seconds), 3), "fits": fits}
    settings = project.spec.evaluation
    held_out = np.flatnonzero(test)
    result = compare(
        Comparison(
            kind=fleet.runtime.spec.data.target.kind,
            y=traffic.y,
            day=traffic.serve_day,
            margins={"fleet": margins, **{n: p.margins[held_out] for n, p in peers.items()}},
            compute=compute,
            chosen={n: p.chosen for n, p in peers.items()},
            stages=stages,
            step_days=_days(settings.step),
            reps=settings.bootstrap,
            seed=settings.seed,
        )
    )
    told("compare", 1)
    result |= {
        "image": str(fleet.digest),
        "name": reference,
        "fleet_name": fleet.name,
        "question": fleet.question,
        "trained_until": day_text(fleet.runtime.end_day),
        "key": key,
    }
    attach(project, fleet.digest, result)
    return {**result, "seconds": round(time.perf_counter() - started, 2), "cached": False}


def attached_evaluation(project: OpenProject, digest: Digest, key: str) -> dict[str, Any] | None:
    """The evaluation with this key that is attached to an image, if there is one."""
    store = project.home.images
    for referrer in store.referrers(digest, media.EVALUATION):
        manifest = store.manifest(referrer.digest)
        layers = manifest.layers_of(media.EVALUATION)
        if layers and manifest.annotations.get("vnd.jomon.key") == key:
            found: dict[str, Any] = json.loads(store.read_blob(layers[0]))
            return found
    return None


def attach(project: OpenProject, digest: Digest, result: dict[str, Any]) -> None:
    """Attach a result, and its report where matplotlib is there."""
    blobs = [NewBlob(canonical_json(result), media.EVALUATION, {media.TITLE: "evaluation.json"})]
    project.home.images.attach(
        digest, media.EVALUATION, blobs, datetime.now(UTC), {"vnd.jomon.key": str(result["key"])}
    )


def write_html(result: dict[str, Any], path: Path) -> Path:
    """The report of a result as one HTML file."""
    from jomon.evaluation.report import write_report

    return write_report(result, path)


def _key(project: OpenProject, gold: Digest) -> str:
    from jomon.training.lineage import package_digest

    spec = project.spec.canonical()
    return str(
        Digest.of_json(
            {"gold": str(gold), "evaluation": spec["evaluation"], "package": package_digest(*_ROOMS)}
        )
    )


def _days(span: timedelta) -> int:
    return max(round(span / timedelta(days=1)), 1)


def _fleet_on_test(
    fleet: Fleet, gold: GoldRows, seconds: list[float]
) -> tuple[NDArray[np.bool_], Traffic, list[StageOnTest], Floats]:
    """Which rows are held out, those rows as traffic, each stage on them, and the fleet's margins as operated."""
    runtime = fleet.runtime
    serve_day, learn_day = days_of(gold, runtime.context.local)
    test = serve_day >= runtime.end_day
    if not test.any():
        raise DataError(
            f"There are no rows with outcomes from {day_text(runtime.end_day)} on, where this image's training ends; "
            "lengthen evaluation.holdout and build, or ingest newer data."
        )
    late = test | (learn_day > runtime.end_day)
    traffic = traffic_of(runtime, gold.take(late))
    link = Link(runtime.spec.data.target.kind)
    last = int(traffic.serve_day.max())
    states = fleet.fast
    until = max((int(s.meta["day"]) for s in states if s is not None), default=runtime.end_day)
    if until > runtime.end_day:
        raise DataError(
            f"This image was refreshed until {day_text(until)}, so its "
            "fast parts have seen held-out outcomes; evaluate the image that the build gave."
        )
    held = traffic.serve_day >= runtime.end_day
    served, ended = operate(link, runtime.spec.relation, traffic, states, last)
    stages = []
    members = runtime.members["stages"]
    for number in range(len(runtime.spec.stages)):
        document = members[number]
        without = None
        serving = any(m["serving"] for m in document["members"])
        first = number == 0  # nothing would answer without it: its fast part alone is left out
        if serving and not first:
            without = operate(link, runtime.spec.relation, traffic, states, last, without=number)[0].answer[
                held
            ]
        elif serving and states[number] is not None:
            frozen = tuple(None if i == number else s for i, s in enumerate(states))
            without = operate(link, runtime.spec.relation, traffic, frozen, last)[0].answer[held]
        on_test = _stage_on_test(
            runtime, number, document, without, traffic, held, ended[number], seconds[number]
        )
        stages.append(replace(on_test, fast_alone=first))
    return test, traffic.take(held), stages, served.answer[held]


def _stage_on_test(
    runtime: Runtime,
    number: int,
    document: Mapping[str, Any],
    without: Floats | None,
    traffic: Traffic,
    held: NDArray[np.bool_],
    state: FastState | None,
    seconds: float,
) -> StageOnTest:
    stage = runtime.spec.stages[number]
    codes, has = traffic.codes[held, number], traffic.has[held, number]
    known = (
        runtime.slow_codes[number] if state is None else np.union1d(runtime.slow_codes[number], state.codes)
    )
    segment = np.full(len(codes), -1, np.int32)
    texts: tuple[str, ...] = ()
    if len(known):
        place = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        segment = np.where(has & (known[place] == codes), place, -1).astype(np.int32)
        texts = tuple(traffic.texts[number].get(int(code), "") for code in known)
    verdicts = [m["verdict"] for m in document["members"]]
    return StageOnTest(
        level=tuple(stage.level),
        estimator=stage.estimator,
        without=without,
        segment=segment,
        segments=texts,
        candidates=len(verdicts),
        accepted=verdicts.count("accepted"),
        rejected=verdicts.count("rejected"),
        unknown=verdicts.count("unknown"),
        failed=verdicts.count("failed"),
        seconds=seconds,
        reason=document["evidence"]["reason"],
    )


def stage_seconds(project: OpenProject, fleet: Fleet) -> list[float]:
    """Seconds that fitting the slow parts of each stage took, kept or not, as the build cache noted them."""
    out = []
    for stage in fleet.runtime.members["stages"]:
        keys = [Digest.parse(m["key"]) for m in stage["members"] if m.get("key")]
        found = project.home.cache.get_many(keys).found
        out.append(sum(float(item.note.get("seconds", 0.0)) for item in found.values()))
    return out


def _peers(project: OpenProject, fleet: Fleet, gold: GoldRows, told: Told) -> dict[str, Peer]:
    runtime = fleet.runtime
    spec, settings = runtime.spec, project.spec.evaluation
    serve_day, learn_day = days_of(gold, runtime.context.local)
    slow_levels = [s.level for s in spec.stages if s.level and s.estimator != "none"]
    levels = list(dict.fromkeys(slow_levels or [s.level for s in spec.stages if s.level]))
    rows = {}
    for level, segmented in zip(levels, runtime.context.segments_at(gold.table, levels), strict=True):
        rows[tuple(level)] = StageRows.of(segmented.codes, segmented.segments)
    encoder = runtime.encoder
    X, design = with_segment_columns(encoder.encode(gold.table), encoder, rows, runtime, gold)
    edges = runtime.document["edges"]
    study = PeerStudy(
        X=X,
        y=gold.target.copy(),
        serve_day=serve_day,
        learn_day=learn_day,
        levels=rows,
        design=design,
        link=Link(spec.data.target.kind),
        tune_day=int(edges[-2]),
        end_day=runtime.end_day,
        last_day=int(serve_day.max()) + 1,
        step_days=_days(settings.step),
        trials=settings.trials,
        seed=settings.seed,
        root=root_of_peers(spec.stages[0]),
        project_dir=str(project.folder),
    )
    make = local_processes(project.spec.build.workers)
    return PeerLab(study, project.home.cache, make, lambda done: told("peers", done)).run()


def root_of_peers(stage: Any) -> Any:
    """What a global model starts its tuning from: the declared root, or LightGBM as it comes where that is
    another kind."""
    if not stage.level and stage.estimator == "lightgbm":
        return stage
    return stage.model_copy(update={"level": (), "estimator": "lightgbm", "params": {}, "min_rows": 0})


def with_segment_columns(X: Any, encoder: Any, rows: Any, runtime: Any, gold: GoldRows) -> tuple[Any, Design]:
    """The features and every axis that a level names and the features lack, so that peers know what members know."""
    axes = list(
        dict.fromkeys(a for stage in runtime.spec.stages for a in stage.level if a not in encoder.names)
    )
    design = Design(encoder.names, encoder.categorical, encoder.sizes)
    if not axes:
        return X, design
    columns = runtime.context.axes_of(gold.table, axes)
    more = np.column_stack(
        [np.where(c.codes < 0, np.nan, c.codes).astype(np.float64) for c in columns.values()]
    )
    width = X.shape[1]
    return np.ascontiguousarray(np.hstack([X, more])), replace(
        design,
        names=(*design.names, *(f"axis_{a}" for a in axes)),
        categorical=(*design.categorical, *range(width, width + len(axes))),
        sizes=(*design.sizes, *(len(c.values) for c in columns.values())),
    )
