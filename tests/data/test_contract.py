from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from jomon.core.errors import DataError
from jomon.core.spec import ProjectSpec
from jomon.core.spec_yaml import parse_project
from jomon.data.contract import Checked, Contract
from jomon.data.tables import REASONS, ROW


def _spec(contract: str, features: str = "numeric: [x]") -> ProjectSpec:
    return parse_project(
        "fleet: f\nquestion: q\n"
        "data: {source: 'data:load', time: t, timezone: America/New_York, key: [t], "
        f"target: {{column: y, kind: regression}}, features: {{{features}}}, contract: {{{contract}}}}}\n"
        "stages: [{level: []}]\n"
    ).spec


def _check(contract: str, **columns: Any) -> Checked:
    rows = len(next(iter(columns.values())))
    times = [datetime(2024, 5, 1 + n) for n in range(rows)]
    base = {"t": times, "y": [1.0] * rows, "x": [1.0] * rows, **columns}
    frame = pl.DataFrame(base).with_row_index(ROW).with_columns(pl.col(ROW).cast(pl.Int64))
    return Contract(_spec(contract), kept=(ROW,)).check(frame)


def _reasons(checked: Checked) -> dict[int, list[str]]:
    return dict(zip(checked.bad[ROW].to_list(), checked.bad[REASONS].to_list(), strict=True))


def test_a_date_bound_of_the_time_counts_in_local_days_and_includes_its_last() -> None:
    times = [
        datetime(2024, 4, 30, 23, 59),
        datetime(2024, 5, 1),
        datetime(2024, 5, 2, 23, 59),
        datetime(2024, 5, 3),
    ]
    checked = _check("t: {min: 2024-05-01, max: 2024-05-02}", t=times)
    assert _reasons(checked) == {
        0: ["t 2024-04-30 23:59:00 is below 2024-05-01"],
        3: ["t 2024-05-03 00:00:00 is above 2024-05-02"],
    }


@pytest.mark.parametrize(
    ("declared", "values", "kept", "told"),
    [
        ("type: int", ["7", "7.0", " 8 ", "7.5", "seven", None], [7, 7, 8, None], "is not a whole number"),
        ("type: int", [7.0, 7.5, None, 2.0**60], [7, None], "is not a whole number"),
        ("type: bool", ["true", "FALSE", "1", "no"], [True, False, True], "is not true or false"),
        ("type: bool", [1, 0, 2], [True, False], "is not true or false"),
        ("type: date", ["2024-02-29", "2023-02-29"], [date(2024, 2, 29)], "is not a date"),
        ("type: string", [7.0, 0.5, None], ["7", "0.5", None], ""),
        ("type: float", ["1e3", "x", "", "NaN"], [1000.0, None], "is not a number"),
    ],
)
def test_a_declared_type_is_made_of_whatever_the_source_has(
    declared: str, values: list[Any], kept: list[Any], told: str
) -> None:
    """What cannot become it is told with its value; blanks in text are missing values."""
    checked = _check(f"z: {{{declared}}}", z=pl.Series(values))
    assert checked.good["z"].to_list() == kept
    assert all(reasons[0].endswith(told) and len(reasons) == 1 for reasons in _reasons(checked).values())
    assert checked.good.height + checked.bad.height == len(values)


def test_nan_is_a_missing_value_and_infinity_is_not_a_value() -> None:
    checked = _check("x: {required: true}", x=[float("nan"), float("inf"), None, 1.0])
    assert _reasons(checked) == {0: ["x is missing"], 1: ["x inf is not finite"], 2: ["x is missing"]}


def test_a_wrong_value_of_a_required_column_is_not_called_missing_too() -> None:
    assert _reasons(_check("x: {required: true}", x=["one", None])) == {
        0: ["x 'one' is not a number"],
        1: ["x is missing"],
    }


def test_allowed_values_are_compared_by_their_text() -> None:
    checked = _check("z: {values: [1, 2]}", z=[1.0, 2.0, 3.0, None])
    assert _reasons(checked) == {2: ["z 3 is not one of 1, 2"]}


