"""The contract between bronze and silver: every value in its type and range, or a sentence that says why not.

The rules are Polars expressions made from the project file. A library of declared schemas (dataframely) was weighed:
it filters rows by named rules, but its schemas are classes and its failures name the rule alone, while a reason here
is a sentence with the column and the value, made for columns that are known only when a project file is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from jomon.core.errors import DataError
from jomon.core.localtime import LocalTime
from jomon.core.spec import ColumnContract, ProjectSpec
from jomon.data.casting import Cast, as_text, cast_for, category, shown
from jomon.data.sources import near
from jomon.data.tables import AS_CAME, REASONS, ROW
from jomon.data.times import READABLE, TimeProblem, instants

RAW = "_jomon_raw:"
PROBLEM = "_jomon_time_problem"
LABELS = "_jomon_labels"


@dataclass(frozen=True)
class Rule:
    """`broken` marks the rows that break it; `sentence` says so with the value; `label` says so without it."""

    label: str
    broken: pl.Expr
    sentence: pl.Expr


@dataclass(frozen=True)
class Checked:
    """Rows in the types of silver, those that broke no rule (`good`), and the others as they came (`bad`).

    `bad` holds the kept columns, the row as JSON, the list of its reasons, and the labels of the rules it broke.
    """

    good: pl.DataFrame
    bad: pl.DataFrame

    @property
    def labels(self) -> pl.DataFrame:
        """Row number and label of every reason (`label`), one line each."""
        return self.bad.select(ROW, pl.col(LABELS).alias("label")).explode("label")

    @property
    def reasons(self) -> dict[str, int]:
        """Rows by reason, the value left out of it."""
        counted = self.bad.select(pl.col(LABELS).explode())[LABELS].value_counts().sort(LABELS)
        return {str(label): int(count) for label, count in counted.iter_rows()}


class Contract:
    """The checks that a project declares for its rows.

    `kept` names columns of jomon itself that pass through unchecked.
    """

    def __init__(self, spec: ProjectSpec, kept: tuple[str, ...] = ()) -> None:
        self.spec = spec
        self.kept = kept
        self.local = LocalTime(spec.data.zone)

    def require_columns(self, columns: list[str], what: str = "the source") -> None:
        """Raises `DataError` where a column that the project file names is missing."""
        for name, place in self.spec.column_places().items():
            if name not in columns:
                raise DataError(
                    f"{what} has no column {name!r}, which {place} asks for: {near(name, _own(columns))}"
                )
        clash = [name for name in self.spec.lookup_features() if name in columns]
        if clash:
            raise DataError(
                f"{what} has a column {clash[0]!r}, which a lookup brings too: leave it out of one of them."
            )

    def check(self, frame: pl.DataFrame) -> Checked:
        """Check rows as they came (bronze columns); raises `DataError` where no row at all has a time."""
        data = self.spec.data
        self.require_columns(frame.columns)
        own = _own(frame.columns)
        casts = {name: cast_for(name, frame[name].dtype, self.spec) for name in own if name != data.time}
        return self._apply(frame, casts, data.time, [name for name in data.key if name != data.time])

    def check_lookup(self, frame: pl.DataFrame, name: str) -> Checked:
        """Check the rows of lookup `name` as they came: its time, the columns it is joined on, its features."""
        lookup = self.spec.lookups[name]
        on = lookup.key(self.spec.data.time).columns
        timed = () if lookup.time is None else (lookup.time,)
        for column in (*on, *timed, *lookup.features):
            if column not in frame.columns:
                raise DataError(
                    f"The lookup {name} has no column {column!r}: {near(column, _own(frame.columns))}"
                )
        frame = frame.select(*dict.fromkeys((*on, *timed, *lookup.features)), *self.kept)
        casts = {column: cast_for(column, frame[column].dtype, self.spec) for column in lookup.features}
        casts |= {column: category(frame[column].dtype) for column in on}
        return self._apply(frame, casts, lookup.time, list(on))

    def _apply(
        self, frame: pl.DataFrame, casts: dict[str, Cast], time: str | None, keys: list[str]
    ) -> Checked:
        own = _own(frame.columns)
        raw = frame.select(pl.col(own).name.prefix(RAW), *self.kept)
        typed = raw.with_columns(cast.typed(pl.col(RAW + name)).alias(name) for name, cast in casts.items())
        rules = []
        if time is not None:
            moments = instants(frame[time], self.spec.data, self.local)
            _refuse_timeless(frame[time], pl.Series(moments.problem))
            typed = typed.with_columns(moments.series(time), pl.Series(PROBLEM, moments.problem))
            rules = _time_rules(time)
        rules += [_missing_rule(name, f"the key column {name}") for name in keys]
        for name, cast in casts.items():
            rules += cast_rules(name, cast, RAW)
        for name, wanted in self.spec.data.contract.items():
            if name in own:
                rules += self._column_rules(name, wanted, casts.get(name), name in keys or name == time)
        return self._judge(typed, rules, own)

    def _judge(self, typed: pl.DataFrame, rules: list[Rule], own: list[str]) -> Checked:
        masks = typed.select(rule.broken.fill_null(False).alias(str(i)) for i, rule in enumerate(rules))
        broken = masks.select(pl.any_horizontal(pl.all()).alias("broken"))["broken"]
        good = typed.filter(~broken).select(*own, *self.kept)
        return Checked(good, self._quarantined(typed.filter(broken), rules, own))

    def _quarantined(self, rows: pl.DataFrame, rules: list[Rule], own: list[str]) -> pl.DataFrame:
        def listed(said: Callable[[Rule], pl.Expr]) -> pl.Expr:
            each = [pl.when(rule.broken.fill_null(False)).then(said(rule)) for rule in rules]
            return pl.concat_list(each).list.drop_nulls()

        return rows.select(
            *self.kept,
            listed(lambda rule: rule.sentence).alias(REASONS),
            listed(lambda rule: pl.lit(rule.label)).alias(LABELS),
            as_came(own, RAW).alias(AS_CAME),
        )

    def _column_rules(
        self, name: str, wanted: ColumnContract, cast: Cast | None, needed_anyway: bool
    ) -> list[Rule]:
        rules = [_missing_rule(name, name)] if wanted.required and not needed_anyway else []
        for bound, above in ((wanted.min, False), (wanted.max, True)):
            if bound is not None:
                rules.append(self._bound_rule(name, bound, above, cast))
        if wanted.values is not None:
            allowed = [_text_of(value) for value in wanted.values]
            text = as_text(pl.col(name))
            rules.append(
                Rule(
                    f"{name} is not one of the allowed values",
                    ~text.is_in(allowed),
                    sentence(name, shown(pl.col(name)), f"is not one of {', '.join(allowed)}"),
                )
            )
        return rules

    def _bound_rule(self, name: str, bound: float | date | datetime, above: bool, cast: Cast | None) -> Rule:
        limit, word = self._limit(name, bound, above, cast), "above" if above else "below"
        broken = pl.col(name) > limit if above else pl.col(name) < limit
        written = _text_of(bound)
        return Rule(
            f"{name} is {word} {written}",
            broken,
            sentence(name, shown(pl.col(RAW + name)), f"is {word} {written}"),
        )

    def _limit(self, name: str, bound: float | date | datetime, above: bool, cast: Cast | None) -> pl.Expr:
        """The bound in the type of the column; a date as the upper bound of instants includes its whole day."""
        if not isinstance(bound, date):
            if cast is not None and not cast.kind.is_numeric():
                raise DataError(
                    f"data.contract.{name}: a bound needs numbers, and the column holds {cast.kind}: give it a type."
                )
            return pl.lit(bound)
        if cast is not None and cast.kind == pl.Date:
            return pl.lit(bound.date() if isinstance(bound, datetime) else bound)
        if cast is not None and not isinstance(cast.kind, pl.Datetime):
            raise DataError(
                f"data.contract.{name}: a date bounds times, and the column holds {cast.kind}: give it a type."
            )
        moment = bound
        if not isinstance(bound, datetime):
            moment = datetime(bound.year, bound.month, bound.day) + (
                timedelta(days=1) if above else timedelta(0)
            )
            moment -= timedelta(microseconds=1) if above else timedelta(0)
        if cast is not None and cast.kind.time_zone is None:
            return pl.lit(moment, pl.Datetime("us"))
        wall = pl.Series([moment], dtype=pl.Datetime("us")).to_physical().to_numpy()
        utc, _, _ = self.local.to_utc(wall, "latest" if above else "earliest", "shift")
        return pl.lit(int(utc[0])).cast(pl.Datetime("us", "UTC"))


def _refuse_timeless(column: pl.Series, problem: pl.Series) -> None:
    if len(problem) and (problem == TimeProblem.UNREADABLE).all():
        raise DataError(
            f"No value of the time column {column.name!r} can be read, the first being {column[0]!r}: {READABLE}."
        )
    if len(problem) and (problem == TimeProblem.MISSING).all():
        raise DataError(f"The time column {column.name!r} has no value in any row: fill it, or name another.")


def _time_rules(name: str) -> list[Rule]:
    value = shown(pl.col(RAW + name))
    said = {
        TimeProblem.UNREADABLE: "is not a time",
        TimeProblem.AMBIGUOUS: "is a time that the clocks showed twice",
        TimeProblem.SKIPPED: "is a time that the clocks skipped",
        TimeProblem.OUT_OF_RANGE: "is outside the years 1900 to 2100",
    }
    missing = Rule(
        f"{name} is missing", pl.col(PROBLEM) == int(TimeProblem.MISSING), pl.lit(f"{name} is missing")
    )
    return [missing] + [
        Rule(f"{name} {text}", pl.col(PROBLEM) == int(problem), sentence(name, value, text))
        for problem, text in said.items()
    ]


def as_came(own: list[str], prefix: str = "") -> pl.Expr:
    """A row as one JSON document, its columns as they came."""
    return pl.struct(pl.col(prefix + name).alias(name) for name in own).struct.json_encode()


def cast_rules(name: str, cast: Cast, prefix: str) -> list[Rule]:
    """The rules that come with a type: every value that is there has to be one of it, and finite."""
    raw = pl.col(prefix + name)
    rules = []
    if cast.can_fail:
        there = raw.is_not_null() & ~cast.is_missing(raw)
        rules.append(
            Rule(
                f"{name} is not {cast.what}",
                pl.col(name).is_null() & there,
                sentence(name, shown(raw), f"is not {cast.what}"),
            )
        )
    if cast.kind.is_float():
        rules.append(
            Rule(
                f"{name} is not finite",
                pl.col(name).is_infinite(),
                sentence(name, shown(raw), "is not finite"),
            )
        )
    return rules


def _missing_rule(name: str, called: str) -> Rule:
    return Rule(f"{called} is missing", pl.col(name).is_null(), pl.lit(f"{called} is missing"))


def _own(columns: list[str]) -> list[str]:
    return [name for name in columns if not name.startswith("_jomon")]


def sentence(name: str, value: pl.Expr, said: str) -> pl.Expr:
    """`distance 12000 is above 6000`: the column, the value as text, and what is wrong with it."""
    return pl.concat_str(pl.lit(f"{name} "), value, pl.lit(f" {said}"))


def _text_of(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return value.isoformat() if isinstance(value, date) else str(value)
