"""Fleets as scikit-learn estimators: `FleetClassifier` and `FleetRegressor`.

scikit-learn comes with the extra `sklearn`; without it this import raises a `JomonError` that says so.
"""

from __future__ import annotations

from jomon.core.errors import JomonError

try:
    import sklearn as _sklearn
except ImportError as error:
    raise JomonError(
        f"FleetClassifier and FleetRegressor need scikit-learn and {error.name} is missing; "
        "pip install 'jomon[sklearn]'."
    ) from None

from jomon.sklearn.declare import ParameterError
from jomon.sklearn.estimators import FleetClassifier, FleetRegressor
from jomon.sklearn.fitted import FittedFleet

__all__ = ["FittedFleet", "FleetClassifier", "FleetRegressor", "ParameterError"]

del _sklearn