def test_bounds_of_a_text_column_read_it_as_numbers() -> None:
    checked = _check("z: {max: 10}", z=["9", "11", "x"])
    assert _reasons(checked) == {1: ["z '11' is above 10"], 2: ["z 'x' is not a number"]}


def test_a_value_with_braces_and_quotes_is_told_as_it_is() -> None:
    checked = _check("z: {values: [a]}", z=["{}", "it's", "a"])
    assert _reasons(checked) == {0: ["z '{}' is not one of a"], 1: ['z "it\'s" is not one of a']}


@pytest.mark.parametrize(
    ("contract", "columns", "message"),
    [
        ("z: {max: 10}", {"z": [date(2024, 1, 1)]}, r"^data\.contract\.z: a number bounds numbers"),
        ("z: {max: 2024-01-01}", {"z": [1]}, r"^data\.contract\.z: a date bounds dates and times"),
        (
            "z: {type: date}",
            {"z": [1]},
            r"^Column 'z' holds Int64 values where data\.contract\.z declares a date",
        ),
        ("", {"x": [date(2024, 1, 1)]}, r"^Column 'x' holds Date values where numbers are needed"),
        ("", {"t": [5]}, r"^The time column 't' holds Int64 values: write it as "),
    ],
)
def test_a_column_that_can_never_be_what_is_declared_is_one_sentence(
    contract: str, columns: dict[str, list[Any]], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        _check(contract, **columns)
    assert "\n" not in str(caught.value)


def test_times_with_zones_are_converted_and_dates_begin_their_local_day() -> None:
    texts = ["2024-05-01T12:00:00Z", "2024-05-01 12:00:00-04:00", "2024-05-01T12:00:00.250", "2024-05-01"]
    checked = _check("", t=texts)
    assert checked.good["t"].to_list() == [
        datetime(2024, 5, 1, 12, tzinfo=UTC),
        datetime(2024, 5, 1, 16, tzinfo=UTC),
        datetime(2024, 5, 1, 16, 0, 0, 250_000, tzinfo=UTC),
        datetime(2024, 5, 1, 4, tzinfo=UTC),
    ]
    days = _check("", t=[date(2024, 5, 1), None, date(3024, 1, 1)])
    assert days.good["t"].to_list() == [datetime(2024, 5, 1, 4, tzinfo=UTC)]
    assert _reasons(days) == {1: ["t is missing"], 2: ["t 3024-01-01 is outside the years 1900 to 2100"]}


def test_moments_beside_the_time_column_have_types_and_bounds_too() -> None:
    checked = _check(
        "z: {type: datetime, min: 2024-01-01, max: 2024-01-02}",
        z=["2024-01-01T00:00", "2024-01-02 23:59:59", "2024-01-03", "2023-12-31 10:00:00.5", "noon", None],
    )
    assert checked.good["z"].to_list() == [datetime(2024, 1, 1), datetime(2024, 1, 2, 23, 59, 59), None]
    assert _reasons(checked) == {
        2: ["z '2024-01-03' is above 2024-01-02"],
        3: ["z '2023-12-31 10:00:00.5' is below 2024-01-01"],
        4: ["z 'noon' is not a time"],
    }
    days = _check("z: {type: date, max: 2024-01-02}", z=[date(2024, 1, 2), date(2024, 1, 3)])
    assert _reasons(days) == {1: ["z 2024-01-03 is above 2024-01-02"]}


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([1.0, float("nan"), 2.5], [1.0, None, 2.5]),
        ([date(2024, 1, 1), None], ["2024-01-01", None]),
        ([True, False], [True, False]),
    ],
)
def test_categories_keep_numbers_and_truth_values_and_make_text_of_the_rest(
    values: list[Any], kept: list[Any]
) -> None:
    frame = pl.DataFrame({"t": [datetime(2024, 5, 1 + n) for n in range(len(values))], "y": 1.0, "x": values})
    spec = _spec("", features="categorical: [x]")
    assert Contract(spec).check(frame).good["x"].to_list() == kept
