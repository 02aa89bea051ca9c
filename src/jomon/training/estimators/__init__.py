"""Estimators: what a stage declares for the slow part of its members.

Each takes a `Sample` with the margins it starts from and gives a `Slow`: a function of the feature columns that is
added to those margins. `estimator(name)` finds one; a name with a colon is a scikit-learn-compatible factory.
"""

from __future__ import annotations

from jomon.core.errors import BuildError
from jomon.training.estimators.base import Design, Estimator, Sample, Slow

__all__ = ["Design", "Estimator", "Sample", "Slow", "estimator", "packable"]


def estimator(name: str, project_dir: str | None = None) -> Estimator:
    """The estimator called `name`; its library is imported here and nowhere else."""
    if name == "lightgbm":
        from jomon.training.estimators.lightgbm import LightGBM

        return LightGBM()
    if name == "linear":
        from jomon.training.estimators.linear import Linear

        return Linear()
    if name == "baseline":
        from jomon.training.estimators.baseline import Baseline

        return Baseline()
    if ":" in name:
        from jomon.training.estimators.factory import Factory

        return Factory(name, project_dir)
    raise BuildError(
        f"{name!r} is not an estimator; write lightgbm, linear, baseline, none or module:factory."
    )


def packable(name: str) -> bool:
    """Whether members of this estimator are arrays in a pack (as opposed to opaque objects)."""
    return ":" not in name
