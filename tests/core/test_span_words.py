"""A window is told as its day, its days or its hours, on the clock of its zone."""

from __future__ import annotations

import doctest
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from jomon.core import span_words
from jomon.core.findings import Span
from jomon.core.span_words import LANGUAGES, day_words
from jomon.core.span_words import span_words as words


def moment(text: str, zone: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1_000_000)


def test_examples_hold() -> None:
    assert doctest.testmod(span_words).failed == 0


@pytest.mark.parametrize("day", ["2013-03-10", "2013-11-03"])
def test_a_day_on_which_clocks_change_is_one_day(day: str) -> None:
    zone = "America/New_York"
    first = int(day[-2:])
    span = Span(moment(f"{day}T00:00", zone), moment(f"{day[:-2]}{first + 1:02}T00:00", zone))
    assert words(span, zone).startswith(f"Sunday {first} ")


def test_hours_over_midnight_name_both_days() -> None:
    zone = "America/Sao_Paulo"
    span = Span(moment("2020-02-29T22:00", zone), moment("2020-03-01T02:00", zone))
    assert words(span, zone) == "29 Feb 2020, 22:00 to 1 Mar 2020, 02:00"
    assert words(span, zone, "pt-BR") == "29 fev. 2020, 22:00 a 1 mar. 2020, 02:00"


def test_every_month_has_its_name_in_every_language() -> None:
    for lang in LANGUAGES:
        assert (
            len({day_words(moment(f"2020-{m:02}-05T12:00", "UTC"), "UTC", lang) for m in range(1, 13)}) == 12
        )
