"""A check is told in one short block: what happened, where, since when and what it costs, and what is unknown."""

from __future__ import annotations

import doctest
from dataclasses import replace

import pytest
from tests.monitoring.check_results import ZONE, check, day, finding, incident, two_troubles

from jomon.cli import monitor_blocks
from jomon.cli.monitor_blocks import tell_check, tell_checks


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_a_quiet_window_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    tell_check(check("quiet"), ZONE)
    line = "2013-11-06  quiet: 975 rows, 4,343 tests, 114 earlier windows, p 75.7%"
    assert told(capsys).splitlines() == [line]


def test_what_is_not_known_of_a_window_with_findings_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    tell_check(check("findings"), ZONE)
    assert "120 of 4,463 tests: too few rows, or no history" in told(capsys)


def test_incidents_are_told_with_cause_place_rows_and_cost(capsys: pytest.CaptureFixture[str]) -> None:
    tell_check(check("findings", notes=("The season is new.",)), ZONE, "log loss")
    lines = told(capsys).splitlines()
    assert lines[0] == "2013-11-06  2 incidents, 2 findings: 975 rows, 4,343 tests, p 0.9%"
    assert lines[1].split() == [
        "▲",
        "high",
        "flights-7",
        *["distance", "is", "multiplied", "by", "1.609", "in", "origin=EWR."],
    ]
    text = " ".join(" ".join(lines).split())
    assert (
        "origin=EWR; 344 rows; 15 members; since 2013-11-06 (1 window); costs +31.4 [+22.1, +41.0] log loss"
        in text
    )
    assert "● low flights-8 Outcomes of carrier=DL are reversed." in text
    assert (
        "carrier=DL; 135 rows; 3 members; since 2013-11-06 (1 window); cost unknown (outcomes are still due)"
        in text
    )
    assert "! note The season is new." in text


def test_an_unknown_window_is_called_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    tell_check(check("unknown"), ZONE)
    out = told(capsys)
    assert out.startswith("2013-11-06  unknown: only 11 earlier days are recorded\n")
    assert "quiet" not in out


def test_an_incident_of_before_says_since_when_and_whose_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    first = two_troubles()[0]
    one = incident(first, since=day("2013-11-04").start, windows=3, owner="ana", state="acknowledged")
    other = incident(replace(first, window=day("2013-11-05")), 2)
    tell_check(check("findings", troubles=(first,), incidents=(one, other)), ZONE)
    out = " ".join(told(capsys).split())
    assert "since 2013-11-04 (3 windows); acknowledged by ana" in out
    assert "flights-2" not in out and "1 incident," in out


def test_findings_without_a_cause_are_told_too(capsys: pytest.CaptureFixture[str]) -> None:
    found = tuple(finding(column=f"c{at}") for at in range(6))
    tell_check(check("findings", findings=found, troubles=(), incidents=()), ZONE)
    out = told(capsys)
    assert "6 findings: 975 rows" in out and "drift of c0 in origin=EWR; 344 rows; no cause was found" in out
    assert "2 more in the report" in out


def test_windows_are_counted_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    tell_checks([check("quiet"), check("findings"), check("quiet")], ZONE)
    assert told(capsys).splitlines()[-2:] == [
        "3 windows: 1 with findings, 2 quiet.",
        "Of 8,926 tests of quiet windows 240 had too few rows or no history: of these nothing is known.",
    ]


def test_marks_of_the_data_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    first = two_troubles()[0]
    odd = replace(first, cause=replace(first.cause, sentence="[bold]x[/bold] :smile:"))
    tell_check(check("findings", troubles=(odd,), incidents=()), ZONE)
    assert "[bold]x[/bold] :smile:" in told(capsys)


def test_examples_hold() -> None:
    assert doctest.testmod(monitor_blocks).failed == 0
