"""Calendar features are those of the wall clock, and mean the same in every year."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jomon.core.calendar import OCCASION_LIMIT, calendar_columns, calendar_features
from jomon.core.errors import SpecError
from jomon.core.localtime import DAY, SECOND, LocalTime
from jomon.core.occasions import OccasionCalendar
from jomon.core.spec import OccasionAxis

ALL = ["hour", "minute_of_day", "weekday", "month", "year_phase", "days_to_occasion"]
US = OccasionCalendar(OccasionAxis(country="US"))
UTC = LocalTime("UTC")


def noon(day: date) -> int:
    return (day - date(1970, 1, 1)).days * DAY + DAY // 2


def to_occasion(calendar: OccasionCalendar, *days: date) -> list[float]:
    time = np.array([noon(day) for day in days], dtype=np.int64)
    return calendar_features(["days_to_occasion"], time, UTC, calendar)["days_to_occasion"].tolist()


@given(
    st.lists(st.integers(0, 4_102_444_800), min_size=1, max_size=20),
    st.sampled_from(["UTC", "America/New_York", "Asia/Kathmandu"]),
)
def test_features_are_read_from_the_wall(seconds: list[int], zone: str) -> None:
    time = np.array(seconds, dtype=np.int64) * SECOND
    found = calendar_features(ALL[:5], time, LocalTime(zone))
    assert list(found) == list(calendar_columns(ALL[:5]))
    for row, second in enumerate(seconds):
        wall = datetime.fromtimestamp(second, ZoneInfo(zone))
        assert found["hour"][row] == wall.hour
        assert found["minute_of_day"][row] == wall.hour * 60 + wall.minute
        assert found["weekday"][row] == wall.weekday()
        assert found["month"][row] == wall.month
    assert all(column.dtype == np.float64 for column in found.values())


@given(st.dates(date(1901, 1, 1), date(2099, 12, 31)))
def test_the_year_is_a_circle_of_its_true_length(day: date) -> None:
    found = calendar_features(["year_phase"], np.array([noon(day)], dtype=np.int64), UTC)
    sine, cosine = found["year_phase_sin"][0], found["year_phase_cos"][0]
    length = (date(day.year + 1, 1, 1) - date(day.year, 1, 1)).days
    angle = 2 * np.pi * (day - date(day.year, 1, 1)).days / length
    assert sine**2 + cosine**2 == pytest.approx(1)
    assert (sine, cosine) == pytest.approx((np.sin(angle), np.cos(angle)))


def test_days_to_occasion_count_down_to_zero_and_then_below() -> None:
    days = [date(2013, 7, 2), date(2013, 7, 4), date(2013, 7, 5), date(2013, 8, 1), date(2013, 8, 15)]
    assert to_occasion(US, *days) == [2, 0, -1, -28, 18]


def test_of_two_equally_near_occasions_the_past_one_counts() -> None:
    calendar = OccasionCalendar(
        OccasionAxis(country="US", only=("Labor Day",), also={date(2013, 5, 1): "A", date(2013, 5, 5): "B"})
    )
    assert to_occasion(calendar, date(2013, 5, 3)) == [-2]


@given(st.dates(date(1990, 1, 1), date(2060, 12, 31)))
def test_days_to_occasion_is_the_nearest_one_cut_off_at_a_month(day: date) -> None:
    around = [day + timedelta(days=n) for n in range(-OCCASION_LIMIT - 60, OCCASION_LIMIT + 60)]
    holidays = [d for d in around if (d - date(1970, 1, 1)).days in US.days(d.year)]
    distance = min((abs((d - day).days), d > day) for d in holidays)
    signed = distance[0] if distance[1] else -distance[0]
    assert to_occasion(US, day) == [max(-OCCASION_LIMIT, min(OCCASION_LIMIT, signed))]


def test_days_to_occasion_is_missing_where_the_calendar_knows_nothing() -> None:
    calendar = OccasionCalendar(OccasionAxis(country="DE"))
    unknown, known = to_occasion(calendar, date(1950, 6, 1), date(2013, 10, 3))
    assert np.isnan(unknown)
    assert known == 0


def test_days_to_occasion_without_occasions_is_refused() -> None:
    with pytest.raises(SpecError, match=r"declare axes\.occasion"):
        calendar_features(["days_to_occasion"], np.zeros(1, dtype=np.int64), UTC)


def test_an_unknown_feature_is_refused() -> None:
    with pytest.raises(SpecError, match="'moon' is not a calendar feature"):
        calendar_features(["moon"], np.zeros(1, dtype=np.int64), UTC)


def test_no_rows_have_empty_features() -> None:
    found = calendar_features(ALL, np.zeros(0, dtype=np.int64), UTC, US)
    assert {len(column) for column in found.values()} == {0}
