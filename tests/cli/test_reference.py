"""The reference pages are what the code says, and every command is in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from jomon.cli.reference import PAGES, cli_page, project_page

DOCS = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name: str) -> None:
    mend = "run `python -m jomon.cli.reference` to write it again"
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), mend


def test_every_command_and_option_has_a_text() -> None:
    page = cli_page()
    assert ": None" not in page
    assert "`None`" not in page
    assert page.count("\n## jomon ") == 35


def test_every_key_of_the_project_file_is_told() -> None:
    page = project_page()
    for key in (
        "fleet",
        "known_after",
        "hemisphere",
        "max_age",
        "min_rows",
        "from",
        "holdout",
        "half_life",
        "workers",
        "leave_out",
        "late_after",
    ):
        assert f"| `{key}` |" in page
