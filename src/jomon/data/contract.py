"""The contract between bronze and silver: every value in its type and range, or a sentence why not.

The rules are Polars expressions made from the project file. A library of declared schemas (dataframely) was
weighed: it filters rows by named rules, but its schemas are classes and its failures name the rule alone,
while a reason here is a sentence with the column and the value, made for columns that are known only when a
project file is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from jomon.core.errors import DataError, PredictError
from jomon.core.localtime import LocalTime
from jomon.core.spec import ProjectSpec
from jomon.data.casting import Cast, cast_for, category
from jomon.data.rules import PROBLEM, RAW, Rule, cast_rules, column_rules, missing_rule, time_rules
from jomon.data.sources import near
from jomon.data.tables import AS_CAME, REASONS, ROW
from jomon.data.times import READABLE, TimeProblem, instants

LABELS = "_jomon_labels"


@dataclass(frozen=True)
class Checked:
    """Rows in the types of silver, those that broke no rule (`good`), and the others as they came (`bad`).

    `bad` holds the kept columns, the row as JSON, the list of its reasons, and the labels of the rules it
    broke. `rules` are the labels of all rules that were applied.
    """

    good: pl.DataFrame
    bad: pl.DataFrame
    rules: tuple[str, ...] = ()

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
        """Check the rows of lookup `name` as they came: time, columns it is joined on, features."""
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

    def refuse(self, frame: pl.DataFrame, casts: dict[str, Cast], first_row: int) -> pl.DataFrame:
        """Rows to predict (n) in their types; ranges are not applied.

        Raises `PredictError` for the first row, counted from `first_row`, with a time or a value that
        cannot be one.
        """
        time = self.spec.data.time
        moments = instants(frame[time], self.spec.data, self.local)
        raw = frame.select(pl.all().name.prefix(RAW))
        typed = raw.with_columns(
            *(cast.typed(pl.col(RAW + name)).alias(name) for name, cast in casts.items()),
            moments.series(time),
            pl.Series(PROBLEM, moments.problem),
        )
        rules = time_rules(time) + [rule for name, cast in casts.items() for rule in cast_rules(name, cast)]
        broken = _broken(typed, rules)
        if broken.any():
            at = broken.arg_max() or 0
            reasons = self._quarantined(typed[at], rules, [])[REASONS][0]
            raise PredictError(f"Row {first_row + at}: {reasons[0]}: correct the value or leave the row out.")
        return typed.select(frame.columns)

    def _apply(
        self, frame: pl.DataFrame, casts: dict[str, Cast], time: str | None, keys: list[str]
    ) -> Checked:
        own = _own(frame.columns)
        raw = frame.select(pl.col(own).name.prefix(RAW), *self.kept)
        typed = raw.with_columns(cast.typed(pl.col(RAW + name)).alias(name) for name, cast in casts.items())
        rules: list[Rule] = []
        if time is not None:
            moments = instants(frame[time], self.spec.data, self.local)
            _refuse_timeless(frame[time], pl.Series(moments.problem))
            typed = typed.with_columns(moments.series(time), pl.Series(PROBLEM, moments.problem))
            rules = time_rules(time)
        for name, cast in casts.items():
            rules += cast_rules(name, cast)
        rules += [missing_rule(name, f"the key column {name}", casts[name]) for name in keys]
        for name, wanted in self.spec.data.contract.items():
            if name in own:
                if wanted.required and name not in keys and name != time:
                    rules.append(missing_rule(name, name, casts.get(name)))
                rules += column_rules(name, wanted, casts.get(name), self.local)
        return self._judge(typed, rules, own)

    def _judge(self, typed: pl.DataFrame, rules: list[Rule], own: list[str]) -> Checked:
        broken = _broken(typed, rules)
        good = typed.filter(~broken).select(*own, *self.kept)
        bad = self._quarantined(typed.filter(broken), rules, own)
        return Checked(good, bad, tuple(dict.fromkeys(rule.label for rule in rules)))

    def _quarantined(self, rows: pl.DataFrame, rules: list[Rule], own: list[str]) -> pl.DataFrame:
        def listed(said: Callable[[Rule], pl.Expr]) -> pl.Expr:
            each = [pl.when(rule.broken.fill_null(False)).then(said(rule)) for rule in rules]
            return pl.concat_list(each).list.drop_nulls()

        return rows.select(
            *self.kept,
            listed(lambda rule: rule.sentence).alias(REASONS),
            listed(lambda rule: pl.lit(rule.label)).alias(LABELS),
            *([as_came(own, RAW).alias(AS_CAME)] if own else []),
        )


def _refuse_timeless(column: pl.Series, problem: pl.Series) -> None:
    if len(problem) and (problem == TimeProblem.MISSING).all():
        raise DataError(f"The time column {column.name!r} has no value in any row: fill it, or name another.")
    if len(problem) and problem.is_in([TimeProblem.UNREADABLE, TimeProblem.MISSING]).all():
        raise DataError(
            f"No value of the time column {column.name!r} can be read, the first being "
            f"{column.drop_nulls()[0]!r}: {READABLE}."
        )


def _broken(typed: pl.DataFrame, rules: list[Rule]) -> pl.Series:
    """Which rows break any rule (n)."""
    masks = [rule.broken.fill_null(False) for rule in rules]
    return typed.select(pl.any_horizontal(masks).alias("broken"))["broken"]


def as_came(own: list[str], prefix: str = "") -> pl.Expr:
    """A row as one JSON document, its columns as they came (infinities, which JSON lacks, as null)."""
    return pl.struct(pl.col(prefix + name).alias(name) for name in own).struct.json_encode()


def _own(columns: list[str]) -> list[str]:
    return [name for name in columns if not name.startswith("_jomon")]
