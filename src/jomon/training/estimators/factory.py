"""Any scikit-learn-compatible estimator, given as `module:factory`.

A root is fitted as it is: a classifier for a binary target (its margin is the logit of its probability), a regressor
otherwise (for a count its answer is an expected count). A correction is a regressor fitted to the working response of
one Newton step from the margins so far, weighted by the curvature: one round of LogitBoost (Friedman, Hastie and
Tibshirani 2000, "Additive logistic regression: a statistical view of boosting", Annals of Statistics 28).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from jomon.core.errors import BuildError
from jomon.core.table import Floats
from jomon.engine.opaque import SklearnMember, dump, untrusted_types
from jomon.stats.links import Link
from jomon.training.estimators.base import Design, Sample
from jomon.training.user_code import PREFIX, file_of, load_module

Output = Literal["value", "decision", "probability", "rate"]
_RESPONSE_LIMIT = 4.0  # of the working response on the logit or log scale, as LogitBoost advises


@dataclass(frozen=True)
class _Fitted:
    member: SklearnMember

    def margin(self, X: Floats) -> Floats:
        return self.member.margin(X)

    @property
    def packed(self) -> None:
        return None

    @property
    def opaque(self) -> bytes:
        data = dump(self.member.estimator)
        own = [name.rpartition(".")[2] for name in untrusted_types(data) if name.startswith(PREFIX)]
        if own:
            raise BuildError(
                f"An estimator made of {', '.join(own)}, which the project folder defines, cannot be kept, "
                "for an image "
                "carries no code; make it of classes and functions of installed packages."
            )
        return data


def output_of(kind: str, root: bool) -> Output:
    """Which method of a fitted object gives the margin."""
    if not root:
        return "value"
    return {"binary": "probability", "regression": "value", "count": "rate"}[kind]  # type: ignore[return-value]


class Factory:
    """`estimator: module:factory`; the factory is called with `params` and gives an unfitted estimator."""

    def __init__(self, name: str, project_dir: str | None) -> None:
        self.name, self.project_dir = name, project_dir

    def resolve(self, params: Mapping[str, Any], root: bool) -> dict[str, Any]:
        """See `Estimator.resolve`."""
        return dict(params)

    def libraries(self) -> tuple[str, ...]:
        """See `Estimator.libraries`."""
        return ("scikit-learn", "numpy", "skops")

    def fit(
        self, sample: Sample, design: Design, link: Link, params: Mapping[str, Any], seed: int
    ) -> _Fitted:
        """See `Estimator.fit`."""
        model = self._make(params)
        if getattr(model, "random_state", 0) is None:
            model.set_params(random_state=seed)
        if sample.offset is None:
            y = sample.y.astype(np.int64) if link.kind == "binary" else sample.y
            model.fit(sample.X, y)
            return _Fitted(SklearnMember(model, output_of(link.kind, root=True)))
        slope, curvature = link.derivatives(sample.offset, sample.y)
        response = -slope / curvature
        if link.kind != "regression":
            response = np.clip(response, -_RESPONSE_LIMIT, _RESPONSE_LIMIT)
        weights = {} if link.kind == "regression" else {"sample_weight": curvature}
        model.fit(sample.X, response, **weights)
        return _Fitted(SklearnMember(model, output_of(link.kind, root=False)))

    def _make(self, params: Mapping[str, Any]) -> Any:
        factory = load_factory(self.name, self.project_dir)
        try:
            model = factory(**params)
        except TypeError as error:
            raise BuildError(f"The factory {self.name!r} refused its params: {error}.") from error
        if not hasattr(model, "fit"):
            raise BuildError(
                f"The factory {self.name!r} gave a value of type {type(model).__name__}; return an unfitted estimator."
            )
        return model


def load_factory(name: str, project_dir: str | None) -> Callable[..., Any]:
    """The factory behind `module:factory`: a file of the project folder, or an installed module."""
    module_name, _, attribute = name.partition(":")
    path = file_of(project_dir, module_name) if project_dir else None
    if path is not None and project_dir is not None:
        module = load_module(path, project_dir)
    else:
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            raise BuildError(
                f"The estimator {name!r} cannot be imported: {error}; put {module_name}.py into the project folder "
                "or install it."
            ) from error
    factory = getattr(module, attribute, None)
    if not callable(factory):
        raise BuildError(f"The estimator {name!r}: {module_name} has no callable {attribute!r}.")
    return factory  # type: ignore[no-any-return]
