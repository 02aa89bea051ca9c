"""Outcomes find the predictions they belong to, whichever comes first; of several values the declared one counts."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jomon.core.errors import DataError
from jomon.core.outcome_key import key_text
from jomon.core.spec import ProjectSpec
from jomon.core.spec_serving import OutcomesSpec
from jomon.core.spec_yaml import parse_project
from jomon.data.log_records import Item, Report
from jomon.data.outcomes import BROUGHT, NEVER, STATE, UNDECIDED, USED, matched, matches, summary
from jomon.data.outcomes_table import SCHEMA, outcome_rows, outcomes_table, statuses
from jomon.data.outcomes_writing import add_outcomes
from jomon.data.predictions import FIXED, INSTANT, predictions_table

DAY = 86_400_000_000
START = 1_380_000_000_000_000
YAML = """
fleet: parcels
question: Will it come late?
data:
  source: rows.csv
  time: sent
  timezone: UTC
  key: [parcel]
  target: {{column: late, kind: binary}}
  features: {{numeric: [distance]}}
serving: {serving}
stages: [{{level: []}}]
"""


def spec_of(serving: str = "{}") -> ProjectSpec:
    return parse_project(YAML.format(serving=serving).encode(), "jomon.yaml").spec


SPEC = spec_of()


class Log:
    """The tables of one fleet, written as the mover writes them."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def predict(self, *rows: tuple[str, int], received: int | None = None, request: str | None = None) -> str:
        """One request with rows (key text, time in us); its id."""
        request = request or uuid.uuid4().hex
        came = pl.Series([rows[0][1] if received is None else received] * len(rows)).cast(INSTANT)
        texts = {
            name: pl.Series([""] * len(rows), dtype=pl.String)
            for name in FIXED
            if name not in ("chain", "missed")
        }
        lists = {
            name: pl.Series([[""]] * len(rows), dtype=pl.List(pl.String)) for name in ("chain", "missed")
        }
        frame = pl.DataFrame(texts | lists).with_columns(
            request_id=pl.lit(request),
            row=pl.Series(range(len(rows)), dtype=pl.Int32),
            received_at=came,
            day=came.dt.date(),
            key=pl.Series([key for key, _ in rows]),
            sent=pl.Series([time for _, time in rows]).cast(INSTANT),
            distance=pl.Series([float(n) for n in range(len(rows))]),
        )
        predictions_table(self.root, "parcels").append(frame, {})
        return request

    def report(
        self,
        *items: tuple[Any, float | None] | tuple[Any, float | None, int],
        at: int,
        late_after: timedelta | None = None,
    ) -> pl.DataFrame:
        """One report: each item a key (or a request id and a row), a value, and when it was known."""
        made = []
        for of, value, *known in items:
            by_key = isinstance(of, str)
            made.append(
                Item(
                    0 if by_key else 1,
                    of if by_key else of[0],
                    0 if by_key else of[1],
                    value,
                    known[0] if known else at,
                )
            )
        new = outcome_rows([Report(at, uuid.uuid4().hex, made)])
        tables = predictions_table(self.root, "parcels"), outcomes_table(self.root, "parcels")
        return add_outcomes(self.root, tables, new, "sent", late_after)

    def matched(self, spec: ProjectSpec = SPEC, **options: Any) -> pl.DataFrame:
        return matched(self.root, "parcels", spec, **options)

    def summary(self, spec: ProjectSpec = SPEC) -> dict[str, int]:
        return {name: n for name, n in summary(self.root, "parcels", spec).items() if n}


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "tables")


def test_before_anything_happens_there_is_nothing(log: Log) -> None:
    assert log.matched().is_empty()
    assert log.summary() == {}
    log.predict(("a", START))
    found = log.matched()
    assert found.is_empty()
    assert {"key", "sent", "outcome", "outcome_known_at"} <= set(found.columns)
    assert log.summary() == {"predictions": 1, "without_outcome": 1}


def test_an_outcome_that_comes_first_is_kept_and_matched_when_the_prediction_arrives(log: Log) -> None:
    log.report(("a", 1.0), at=START)
    assert log.summary() == {"received": 1, "new": 1, "unmatched": 1}
    log.predict(("a", START), ("b", START + 1))
    assert log.summary() == {
        "received": 1, "new": 1, "matched": 1, "predictions": 2, "with_outcome": 1, "without_outcome": 1
    }  # fmt: skip
    assert log.matched()["key"].to_list() == ["a"]


def test_every_prediction_of_one_key_gets_the_outcome(log: Log) -> None:
    for moment in (START, START + 5):
        log.predict(("a", START), ("b", START), received=moment)
    log.report(("a", 1.0), ("b", 0.0), at=START + DAY)
    found = log.matched(columns=["key", "row"])
    assert sorted(found.select("key", "row", "outcome").rows()) == [("a", 0, 1.0)] * 2 + [("b", 1, 0.0)] * 2
    assert log.summary()["matched"] == 2


