"""Evidence: all that is looked at to say why a place stands out in a window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from jomon.core.findings import Finding, Span
from jomon.core.spec import ProjectSpec

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Texts = NDArray[np.object_]

ANSWER, MARGIN, OUTCOME, IMAGE, MEMBER, WEIGHT = "answer", "margin", "outcome", "image", "member", "weight"
"""What frames call the answer, its margin, the outcome (null: not known), the image and the member that answered, and
how much a row of the reference counts; all but the first two may be left out."""
MOST_ROWS = 400
"""Of a larger window so many rows, evenly spread over time, are held against the reference value by value."""
MOST_REFERENCE = 20_000
MONDAY = 4 * 86_400_000_000  # 5 January 1970, in microseconds
OUTCOME_KINDS = ("realised", "calibration", "behaviour", "discrimination", "estimated", "fairness")

Rescore = Callable[[pl.DataFrame], Floats]
"""The margin that the image and the member of each row must have given, float64[n]; NaN where that cannot be told."""


@dataclass(frozen=True)
class CalendarFacts:
    """What the calendar says of the window: the occasion's name if it is one, the season and the weekday."""

    occasion: str | None = None
    season: str | None = None
    weekday: str | None = None


@dataclass(frozen=True)
class ReleaseFacts:
    """Images that answered in the window and in the windows before it."""

    now: frozenset[str] = frozenset()
    before: frozenset[str] = frozenset()

    @property
    def new(self) -> frozenset[str]:
        """Images that answer for the first time."""
        return self.now - self.before if self.before else frozenset()


@dataclass(frozen=True)
class PlaceHistory:
    """What earlier windows showed at the place.

    `windows`: how many in a row, this one included, showed it; `sizes`: the effect in each window, the oldest first and
    this one last, also where it was too small for a finding; `volumes`: rows of earlier windows like this one;
    `members` of the fleet's `fleet` members lie within the place.
    """

    windows: int = 1
    sizes: tuple[float, ...] = ()
    volumes: tuple[float, ...] = ()
    members: int = 1
    fleet: int = 1


@dataclass(frozen=True, eq=False)
class Evidence:
    """The findings of one place and the raw rows in which to look for their cause.

    Frames have the columns of the recorded features, of the key and the time (UTC, named as in the spec) and those
    named above. `rows`: the window's rows in the place; `reference`: earlier matched rows of the place, best as whole
    windows; `peers`: the window's rows beside the place, under the same parent; `peers_reference`: earlier ones of
    them. All but `rows` may be empty, and `rows` as well if the volume is what stands out.
    """

    findings: tuple[Finding, ...]
    window: Span
    spec: ProjectSpec
    rows: pl.DataFrame
    reference: pl.DataFrame
    peers: pl.DataFrame
    peers_reference: pl.DataFrame
    calendar: CalendarFacts = field(default_factory=CalendarFacts)
    release: ReleaseFacts = field(default_factory=ReleaseFacts)
    history: PlaceHistory = field(default_factory=PlaceHistory)
    rescore: Rescore | None = None

    @property
    def time(self) -> str:
        """The column of the time."""
        return self.spec.data.time

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """Recorded numeric features."""
        return tuple(c for c in self.spec.data.features.numeric if c in self.rows.columns)

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """Recorded categorical features."""
        return tuple(c for c in self.spec.data.features.categorical if c in self.rows.columns)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Features among the findings, each once, in the order of the findings."""
        known = {*self.numbers, *self.categories}
        return tuple(dict.fromkeys(f.column for f in self.findings if f.column in known))

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of the findings."""
        return frozenset(finding.kind for finding in self.findings)

    @property
    def about_outcomes(self) -> bool:
        """Whether a finding is about outcomes."""
        return not self.kinds.isdisjoint(OUTCOME_KINDS)

    @cached_property
    def about_scores(self) -> bool:
        """Whether a finding is about the answers themselves."""
        names = ("score", MARGIN, ANSWER)
        return any(f.kind == "score" or f.column in names for f in self.findings)

    @property
    def whole(self) -> bool:
        """Whether the place is much of the fleet: several members, and at least half of them."""
        return self.history.members > 1 and 2 * self.history.members >= self.history.fleet

    @cached_property
    def some(self) -> pl.DataFrame:
        """At most `MOST_ROWS` of the rows, evenly over time."""
        rows = self.rows.sort(self.time)
        if rows.height <= MOST_ROWS:
            return rows
        at = np.linspace(0, rows.height - 1, MOST_ROWS).astype(np.int64)
        return rows.select(pl.all().gather(at.tolist()))

    @cached_property
    def earlier(self) -> pl.DataFrame:
        """The newest `MOST_REFERENCE` rows of the reference."""
        return self.reference.sort(self.time).tail(MOST_REFERENCE)

    @cached_property
    def weights(self) -> Floats:
        """How much each of the `earlier` rows counts, float64[n]."""
        if WEIGHT not in self.earlier.columns:
            return np.ones(self.earlier.height)
        return self.earlier[WEIGHT].cast(pl.Float64).fill_null(0.0).to_numpy()

    @cached_property
    def earlier_windows(self) -> Ints:
        """The window of each of the `earlier` rows by its local day or start, int64[n]."""
        return self.windows_of(self.earlier)

    def windows_of(self, frame: pl.DataFrame) -> Ints:
        """The window in which each row of a frame is, as a number that grows with time, int64[n]."""
        local = frame[self.time].dt.convert_time_zone(self.spec.data.zone).dt.replace_time_zone(None)
        length = int(self.spec.monitor.window.total_seconds() * 1e6)
        return ((local.dt.timestamp("us") - MONDAY) // length).cast(pl.Int64).to_numpy()

    def minutes_of(self, frame: pl.DataFrame) -> Ints:
        """The local minute of the day of each row, int64[n]."""
        local = frame[self.time].dt.convert_time_zone(self.spec.data.zone)
        return (local.dt.hour().cast(pl.Int64) * 60 + local.dt.minute().cast(pl.Int64)).to_numpy()

    def lookup_of(self, column: str) -> str | None:
        """The lookup that brings a column."""
        return next((name for name, spec in self.spec.lookups.items() if column in spec.features), None)


def numbers_of(frame: pl.DataFrame, column: str) -> Floats:
    """A numeric column, float64[n], NaN where it is null."""
    return frame[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def texts_of(frame: pl.DataFrame, column: str) -> Texts:
    """A categorical column as texts, object[n], None where it is null."""
    return frame[column].cast(pl.String).to_numpy().astype(np.object_)
