"""`FleetClassifier` and `FleetRegressor`: a whole fleet behind `fit` and `predict`."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import joblib  # type: ignore[import-untyped]
import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from jomon.core.routing import Route
from jomon.core.table import Floats
from jomon.sklearn.declare import Declaration, ParameterError
from jomon.sklearn.fitted import FittedFleet
from jomon.sklearn.fitting import fit_fleet
from jomon.sklearn.rows import holds_numbers, read, read_rows, with_late_time, with_time

if TYPE_CHECKING:
    from typing import Self

    from jomon.oci.digest import Digest
    from jomon.oci.ports import ImageStorePort
    from jomon.project.home import Home
    from jomon.project.project import Project

Stages = Sequence[Mapping[str, Any]] | None


class FleetEstimator(BaseEstimator, metaclass=ABCMeta):  # type: ignore[misc]
    """What both estimators share; see `FleetClassifier` for the parameters."""

    fleet_: FittedFleet
    fallback_: str | None
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    stages: Stages
    time: str | None
    timezone: str
    known_after: str | timedelta
    categorical: Sequence[str]
    numeric: Sequence[str] | None
    calendar: Sequence[str]
    axes: Mapping[str, Any] | None
    relation: str
    keep: str
    random_state: Any
    n_jobs: int | None

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the fleet to all rows of X (n rows) and y (n outcomes); gives the estimator itself.

        X: an array of numbers, NaN for missing, with columns x0, x1, ...; or a pandas or Polars data frame.
        Raises `ParameterError` (a `ValueError`) where parameters and data do not go together, `ValueError` as
        scikit-learn does, and `BuildError` where nothing can be fitted.
        """
        frame, y = read(self, X, y)
        outcomes, kind, question = self._outcomes(y)
        spec = self._declaration(kind, question).spec(holds_numbers(frame), frame.height)
        workers = int(joblib.effective_n_jobs(1 if self.n_jobs is None else self.n_jobs))
        self.fleet_, self.fallback_ = fit_fleet(spec, with_time(frame, spec.data.time), outcomes, workers)
        return self

    def route(self, X: Any) -> tuple[Route, ...]:
        """For each row of X one step per stage: its segment, whether that member answers, and why not."""
        rows = self._rows(X)
        return self.fleet_.route(rows)

    def save(self, store: ImageStorePort | Home | Project | Path | str, name: str) -> Digest:
        """Publish the fitted fleet as the image `name` (`flights:v1`) in a project, its folder or a store.

        There it is listed, inspected, diffed and answers like any other image. Gives its digest.
        """
        check_is_fitted(self)
        return self.fleet_.save(store, name)

    def _rows(self, X: Any) -> pl.DataFrame:
        check_is_fitted(self)
        return with_late_time(read_rows(self, X), self.fleet_.spec.data.time)

    @abstractmethod
    def _outcomes(self, y: Any) -> tuple[Floats, str, str]:
        """y as float64[n], the kind of the target, and the question the fleet answers."""

    def _declaration(self, kind: str, question: str) -> Declaration:
        state = self.random_state
        seed = state if isinstance(state, int | np.integer) else check_random_state(state).randint(2**31 - 1)
        return Declaration(
            stages=self.stages,
            time=self.time,
            timezone=self.timezone,
            known_after=self.known_after,
            categorical=self.categorical,
            numeric=self.numeric,
            calendar=self.calendar,
            axes=self.axes,
            relation=self.relation,
            keep=self.keep,
            kind=kind,
            seed=int(seed),
            question=question,
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "fleet_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class FleetClassifier(ClassifierMixin, FleetEstimator):  # type: ignore[misc]
    """A fleet for an outcome of two classes.

    Parameters
    ----------
    stages : list of mappings as in a project file, or None
        The levels and the estimators of their members, the root (`{"level": []}`) first. None: a root of LightGBM
        without a fast part. A root of LightGBM that does not say `min_data_in_leaf` gets a twentieth of the rows,
        from 2 to 100.
    time : name of the column with each row's time, or None
        Without it the rows are taken to come in order of time: they are spread over at most 100 days, equally many
        a day, and nothing that needs a calendar may be asked for. Rows sorted by outcome have to be shuffled before.
    timezone : the zone of times without one, and of days, hours and seasons
    known_after : how long after its time an outcome is known ("12h"); it is not learned from before
    categorical : names of the columns that are categories
    numeric : names of the columns that are numbers; None: every column of numbers without another part
    calendar : calendar features: hour, weekday, month, year_phase, ...
    axes : season, occasion, hour_band and weekday as in a project file
    relation : "correct" (each stage adds to those before) or "replace" (the finest member answers alone)
    keep : the rule for stages that do not give their own: "not_worse", "better" or "always"
    random_state : seed of fitting and judging; None draws one from numpy
    n_jobs : processes; 1 or None: this one alone; -1: one a core

    Stages are judged on blocks of later time. Where the rows (fewer than 20 a block, six blocks or more) or days are
    too few for that, the root alone is fitted, once, without a fast part, and `fallback_` says why.

    Attributes
    ----------
    classes_ : the two classes, sorted; the second one is the event
    fleet_ : the fitted image (`FittedFleet`): members, stages, member(segment), digest
    fallback_ : None, or why the root alone was fitted
    n_features_in_, feature_names_in_ : as in scikit-learn
    """

    classes_: NDArray[Any]

    def __init__(
        self,
        stages: Stages = None,
        *,
        time: str | None = None,
        timezone: str = "UTC",
        known_after: str | timedelta = "0h",
        categorical: Sequence[str] = (),
        numeric: Sequence[str] | None = None,
        calendar: Sequence[str] = (),
        axes: Mapping[str, Any] | None = None,
        relation: str = "correct",
        keep: str = "not_worse",
        random_state: Any = 0,
        n_jobs: int | None = 1,
    ) -> None:
        self.stages = stages
        self.time = time
        self.timezone = timezone
        self.known_after = known_after
        self.categorical = categorical
        self.numeric = numeric
        self.calendar = calendar
        self.axes = axes
        self.relation = relation
        self.keep = keep
        self.random_state = random_state
        self.n_jobs = n_jobs

    def decision_function(self, X: Any) -> Floats:
        """The margin of each row, the logit of its probability: float64[n]."""
        rows = self._rows(X)
        return self.fleet_.margin(rows)

    def predict_proba(self, X: Any) -> Floats:
        """Probability of each class, in the order of `classes_`: float64[n, 2]."""
        rows = self._rows(X)
        p = self.fleet_.answer(rows).answer
        return np.column_stack([1.0 - p, p])

    def predict(self, X: Any) -> NDArray[Any]:
        """The more probable class of each row."""
        event = self.decision_function(X) > 0.0
        return np.asarray(self.classes_[event.astype(np.intp)])

    def _outcomes(self, y: Any) -> tuple[Floats, str, str]:
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        if kind != "binary":
            raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError(
                f"y holds one class alone ({self.classes_[0]!r}); a classifier needs samples of two classes."
            )
        return (
            (y == self.classes_[1]).astype(np.float64),
            "binary",
            f"Is the class of this row {self.classes_[1]}?",
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


class FleetRegressor(RegressorMixin, FleetEstimator):  # type: ignore[misc]
    """A fleet for a number: see `FleetClassifier` for the parameters that both have.

    `kind` is "regression" (squared error) or "count" (Poisson deviance; y is 0 or more, and predictions are expected
    counts).
    """

    def __init__(
        self,
        stages: Stages = None,
        *,
        kind: Literal["regression", "count"] = "regression",
        time: str | None = None,
        timezone: str = "UTC",
        known_after: str | timedelta = "0h",
        categorical: Sequence[str] = (),
        numeric: Sequence[str] | None = None,
        calendar: Sequence[str] = (),
        axes: Mapping[str, Any] | None = None,
        relation: str = "correct",
        keep: str = "not_worse",
        random_state: Any = 0,
        n_jobs: int | None = 1,
    ) -> None:
        self.stages = stages
        self.kind = kind
        self.time = time
        self.timezone = timezone
        self.known_after = known_after
        self.categorical = categorical
        self.numeric = numeric
        self.calendar = calendar
        self.axes = axes
        self.relation = relation
        self.keep = keep
        self.random_state = random_state
        self.n_jobs = n_jobs

    def predict(self, X: Any) -> Floats:
        """The value, or the expected count, of each row: float64[n]."""
        rows = self._rows(X)
        return self.fleet_.answer(rows).answer

    def _outcomes(self, y: Any) -> tuple[Floats, str, str]:
        if self.kind not in ("regression", "count"):
            raise ParameterError(f"kind is 'regression' or 'count', not {self.kind!r}.")
        values = np.asarray(y, np.float64)
        if self.kind == "count" and values.min() < 0:
            raise ParameterError(
                f"A count is 0 or more, and y holds {values.min():g}; use kind='regression'."
            )
        if np.ptp(values) == 0.0:
            raise ParameterError(f"Every y is {values[0]:g}; there is nothing to learn.")
        return values, self.kind, "What is the outcome of this row?"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = self.kind == "count"
        return tags
