"""Missing parts are told, and in CI they fail."""

from __future__ import annotations

import sys
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


def test_a_right_that_is_refused_is_a_failure_in_ci_with_the_reason(make_needs) -> None:
    with pytest.raises(Failed, match=r"^mount is refused here; it needs root; .* tests/unavailable\.toml$"):
        make_needs(frozenset({"other"}), True).refused("mount", "it needs root")


@pytest.mark.parametrize(("excused", "ci"), [({"mount"}, True), (set(), False)], ids=["excused", "not CI"])
def test_a_right_that_is_refused_skips_elsewhere_and_where_excused(make_needs, excused, ci) -> None:
    with pytest.raises(Skipped, match=r"^mount is refused here; it needs root$"):
        make_needs(frozenset(excused), ci).refused("mount", "it needs root")


@pytest.fixture
def strict(needs, monkeypatch):
    """Makes `needs` answer, also to fixtures, as in a CI that excuses nothing."""
    monkeypatch.setattr(needs, "ci", True)
    monkeypatch.setattr(needs, "excused", frozenset())


@pytest.mark.usefixtures("strict")
def test_a_small_disk_that_may_not_be_mounted_is_a_failure_in_ci(
    small_disk_of, tmp_path: Path, monkeypatch
) -> None:
    refusing = tmp_path / "bin" / "mount"
    refusing.parent.mkdir()
    refusing.write_text("#!/bin/sh\necho 'mount: must be superuser' >&2\nexit 32\n")
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", str(refusing.parent))
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(
        Failed, match=r"mount is refused here; .* the right to mount \(mount: must be superuser\);"
    ):
        small_disk_of(1, tmp_path / "disk")


@pytest.mark.usefixtures("strict")
def test_a_small_disk_without_the_program_is_a_failure_in_ci(
    small_disk_of, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(Failed, match="mount is not installed"):
        small_disk_of(1, tmp_path / "disk")


@pytest.mark.usefixtures("strict")
def test_a_small_disk_on_another_system_is_a_failure_in_ci(
    small_disk_of, tmp_path: Path, monkeypatch
) -> None:
    with monkeypatch.context() as elsewhere, pytest.raises(Failed, match="needs Linux, and this is darwin"):
        elsewhere.setattr(sys, "platform", "darwin")
        small_disk_of(1, tmp_path / "disk")


def test_every_listed_part_shows_the_command_that_failed_and_what_it_printed(needs) -> None:
    assert isinstance(needs.excused, frozenset)
