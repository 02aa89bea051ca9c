"""Missing parts are told, and in CI they fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from _pytest.outcomes import Failed, Skipped


def test_a_missing_part_is_a_failure_in_ci(make_needs) -> None:
    with pytest.raises(
        Failed, match=r"no-such-program is not installed; scripts/system-packages\.sh brings it"
    ):
        make_needs(frozenset(), True).program("no-such-program")


def test_a_part_that_ci_cannot_have_skips_its_tests(make_needs) -> None:
    with pytest.raises(Skipped, match="no_such_package is not installed"):
        make_needs(frozenset({"no_such_package"}), True).package("no_such_package")


def test_elsewhere_a_missing_part_skips_its_tests(make_needs) -> None:
    with pytest.raises(Skipped):
        make_needs(frozenset(), False).program("no-such-program")


def test_a_part_that_is_there_is_given(make_needs) -> None:
    needs = make_needs(frozenset(), True)
    assert Path(needs.program("sh")).exists()
    needs.package("pytest")


def test_every_listed_part_shows_the_command_that_failed_and_what_it_printed(needs) -> None:
    assert isinstance(needs.excused, frozenset)
