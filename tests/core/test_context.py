"""Context tells every row its segments, and says why a member does not answer."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jomon.core.columns import table_from_mapping
from jomon.core.context import Context
from jomon.core.errors import PredictError, UnknownNameError
from jomon.core.routing import ANSWERS, Reason, Why
from jomon.core.segments import Segment
from jomon.core.spec import ProjectSpec
from jomon.core.table import Coded, Table

LEVELS: list[list[str]] = [
    [],
    ["carrier", "origin"],
    ["carrier", "origin", "season"],
    ["occasion"],
    ["weekday", "hour_band"],
]


def spec(levels: list[Any] = LEVELS, **more: Any) -> ProjectSpec:
    document: dict[str, Any] = {
        "fleet": "flights",
        "question": "late?",
        "data": {
            "source": "data:load",
            "time": "departure",
            "timezone": "America/New_York",
            "key": ["flight"],
            "target": {"column": "late", "kind": "binary"},
            "features": {"numeric": ["distance"], "calendar": ["hour", "days_to_occasion"]},
        },
        "axes": {
            "season": {"hemisphere": "north"},
            "occasion": {"country": "US", "days_before": 1, "days_after": 1},
            "hour_band": {"early": "5-9", "day": "10-15", "evening": "16-20", "night": "21-4"},
        },
        "stages": [level if isinstance(level, dict) else {"level": level} for level in levels],
    }
    return ProjectSpec.from_canonical(document | more)


CONTEXT = Context(spec())


def times(*moments: datetime) -> np.ndarray:
    """Instants of wall times in New York."""
    walls = [(m - datetime(1970, 1, 1)) // timedelta(microseconds=1) for m in moments]
    return CONTEXT.local.to_utc(np.array(walls, dtype=np.int64))[0]


def table(**columns: list[Any]) -> Table:
    rows = len(next(iter(columns.values())))
    return table_from_mapping(columns, np.repeat(times(datetime(2013, 7, 4, 8)), rows))


def segment_texts(context: Context, rows: Table, level: list[str]) -> list[str | None]:
    found = context.segments(rows, level)
    return [None if code < 0 else found.segments[code].text for code in found.codes.tolist()]


values = st.sampled_from(["UA", "AA", "a b", 'q"', "", "é"]) | st.none()


@given(st.lists(st.tuples(values, values, st.integers(1, 12)), min_size=1, max_size=40))
def test_the_segment_of_a_row_is_that_of_its_values_told_one_by_one(rows: list[tuple[Any, Any, int]]) -> None:
    time = np.concatenate([times(datetime(2013, month, 15)) for _, _, month in rows])
    made = table_from_mapping({"carrier": [r[0] for r in rows], "origin": [r[1] for r in rows]}, time)
    seasons = ["winter", "spring", "summer", "autumn"]
    expected = [
        None
        if carrier is None or origin is None
        else Segment((("carrier", carrier), ("origin", origin), ("season", seasons[month % 12 // 3]))).text
        for carrier, origin, month in rows
    ]
    found = CONTEXT.segments(made, LEVELS[2])
    assert segment_texts(CONTEXT, made, LEVELS[2]) == expected
    assert list(found.segments) == sorted(set(found.segments), key=lambda s: s.items)
    assert found.counts().tolist() == [expected.count(segment.text) for segment in found.segments]


@given(st.permutations(range(4)))
def test_segments_do_not_depend_on_how_a_column_is_coded(order: list[int]) -> None:
    names = ["UA", "AA", "DL", "B6"]
    codes = np.array([order.index(i) for i in (0, 1, 2, 3, 1)], dtype=np.int32)
    turned = Coded(codes, tuple(names[i] for i in order))
    plain = table(carrier=[names[i] for i in (0, 1, 2, 3, 1)])
    other = Table(plain.time, {"carrier": turned})
    assert segment_texts(CONTEXT, other, ["carrier"]) == segment_texts(CONTEXT, plain, ["carrier"])
    assert CONTEXT.segments(other, ["carrier"]).segments == CONTEXT.segments(plain, ["carrier"]).segments


def test_the_empty_level_is_one_segment_of_all_rows() -> None:
    found = CONTEXT.segments(table(x=[1, 2, 3]), [])
    assert found.segments == (Segment(),)
    assert found.codes.tolist() == [0, 0, 0]


def test_a_row_without_a_value_has_no_segment_and_no_code() -> None:
    found = CONTEXT.segments(table(carrier=["UA", None]), ["carrier"])
    codes, has = found.row_codes()
    assert found.codes.tolist() == [0, -1]
    assert has.tolist() == [True, False]
    assert codes.tolist() == [Segment((("carrier", "UA"),)).code, 0]


def test_rows_without_any_value_have_no_segments() -> None:
    found = CONTEXT.segments(table(carrier=[None, None], origin=["EWR", "JFK"]), ["carrier", "origin"])
    assert (found.segments, found.codes.tolist()) == ((), [-1, -1])
    assert found.row_codes()[1].tolist() == [False, False]


def test_many_values_on_many_axes_do_not_overflow() -> None:
    """Ten axes of 10,000 values each have 10^40 combinations, of which 10,000 occur."""
    n = 10_000
    codes = np.arange(n, dtype=np.int32)
    columns = {f"a{i}": Coded(np.roll(codes, i), tuple(f"{v:05d}" for v in range(n))) for i in range(10)}
    found = Context(spec([[]])).segments(Table(np.zeros(n, dtype=np.int64), columns), list(columns))
    assert len(found.segments) == n
    assert found.segments[found.codes[7]].items[3] == ("a3", "00004")


def test_columns_of_numbers_and_truth_values_are_axes_as_text() -> None:
    rows = table(terminal=[1, 2.5, None], cargo=[True, False, None])
    assert segment_texts(CONTEXT, rows, ["terminal"]) == ["terminal=1", "terminal=2.5", None]
    assert segment_texts(CONTEXT, rows, ["cargo"]) == ["cargo=true", "cargo=false", None]


def test_a_declared_axis_goes_before_a_column_of_its_name_and_an_undeclared_one_is_a_column() -> None:
    rows = table(weekday=["someday"], season=["monsoon"])
    assert segment_texts(CONTEXT, rows, ["weekday", "season"]) == ["weekday=thu season=summer"]
    assert segment_texts(Context(spec([[]], axes={})), rows, ["weekday", "season"]) == [
        "weekday=thu season=monsoon"
    ]


def test_a_level_of_a_missing_column_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(PredictError, match="no column 'carrier'; the nearest column is 'carier'"):
        CONTEXT.segments(table(carier=["UA"]), ["carrier"])


def test_codes_are_those_of_each_stage_in_turn() -> None:
    rows = table(carrier=["UA", None], origin=["EWR", "EWR"])
    codes, has = CONTEXT.codes(rows)
    expected = [
        Segment.parse(text).code
        for text in (
            "(all)",
            "carrier=UA origin=EWR",
            "carrier=UA origin=EWR season=summer",
            'occasion="Independence Day"',
            "weekday=thu hour_band=early",
        )
    ]
    assert codes[0].tolist() == expected
    assert has.tolist() == [[True] * 5, [True, False, False, True, True]]


def test_no_rows_have_no_segments_at_any_level() -> None:
    empty = Table(
        np.zeros(0, dtype=np.int64),
        {name: Coded(np.zeros(0, np.int32), ()) for name in ("carrier", "origin")},
    )
    codes, has = CONTEXT.codes(empty)
    assert codes.shape == has.shape == (0, 5)
    assert CONTEXT.explain(empty) == ()


def test_calendar_features_join_the_columns_of_a_table() -> None:
    made = CONTEXT.with_calendar(table(carrier=["UA"]))
    assert list(made.columns) == ["carrier", "hour", "days_to_occasion"]
    assert float(made.columns["hour"][0]) == 8.0  # type: ignore[index]
    assert float(made.columns["days_to_occasion"][0]) == 0.0  # type: ignore[index]


def test_a_segment_is_found_by_its_values_in_any_order() -> None:
    found = CONTEXT.segment_of({"season": "winter", "origin": "EWR", "carrier": "UA"})
    assert found.text == "carrier=UA origin=EWR season=winter"
    assert CONTEXT.segment_of({}) == Segment()
    assert Context(spec([["terminal"]])).segment_of({"terminal": 4.0}).text == "terminal=4"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"carrier": "UA"}, r"No stage has the level \[carrier\]: the levels are \[\]; \[carrier, origin\]"),
        ({"carrier": "UA", "origin": "EWR", "season": "wintr"}, "season has no value 'wintr'.*'winter'"),
        ({"weekday": "mon", "hour_band": "noon"}, "hour_band has no value 'noon'"),
    ],
)
def test_a_segment_that_cannot_be_is_refused(values: dict[str, str], message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        CONTEXT.segment_of(values)


def test_stored_calendars_are_what_an_image_answers_with() -> None:
    stored = CONTEXT.canonical_calendars(2012, 2014)
    stored["occasion"]["years"]["2013"]["2013-07-04"] = "The Fourth"
    rows = table(carrier=["UA"])
    assert segment_texts(Context(spec(), stored), rows, ["occasion"]) == ['occasion="The Fourth"']
    assert Context(spec([[]], axes={})).canonical_calendars(2012, 2014) == {}


def explained(context: Context, rows: Table, verdict: Any = None) -> list[list[tuple[str | None, bool, str]]]:
    routes = context.explain(rows, verdict) if verdict else context.explain(rows)
    return [[(step.segment, step.active, step.reason) for step in route] for route in routes]


def test_explain_tells_every_row_its_segment_at_every_stage_and_why_members_do_not_answer() -> None:
    def verdict(stage: int, segment: Segment) -> Reason:
        few = segment.text == "carrier=UA origin=EWR"
        return Reason.of(Why.TOO_FEW_ROWS, rows=57, needed=200) if few else ANSWERS

    context = Context(spec([[], ["carrier", "origin"], ["season"]]))
    rows = table(carrier=["UA", None, "DL"], origin=["EWR", None, "JFK"])
    summer, root = ("season=summer", True, "answers"), ("(all)", True, "answers")
    assert explained(context, rows, verdict) == [
        [root, ("carrier=UA origin=EWR", False, "no member: too few rows (57 of 200)"), summer],
        [root, (None, False, "no value for carrier, origin"), summer],
        [root, ("carrier=DL origin=JFK", True, "answers"), summer],
    ]


def test_where_members_replace_one_another_the_finest_that_can_answers_alone() -> None:
    context = Context(spec([[], ["carrier"], ["carrier", "season"]], relation="replace"))
    finest = "carrier=UA season=summer answers in its place"
    assert explained(context, table(carrier=["UA", None])) == [
        [
            ("(all)", False, finest),
            ("carrier=UA", False, finest),
            ("carrier=UA season=summer", True, "answers"),
        ],
        [
            ("(all)", True, "answers"),
            (None, False, "no value for carrier"),
            (None, False, "no value for carrier"),
        ],
    ]


def test_a_member_outside_its_validity_does_not_answer_and_explain_says_so() -> None:
    valid = [{"segment": {"carrier": "UA"}, "from": "2013-07-05"}]
    context = Context(spec([[], {"level": ["carrier"], "valid": valid}]))
    rows = table(carrier=["UA", "DL"])
    assert context.codes(rows)[1].tolist() == [[True, False], [True, True]]
    reason = "its validity periods do not include this time"
    assert explained(context, rows)[0][1] == ("carrier=UA", False, reason)


def test_explain_and_codes_agree_on_who_can_answer() -> None:
    valid = [{"segment": {"carrier": "UA"}, "until": "2013-07-04"}]
    context = Context(spec([[], {"level": ["carrier", "season"], "valid": valid}, ["origin"]]))
    rows = table(carrier=["UA", "DL", None], origin=[None, "EWR", "JFK"])
    told = [[step.active for step in route] for route in context.explain(rows)]
    assert told == context.codes(rows)[1].tolist()


def test_context_loads_no_table_library_and_no_calendar_before_an_occasion_is_asked_for() -> None:
    heavy = ["polars", "pandas", "numba", "lightgbm", "sklearn", "deltalake", "holidays"]
    code = f"import sys, jomon.core.context, jomon.core.encoding; assert not set({heavy}) & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
