"""Gradient-boosted trees by LightGBM, started from the margins of the chain so far."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from jomon.core.errors import BuildError
from jomon.core.table import Floats
from jomon.engine.lightgbm_text import parse
from jomon.engine.trees import TreeArrays, constant_trees
from jomon.stats.links import Link
from jomon.training.estimators.base import Design, Sample

ROOT = {"num_iterations": 200, "num_leaves": 31, "learning_rate": 0.05, "min_data_in_leaf": 100}
LOCAL = {"num_iterations": 40, "num_leaves": 8, "learning_rate": 0.1, "min_data_in_leaf": 20}
_ALIASES = {
    "num_iterations": (
        "num_iteration", "n_iter", "num_tree", "num_trees", "num_round", "num_rounds", "nrounds",
        "num_boost_round", "n_estimators", "max_iter",
    ),
    "num_leaves": ("num_leaf", "max_leaves", "max_leaf", "max_leaf_nodes"),
    "learning_rate": ("shrinkage_rate", "eta"),
    "min_data_in_leaf": ("min_data_per_leaf", "min_data", "min_child_samples", "min_samples_leaf"),
}  # fmt: skip
_MAIN = {alias: name for name, aliases in _ALIASES.items() for alias in aliases}
_FIXED = {
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
    "linear_tree": False,
    "boosting": "gbdt",
}
_OURS = ("objective", "metric", "init_score", *_FIXED)


@contextmanager
def _without_slow_imports() -> Iterator[None]:
    """Let `import lightgbm` pass over scikit-learn, pandas and its plots, which cost seconds and are not used here."""
    hidden = [n for n in ("sklearn", "pandas", "matplotlib", "graphviz", "dask") if n not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def load_lightgbm() -> Any:
    """The lightgbm module."""
    with _without_slow_imports():
        import lightgbm

    return lightgbm


@dataclass(frozen=True)
class _Fitted:
    booster: Any

    def margin(self, X: Floats) -> Floats:
        raw: Floats = self.booster.predict(X, raw_score=True, num_threads=1)
        return np.asarray(raw, np.float64)

    @cached_property
    def packed(self) -> TreeArrays:
        return parse(self.booster.model_to_string())

    @property
    def opaque(self) -> None:
        return None


@dataclass(frozen=True)
class _Constant:
    """What stands for trees where LightGBM refuses a sample that has nothing to split."""

    value: float
    width: int

    def margin(self, X: Floats) -> Floats:
        return np.full(len(X), self.value)

    @cached_property
    def packed(self) -> TreeArrays:
        return constant_trees(self.value, self.width)

    @property
    def opaque(self) -> None:
        return None


class LightGBM:
    """`estimator: lightgbm`; parameters are LightGBM's own, under its main names or aliases."""

    def resolve(self, params: Mapping[str, Any], root: bool) -> dict[str, Any]:
        """See `Estimator.resolve`."""
        taken = [name for name in params if name in _OURS]
        if taken:
            raise BuildError(f"params.{taken[0]} is set by jomon and cannot be given; remove it.")
        return {**(ROOT if root else LOCAL), **{_MAIN.get(name, name): v for name, v in params.items()}}

    def libraries(self) -> tuple[str, ...]:
        """See `Estimator.libraries`."""
        return ("lightgbm", "numpy")

    def fit(
        self, sample: Sample, design: Design, link: Link, params: Mapping[str, Any], seed: int
    ) -> _Fitted | _Constant:
        """See `Estimator.fit`."""
        if link.kind == "count" and not sample.y.any():
            # Without a single event no row differs from another; what is left of the level is the fast part's.
            return _Constant(link.base(sample.y) if sample.offset is None else 0.0, sample.X.shape[1])
        lgb = load_lightgbm()
        settings = self._settings(params, link, seed)
        rounds = settings.pop("num_iterations")
        data = lgb.Dataset(
            sample.X,
            sample.y,
            init_score=sample.offset,
            categorical_feature=list(design.categorical),
            feature_name=[f"f{i}" for i in range(len(design.names))],
            params=settings,
            free_raw_data=True,
        )
        try:
            return _Fitted(lgb.train(settings, data, num_boost_round=rounds))
        except lgb.basic.LightGBMError as error:
            raise BuildError(f"LightGBM refused the sample: {error}.") from error

    def _settings(self, params: Mapping[str, Any], link: Link, seed: int) -> dict[str, Any]:
        return {**params, **_FIXED, "objective": link.objective, "metric": "none", "seed": seed}
