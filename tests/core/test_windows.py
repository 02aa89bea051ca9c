"""Windows cover local time without gaps, over changes of the clocks too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jomon.core.errors import SpecError
from jomon.core.localtime import DAY, HOUR, MINUTE, LocalTime
from jomon.core.spec import ProjectSpec
from jomon.core.spec_yaml import parse_project
from jomon.core.windows import window_at, windows_between

YAML = """
fleet: parcels
question: Will it come late?
data:
  source: rows.csv
  time: sent
  timezone: {zone}
  key: [parcel]
  target: {{column: late, kind: binary}}
  features: {{numeric: [distance]}}
monitor: {{window: {window}}}
stages: [{{level: []}}]
"""


def spec_of(window: str = "1d", zone: str = "America/New_York") -> ProjectSpec:
    return parse_project(YAML.format(window=window, zone=zone).encode(), "jomon.yaml").spec


def us(text: str, zone: str = "America/New_York", fold: int = 0) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return int((moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))


def wall(starts: np.ndarray, zone: str = "America/New_York") -> list[str]:
    return [datetime.fromtimestamp(s / 1e6, ZoneInfo(zone)).strftime("%m-%d %H:%M") for s in starts]


def test_days_begin_at_local_midnight_and_last_23_or_25_hours_when_clocks_change() -> None:
    starts = windows_between(spec_of(), us("2013-03-09"), us("2013-03-12"))
    assert wall(starts) == ["03-09 00:00", "03-10 00:00", "03-11 00:00"]
    assert (np.diff(starts) // HOUR).tolist() == [24, 23]
    autumn = windows_between(spec_of(), us("2013-11-02"), us("2013-11-05"))
    assert (np.diff(autumn) // HOUR).tolist() == [24, 25]


def test_a_bound_inside_a_window_leaves_it_out_at_the_front_and_keeps_it_at_the_end() -> None:
    starts = windows_between(spec_of(), us("2013-05-01T00:00:01"), us("2013-05-03T00:00:01"))
    assert wall(starts) == ["05-02 00:00", "05-03 00:00"]
    assert windows_between(spec_of(), 5, 5).tolist() == []


def test_weeks_begin_on_mondays_and_other_spans_of_days_count_from_a_monday() -> None:
    starts = windows_between(spec_of("1w"), us("2013-10-25"), us("2013-11-20"))
    assert wall(starts) == ["10-28 00:00", "11-04 00:00", "11-11 00:00", "11-18 00:00"]
    assert (np.diff(starts) // HOUR).tolist() == [7 * 24 + 1, 7 * 24, 7 * 24]
    before = windows_between(spec_of("1w", "UTC"), -10 * DAY, 0)
    assert [datetime.fromtimestamp(s / 1e6, UTC).weekday() for s in before] == [0, 0]
    assert windows_between(spec_of("2d", "UTC"), 0, 6 * DAY).tolist() == [0, 2 * DAY, 4 * DAY]


def test_hours_count_from_midnight_skipped_ones_have_no_window_and_doubled_ones_one() -> None:
    spring = windows_between(spec_of("1h"), us("2013-03-10"), us("2013-03-10T05:00"))
    assert wall(spring) == ["03-10 00:00", "03-10 01:00", "03-10 03:00", "03-10 04:00"]
    autumn = windows_between(spec_of("1h"), us("2013-11-03"), us("2013-11-03T04:00"))
    assert wall(autumn) == ["11-03 00:00", "11-03 01:00", "11-03 02:00", "11-03 03:00"]
    assert (np.diff(autumn) // HOUR).tolist() == [1, 2, 1]


def test_a_span_that_does_not_divide_a_day_ends_with_a_short_window_and_none_is_cut_by_a_gap() -> None:
    starts = windows_between(spec_of("10h"), us("2013-05-01"), us("2013-05-02T00:00:01"))
    assert wall(starts) == ["05-01 00:00", "05-01 10:00", "05-01 20:00", "05-02 00:00"]
    gap = windows_between(spec_of("45m"), us("2013-03-10T01:00"), us("2013-03-10T04:00"))
    assert wall(gap) == ["03-10 01:30", "03-10 03:00", "03-10 03:45"]


def test_a_day_without_midnight_begins_when_its_clocks_do() -> None:
    spec = spec_of(zone="America/Sao_Paulo")
    starts = windows_between(
        spec, us("2017-10-14", "America/Sao_Paulo"), us("2017-10-17", "America/Sao_Paulo")
    )
    assert wall(starts, "America/Sao_Paulo") == ["10-14 00:00", "10-15 01:00", "10-16 00:00"]


@given(
    st.integers(-30 * 365 * DAY, 60 * 365 * DAY),
    st.sampled_from(["1h", "45m", "6h", "1d", "3d", "1w"]),
    st.sampled_from(["America/New_York", "Australia/Lord_Howe", "UTC", "America/St_Johns", "Pacific/Apia"]),
)
def test_every_moment_is_in_exactly_one_window(moment: int, window: str, zone: str) -> None:
    spec = spec_of(window, zone)
    start, end = window_at(spec, moment)
    assert start <= moment < end
    assert windows_between(spec, start, end).tolist() == [start]
    assert window_at(spec, end)[0] == end
    assert window_at(spec, end - 1) == (start, end)
    if window == "1d":
        assert LocalTime(zone).days(np.array([start]))[0] <= LocalTime(zone).days(np.array([moment]))[0] + 1


@pytest.mark.parametrize("window", ["36h", "90s"])
def test_a_span_that_is_no_window_is_refused(window: str) -> None:
    with pytest.raises(SpecError, match="whole days"):
        windows_between(spec_of(window), 0, DAY)


def test_changes_of_offset_are_given_with_the_offsets_around_them() -> None:
    local = LocalTime("America/New_York")
    changes, offsets = local.changes_between(us("2013-01-01"), us("2014-01-01"))
    assert wall(changes) == ["03-10 03:00", "11-03 01:00"]
    assert (offsets // MINUTE).tolist() == [-300, -240, -300]
    none, one = local.changes_between(us("2013-05-01"), us("2013-05-02"))
    assert none.tolist() == [] and (one // HOUR).tolist() == [-4]