def test_an_outcome_by_request_is_of_that_row_alone(log: Log) -> None:
    first = log.predict(("a", START), ("b", START))
    log.predict(("a", START), ("b", START))
    log.report(((first, 1), 1.0), (("nobody", 0), 1.0), at=START + DAY)
    found = log.matched()
    assert found.select("request_id", "row", "outcome").rows() == [(first, 1, 1.0)]
    assert {name: log.summary()[name] for name in ("matched", "unmatched", "without_outcome")} == {
        "matched": 1, "unmatched": 1, "without_outcome": 3
    }  # fmt: skip


@pytest.mark.parametrize(
    ("conflicting", "value", "known"), [("last", 0.0, 30), ("first", 1.0, 10), ("refuse", None, None)]
)
def test_of_two_values_the_declared_one_counts(log: Log, conflicting: str, value: Any, known: Any) -> None:
    spec = spec_of(f"{{outcomes: {{conflicting: {conflicting}}}}}")
    log.predict(("a", START))
    for at, reported in ((10, 1.0), (20, 1.0), (30, 0.0), (40, 0.0)):
        log.report(("a", reported), at=START + at)
    expected = [] if value is None else [(value, known)]
    found = log.matched(spec)
    told = found.select("outcome", pl.col("outcome_known_at").dt.epoch("us") - START).rows()
    assert told == expected
    counts = log.summary(spec)
    assert {name: counts.get(name) for name in ("new", "repeated", "conflicting")} == {
        "new": 1, "repeated": 2, "conflicting": 1
    }  # fmt: skip
    assert counts.get("undecided") == (1 if value is None else None)


@pytest.mark.parametrize(("conflicting", "value"), [("last", 0.0), ("first", 1.0), ("refuse", None)])
def test_values_by_key_and_by_request_are_told_apart_too(log: Log, conflicting: str, value: Any) -> None:
    spec = spec_of(f"{{outcomes: {{conflicting: {conflicting}}}}}")
    request = log.predict(("a", START))
    log.report(("a", 1.0), at=START + 10)
    log.report(((request, 0), 0.0), at=START + 20)
    assert log.matched(spec)["outcome"].to_list() == ([] if value is None else [value])


def test_an_outcome_that_will_never_be_known_is_not_used_and_not_waited_for(log: Log) -> None:
    log.predict(("a", START))
    log.report(("a", None), at=START + 10)
    assert log.matched().is_empty()
    assert log.summary() == {"received": 1, "new": 1, "matched": 1, "predictions": 1, "never": 1}
    log.report(("a", 1.0), at=START + 20)
    assert log.matched()["outcome"].to_list() == [1.0]


@pytest.mark.parametrize(("late", "used"), [("accept", 1), ("refuse", 0)])
def test_a_late_outcome_is_used_or_kept_aside_as_declared(log: Log, late: str, used: int) -> None:
    spec = spec_of(f"{{outcomes: {{late_after: 1d, late: {late}}}}}")
    log.predict(("a", START))
    log.report(("a", 1.0), at=START + 2 * DAY, late_after=timedelta(days=1))
    assert log.matched(spec).height == used
    assert log.summary(spec)["late"] == 1
    assert log.summary(spec)["matched"] == 1


def test_a_window_bounds_the_time_of_the_rows(log: Log) -> None:
    for n, key in enumerate("abcd"):
        log.predict((key, START + n), received=START + 5 * DAY)
    log.report(*((key, 1.0) for key in "abcd"), at=START + 6 * DAY)
    assert log.matched(since=START + 1, until=START + 3)["key"].to_list() == ["b", "c"]
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=START + 3)
    assert log.matched(since=moment)["key"].to_list() == ["d"]


def test_what_was_heard_since_a_moment_is_judged_with_what_came_before(log: Log) -> None:
    spec = spec_of("{outcomes: {conflicting: first}}")
    log.predict(("a", START), ("b", START))
    log.report(("a", 1.0), at=START + DAY)
    log.report(("a", 0.0), ("b", 0.0), at=START + 3 * DAY)
    found = log.matched(spec, heard_since=START + 2 * DAY)
    assert found.select("key", "outcome").rows() == [("a", 1.0), ("b", 0.0)]
    assert log.matched(spec, heard_since=START + 4 * DAY).is_empty()


def test_a_prediction_that_came_after_its_outcome_is_heard_of_when_it_comes(log: Log) -> None:
    log.report(("a", 1.0), at=START)
    log.predict(("a", START), received=START + 5 * DAY)
    log.predict(("b", START), received=START + 5 * DAY)
    assert log.matched(heard_since=START + DAY)["key"].to_list() == ["a"]


