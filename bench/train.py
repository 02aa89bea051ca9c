"""S1 and S2: what a build costs beyond fitting, beside a bare script and beside MLflow.

    python -m bench.train          a short run: one round, fewer members with fewer trees
    python -m bench.train --full   the run whose figures count: five rounds

S1: `jomon build` of an ungated fleet of about 300 members on the flights, ingested before, from an empty image store
and an empty cache, as a whole process; beside it a script that reads the same arrays and fits the same models (also
those on earlier blocks, which give the margins on unseen rows), with as many processes, largest fits first. That the
models are the same is checked by the sum of their answers.
S2: the same build beside fitting the served models and logging and registering each with MLflow. What is compared is
all that is not fitting. From our wall time the fitting of the bare script is taken off, so that everything a build
does beside LightGBM counts as ours; from MLflow's, its own fitting.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bench import peer
from bench.common import (
    JOMON,
    document,
    forget,
    full_run,
    last_json,
    ratio,
    run,
    single,
    spread,
    step,
    timed,
    versions,
    write,
)

HERE = Path(__file__).parent
ALLOWED = 2.0  # seconds that the mark of S1 grants beside its factor
LEAST = 0.05  # seconds below which a difference of wall times is noise
ROUNDS = 5
MIN_ROWS = 70  # in the project file: gives about 300 members


def prepare(folder: Path, full: bool) -> Path:
    """A project of the fleet with its tables."""
    project = folder / "project"
    shutil.copytree(HERE / "fleets" / "train", project)
    shutil.copy(HERE.parent / "examples" / "flights" / "data.py", project)
    if not full:
        file = project / "jomon.yaml"
        text = file.read_text().replace(f"min_rows: {MIN_ROWS}", f"min_rows: {MIN_ROWS * 20}")
        for trees in ("100", "50"):
            text = text.replace(f"num_iterations: {trees}}}", f"num_iterations: {int(trees) // 10}}}")
        file.write_text(text)
    run([JOMON, "ingest"], project)
    run([JOMON, "build", "--help"], project)  # every module is compiled before anything is timed
    return project


def build(project: Path) -> tuple[float, dict[str, Any]]:
    """Wall seconds of a first build, and its report."""
    forget(project)
    seconds, out = timed([JOMON, "build", "--json"], project)
    return seconds, json.loads(out)


def rounds(project: Path, plan: Path, count: int) -> dict[str, Any]:
    """Ours, the bare script and MLflow in turns, each first in some rounds."""
    mlflow = peer.python_of("mlflow")
    taken: dict[str, Any] = {"jomon": [], "bare": [], "usual": []}
    acts = {
        "jomon": lambda: build(project),
        "bare": lambda: _said([sys.executable, HERE / "bare.py", plan]),
        "usual": lambda: _said([mlflow, HERE / "usual.py", plan]),
    }
    names = list(acts)
    for number in range(count):
        for name in names[number % 3 :] + names[: number % 3]:
            with step(f"round {number + 1} of {count}: {name}"):
                taken[name].append(acts[name]())
    return taken


def _said(command: list[Any]) -> tuple[float, dict[str, Any]]:
    seconds, out = timed(command)
    return seconds, last_json(out)


def measure(full: bool) -> list[dict[str, Any]]:
    """The documents of S1 and S2."""
    with tempfile.TemporaryDirectory(prefix="jomon-bench-") as name:
        folder = Path(name)
        with step("ingest"):
            project = prepare(folder, full)
        plan = folder / "plan"
        plan.mkdir()
        with step("the plan of the build"):
            run([sys.executable, "-m", "bench.plans", project, plan], HERE.parent)
        wanted = json.loads((plan / "plan.json").read_text())["answers"]
        taken = rounds(project, plan, ROUNDS if full else 1)
    answers = taken["bare"][0][1]["answers"]
    if not math.isclose(answers, wanted, rel_tol=1e-9):
        raise SystemExit(
            f"the bare script's models are not the build's: their answers sum to {answers}, not {wanted}"
        )
    return [bare_document(taken), usual_document(taken)]


def _walls(taken: dict[str, Any], name: str) -> np.ndarray:
    return np.array([seconds for seconds, _ in taken[name]])


def bare_document(taken: dict[str, Any]) -> dict[str, Any]:
    """S1."""
    ours, bare = _walls(taken, "jomon"), _walls(taken, "bare")
    report, said = taken["jomon"][0][1], taken["bare"][0][1]
    members = report["members"]["serving"]
    results = [
        spread("jomon build, whole process", ours, "s"),
        spread("bare script, whole process", bare, "s"),
        spread("jomon build beyond the bare script", ours - bare, "s"),
        *(
            spread(f"jomon build: {part}", _parts(taken, part), "s")
            for part in ("read", "fit", "tune", "publish")
        ),
        single("members", members, "members"),
        single("fits, those on earlier blocks included", said["fits"], "fits"),
    ]
    ratios = [
        ratio("bare script, after taking off 2 s", ours - ALLOWED, bare),
        ratio("bare script, plain", ours, bare),
    ]
    work = f"an ungated fleet of {members} members on the flights, from tables to a published image, start-up included"
    return document("S1", work, versions("lightgbm", "numpy", "polars"), results, ratios)


def _parts(taken: dict[str, Any], part: str) -> list[float]:
    return [report["seconds"].get(part, 0.0) for _, report in taken["jomon"]]


def usual_document(taken: dict[str, Any]) -> dict[str, Any]:
    """S2."""
    ours, usual = _walls(taken, "jomon"), _walls(taken, "usual")
    fitting = np.array([said["seconds"] for _, said in taken["bare"]])
    theirs = usual - np.array([said["seconds"] for _, said in taken["usual"]])
    strict = np.maximum(ours - fitting, LEAST)
    lenient = np.maximum(ours - np.array(_parts(taken, "fit")), LEAST)
    models = taken["usual"][0][1]["models"]
    results = [
        spread("jomon, all but the fitting of the bare script", strict, "s"),
        spread("jomon, all but its own fit phases", lenient, "s"),
        spread("MLflow, all but fitting", theirs, "s"),
        spread(
            "MLflow, logging and registering one model",
            [s["logging"] / s["models"] for _, s in taken["usual"]],
            "s",
        ),
        spread("jomon build, whole process", ours, "s"),
        spread("fit and MLflow, whole process", usual, "s"),
        single("models logged and registered", models, "models"),
    ]
    ratios = [
        ratio("MLflow log and register, all but fitting", theirs, strict),
        ratio("MLflow, ours without our own fit phases", theirs, lenient),
    ]
    found = versions("lightgbm") | peer.versions_of(peer.python_of("mlflow"), "mlflow", "lightgbm")
    work = f"the build of S1, beside fitting {models} models, then logging and registering each with MLflow"
    return document("S2", work, found, results, ratios)


def main() -> None:
    full = full_run(__doc__)
    for found in measure(full):
        write(found, full)


if __name__ == "__main__":
    main()
