"""The project file as frozen values: what a fleet is made of, before anything is read or trained.

These models hold shapes and ranges; the rules that tie one part to another are in `rules_*`, and reading YAML
with line numbers is in `spec_yaml`. `canonical()` and `from_canonical()` are exact inverses.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from jomon.core.lookup_keys import LookupKey, parse_lookup_key
from jomon.core.spec_monitor import MonitorSpec
from jomon.core.spec_serving import ServingSpec
from jomon.core.spec_types import (
    AxisValue,
    Bound,
    CalendarName,
    Day,
    Duration,
    EstimatorName,
    FleetName,
    HalfLife,
    HoldOut,
    Hours,
    Model,
    Moment,
    Month,
    Name,
    Param,
    Scalar,
    WeekdayName,
    null_text,
)

BUILTIN_AXES = ("season", "occasion", "hour_band", "weekday")
SEASONS = ("winter", "spring", "summer", "autumn")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ESTIMATORS = ("lightgbm", "linear", "baseline", "none")
MIN_ROWS = 200  # below this a segment's own fit is noise on every data set tried


class DatabaseSource(Model):
    """Rows of one query: `{database: URL, query: SQL}`."""

    database: Name
    query: Name


class DeltaSource(Model):
    """A Delta table at a URL or a folder, at one version or the newest: `{delta: URL, version: 3}`."""

    delta: Name
    version: int | None = Field(default=None, ge=0)


def _source_kind(value: object) -> str:
    """The mark of a kind of source in pydantic's locations; no YAML text can hold it as a key."""
    if isinstance(value, DatabaseSource) or (isinstance(value, Mapping) and "delta" not in value):
        return "\0database"
    if isinstance(value, DeltaSource | Mapping):
        return "\0delta"
    return "\0text"


SourceSpec = Annotated[
    Annotated[Name, Tag("\0text")]
    | Annotated[DatabaseSource, Tag("\0database")]
    | Annotated[DeltaSource, Tag("\0delta")],
    Discriminator(_source_kind),
]


class DaylightSaving(Model):
    """What becomes of wall times that a clock change repeats (`ambiguous`) or leaves out (`skipped`)."""

    ambiguous: Literal["earliest", "latest", "quarantine"] = "earliest"
    skipped: Literal["shift", "quarantine"] = "quarantine"


class TargetSpec(Model):
    """The outcome to predict; it is known `known_after` the row's time."""

    column: Name
    kind: Literal["binary", "regression", "count"]
    known_after: Duration = timedelta(0)


class FeaturesSpec(Model):
    """The columns a model sees, by the way they are encoded."""

    numeric: tuple[Name, ...] = ()
    categorical: tuple[Name, ...] = ()
    calendar: tuple[CalendarName, ...] = ()
    unseen: Literal["missing", "error"] = "missing"

    @property
    def names(self) -> tuple[str, ...]:
        """All features as declared: numeric, then categorical, then calendar (`year_phase` as one name)."""
        return (*self.numeric, *self.categorical, *self.calendar)

    @property
    def columns(self) -> tuple[str, ...]:
        """The features that are columns of a table: numeric, then categorical."""
        return (*self.numeric, *self.categorical)


class ColumnContract(Model):
    """What every value of a column has to be; rows that break it go to quarantine with the reason."""

    type: Literal["int", "float", "string", "bool", "datetime", "date"] | None = None
    min: Bound | None = None
    max: Bound | None = None
    required: bool = False
    values: tuple[Scalar, ...] | None = Field(default=None, min_length=1)


class DataSpec(Model):
    """Where the rows come from, what tells them apart, and what is predicted from what."""

    source: SourceSpec
    time: Name
    timezone: str | None = None
    daylight_saving: DaylightSaving = DaylightSaving()
    key: tuple[Name, ...] = Field(min_length=1)
    target: TargetSpec
    features: FeaturesSpec
    contract: dict[Name, ColumnContract] = Field(default_factory=dict)
    duplicates: Literal["quarantine", "first", "last", "error"] = "quarantine"

    @property
    def zone(self) -> str:
        """The zone in which hours, days and seasons are told: `timezone`, or UTC where it is left out."""
        return self.timezone or "UTC"


class SeasonAxis(Model):
    """Seasons by hemisphere (December to February is the northern winter) or by named months."""

    hemisphere: Literal["north", "south"] | None = None
    months: dict[Name, tuple[Month, ...]] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The values of the axis."""
        return SEASONS if self.months is None else tuple(self.months)


class OccasionAxis(Model):
    """Commemorative dates of a country, with days around them and dates of one's own."""

    country: Name
    subdivision: Name | None = None
    days_before: int = Field(default=0, ge=0, le=30)
    days_after: int = Field(default=0, ge=0, le=30)
    also: dict[Day, Name] = Field(default_factory=dict)
    only: tuple[Name, ...] | None = Field(default=None, min_length=1)


class AxesSpec(Model):
    """The ways in which context varies beyond the columns; `weekday` without a declaration is mon to sun."""

    season: SeasonAxis | None = None
    occasion: OccasionAxis | None = None
    hour_band: dict[Name, Hours] | None = None
    weekday: dict[Name, tuple[WeekdayName, ...]] | None = None

    @property
    def available(self) -> tuple[str, ...]:
        """The axes a level may name without there being such a column."""
        return tuple(name for name in BUILTIN_AXES if name == "weekday" or getattr(self, name) is not None)

    def values_of(self, axis: str) -> tuple[str, ...] | None:
        """The values an axis can take where the file alone says so, else None."""
        if axis == "season" and self.season is not None:
            return self.season.names
        if axis == "hour_band" and self.hour_band is not None:
            return tuple(self.hour_band)
        if axis == "weekday":
            return WEEKDAYS if self.weekday is None else tuple(self.weekday)
        return None


