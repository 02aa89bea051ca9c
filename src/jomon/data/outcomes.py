"""Outcomes joined with the predictions they belong to: done on reading, so that an outcome may come before or after.

Both tables only grow. An outcome finds its predictions by the canonical text of the key, or by request id and row;
several predictions of one key all get it. Which of several reported values counts is declared in
`serving.outcomes`. `matches` is the rule on frames; `matched` and `summary` apply it to the tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from jomon.core.errors import DataError
from jomon.core.spec import ProjectSpec
from jomon.core.spec_serving import OutcomesSpec
from jomon.data.log_table import DAY
from jomon.data.outcomes_table import CONFLICTING, LATE, NEW, REPEATED, SCHEMA, outcomes_table
from jomon.data.predictions import predictions_table, stored_name
from jomon.data.sources import near

KEY, REQUEST = ("key",), ("request_id", "row")
VALUE, KNOWN_AT = "outcome", "outcome_known_at"
RECEIVED_AT = "outcome_received_at"
FIRST_AT, FIRST_KNOWN_AT = "outcome_first_at", "outcome_first_known_at"
STATE = "outcome_state"
BROUGHT = (VALUE, KNOWN_AT, RECEIVED_AT, FIRST_AT, FIRST_KNOWN_AT, STATE)
"""The columns that a match adds to a prediction."""
STATUSES = (NEW, REPEATED, CONFLICTING, LATE)
USED, NEVER, UNDECIDED = "used", "never", "undecided"
Moment = int | datetime
"""Microseconds since 1970-01-01 UTC, or a datetime with a zone."""


def settled(outcomes: pl.LazyFrame, by: Sequence[str], rules: OutcomesSpec) -> pl.LazyFrame:
    """One row for each of `by`: the value that counts, when it was known and came; when the first came and was known.

    Reports are taken in the order in which they came. One that repeats the value before it changes nothing, so that
    known and received are those of the first report of the value that counts; the first of all is the first that has a
    value. `outcome_state` is `used`, `never` (the
    value that counts is null) or `undecided` (values differ, and a person has to decide).
    """
    if rules.late == "refuse":
        outcomes = outcomes.filter(pl.col("status") != LATE)
    ordered = outcomes.sort([*by, "received_at", pl.col("status") != NEW], maintain_order=True)
    again = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in by).fill_null(False)
    again &= pl.col("value").eq_missing(pl.col("value").shift(1))
    counts = pl.Expr.last if rules.conflicting == "last" else pl.Expr.first
    differs = pl.col("value").n_unique() > 1 if rules.conflicting == "refuse" else pl.lit(value=False)
    valued = pl.when(pl.col("value").is_not_null())
    found = (
        ordered.filter(~again)
        .with_columns(
            valued.then("received_at").alias(FIRST_AT), valued.then("known_at").alias(FIRST_KNOWN_AT)
        )
        .group_by(by)
        .agg(
            counts(pl.col("value")).alias(VALUE),
            counts(pl.col("known_at")).alias(KNOWN_AT),
            counts(pl.col("received_at")).alias(RECEIVED_AT),
            pl.col(FIRST_AT, FIRST_KNOWN_AT).first(ignore_nulls=True),
            differs.alias("differs"),
        )
    )
    return found.with_columns(_state(pl.col("differs"), pl.col(VALUE)).alias(STATE)).drop("differs")


def _state(differs: pl.Expr, value: pl.Expr) -> pl.Expr:
    return (
        pl.when(differs)
        .then(pl.lit(UNDECIDED))
        .when(value.is_null())
        .then(pl.lit(NEVER))
        .otherwise(pl.lit(USED))
    )


def matches(predictions: pl.LazyFrame, outcomes: pl.LazyFrame, rules: OutcomesSpec) -> pl.LazyFrame:
    """Every prediction with the columns `BROUGHT`, null where no outcome came for it (yet)."""
    by_key = settled(outcomes.filter(pl.col("key").is_not_null()), KEY, rules)
    by_request = settled(outcomes.filter(pl.col("key").is_null()), REQUEST, rules)
    other = {name: f"{name}_by_request" for name in BROUGHT}
    joined = predictions.join(by_key, on=list(KEY), how="left").join(
        by_request.rename(other), on=list(REQUEST), how="left"
    )
    return joined.with_columns(_one_of_two(rules, other)).drop(other.values())


def _one_of_two(rules: OutcomesSpec, other: Mapping[str, str]) -> list[pl.Expr]:
    """What counts where outcomes came by key and by request: the same rule, applied to the two."""
    first, second = pl.col(STATE), pl.col(other[STATE])
    same = pl.col(VALUE).eq_missing(pl.col(other[VALUE]))
    earlier = pl.col(RECEIVED_AT) <= pl.col(other[RECEIVED_AT])
    if rules.conflicting == "last":
        mine = pl.when(same).then(earlier).otherwise(~earlier)
    else:
        mine = pl.col(FIRST_AT) <= pl.col(other[FIRST_AT])
    mine = pl.when(second.is_null()).then(pl.lit(value=True)).when(first.is_null()).then(
        pl.lit(value=False)
    ).otherwise(mine)  # fmt: skip
    chosen = [
        pl.when(mine).then(pl.col(name)).otherwise(pl.col(other[name])).alias(name)
        for name in (VALUE, KNOWN_AT, RECEIVED_AT)
    ]
    state = pl.when(mine).then(first).otherwise(second)
    if rules.conflicting == "refuse":
        both = first.is_not_null() & second.is_not_null()
        open_ = (first == UNDECIDED) | (second == UNDECIDED) | ~same
        state = pl.when(both & open_).then(pl.lit(UNDECIDED)).otherwise(state)
    sooner = pl.col(FIRST_AT).is_not_null() & (pl.col(FIRST_AT) <= pl.col(other[FIRST_AT])).fill_null(
        value=True
    )
    firsts = [
        pl.when(sooner).then(pl.col(name)).otherwise(pl.col(other[name])).alias(name)
        for name in (FIRST_AT, FIRST_KNOWN_AT)
    ]
    return [*chosen, *firsts, state.alias(STATE)]


def matched(
    root: Path | str,
    fleet: str,
    spec: ProjectSpec,
    since: Moment | None = None,
    until: Moment | None = None,
    *,
    heard_since: Moment | None = None,
    known_before: Moment | None = None,
    columns: Sequence[str] | None = None,
) -> pl.DataFrame:
    """The predictions of a fleet that have an outcome to use, in order of time: one row each.

    `since` (included) and `until` (excluded) bound the row's time; with `heard_since`, only rows that were recorded, or
    of which an outcome came, since then; with `known_before`, what became known then or later is left out of account.
    `columns` are those of the predictions to give (all), besides `outcome` (its value), `outcome_known_at`,
    `outcome_received_at`, and when the first that has a value came and was known: `outcome_first_at`,
    `outcome_first_known_at`. An empty frame where nothing was recorded
    yet. Raises `DataError` for a column that the predictions lack.
    """
    predictions, outcomes = predictions_table(root, fleet).scan(), outcomes_table(root, fleet).scan()
    if predictions is None:
        return pl.DataFrame()
    outcomes = pl.LazyFrame(schema=SCHEMA) if outcomes is None else outcomes
    have = predictions.collect_schema().names()
    names = list(have if columns is None else dict.fromkeys(columns))
    _require(names, have)
    time = stored_name(spec.data.time)
    order = [time, "received_at", *REQUEST]
    rows = predictions.select(*dict.fromkeys([*names, *order, "key", DAY]))
    if since is not None:
        rows = rows.filter(pl.col(time) >= instant(since))
    if until is not None:
        rows = rows.filter(pl.col(time) < instant(until))
    if known_before is not None:
        outcomes = outcomes.filter(pl.col("known_at") < instant(known_before))
    if since is not None or until is not None:
        outcomes = _of(outcomes, rows.select("key", *REQUEST).collect())
    rules = spec.serving.outcomes
    if heard_since is None:
        found = matches(rows, outcomes, rules)
    else:
        found = _heard(rows, outcomes, rules, instant(heard_since))
    found = found.filter(pl.col(STATE) == USED)
    wanted = [*names, *(name for name in BROUGHT if name != STATE)]
    return found.sort(order).select(wanted).collect()


def summary(root: Path | str, fleet: str, spec: ProjectSpec) -> dict[str, int]:
    """Counts of outcomes and of predictions.

    Outcomes: `received`; by status `new`, `repeated`, `conflicting`, `late`; `matched` and `unmatched` (kept, and
    matched when the prediction arrives). Predictions: `predictions`; `with_outcome`; `never` (the outcome will never be
    known); `undecided` (different values, and none counts); `without_outcome` (yet).
    """
    predictions, outcomes = predictions_table(root, fleet).scan(), outcomes_table(root, fleet).scan()
    counts = dict.fromkeys(("received", *STATUSES, "matched", "unmatched"), 0)
    counts |= dict.fromkeys(("predictions", "with_outcome", NEVER, UNDECIDED, "without_outcome"), 0)
    places = None if predictions is None else predictions.select("key", *REQUEST).collect()
    if places is not None:
        counts["predictions"] = counts["without_outcome"] = places.height
    if outcomes is None:
        return counts
    reports = outcomes.select("key", *REQUEST, "value", "known_at", "received_at", "status").collect()
    told = dict(reports["status"].value_counts().iter_rows())
    counts |= {name: int(told.get(name, 0)) for name in STATUSES}
    counts["received"] = counts["unmatched"] = reports.height
    if places is None:
        return counts
    counts["matched"] = _of(reports.lazy(), places).select(pl.len()).collect().item()
    counts["unmatched"] = reports.height - counts["matched"]
    states = matches(places.lazy(), reports.lazy(), spec.serving.outcomes).select(STATE).collect()[STATE]
    by_state = dict(states.value_counts().iter_rows())
    counts |= {NEVER: by_state.get(NEVER, 0), UNDECIDED: by_state.get(UNDECIDED, 0)}
    return counts | {"with_outcome": by_state.get(USED, 0), "without_outcome": by_state.get(None, 0)}


def count_matched(root: Path | str, fleet: str, outcomes: pl.DataFrame) -> int:
    """How many of `outcomes` are of recorded predictions."""
    predictions = predictions_table(root, fleet).scan()
    if predictions is None:
        return 0
    places = [
        predictions.select(*by).join(outcomes.lazy().select(*by), on=list(by), how="semi")
        for by in (KEY, REQUEST)
    ]
    known = pl.concat([place.unique() for place in places], how="diagonal").collect()
    return int(_of(outcomes.lazy(), known).select(pl.len()).collect().item())


def instant(moment: Moment) -> pl.Expr:
    """A moment as a Polars literal."""
    return pl.lit(micros(moment)).cast(pl.Datetime("us", "UTC"))


def micros(moment: Moment) -> int:
    """A moment in microseconds since 1970-01-01 UTC."""
    if isinstance(moment, int):
        return moment
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _of(outcomes: pl.LazyFrame, places: pl.DataFrame) -> pl.LazyFrame:
    """The outcomes of the rows at `places` (key, request id and row of predictions)."""
    by_key = outcomes.join(places.lazy().select(*KEY).unique(), on=list(KEY), how="semi")
    by_request = outcomes.filter(pl.col("key").is_null()).join(
        places.lazy().select(*REQUEST), on=list(REQUEST), how="semi"
    )
    return pl.concat([by_key, by_request])


def _heard(rows: pl.LazyFrame, outcomes: pl.LazyFrame, rules: OutcomesSpec, moment: pl.Expr) -> pl.LazyFrame:
    """Rows that were recorded, or of which an outcome came, since `moment`, matched with all their outcomes."""
    recent = (pl.col(DAY) >= moment.dt.date()) & (pl.col("received_at") >= moment)
    heard = outcomes.filter(recent).collect()
    # Earlier outcomes of these rows matter only where one of them is not the first of its row.
    of_heard = (
        heard.lazy() if (heard["status"] == NEW).all() else _of(outcomes, heard.select("key", *REQUEST))
    )
    recorded = rows.filter(recent)
    of_recorded = _of(outcomes, recorded.select("key", *REQUEST).collect())
    both = [matches(rows, of_heard, rules), matches(recorded, of_recorded, rules)]
    found = pl.concat([one.filter(pl.col(STATE).is_not_null()) for one in both])
    return found.unique(list(REQUEST), keep="any")


def _require(names: Sequence[str], have: Sequence[str]) -> None:
    for name in names:
        if name not in have:
            raise DataError(f"The recorded predictions have no column {name!r}: {near(name, have)}")
    clash: list[Any] = [name for name in have if name in BROUGHT]
    if clash:
        raise DataError(
            f"The recorded predictions have a column {clash[0]!r}, which outcomes bring: rename it."
        )
