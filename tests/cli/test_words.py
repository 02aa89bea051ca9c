"""Numbers as people read them: the examples in the docstrings hold."""

from __future__ import annotations

import doctest

from jomon.cli import words


def test_the_examples_hold() -> None:
    found = doctest.testmod(words)
    assert found.attempted >= 10
    assert found.failed == 0


def test_what_is_unknown_is_never_zero() -> None:
    nothing = {"value": None, "low": None, "high": None, "rows": 0}
    assert (
        words.interval(nothing) == words.number(None) == words.share(None) == words.count(None) == "unknown"
    )
    assert words.share(0.0) == "0%"
    assert words.signed(0.0) == "0.0000"
