"""Members answer inside their periods: from local midnight on, and not at the end."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jomon.core.errors import SpecError
from jomon.core.grouping import Segmented
from jomon.core.localtime import SECOND, LocalTime
from jomon.core.segments import Segment
from jomon.core.spec import Validity
from jomon.core.validity import active, instant

LOCAL = LocalTime("America/New_York")
UA, UA_EWR, DL = (
    Segment.parse(text)
    for text in ("carrier=UA origin=JFK", "carrier=UA origin=EWR", "carrier=DL origin=EWR")
)


def at(*moments: datetime) -> np.ndarray:
    walls = [(m - datetime(1970, 1, 1)) // timedelta(microseconds=1) for m in moments]
    return LOCAL.to_utc(np.array(walls, dtype=np.int64))[0]


def valid(start: str | None, until: str | None, **segment: str) -> Validity:
    return Validity.model_validate({"from": start, "until": until, "segment": segment})


def answers(periods: list[Validity], time: np.ndarray, segment: Segment = UA) -> list[bool]:
    rows = Segmented(np.zeros(len(time), dtype=np.int32), (segment,))
    return active(periods, rows, time, LOCAL).tolist()


def test_a_period_begins_at_local_midnight_and_ends_before_it() -> None:
    time = at(
        datetime(2013, 2, 28, 23, 59, 59),
        datetime(2013, 3, 1),
        datetime(2013, 8, 31, 23, 59, 59),
        datetime(2013, 9, 1),
    )
    assert answers([valid("2013-03-01", "2013-09-01")], time) == [False, True, True, False]


def test_a_period_may_begin_and_end_at_a_wall_time() -> None:
    time = at(datetime(2013, 3, 1, 5, 59), datetime(2013, 3, 1, 6), datetime(2013, 3, 1, 18))
    assert answers([valid("2013-03-01T06:00", "2013-03-01T18:00")], time) == [False, True, False]


def test_a_missing_bound_is_open() -> None:
    time = at(datetime(1950, 1, 1), datetime(2050, 1, 1))
    assert answers([valid("2013-01-01", None)], time) == [False, True]
    assert answers([valid(None, "2013-01-01")], time) == [True, False]


def test_periods_of_the_same_values_are_alternatives() -> None:
    time = at(*(datetime(year, 6, 1) for year in (2011, 2012, 2013, 2014)))
    periods = [valid("2011-01-01", "2012-01-01"), valid("2013-01-01", "2014-01-01")]
    assert answers(periods, time) == [True, False, True, False]


def test_a_period_holds_for_every_segment_with_its_values_and_for_no_other() -> None:
    time = np.repeat(at(datetime(2013, 6, 1)), 4)
    rows = Segmented(np.array([0, 1, 2, -1], dtype=np.int32), (UA, UA_EWR, DL))
    closed = valid("2014-01-01", None, carrier="UA")
    assert active([closed], rows, time, LOCAL).tolist() == [False, False, True, False]
    closed = valid("2014-01-01", None, carrier="UA", origin="EWR")
    assert active([closed], rows, time, LOCAL).tolist() == [True, False, True, False]
    assert active([], rows, time, LOCAL).tolist() == [True, True, True, False]


def test_periods_of_coarser_and_finer_values_must_both_hold() -> None:
    time = at(*(datetime(year, 6, 1) for year in (2012, 2013, 2014)))
    periods = [valid("2013-01-01", None, carrier="UA"), valid(None, "2014-01-01", carrier="UA", origin="EWR")]
    assert answers(periods, time, UA_EWR) == [False, True, False]
    assert answers(periods, time, UA) == [False, True, True]


@given(
    st.dates(date(1980, 1, 1), date(2037, 1, 1)),
    st.dates(date(1980, 1, 1), date(2037, 1, 1)),
    st.lists(st.integers(315_532_800, 2_114_380_800), min_size=1, max_size=20),
)
def test_a_period_of_dates_holds_the_local_days_between_them(
    start: date, until: date, seconds: list[int]
) -> None:
    time = np.array(seconds, dtype=np.int64) * SECOND
    days = [date(1970, 1, 1) + timedelta(days=int(day)) for day in LOCAL.days(time)]
    found = answers([valid(start.isoformat(), until.isoformat())], time)
    assert found == [start <= day < until for day in days]


def test_a_wall_time_shown_twice_is_the_earlier_and_one_skipped_is_moved_by_the_gap() -> None:
    twice = instant(datetime(2013, 11, 3, 1, 30), LOCAL)
    assert instant(datetime(2013, 11, 3, 3, 30), LOCAL) - twice == 3 * 3600 * SECOND
    skipped = instant(datetime(2013, 3, 10, 2, 30), LOCAL)
    assert skipped == instant(datetime(2013, 3, 10, 3, 30), LOCAL)


def test_a_date_that_has_no_midnight_begins_with_its_first_instant() -> None:
    brazil = LocalTime("America/Sao_Paulo")
    assert instant(date(2013, 10, 20), brazil) == instant(datetime(2013, 10, 20, 1), brazil)


@pytest.mark.parametrize(
    "moment", [date(1850, 1, 1), datetime(2150, 1, 1), date(1, 1, 1), date(9999, 12, 31)]
)
def test_a_bound_outside_the_covered_years_is_refused(moment: date) -> None:
    with pytest.raises(SpecError, match="1900 to 2100"):
        instant(moment, LOCAL)
