"""Upkeep: few files, no row beyond its retention, a short log; every other row and what is moved stay as they are."""

from __future__ import annotations

import os
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from jomon.data.log_table import DAY, LogTable
from jomon.data.log_upkeep import TIERS, Upkeep, _due, keep_up

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
TODAY = NOW.date()


def table(root: Path, days: list[date]) -> LogTable:
    """A table with one commit of one row for each of `days`; the application's version is the commit's number."""
    made = LogTable(root, "predictions/flights")
    for number, day in enumerate(days):
        made.append(pl.DataFrame({"request_id": [f"{number:03d}"], DAY: [day]}), {"flights/w00/a": number})
    return made


def files(root: Path) -> list[Path]:
    return sorted((root / "predictions" / "flights").glob("day=*/*.parquet"))


def rows(made: LogTable) -> list[str]:
    lazy = LogTable(Path(made.uri).parents[1], made.name).scan()
    assert lazy is not None
    return sorted(lazy.collect()["request_id"])


def test_many_small_files_of_today_become_one_and_few_stay(tmp_path: Path) -> None:
    few = table(tmp_path / "few", [TODAY] * (TIERS[0].files - 1))
    assert keep_up(few, None, NOW) == Upkeep()
    many = table(tmp_path / "many", [TODAY] * TIERS[0].files)
    assert keep_up(many, None, NOW) == Upkeep(joined=TIERS[0].files, became=1)
    assert rows(many) == [f"{number:03d}" for number in range(TIERS[0].files)]
    assert many.moved("flights/w00/a") == TIERS[0].files - 1
    assert keep_up(many, None, NOW) == Upkeep()


def test_days_that_are_over_are_joined_whole(tmp_path: Path) -> None:
    yesterday = TODAY - timedelta(days=1)
    made = table(tmp_path, [yesterday, yesterday, TODAY, TODAY])
    assert keep_up(made, None, NOW) == Upkeep(joined=2, became=1)


def test_rows_beyond_their_retention_go_and_all_others_stay(tmp_path: Path) -> None:
    days = [TODAY - timedelta(days=back) for back in range(10)]
    made = table(tmp_path, days)
    assert keep_up(made, timedelta(days=7), NOW).expired_rows == 2
    assert rows(made) == [f"{number:03d}" for number in range(8)]
    assert keep_up(made, timedelta(days=7), NOW) == Upkeep()
    assert keep_up(made, None, NOW) == Upkeep()
    assert made.moved("flights/w00/a") == 9


def test_files_that_no_version_needs_go_when_nobody_may_read_them(tmp_path: Path) -> None:
    """Joined and expired rows, and what a killed mover left without a commit, leave the disk; others are readable."""
    made = table(tmp_path, [TODAY] * TIERS[0].files + [TODAY - timedelta(days=9)])
    left = files(tmp_path)[0].with_name("part-left-behind.parquet")
    left.write_bytes(b"half a file")
    keep_up(made, timedelta(days=7), NOW, vacuum_hours=1)
    assert len(files(tmp_path)) == TIERS[0].files + 3
    hours_ago = time.time() - 7200
    os.utime(left, (hours_ago, hours_ago))
    assert keep_up(made, timedelta(days=7), NOW, vacuum_hours=1).deleted_files == 1
    assert keep_up(made, timedelta(days=7), NOW, vacuum_hours=0).deleted_files == TIERS[0].files + 1
    assert len(files(tmp_path)) == 1
    assert len(rows(made)) == TIERS[0].files


def test_commits_do_not_pile_up_and_what_was_moved_stays_known(tmp_path: Path) -> None:
    made = table(tmp_path, [TODAY] * 60)
    log = tmp_path / "predictions" / "flights" / "_delta_log"
    hours_ago = time.time() - 7200
    for path in log.iterdir():
        os.utime(path, (hours_ago, hours_ago))
    assert len(list(log.glob("*.json"))) == 60
    keep_up(made, None, NOW, vacuum_hours=1)
    assert len(list(log.glob("*.json"))) <= 2
    assert made.moved("flights/w00/a") == 59
    again = LogTable(tmp_path, "predictions/flights")
    assert again.moved("flights/w00/a") == 59
    again.append(pl.DataFrame({"request_id": ["next"], DAY: [TODAY]}), {"flights/w00/a": 60})
    assert len(rows(again)) == 61


def test_a_table_that_is_not_there_yet_needs_nothing(tmp_path: Path) -> None:
    assert (
        keep_up(LogTable(tmp_path, "predictions/flights"), timedelta(days=1), NOW, vacuum_hours=1) == Upkeep()
    )


def test_files_of_a_busy_minute_are_joined_into_small_ones_and_those_later_into_large_ones() -> None:
    """A pass must hold what it joins: a minute of commits is not joined with all that came before it."""
    small, middle = TIERS[0].bytes // 8, TIERS[0].bytes * 3 // 4

    def due(sizes: list[int]) -> list[tuple[date, int]]:
        return _due(pl.DataFrame({DAY: [TODAY] * len(sizes), "bytes": sizes}), TODAY)

    assert due([small] * 2 * TIERS[1].files) == [(TODAY, TIERS[0].bytes)]
    assert due([middle] * (TIERS[1].files - 1)) == []
    assert due([middle] * TIERS[1].files) == [(TODAY, TIERS[1].bytes)]
