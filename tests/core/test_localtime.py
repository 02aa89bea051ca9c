"""Local time agrees with zoneinfo, one row or many, forwards and back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jomon.core.errors import DataError, SpecError
from jomon.core.localtime import DAY, HOUR, SECOND, LocalTime, WallReason

EPOCH = datetime(1970, 1, 1)
FIRST = int((datetime(1900, 1, 1) - EPOCH).total_seconds())
LAST = int((datetime(2101, 1, 1) - EPOCH).total_seconds()) - 1
ZONES = [
    "UTC",
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "America/Toronto",
    "Africa/Casablanca",
    "Africa/Monrovia",
    "Africa/Freetown",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Asia/Tokyo",
    "Atlantic/Azores",
    "Antarctica/Troll",
    "Australia/Lord_Howe",
    "Europe/Amsterdam",
    "Europe/Dublin",
    "Europe/London",
    "Pacific/Apia",
    "Pacific/Kwajalein",
]
zones = st.sampled_from(ZONES)
seconds = st.integers(FIRST, LAST)


def wall_of(second: int, zone: str) -> datetime:
    return datetime.fromtimestamp(second, ZoneInfo(zone)).replace(tzinfo=None)


def micros(wall: datetime) -> int:
    return (wall - EPOCH) // timedelta(microseconds=1)


def near_changes(zone: str) -> list[int]:
    """Instants (seconds UTC) at which the offset of the zone changes, by days and halving."""
    info = ZoneInfo(zone)

    def offset(second: int) -> timedelta | None:
        return datetime.fromtimestamp(second, info).utcoffset()

    found, probes = [], range(FIRST, LAST, 86_400)
    for low, high in pairwise(probes):
        left, right = low, high
        if offset(left) == offset(right):
            continue
        while right - left > 1:
            middle = (left + right) // 2
            left, right = (middle, right) if offset(middle) == offset(left) else (left, middle)
        found.append(right)
    return found


@given(zones, st.lists(seconds, min_size=1, max_size=20), st.integers(0, 999_999))
def test_fields_are_those_that_zoneinfo_shows(zone: str, instants: list[int], micro: int) -> None:
    fields = LocalTime(zone).fields(np.array(instants, dtype=np.int64) * SECOND + micro)
    for row, second in enumerate(instants):
        wall = wall_of(second, zone)
        assert int(fields.day[row]) == (wall.date() - EPOCH.date()).days
        assert (int(fields.hour[row]), int(fields.minute[row])) == (wall.hour, wall.minute)
        assert (int(fields.weekday[row]), int(fields.day_of_month[row])) == (wall.weekday(), wall.day)
        assert (int(fields.month[row]), int(fields.year[row])) == (wall.month, wall.year)
        assert int(fields.day_of_year[row]) == wall.timetuple().tm_yday
        assert int(fields.year_length[row]) == date(wall.year, 12, 31).timetuple().tm_yday


@pytest.mark.parametrize("zone", ["America/New_York", "Africa/Casablanca", "Africa/Freetown", "Pacific/Apia"])
def test_the_seconds_around_every_change_of_offset_are_right(zone: str) -> None:
    instants = np.array([c + step for c in near_changes(zone) for step in (-1, 0, 1)], dtype=np.int64)
    walls = LocalTime(zone).wall(instants * SECOND)
    assert len(instants) > 0
    assert walls.tolist() == [micros(wall_of(int(second), zone)) for second in instants]


def test_a_batch_that_spans_two_centuries_gives_each_row_what_it_gets_alone() -> None:
    local = LocalTime("Europe/London")
    instants = np.linspace(FIRST, LAST, 999).astype(np.int64) * SECOND
    together = local.fields(instants)
    alone = [local.fields(instants[row : row + 1]) for row in range(len(instants))]
    assert together.day.tolist() == [int(one.day[0]) for one in alone]
    assert together.hour.tolist() == [int(one.hour[0]) for one in alone]


@given(zones, seconds, st.integers(-7200, 7200), st.data())
@settings(max_examples=200)
def test_wall_times_become_the_instants_that_zoneinfo_gives(
    zone: str, anywhere: int, shift: int, data: st.DataObject
) -> None:
    local = LocalTime(zone)
    changes = local._changes.tolist()
    around = data.draw(st.sampled_from([anywhere * SECOND, *changes]))
    wall = wall_of(min(max(around // SECOND, FIRST + DAY // SECOND), LAST - DAY // SECOND), zone)
    wall += timedelta(seconds=shift)
    aware = [wall.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1)]
    offsets = [moment.utcoffset() for moment in aware]
    expected = [micros(moment.astimezone(UTC).replace(tzinfo=None)) for moment in aware]
    walls = np.array([micros(wall)], dtype=np.int64)
    reason = WallReason.FINE
    if offsets[0] != offsets[1]:
        there_and_back = aware[0].astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        reason = WallReason.AMBIGUOUS if there_and_back == wall else WallReason.SKIPPED

    for ambiguous in ("earliest", "latest", "quarantine"):
        for skipped in ("shift", "quarantine"):
            utc, bad, why = local.to_utc(walls, ambiguous, skipped)
            refused = (reason is WallReason.AMBIGUOUS and ambiguous == "quarantine") or (
                reason is WallReason.SKIPPED and skipped == "quarantine"
            )
            assert (WallReason(int(why[0])), bool(bad[0])) == (reason, refused)
            late = reason is WallReason.AMBIGUOUS and ambiguous == "latest"
            assert refused or int(utc[0]) == expected[1 if late else 0]


@given(zones, st.lists(seconds, min_size=1, max_size=20))
def test_an_instant_comes_back_from_its_wall_time_by_one_of_the_two_policies(
    zone: str, instants: list[int]
) -> None:
    local = LocalTime(zone)
    inner = np.clip(
        np.array(instants, dtype=np.int64) * SECOND, (FIRST + 86_400) * SECOND, (LAST - 86_400) * SECOND
    )
    early, bad_early, _ = local.to_utc(local.wall(inner), "earliest")
    late, bad_late, _ = local.to_utc(local.wall(inner), "latest")
    assert not bad_early.any()
    assert not bad_late.any()
    assert ((early == inner) | (late == inner)).all()
    assert (early <= late).all()


def test_a_skipped_hour_is_moved_forward_by_the_gap_or_refused() -> None:
    local = LocalTime("America/New_York")
    wall = np.array([micros(datetime(2013, 3, 10, 2, 30))], dtype=np.int64)
    utc, bad, reason = local.to_utc(wall, skipped="shift")
    assert not bad[0]
    assert int(local.wall(utc)[0]) - int(wall[0]) == HOUR
    assert local.to_utc(wall)[1].tolist() == [True]
    assert WallReason(int(reason[0])).text == "the clocks skipped this time"


def test_wall_times_outside_the_covered_years_are_bad_rows_and_never_an_exception() -> None:
    local = LocalTime("Asia/Tokyo")
    extremes = np.iinfo(np.int64)
    walls = np.array([extremes.min, micros(datetime(1850, 1, 1)), 0, extremes.max], dtype=np.int64)
    _, bad, reason = local.to_utc(walls)
    assert bad.tolist() == [True, True, False, True]
    assert [WallReason(int(r)) is WallReason.OUT_OF_RANGE for r in reason] == bad.tolist()


@given(zones, st.integers(FIRST // 86_400 + 2, LAST // 86_400 - 2))
def test_a_day_starts_at_its_first_instant(zone: str, day: int) -> None:
    local = LocalTime(zone)
    start = local.day_start(day)
    before, at = local.days(np.array([start - SECOND, start], dtype=np.int64)).tolist()
    assert before < day <= at


@pytest.mark.parametrize(
    ("zone", "day", "wall"),
    [
        ("America/Sao_Paulo", date(2013, 10, 20), datetime(2013, 10, 20, 1)),  # no midnight
        (
            "America/Toronto",
            date(1919, 3, 31),
            datetime(1919, 3, 31, 0, 30),
        ),  # the gap began the evening before
        ("Pacific/Apia", date(2011, 12, 30), datetime(2011, 12, 31)),  # no such day
        ("America/New_York", date(2013, 3, 10), datetime(2013, 3, 10)),
    ],
)
def test_days_without_a_midnight_start_at_the_change(zone: str, day: date, wall: datetime) -> None:
    local = LocalTime(zone)
    start = local.day_start((day - EPOCH.date()).days)
    assert int(local.wall(np.array([start]))[0]) == micros(wall)


def test_a_midnight_shown_twice_counts_the_first_time() -> None:
    """At 00:01 on 2006-10-29 the clocks of St. John's went back to 23:01 of the day before."""
    local = LocalTime("America/St_Johns")
    start = local.day_start((date(2006, 10, 29) - EPOCH.date()).days)
    walls = local.wall(np.array([start, start + 60 * SECOND]))
    assert walls.tolist() == [micros(datetime(2006, 10, 29)), micros(datetime(2006, 10, 28, 23, 1))]


@pytest.mark.parametrize("year", [1850, 2150])
def test_an_instant_outside_the_covered_years_is_refused_with_its_row(year: int) -> None:
    instants = np.array([0, micros(datetime(year, 1, 1))], dtype=np.int64)
    with pytest.raises(DataError, match=rf"row 1 \({year}-01-01.*1900 to 2100"):
        LocalTime("UTC").fields(instants)
    assert LocalTime("UTC").covers(instants).tolist() == [True, False]


def test_no_rows_have_no_fields() -> None:
    assert len(LocalTime("Europe/Dublin").fields(np.zeros(0, dtype=np.int64))) == 0


@pytest.mark.parametrize("zone", ["America/New_Yrok", "", "../etc/passwd", "Mars/Olympus_Mons"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(SpecError, match="is not a time zone"):
        LocalTime(zone)


def test_a_misspelt_zone_is_told_its_neighbour() -> None:
    with pytest.raises(SpecError, match="did you mean 'America/New_York'"):
        LocalTime("America/New_Yrok")
