"""Estimators of the user's own: kept by skops, loaded with trust alone, and whatever they do a build goes on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest

from jomon.core.errors import BuildError, StoreError
from jomon.engine.opaque import load
from jomon.oci import media
from jomon.project import Project, open_project

BASELINE = {"level": [], "estimator": "baseline", "params": {"by": ["weekday"]}}
OWN = {
    "level": ["region"],
    "estimator": "own:make",
    "min_rows": 50,
    "keep": "always",
    "features": ["x", "noise"],
}

TREES = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
RIDGE = """
from sklearn.linear_model import Ridge


def make(alpha=1.0):
    return Ridge(alpha=alpha)
"""
CLASSIFIER = """
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor


def make(rounds=5):
    return HistGradientBoostingClassifier(max_iter=rounds)


def value(rounds=5):
    return HistGradientBoostingRegressor(max_iter=rounds)


def rate(rounds=5):
    return HistGradientBoostingRegressor(max_iter=rounds, loss="poisson")
"""
# The value of `x` marks the region: a factory sees nothing else of where it is.
CURSED = """
import os
import signal

from sklearn.linear_model import Ridge

FIT = Ridge.fit


def fit(self, X, y, sample_weight=None):
    where = round(X[:, 0].mean() / 100)
    if where == 1:
        raise ValueError("this region is cursed")
    if where == 2:
        os._exit(3)
    if where == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return FIT(self, X, y, sample_weight=sample_weight)


def make():
    if FIT.__module__.startswith("sklearn"):
        Ridge.fit = fit
    return Ridge()
