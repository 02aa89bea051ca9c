"""Signals are kept window by window, each window once, and come back as they were."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jomon.core.errors import DataError
from jomon.core.findings import Signal, Span
from jomon.core.segments import Segment
from jomon.data.signals_table import read_signals, signals_table, write_signals

DAY = 86_400_000_000
NOON = 1_383_886_800_000_000
UA = Segment.parse('carrier=UA origin="New York"')


def window(number: int, length: int = DAY) -> Span:
    return Span(NOON + number * DAY, NOON + number * DAY + length)


def signal(
    span: Span, segment: Segment = UA, kind: str = "drift", column: str = "temp", value: float | None = 0.1
) -> Signal:
    if value is None:
        return Signal(span, segment, kind, column, None, None, None, "", 0, "", "p", "unknown", "no rows")  # type: ignore[arg-type]
    return Signal(
        span, segment, kind, column, value, 0.0, 0.3, "of rows", 55, "62 days", "profiles/f", "quiet"
    )  # type: ignore[arg-type]


def of_window(span: Span, value: float = 0.1) -> list[Signal]:
    return [
        signal(span, kind=kind, segment=segment, column=column, value=value if kind != "volume" else None)
        for segment in (Segment(), UA)
        for kind in ("drift", "nulls", "volume")
        for column in ("", "temp")
    ]


def test_signals_come_back_as_they_were(tmp_path: Path) -> None:
    kept = of_window(window(0))
    assert write_signals(tmp_path, "flights", window(0), kept) == len(kept)
    assert set(read_signals(tmp_path, "flights")) == set(kept)
    assert read_signals(tmp_path, "other") == []


def test_a_window_checked_again_is_replaced_and_no_other(tmp_path: Path) -> None:
    for number in range(3):
        write_signals(tmp_path, "flights", window(number), of_window(window(number)))
    again = of_window(window(1), value=0.7)[:5]
    write_signals(tmp_path, "flights", window(1), again)
    write_signals(tmp_path, "flights", window(1), again)
    found = read_signals(tmp_path, "flights")
    assert set(found) == {*of_window(window(0)), *again, *of_window(window(2))}
    assert len(found) == 12 + 5 + 12


def test_windows_with_the_same_start_and_other_ends_are_two(tmp_path: Path) -> None:
    day, week = window(0), window(0, 7 * DAY)
    write_signals(tmp_path, "flights", day, [signal(day)])
    write_signals(tmp_path, "flights", week, [signal(week)])
    assert [one.window for one in read_signals(tmp_path, "flights")] == [day, week]


def test_a_window_can_lose_all_its_signals(tmp_path: Path) -> None:
    write_signals(tmp_path, "flights", window(0), of_window(window(0)))
    assert write_signals(tmp_path, "flights", window(0), []) == 0
    assert read_signals(tmp_path, "flights") == []


def test_nothing_is_made_for_no_signals(tmp_path: Path) -> None:
    write_signals(tmp_path, "flights", window(0), [])
    assert signals_table(tmp_path, "flights").delta is None


def test_signals_are_read_by_segment_kind_and_time(tmp_path: Path) -> None:
    for number in range(3):
        write_signals(tmp_path, "flights", window(number), of_window(window(number)))
    since = datetime.fromtimestamp(window(1).end / 1e6, UTC)
    assert {one.window for one in read_signals(tmp_path, "flights", since=since)} == {window(2)}
    assert {one.segment for one in read_signals(tmp_path, "flights", UA)} == {UA}
    found = read_signals(tmp_path, "flights", UA, since, "volume")
    assert [(one.kind, one.value, one.status) for one in found] == [("volume", None, "unknown")] * 2


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_what_is_no_number_is_no_value(tmp_path: Path, wrong: float) -> None:
    with pytest.raises(ValueError, match="no finite number"):
        write_signals(tmp_path, "flights", window(0), [signal(window(0), value=wrong)])


def test_a_signal_of_another_window_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="another window"):
        write_signals(tmp_path, "flights", window(1), [replace(signal(window(0)))])
    assert read_signals(tmp_path, "flights") == []


def test_writers_at_the_same_time_lose_and_double_nothing(tmp_path: Path) -> None:
    windows = [window(number) for number in (0, 1, 2)] * 4

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: write_signals(tmp_path, "flights", one, of_window(one)), windows))
    found = read_signals(tmp_path, "flights")
    assert len(found) == len(set(found)) == 3 * 12


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    write_signals(tmp_path, "flights", window(0), of_window(window(0)))
    log = tmp_path / "signals" / "flights" / "_delta_log"
    (log / "00000000000000000001.json").mkdir()
    with pytest.raises(DataError) as raised:
        write_signals(tmp_path, "flights", window(1), of_window(window(1)))
    assert "\n" not in str(raised.value)
