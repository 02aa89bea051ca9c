"""The rules of a contract as Polars expressions, each with its sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from jomon.core.errors import DataError
from jomon.core.localtime import LocalTime
from jomon.core.spec import ColumnContract
from jomon.data.casting import Cast, as_text, shown
from jomon.data.times import TimeProblem

RAW = "_jomon_raw:"
"""Before the name of a column as it came, beside the typed column of that name."""
PROBLEM = "_jomon_time_problem"

Bound = float | date | datetime


@dataclass(frozen=True)
class Rule:
    """`broken` marks the rows that break it; `sentence` tells it with the value, `label` without."""

    label: str
    broken: pl.Expr
    sentence: pl.Expr


def value_rule(name: str, broken: pl.Expr, said: str) -> Rule:
    """The rule whose sentence is `<name> <value as it came> <said>`: `distance 12000 is above 6000`."""
    value = shown(pl.col(RAW + name))
    return Rule(f"{name} {said}", broken, pl.concat_str(pl.lit(f"{name} "), value, pl.lit(f" {said}")))


def missing_rule(name: str, called: str, cast: Cast | None) -> Rule:
    """The rule that a value is there; one that is there but of the wrong type has its own rule."""
    raw = pl.col(RAW + name)
    missing = raw.is_null() if cast is None else raw.is_null() | cast.is_missing(raw)
    return Rule(f"{called} is missing", missing, pl.lit(f"{called} is missing"))


def time_rules(name: str) -> list[Rule]:
    """The rules of the time column, by the problem found in each row."""
    said = {
        TimeProblem.MISSING: "is missing",
        TimeProblem.UNREADABLE: "is not a time",
        TimeProblem.AMBIGUOUS: "is a time that the clocks showed twice",
        TimeProblem.SKIPPED: "is a time that the clocks skipped",
        TimeProblem.OUT_OF_RANGE: "is outside the years 1900 to 2100",
    }
    rules = [value_rule(name, pl.col(PROBLEM) == int(problem), text) for problem, text in said.items()]
    return [Rule(rules[0].label, rules[0].broken, pl.lit(rules[0].label)), *rules[1:]]


def cast_rules(name: str, cast: Cast) -> Iterator[Rule]:
    """The rules that come with a type: every value that is there has to be one of it, and finite."""
    raw = pl.col(RAW + name)
    if cast.can_fail:
        there = raw.is_not_null() & ~cast.is_missing(raw)
        yield value_rule(name, pl.col(name).is_null() & there, f"is not {cast.what}")
    if cast.kind.is_float():
        yield value_rule(name, pl.col(name).is_infinite(), "is not finite")


def column_rules(name: str, wanted: ColumnContract, cast: Cast | None, local: LocalTime) -> Iterator[Rule]:
    """The declared range and values of one column; `cast` is None for the time column, in `local` time."""
    for bound, above in ((wanted.min, False), (wanted.max, True)):
        if bound is not None:
            limit = _limit(name, bound, above, cast, local)
            broken = pl.col(name) > limit if above else pl.col(name) < limit
            yield value_rule(name, broken, f"is {'above' if above else 'below'} {_text_of(bound)}")
    if wanted.values is not None:
        allowed = [_text_of(value) for value in wanted.values]
        broken = ~as_text(pl.col(name)).is_in(allowed)
        yield value_rule(name, broken, f"is not one of {', '.join(allowed)}")


def _limit(name: str, bound: Bound, above: bool, cast: Cast | None, local: LocalTime) -> pl.Expr:
    """The bound in the type of the column."""
    if not isinstance(bound, date):
        if cast is None or not cast.kind.is_numeric():
            raise _wrong_bound(name, "a number bounds numbers", cast)
        return pl.lit(bound)
    if cast is not None and cast.kind == pl.Date:
        return pl.lit(bound.date() if isinstance(bound, datetime) else bound)
    if cast is not None and not isinstance(cast.kind, pl.Datetime):
        raise _wrong_bound(name, "a date bounds dates and times", cast)
    if cast is not None and isinstance(cast.kind, pl.Datetime) and cast.kind.time_zone is None:
        return pl.lit(_moment(bound, above), pl.Datetime("us"))
    wall = pl.Series([_moment(bound, above)], dtype=pl.Datetime("us")).to_physical().to_numpy()
    utc, _, _ = local.to_utc(wall, "latest" if above else "earliest", "shift")
    return pl.lit(int(utc[0])).cast(pl.Datetime("us", "UTC"))


def _moment(bound: date, above: bool) -> datetime:
    """A day as a bound: its first moment from below, its last one from above."""
    if isinstance(bound, datetime):
        return bound
    start = datetime(bound.year, bound.month, bound.day)
    return start + timedelta(days=1) - timedelta(microseconds=1) if above else start


def _wrong_bound(name: str, said: str, cast: Cast | None) -> DataError:
    holds = "times" if cast is None else f"{cast.kind} values"
    return DataError(f"data.contract.{name}: {said}, and the column holds {holds}: declare its type.")


def _text_of(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return value.isoformat() if isinstance(value, date) else str(value)