"""


@pytest.fixture(autouse=True)
def _skops(needs: Any) -> None:
    needs.package("skops")


def own(
    workshop: Any, code: str, stages: Any, kind: str = "binary", rows: Any = None, **more: Any
) -> Project:
    spec = workshop.spec(kind, stages, build={"blocks": 3, "workers": 1}, **more)
    project = workshop.make("shop", workshop.rows(kind) if rows is None else rows, spec)
    (project.folder / "own.py").write_text(code)
    project.ingest()
    return project


@pytest.mark.parametrize("kind", ["binary", "regression", "count"])
def test_a_factory_as_root_answers_as_scikit_learn_does_once_its_types_are_trusted(
    workshop: Any, kind: str
) -> None:
    name = {"binary": "make", "regression": "value", "count": "rate"}[kind]
    stage = {"level": [], "estimator": f"own:{name}", "params": {"rounds": 4}, "fast": False}
    project = own(workshop, CLASSIFIER, [stage], kind)
    report = project.build()
    assert report.members["accepted"] == 1
    with pytest.raises(StoreError, match=r"TreePredictor; .*jomon trust add"):
        project.load()
    project.home.trust.add([TREES], "a test", datetime(2024, 1, 1, tzinfo=UTC))
    fleet = project.load()
    rows = workshop.rows(kind).tail(200)
    (layer,) = fleet.manifest.layers_of(media.OPAQUE)
    model = load(project.home.images.read_blob(layer), [TREES])
    X = fleet.runtime.encoder.encode(fleet.prepare(rows)[0])
    theirs = model.predict_proba(X)[:, 1] if kind == "binary" else model.predict(X)
    np.testing.assert_allclose(fleet.predict(rows), theirs, rtol=1e-9)


def test_a_factory_as_correction_sees_only_its_features_also_when_it_answers(workshop: Any) -> None:
    project = own(workshop, RIDGE, [BASELINE, OWN])
    report = project.build()
    assert report.stages[1]["accepted"] == 8, report.failures
    fleet = project.load()
    rows = workshop.rows().tail(300)
    answers = fleet.answer(rows, explain=True)
    slow = answers.scores.slow[:, 1]
    assert np.abs(slow).max() > 0.1
    other = fleet.answer(rows.with_columns(noise=pl.lit(0.0)), explain=True).scores.slow[:, 1]
    assert not np.array_equal(slow, other)
    again = fleet.answer(rows.with_columns(channel=pl.lit("web")), explain=True).scores.slow[:, 1]
    np.testing.assert_array_equal(slow, again)


def test_opaque_members_answer_through_the_engine_what_the_build_saw(workshop: Any) -> None:
    project = own(workshop, RIDGE, [BASELINE, OWN])
    one = project.build().digest
    two = open_project(project.folder).build(use_cache=False).digest
    assert one == two


def test_a_class_of_the_project_folder_is_refused_because_an_image_carries_no_code(workshop: Any) -> None:
    code = RIDGE.replace("return Ridge(", "return Own(") + "\n\nclass Own(Ridge):\n    pass\n"
    report = own(workshop, code, [BASELINE, OWN]).build()
    assert report.members["failed"] == 8
    assert all(
        "made of Own, which the project folder defines, cannot be kept" in f["error"] for f in report.failures
    )


def test_members_that_raise_or_kill_their_process_are_reported_and_the_chain_answers_without_them(
    workshop: Any,
) -> None:
    at = {"r4": 100.0, "r5": 200.0, "r6": 300.0}
    shift = pl.col("region").replace_strict(at, default=0.0)
    rows = workshop.rows().with_columns(x=pl.col("x") + shift)
    project = own(workshop, CURSED, [BASELINE, OWN], rows=rows)
    report = project.build()
    failed = {f["segment"]: f["error"] for f in report.failures}
    assert failed.keys() == {"region=r4", "region=r5", "region=r6"}
    assert failed["region=r4"] == "ValueError: this region is cursed"
    assert failed["region=r5"] == failed["region=r6"] == "the process that fitted it died"
    assert report.members["failed"] == 3
    assert report.members["trained"] == 6
    fleet = project.load()
    routes = fleet.chains(rows.tail(200))
    for region, route in zip(rows.tail(200)["region"], routes, strict=True):
        assert (f"region={region}" in route) == (region not in at)
    second = open_project(project.folder).build()
    assert second.cached
    assert {f["segment"]: f["error"] for f in second.failures} == failed


def test_a_root_that_fails_is_one_sentence(workshop: Any) -> None:
    code = "def make():\n    raise RuntimeError('no luck today')\n"
    project = own(workshop, code, [{"level": [], "estimator": "own:make"}])
    with pytest.raises(BuildError, match=r"first stage has no member that answers .*no luck today") as raised:
        project.build()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def other():\n    pass\n", "has no callable 'make'"),
        ("def make(:\n", "own.py"),
        ("import nothing_of_the_kind\n", "nothing_of_the_kind"),
        ("def make(alpha):\n    return alpha\n", "refused its params"),
        ("def make():\n    return 7\n", "gave a value of type int"),
    ],
)
def test_a_factory_that_cannot_be_used_is_told_with_its_reason(workshop: Any, code: str, said: str) -> None:
    project = own(workshop, code, [{"level": [], "estimator": "own:make"}])
    with pytest.raises(BuildError) as raised:
        project.build()
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_factory_may_import_its_neighbours_and_their_code_is_part_of_its_lineage(
    workshop: Any, keys_of: Callable[..., dict[tuple[int, str], str | None]]
) -> None:
    code = "from parts.numbers import number\n" + RIDGE.replace("alpha=alpha)", "alpha=number())")
    project = own(workshop, code, [BASELINE, OWN])
    parts = project.folder / "parts"
    parts.mkdir()
    (parts / "__init__.py").write_text("")
    (parts / "numbers.py").write_text("from . import more\n\ndef number():\n    return more.NUMBER\n")
    (parts / "more.py").write_text("NUMBER = 3.0\n")
    report = project.build()
    assert report.members["failed"] == 0, report.failures
    before = keys_of(project)
    (parts / "unrelated.py").write_text("NUMBER = 4.0\n")
    assert open_project(project.folder).build().cached
    (parts / "more.py").write_text("NUMBER = 300.0\n")
    open_project(project.folder).build()
    after = keys_of(project)
    assert {where for where in before if before[where] != after[where]} == {w for w in before if w[0] == 1}
