"""What an outcome is to the outcomes before it: new, repeated, conflicting, late."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl

from jomon.data.log_records import Item, Report
from jomon.data.outcomes_table import SCHEMA, outcome_rows, statuses

from .log_help import START

KEY = '["UA"]'
HOUR = 3_600_000_000


def rows(*items: tuple[int, str, int | None, float | None], received: int = START) -> pl.DataFrame:
    """One report for each item, a microsecond apart."""
    reports = [Report(received + k, f"r{k}", [Item(*item, None)]) for k, item in enumerate(items)]
    return outcome_rows(reports)


def told(new: pl.DataFrame, existing: pl.DataFrame | None = None, **late: Any) -> list[str]:
    return statuses(new, pl.DataFrame(schema=SCHEMA) if existing is None else existing, **late).to_list()


def test_rows_have_the_columns_of_the_table() -> None:
    frame = rows((0, KEY, 0, 1.0), (1, "abc", 2, None))
    assert {**frame.schema, "status": pl.String} == SCHEMA
    assert frame["key"].to_list() == [KEY, None]
    assert frame["request_id"].to_list() == [None, "abc"]
    assert frame["row"].to_list() == [None, 2]
    assert frame["known_at"].to_list() == frame["received_at"].to_list()


def test_outcomes_of_one_pass_are_compared_with_one_another() -> None:
    new = rows((0, KEY, None, 1.0), (0, KEY, None, 1.0), (0, KEY, None, 0.0), (0, '["AA"]', None, 0.0))
    assert told(new) == ["new", "repeated", "conflicting", "new"]


def test_an_outcome_is_compared_with_the_one_before_it_in_the_table() -> None:
    existing = rows((0, KEY, None, 1.0), (0, KEY, None, 0.0))
    assert told(rows((0, KEY, None, 0.0), received=START + 9), existing) == ["repeated"]
    assert told(rows((0, KEY, None, 1.0), received=START + 9), existing) == ["conflicting"]


def test_rows_of_a_request_are_apart() -> None:
    new = rows((1, "abc", 0, 1.0), (1, "abc", 1, 0.0), (1, "abc", 1, 0.0))
    assert told(new) == ["new", "new", "repeated"]


def test_an_outcome_that_will_never_be_known_is_a_value_of_its_own() -> None:
    new = rows((0, KEY, None, None), (0, KEY, None, None), (0, KEY, None, 1.0))
    assert told(new) == ["new", "repeated", "conflicting"]


def test_reports_are_taken_in_the_order_in_which_they_came() -> None:
    later = Report(START + 5, "b", [Item(0, KEY, None, 0.0, None)])
    first = Report(START, "a", [Item(0, KEY, None, 1.0, None)])
    frame = outcome_rows([later, first])
    assert frame["report_id"].to_list() == ["a", "b"]
    assert told(frame) == ["new", "conflicting"]


def test_an_outcome_is_late_by_the_time_of_its_row_where_the_prediction_is_known() -> None:
    times = pl.DataFrame(
        {"key": [KEY], "request_id": ["abc"], "row": [0], "time": [START - 2 * HOUR]},
        schema={"key": pl.String, "request_id": pl.String, "row": pl.Int32, "time": pl.Datetime("us", "UTC")},
    )
    new = rows((0, KEY, None, 1.0), (1, "abc", 0, 1.0), (1, "abc", 1, 1.0), (0, '["AA"]', None, 1.0))
    hour, three = timedelta(hours=1), timedelta(hours=3)
    assert told(new, times=times, late_after=hour) == ["late", "late", "new", "new"]
    assert told(new, times=times, late_after=three) == ["new"] * 4
    assert told(new, times=None, late_after=hour) == ["new"] * 4


def test_recorded_data_that_is_played_again_is_not_late() -> None:
    """It is received now, and was known long ago: then it came."""
    times = pl.DataFrame({"key": [KEY], "request_id": ["abc"], "row": [0], "time": [START]}).cast(
        {"row": pl.Int32, "time": pl.Datetime("us", "UTC")}
    )
    new = outcome_rows([Report(START + 1000 * HOUR, "a", [Item(0, KEY, None, 1.0, START + HOUR)])])
    assert told(new, times=times, late_after=timedelta(hours=2)) == ["new"]