class LookupSpec(Model):
    """A second table joined by plain columns and at most one time part, never with rows known only later."""

    source: SourceSpec
    on: tuple[Name, ...] = Field(min_length=1)
    time: Name | None = None
    features: tuple[Name, ...] = Field(min_length=1)
    max_age: Duration = timedelta(0)
    delay: Duration = timedelta(0)
    missing: Annotated[Literal["null", "quarantine"], BeforeValidator(null_text)] = "null"
    duplicates: Literal["first", "last", "error"] = "error"

    def key(self, time: str) -> LookupKey:
        """`on` read with `time`, the name of the data's time column: plain columns and the time part."""
        return parse_lookup_key(self.on, time)


class Validity(Model):
    """When the members that match `segment` answer; `start` is the key `from`, `until` is excluded."""

    segment: dict[Name, AxisValue] = Field(default_factory=dict)
    start: Moment | None = Field(default=None, validation_alias="from", serialization_alias="from")
    until: Moment | None = None


def _default_min_rows(stage: dict[str, Any]) -> int:
    return MIN_ROWS if stage.get("level") and stage.get("estimator") != "none" else 0


class StageSpec(Model):
    """A level, the estimator of its members, and the rule by which they are kept."""

    level: tuple[Name, ...]
    estimator: EstimatorName = "lightgbm"
    params: dict[Name, Param] = Field(default_factory=dict)
    keep: Literal["not_worse", "better", "always"] = "not_worse"
    min_rows: int = Field(default_factory=_default_min_rows, ge=0)
    features: tuple[Name, ...] | None = None
    fast: bool = True
    valid: tuple[Validity, ...] = ()

    @property
    def name(self) -> str:
        """The level as one text, `carrier,origin`; empty for the root."""
        return ",".join(self.level)


class EvaluationSpec(Model):
    """How later time is held out and judged; `holdout` is a span at the end of the data or a first day."""

    holdout: HoldOut = timedelta(weeks=14)
    step: Duration = timedelta(weeks=1)
    trials: int = Field(default=4, ge=1, le=1000)
    seed: int = Field(default=0, ge=0, lt=2**31)
    bootstrap: int = Field(default=1000, ge=100, le=100_000)


class FastSpec(Model):
    """How fast parts follow the outcomes: the half-life of a row's weight, and whether they fit a slope."""

    half_life: HalfLife = "auto"
    scale: bool = True


class BuildSpec(Model):
    """How a build runs: its seed, the blocks of time that judge members, its processes (None: all cores)."""

    seed: int = Field(default=0, ge=0, lt=2**31)
    blocks: int = Field(default=6, ge=2, le=100)
    workers: int | None = Field(default=None, ge=1, le=1024)


class ProjectSpec(Model):
    """One project file: a fleet and everything that is declared of it."""

    fleet: FleetName
    question: Name
    owners: dict[Name, Name] = Field(default_factory=dict)
    data: DataSpec
    axes: AxesSpec = AxesSpec()
    lookups: dict[Name, LookupSpec] = Field(default_factory=dict)
    stages: tuple[StageSpec, ...] = Field(min_length=1)
    relation: Literal["correct", "replace"] = "correct"
    evaluation: EvaluationSpec = EvaluationSpec()
    fast: FastSpec = FastSpec()
    build: BuildSpec = BuildSpec()
    serving: ServingSpec = ServingSpec()
    monitor: MonitorSpec = MonitorSpec()

    def canonical(self) -> dict[str, Any]:
        """A JSON document that says everything, defaults included: equal specs give equal documents."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def from_canonical(cls, document: Mapping[str, Any]) -> ProjectSpec:
        """The inverse of `canonical`; raises pydantic's `ValidationError` where the document is not one."""
        return cls.model_validate_json(json.dumps(document), by_alias=True, by_name=False)

    def lookup_features(self) -> tuple[str, ...]:
        """The columns that lookups bring, in the order of the file."""
        return tuple(name for lookup in self.lookups.values() for name in lookup.features)

    def columns_needed(self) -> tuple[str, ...]:
        """The columns the data source has to have: all but what lookups bring and the calendar tells."""
        return tuple(self.column_places())

    def column_places(self) -> dict[str, str]:
        """Each needed column with the key that first asks for it, such as `data.features.numeric[2]`."""
        brought, places = set(self.lookup_features()), dict[str, str]()
        for place, column in self._mentions():
            if column not in brought:
                places.setdefault(column, place)
        return places

    def _mentions(self) -> Iterator[tuple[str, str]]:
        data = self.data
        yield "data.time", data.time
        yield from ((f"data.key[{i}]", name) for i, name in enumerate(data.key))
        yield "data.target.column", data.target.column
        yield from ((f"data.features.numeric[{i}]", name) for i, name in enumerate(data.features.numeric))
        yield from (
            (f"data.features.categorical[{i}]", name) for i, name in enumerate(data.features.categorical)
        )
        yield from ((f"data.contract.{name}", name) for name in data.contract)
        for label, lookup in self.lookups.items():
            places = ((f"lookups.{label}.on[{i}]", name) for i, name in enumerate(lookup.on))
            yield from ((place, name) for place, name in places if name != data.time and "(" not in name)
        for s, stage in enumerate(self.stages):
            for i, name in enumerate(stage.level):
                if name not in self.axes.available:
                    yield f"stages[{s}].level[{i}]", name
