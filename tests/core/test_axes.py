"""Axes: every instant has one value, and it is the one the wall calendar suggests."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jomon.core.axes import HourBand, Occasion, Season, Weekday
from jomon.core.durations import HourRange
from jomon.core.errors import SpecError
from jomon.core.localtime import HOUR, SECOND, Fields, LocalTime
from jomon.core.occasions import ORDINARY, OccasionCalendar
from jomon.core.spec import SEASONS, WEEKDAYS, OccasionAxis, SeasonAxis
from jomon.core.table import Coded

EPOCH = date(1970, 1, 1)
instants = st.lists(st.integers(-2_208_988_800, 4_133_980_799), min_size=1, max_size=50).map(
    lambda seconds: np.array(seconds, dtype=np.int64) * SECOND
)
zones = st.sampled_from(["UTC", "America/New_York", "Australia/Sydney", "America/Sao_Paulo", "Asia/Kolkata"])


def texts(column: Coded) -> list[str | None]:
    return [None if code < 0 else column.values[code] for code in column.codes]


def at(local: LocalTime, *moments: datetime) -> Fields:
    walls = [(m - datetime(1970, 1, 1)) // timedelta(microseconds=1) for m in moments]
    return local.fields(local.to_utc(np.array(walls, dtype=np.int64))[0])


def on(*days: date) -> Fields:
    return at(LocalTime("UTC"), *(datetime(day.year, day.month, day.day, 12) for day in days))


def bands_of(cuts: list[int]) -> dict[str, tuple[int, ...]]:
    """Bands that start at each of the `cuts` and go on to the next, over midnight."""
    ends = [(cut - 1) % 24 for cut in [*cuts[1:], cuts[0]]]
    return {f"from{first}": HourRange(first, last).hours for first, last in zip(cuts, ends, strict=True)}


@given(instants, zones, st.lists(st.integers(0, 23), min_size=1, unique=True).map(sorted))
def test_every_instant_is_in_exactly_one_hour_band_and_it_holds_its_hour(
    time: np.ndarray, zone: str, cuts: list[int]
) -> None:
    bands = bands_of(cuts)
    fields = LocalTime(zone).fields(time)
    for hour, band in zip(fields.hour.tolist(), texts(HourBand(bands).coded(fields)), strict=True):
        assert [name for name, hours in bands.items() if hour in hours] == [band]


@given(
    st.integers(1970, 2037),
    st.integers(0, 59),
    st.lists(st.integers(0, 23), min_size=1, unique=True).map(sorted),
)
def test_the_two_instants_of_a_repeated_hour_are_in_the_same_band(
    year: int, minute: int, cuts: list[int]
) -> None:
    local, zone = LocalTime("America/New_York"), ZoneInfo("America/New_York")
    back = next(
        day
        for day in (datetime(year, 10, 20) + timedelta(days=n) for n in range(20))
        if day.replace(hour=12, tzinfo=zone).utcoffset() != day.replace(tzinfo=zone).utcoffset()
    )
    wall = (back + timedelta(hours=1, minutes=minute) - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    walls = np.array([wall], dtype=np.int64)
    first, second = local.to_utc(walls, "earliest")[0], local.to_utc(walls, "latest")[0]
    assert int(second[0] - first[0]) == HOUR
    assert len(set(texts(HourBand(bands_of(cuts)).coded(local.fields(np.concatenate([first, second])))))) == 1


def test_a_band_over_midnight_holds_the_hours_on_both_sides() -> None:
    bands = {"early": "5-9", "day": "10-15", "evening": "16-20", "night": "21-4"}
    axis = HourBand({name: HourRange.parse(text).hours for name, text in bands.items()})
    fields = at(LocalTime("UTC"), *(datetime(2013, 1, 1, hour) for hour in (4, 5, 9, 10, 20, 21, 23, 0)))
    assert texts(axis.coded(fields)) == [
        "night",
        "early",
        "early",
        "day",
        "evening",
        "night",
        "night",
        "night",
    ]


def test_bands_that_overlap_or_leave_a_gap_are_refused_by_every_such_hour() -> None:
    with pytest.raises(SpecError) as refused:
        HourBand({"a": range(12), "b": range(11, 23)})
    assert refused.value.problems == (
        "axes.hour_band: 11 is in two groups, 'b' is the second; keep it in one.",
        "axes.hour_band: 23 is in no group; add it to one.",
    )


@given(instants, zones)
def test_the_southern_season_is_the_opposite_of_the_northern_one(time: np.ndarray, zone: str) -> None:
    opposite = {"winter": "summer", "spring": "autumn", "summer": "winter", "autumn": "spring"}
    fields = LocalTime(zone).fields(time)
    north = texts(Season(SeasonAxis(hemisphere="north")).coded(fields))
    south = texts(Season(SeasonAxis(hemisphere="south")).coded(fields))
    assert [opposite[str(name)] for name in north] == south


def test_northern_seasons_are_the_meteorological_ones() -> None:
    fields = on(*(date(2013, month, 15) for month in range(1, 13)))
    names = [str(name)[:2] for name in texts(Season(SeasonAxis(hemisphere="north")).coded(fields))]
    assert "".join(names) == "wiwi" + "spspsp" + "sususu" + "auauau" + "wi"


@given(st.lists(st.integers(0, 3), min_size=12, max_size=12), instants)
def test_seasons_by_months_follow_the_declared_months(groups: list[int], time: np.ndarray) -> None:
    months = {f"s{g}": tuple(m for m in range(1, 13) if groups[m - 1] == g) for g in sorted(set(groups))}
    fields = LocalTime("UTC").fields(time)
    found = texts(Season(SeasonAxis(months=months)).coded(fields))
    assert found == [f"s{groups[month - 1]}" for month in fields.month.tolist()]


def test_the_season_changes_at_local_midnight_and_not_at_that_of_greenwich() -> None:
    last_minute = at(LocalTime("America/New_York"), datetime(2013, 2, 28, 23, 59), datetime(2013, 3, 1))
    assert texts(Season(SeasonAxis(hemisphere="north")).coded(last_minute)) == ["winter", "spring"]


@given(instants, zones)
def test_a_weekday_is_the_one_of_its_day_and_groups_hold_their_days(time: np.ndarray, zone: str) -> None:
    fields = LocalTime(zone).fields(time)
    days = texts(Weekday().coded(fields))
    assert days == [WEEKDAYS[(EPOCH + timedelta(days=day)).weekday()] for day in fields.day.tolist()]
    groups = texts(Weekday({"workday": WEEKDAYS[:5], "weekend": WEEKDAYS[5:]}).coded(fields))
    assert groups == ["weekend" if day in ("sat", "sun") else "workday" for day in days]


def occasion_on(rules: OccasionAxis, *days: date) -> list[str | None]:
    return texts(Occasion(OccasionCalendar(rules)).coded(on(*days)))


@given(
    st.dictionaries(
        st.dates(date(2012, 11, 1), date(2014, 2, 28)),
        st.sampled_from(["A", "B", "C"]),
        min_size=1,
        max_size=8,
    ),
    st.integers(0, 5),
    st.integers(0, 5),
)
def test_a_day_belongs_to_the_nearest_occasion_whose_window_holds_it_and_of_two_to_the_earlier(
    also: dict[date, str], before: int, after: int
) -> None:
    """The same rule, told day by day; the country is one whose holidays `only` keeps out of the way."""
    rules = OccasionAxis(country="US", only=("Labor Day",), also=also, days_before=before, days_after=after)
    dates = {
        date(2012, 9, 3): "Labor Day",
        date(2013, 9, 2): "Labor Day",
        date(2014, 9, 1): "Labor Day",
    } | also
    days = [date(2012, 12, 1) + timedelta(days=n) for n in range(420)]
    expected = []
    for day in days:
        claims = [
            (abs((day - d).days), d)
            for d in dates
            if d - timedelta(days=before) <= day <= d + timedelta(days=after)
        ]
        expected.append(dates[min(claims)[1]] if claims else ORDINARY)
    assert occasion_on(rules, *days) == expected


def test_windows_reach_over_the_turn_of_the_year() -> None:
    rules = OccasionAxis(country="DE", days_before=1, days_after=1)
    days = [date(2012, 12, 30), date(2012, 12, 31), date(2013, 1, 1), date(2013, 1, 2), date(2013, 1, 3)]
    assert occasion_on(rules, *days) == [ORDINARY, *["New Year's Day"] * 3, ORDINARY]


def test_an_observed_holiday_is_the_same_occasion_on_the_day_it_is_observed() -> None:
    rules = OccasionAxis(country="US")
    days = [date(2021, 7, 4), date(2021, 7, 5), date(2021, 12, 24), date(2021, 12, 31)]
    assert occasion_on(rules, *days) == ["Independence Day"] * 2 + ["Christmas Day", "New Year's Day"]


def test_ones_own_date_wins_over_the_holiday_of_that_day() -> None:
    rules = OccasionAxis(country="US", also={date(2013, 11, 28): "Feast", date(2013, 11, 29): "Black Friday"})
    assert occasion_on(rules, date(2013, 11, 28), date(2013, 11, 29)) == ["Feast", "Black Friday"]


def test_only_the_named_holidays_count() -> None:
    rules = OccasionAxis(country="US", only=("Christmas Day",))
    found = Counter(occasion_on(rules, *(date(2013, 1, 1) + timedelta(days=n) for n in range(365))))
    assert found == {"Christmas Day": 1, ORDINARY: 364}


def test_a_subdivision_has_holidays_of_its_own() -> None:
    day = date(2013, 2, 12)
    assert occasion_on(OccasionAxis(country="US"), day) == [ORDINARY]
    assert occasion_on(OccasionAxis(country="US", subdivision="NY"), day) == ["Lincoln's Birthday"]


def test_a_year_that_the_calendar_does_not_know_has_no_value_rather_than_an_ordinary_one() -> None:
    rules = OccasionAxis(country="DE", also={date(1950, 5, 1): "Feast"})
    assert occasion_on(rules, date(1950, 5, 1), date(1950, 12, 25), date(2013, 12, 24)) == [
        "Feast",
        None,
        ORDINARY,
    ]


def test_no_rows_have_no_occasions() -> None:
    assert len(Occasion(OccasionCalendar(OccasionAxis(country="US"))).coded(on())) == 0


def test_the_values_of_time_axes_are_those_the_project_file_lists() -> None:
    assert Season(SeasonAxis(hemisphere="south")).values == SEASONS
    assert Weekday().values == WEEKDAYS
