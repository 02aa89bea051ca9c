from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jomon.core.durations import (
    HourRange,
    format_duration,
    parse_date,
    parse_duration,
    parse_moment,
    parse_wait,
)

SECONDS = st.integers(0, 3_000_000_000)


@given(SECONDS)
def test_a_written_duration_reads_back_as_itself(seconds: int) -> None:
    span = timedelta(seconds=seconds)
    assert parse_duration(format_duration(span)) == span


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("12h", timedelta(hours=12)),
        ("30m", timedelta(minutes=30)),
        ("1w", timedelta(weeks=1)),
        ("1d12h", timedelta(hours=36)),
        ("1d 12h", timedelta(hours=36)),
        (0, timedelta(0)),
        ("0", timedelta(0)),
    ],
)
def test_durations_are_read_as_people_write_them(text: object, span: timedelta) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize(
    "text",
    ["", "12", 12, "12 hours", "h", "-1h", "1.5h", None, True, False, [], "3mo", "9" * 30 + "w", "１２h"],
)
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"duration|years"):
        parse_duration(text)


@pytest.mark.parametrize("span", [timedelta(seconds=-1), timedelta(microseconds=1)])
def test_a_span_below_zero_or_of_parts_of_a_second_is_no_duration(span: timedelta) -> None:
    with pytest.raises(ValueError, match="whole seconds"):
        parse_duration(span)


@given(st.integers(0, 10**11))
def test_a_written_wait_reads_back_as_itself(milliseconds: int) -> None:
    span = timedelta(milliseconds=milliseconds)
    assert parse_wait(format_duration(span)) == parse_wait(span) == span


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("100ms", timedelta(milliseconds=100)),
        (" 5 ms ", timedelta(milliseconds=5)),
        ("1s", timedelta(seconds=1)),
        ("2m", timedelta(minutes=2)),
        (0, timedelta(0)),
        ("0ms", timedelta(0)),
    ],
)
def test_waits_are_durations_or_milliseconds(text: object, span: timedelta) -> None:
    assert parse_wait(text) == span


@pytest.mark.parametrize(
    "text", ["", "100", 100, "0.1s", "-1ms", "1s100ms", "5us", None, True, "9" * 30 + "ms", "１ms"]
)
def test_what_is_no_wait_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"100ms|years"):
        parse_wait(text)


@pytest.mark.parametrize("span", [timedelta(seconds=-1), timedelta(microseconds=1)])
def test_a_wait_is_never_below_zero_or_finer_than_a_millisecond(span: timedelta) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_wait(span)


def test_other_durations_are_not_told_in_milliseconds() -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration("100ms")


@given(st.dates())
def test_a_written_date_reads_back_as_itself(day: date) -> None:
    assert parse_moment(day.isoformat()) == parse_date(day) == day


@given(st.datetimes())
def test_a_written_moment_reads_back_as_itself(moment: datetime) -> None:
    assert parse_moment(moment.isoformat()) == parse_moment(moment) == moment


@pytest.mark.parametrize(
    "text", ["2013-02-30", "2013-13-01", "2013-1-1", "20130101", 2013, "2013-01-01T25:00"]
)
def test_what_is_no_date_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"date|calendar"):
        parse_moment(text)


@pytest.mark.parametrize("text", ["2013-01-01T06:00Z", "2013-01-01T06:00+02:00"])
def test_a_moment_with_a_zone_is_refused_because_moments_are_local(text: str) -> None:
    with pytest.raises(ValueError, match="zone"):
        parse_moment(text)
    with pytest.raises(ValueError, match="zone"):
        parse_moment(datetime.fromisoformat(text.replace("Z", "+00:00")))


def test_a_time_is_no_date() -> None:
    with pytest.raises(ValueError, match="is a time"):
        parse_date("2013-01-01T06:00")


@given(st.integers(0, 23), st.integers(0, 23))
def test_a_band_of_hours_goes_from_first_to_last_and_reads_back(first: int, last: int) -> None:
    band = HourRange.parse(f"{first}-{last}")
    assert band == HourRange.parse(str(band)) == HourRange.parse(band)
    assert band.hours[0] == first
    assert band.hours[-1] == last
    assert len(set(band.hours)) == len(band.hours) == (last - first) % 24 + 1


def test_one_hour_is_a_band() -> None:
    assert HourRange.parse(7).hours == HourRange.parse("7").hours == (7,)


@pytest.mark.parametrize("text", ["24", "5-24", "5-", "-5", "five", 5.5, None, True, [5, 9]])
def test_what_is_no_band_of_hours_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="band of hours"):
        HourRange.parse(text)
