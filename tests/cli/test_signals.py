"""`jomon signals` shows what checks kept of a segment, and calls unknown what is unknown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from jomon.core.findings import Signal, Span
from jomon.core.segments import Segment
from jomon.data.signals_table import write_signals

Run = Callable[..., Any]
HARBOUR = Segment.parse("shop=harbour")


def day(number: int) -> Span:
    start, end = (
        int(datetime(2024, 1, at, tzinfo=ZoneInfo("Europe/Lisbon")).timestamp() * 1_000_000)
        for at in (number, number + 1)
    )
    return Span(start, end)


def known(window: Span, segment: Segment, value: float) -> Signal:
    return Signal(
        window, segment, "drift", "price", value, value - 0.02, value + 0.03, "of rows", 55, "62 earlier days",
        "profiles/sales", "finding" if value > 0.5 else "quiet",
    )  # fmt: skip


def unknown(window: Span, segment: Segment) -> Signal:
    reason = "outcomes are due on 2024-01-05"
    return Signal(
        window, segment, "realised", "", None, None, None, "", 0, "", "outcomes/sales", "unknown", reason
    )


@pytest.fixture
def checked(copy: Path) -> Path:
    """A project of which two days were checked."""
    for number in (1, 2):
        window = day(number)
        of = [known(window, Segment(), 0.04), known(window, HARBOUR, 0.3 * number), unknown(window, HARBOUR)]
        write_signals(copy / ".jomon" / "tables", "sales", window, of)
    return copy


def test_signals_of_a_member_are_shown_window_by_window(run: Run, checked: Path) -> None:
    ran = run("signals", "--member", "shop=harbour", "-p", checked)
    assert ran.status == 0, ran.err
    lines = [line.split() for line in ran.out.splitlines()]
    assert lines[0][0] == "shop=harbour,"
    assert lines[2][:5] == ["2024-01-01", "drift", "price", "0.3000", "[0.2800,"]
    assert "quiet" in lines[2] and "profiles/sales" in lines[2]
    assert lines[3][:2] == ["realised", "unknown"] and "due" in lines[3]
    assert "finding" in lines[4] and lines[4][0] == "2024-01-02"
    assert len(lines) == 6


def test_the_fleet_is_meant_where_no_member_is_named(run: Run, checked: Path) -> None:
    found = run("signals", "-p", checked, "--json").json
    assert [(one["segment"], one["kind"], one["value"]) for one in found] == [("(all)", "drift", 0.04)] * 2
    assert [one["start"] for one in found] == [day(1).start, day(2).start]


def test_signals_are_chosen_by_time_and_kind(run: Run, checked: Path) -> None:
    words = (
        "signals",
        "-m",
        "shop=harbour",
        "--since",
        "2024-01-02",
        "--kind",
        "realised",
        "-p",
        checked,
        "--json",
    )
    found = run(*words).json
    assert [(one["start"], one["kind"], one["status"], one["value"]) for one in found] == [
        (day(2).start, "realised", "unknown", None)
    ]
    assert found[0]["reason"] == "outcomes are due on 2024-01-05"


def test_nothing_kept_is_said(run: Run, copy: Path) -> None:
    ran = run("signals", "-p", copy)
    assert (ran.status, ran.out) == (0, "No check kept a signal of (all).\n")
    assert run("signals", "-p", copy, "--json").json == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--member", "harbour"), "'harbour' is not a segment"),
        (("--kind", "drfit"), "There is no kind of signal 'drfit'"),
        (("--since", "yesterday"), "--since is"),
    ],
)
def test_wrong_words_are_one_sentence(run: Run, copy: Path, words: tuple[str, str], sentence: str) -> None:
    ran = run("signals", *words, "-p", copy)
    assert ran.status == 2
    assert sentence in ran.err and ran.err.count("\n") == 1
