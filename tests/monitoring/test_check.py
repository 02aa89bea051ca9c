from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from jomon.core.findings import Span
from jomon.monitoring.check import Checked, check
from jomon.monitoring.judging import Statistics
from jomon.monitoring.window_statistics import WindowStatistics

from .worlds import Rows

DAYS, FIRST, LEVEL = 110, 20, 0.05
SPAN = Span(0, 86_400_000_000)
Break = Callable[[Rows, np.ndarray], None]


def statistics_of(rows: Rows) -> dict[int, Statistics]:
    fleet = rows.fleet()
    return {day: WindowStatistics(fleet, day).all() for day in range(FIRST, DAYS)}


def checked(rows: Rows, day: int, earlier: dict[int, Statistics]) -> Checked:
    return check(rows.fleet(), day, SPAN, earlier, LEVEL)


@pytest.fixture(scope="module")
def world() -> tuple[Rows, dict[int, Statistics]]:
    rows = Rows(DAYS, 3)
    return rows, statistics_of(rows)


def test_as_few_quiet_days_raise_anything_as_was_asked_for() -> None:
    """240 checks of four made fleets at 5%: with 12 to be expected, more than 21 have a probability below 1%."""
    raised = total = 0
    for seed in (11, 12, 13, 14):
        rows = Rows(DAYS, seed)
        fleet, statistics = rows.fleet(), statistics_of(rows)
        for day in range(FIRST + 30, DAYS):
            found = check(fleet, day, SPAN, statistics, LEVEL, now=statistics[day])
            raised += bool(found.found)
            total += 1
    assert total == 240
    assert raised <= 21


def _unit(rows: Rows, hit: np.ndarray) -> None:
    rows.size[hit] = rows.size[hit] * 1.6 + 2


def _cold(rows: Rows, hit: np.ndarray) -> None:
    rows.weather[hit] -= 2


def _lost(rows: Rows, hit: np.ndarray) -> None:
    rows.size[hit] = np.nan


def _flipped(rows: Rows, hit: np.ndarray) -> None:
    rows.y[hit] = 1 - rows.y[hit]


PLACES = ("carrier=B origin=Y", "carrier=C", "origin=X", "")
ACTS = ((_unit, "size"), (_lost, "size"), (_flipped, ""))
CASES = [(act, column, place) for place in PLACES for act, column in ACTS]


@pytest.mark.parametrize("act, column, place", [*CASES, *((_cold, "weather", place) for place in PLACES[:2])])
def test_a_fault_is_found_where_it_is(
    world: tuple[Rows, dict[int, Statistics]], act: Break, column: str, place: str
) -> None:
    statistics, found = world[1], 0
    for day in (95, 99, 104):
        rows = Rows(DAYS, 3)
        act(rows, rows.within(day, place))
        result = checked(rows, day, statistics)
        told = [(f.segment.text, f.column) for _, findings in result.found for f in findings]
        found += (place or "(all)", column) in told
    assert found >= 2


def test_half_of_a_member_is_enough(world: tuple[Rows, dict[int, Statistics]]) -> None:
    rows = Rows(DAYS, 3)
    hit = rows.within(100, "carrier=D origin=X")
    hit &= np.arange(len(hit)) % 2 == 0
    _unit(rows, hit)
    result = checked(rows, 100, world[1])
    (explanation, findings), *_ = result.found
    assert findings[0].segment.text == "carrier=D origin=X"
    assert findings[0].effect_low <= findings[0].effect <= findings[0].effect_high
    assert len(findings[0].labels) == len(findings[0].observed) == len(findings[0].expected)
    assert sum(findings[0].observed) == pytest.approx(sum(findings[0].expected))
    assert explanation.surprise > result.judged.critical


def test_two_faults_on_one_day_stay_two(world: tuple[Rows, dict[int, Statistics]]) -> None:
    rows = Rows(DAYS, 3)
    _lost(rows, rows.within(100, "carrier=A origin=X"))
    _flipped(rows, rows.within(100, "carrier=F"))
    result = checked(rows, 100, world[1])
    places = {findings[0].segment.text for _, findings in result.found}
    assert {"carrier=A origin=X", "carrier=F"} <= places


def test_too_few_earlier_windows_are_unknown_and_never_quiet(
    world: tuple[Rows, dict[int, Statistics]],
) -> None:
    rows, statistics = world
    few = {day: statistics[day] for day in range(FIRST, FIRST + 10)}
    result = check(rows.fleet(), 60, SPAN, few, LEVEL)
    assert result.reason == "10 earlier windows can be compared with this one, and a check at 0.05 needs 19"
    assert result.found == ()


def test_a_window_without_rows_is_unknown(world: tuple[Rows, dict[int, Statistics]]) -> None:
    rows, statistics = world
    gone = Rows(DAYS, 3)
    kept = gone.day != 100
    for name in ("day", "segment", "hour", "weather", "size", "margin", "p", "y"):
        setattr(gone, name, getattr(gone, name)[kept])
    assert "no row came" in checked(gone, 100, statistics).reason
    assert len(rows.day) > len(gone.day)