def test_what_became_known_later_is_left_out_of_account(log: Log) -> None:
    log.predict(("a", START), ("b", START))
    log.report(("a", 1.0, START + DAY), ("b", 1.0, START + 3 * DAY), at=START + 5 * DAY)
    log.report(("a", 0.0, START + 3 * DAY), at=START + 5 * DAY + 1)
    early, late = (log.matched(known_before=START + days * DAY) for days in (2, 4))
    assert early.select("key", "outcome").rows() == [("a", 1.0)]
    assert sorted(late.select("key", "outcome").rows()) == [("a", 0.0), ("b", 1.0)]
    first = late.filter(key="a").select(
        pl.col("outcome_first_known_at", "outcome_known_at").dt.epoch("us") - START
    )
    assert first.rows() == [(DAY, 3 * DAY)]


def test_a_column_that_was_not_recorded_is_named(log: Log) -> None:
    log.predict(("a", START))
    with pytest.raises(DataError, match="no column 'distanz': did you mean 'distance'"):
        log.matched(columns=["distanz"])


VALUES = st.sampled_from([0.0, 1.0, None])
REPORTS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c"]), VALUES, st.integers(0, 5), st.booleans()),
    min_size=1,
    max_size=12,
)


def told(
    reports: Sequence[tuple[str, float | None, int, bool]], rules: OutcomesSpec
) -> dict[str, tuple[Any, ...]]:
    """What counts for each key, by going through the reports one after the other."""
    out = {}
    for key in sorted({key for key, *_ in reports}):
        mine = [(at, v, known) for at, (k, v, known, late) in enumerate(reports)
                if k == key and not (late and rules.late == "refuse")]  # fmt: skip
        if not mine:
            continue
        runs = [mine[0]]
        runs += [now for before, now in pairwise(mine) if now[1] != before[1]]
        if rules.conflicting == "refuse" and len(runs) > 1:
            out[key] = (UNDECIDED,)
            continue
        at, value, known = runs[-1] if rules.conflicting == "last" else runs[0]
        first = next((report for report in mine if report[1] is not None), None)
        out[key] = (NEVER,) if value is None else (USED, value, known, at, first[0], first[2])
    return out


@given(REPORTS, st.sampled_from(["last", "first", "refuse"]), st.sampled_from(["accept", "refuse"]))
def test_any_reports_count_as_they_would_one_by_one(reports: Any, conflicting: Any, late: Any) -> None:
    rules = OutcomesSpec(conflicting=conflicting, late=late)
    received = pl.Series(range(len(reports))).cast(INSTANT)
    frame = pl.DataFrame(
        {
            "key": [key for key, *_ in reports],
            "request_id": pl.Series([None] * len(reports), dtype=pl.String),
            "row": pl.Series([None] * len(reports), dtype=pl.Int32),
            "value": pl.Series([value for _, value, *_ in reports], dtype=pl.Float64),
            "known_at": pl.Series([known for *_, known, _ in reports]).cast(INSTANT),
            "received_at": received,
            "report_id": [str(n) for n in range(len(reports))],
            "day": received.dt.date(),
        }
    )
    status = statuses(frame, pl.DataFrame(schema=SCHEMA))
    status = pl.Series(["late" if is_late else s for s, (*_, is_late) in zip(status, reports, strict=True)])
    shuffled = frame.with_columns(status=status).sample(fraction=1.0, shuffle=True, seed=1)
    places = pl.DataFrame(
        {"key": ["a", "b", "c"], "request_id": ["r", "s", "t"], "row": pl.Series([0, 0, 0], dtype=pl.Int32)}
    )
    found = matches(places.lazy(), shuffled.lazy(), rules).collect()
    got = {}
    for row in found.iter_rows(named=True):
        values = [row["outcome"], *(_micros(row[name]) for name in BROUGHT[1:5])]
        if row[STATE] is not None:
            got[row["key"]] = (row[STATE], *values) if row[STATE] == USED else (row[STATE],)
    assert got == told(reports, rules)


def _micros(moment: datetime | None) -> int | None:
    return (
        None if moment is None else (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    )


def test_a_hundred_thousand_predictions_and_outcomes_are_each_matched_once(log: Log) -> None:
    n = 100_000
    keys = [key_text([number]) for number in range(n)]
    log.predict(*((key, START + number) for number, key in enumerate(keys)))
    log.report(*((key, float(number % 2)) for number, key in enumerate(reversed(keys))), at=START + DAY)
    found = log.matched(columns=["key"])
    assert found["key"].to_list() == keys
    assert found["outcome"].to_list() == [float((n - 1 - number) % 2) for number in range(n)]
    assert log.summary() == {"received": n, "new": n, "matched": n, "predictions": n, "with_outcome": n}
    assert found["outcome_received_at"].dt.date().unique().to_list() == [date(2013, 9, 25)]
