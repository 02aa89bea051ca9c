"""The pages name what there is: commands, targets, links, words, names of Python."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

import jomon
from jomon.cli.main import app
from jomon.core.spec_yaml import parse_project

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
CODE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(?:#[^)]*)?\)")
COMMAND = typer.main.get_command(app)
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    return [code for found, code in CODE.findall(page.read_text(encoding="utf-8")) if found == language]


def ids(pages: list[Path]) -> list[str]:
    """Names of pages for pytest."""
    return [str(page.relative_to(ROOT)) for page in pages]


def understood(words: list[str]) -> bool:
    """Whether the program takes these words as a command; what they say is parsed and not run."""
    command: Any = COMMAND
    while hasattr(command, "commands"):
        name, *words = words
        command = command.commands[name]
    try:
        command.make_context(name, words)
    except Exception as error:
        return (
            type(error).__name__ == "MissingParameter" and not words
        )  # the page speaks of the command alone
    return True


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_every_command_of_a_page_exists_with_its_options(page: Path) -> None:
    told = [line for block in blocks(page, "sh") for line in block.splitlines()]
    quoted = re.findall(r"`(jomon [a-z]+[^`]*)`", page.read_text(encoding="utf-8"))
    told += [re.sub(r"\bN\b", "1", " ".join(line.split())) for line in quoted]
    for line in told:
        first, *words = shlex.split(line, comments=True) or [""]
        if first == "jomon":
            assert understood(words), line
        elif first == "make":
            assert {w for w in words if "=" not in w and not w.startswith("-")} <= TARGETS, line


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_python_of_a_page_compiles_and_takes_public_names(page: Path) -> None:
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "jomon"
            ):
                assert node.attr in jomon.__all__, node.attr
            if isinstance(node, ast.ImportFrom) and node.module == "jomon":
                assert {alias.name for alias in node.names} <= set(jomon.__all__)


def test_the_parts_of_the_project_file_how_to_make_a_file_that_holds() -> None:
    page = ROOT / "docs" / "how-to" / "project-file.md"
    spec = parse_project("".join(blocks(page, "yaml"))).spec
    assert spec.lookups
    assert spec.serving.log.hidden


def test_every_page_is_listed() -> None:
    index = ROOT / "docs" / "index.md"
    listed = {(index.parent / target).resolve() for target in LINK.findall(index.read_text(encoding="utf-8"))}
    pages = {page for page in PAGES if page.is_relative_to(ROOT / "docs") and page != index}
    assert pages - set(DECISIONS) - listed == set()
    decisions = ROOT / "docs" / "adr" / "README.md"
    assert {page.name for page in DECISIONS} == set(LINK.findall(decisions.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", DECISIONS, ids=ids(DECISIONS))
def test_a_decision_tells_context_decision_consequences_and_what_was_measured(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.name[:4]}: ")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [
        "Context",
        "Decision",
        "Consequences",
        "What was measured",
    ]


def test_the_words_of_the_glossary_are_used() -> None:
    glossary = ROOT / "docs" / "glossary.md"
    now, later = glossary.read_text(encoding="utf-8").split("## Words kept for parts still to come")
    used = [*Path(jomon.__file__).parent.rglob("*.py"), *(p for p in PAGES if p != glossary)]
    text = " ".join(" ".join(path.read_text(encoding="utf-8").lower().split()) for path in used)
    words = [word for row in re.findall(r"^\| ([^|]+) \|", now, re.MULTILINE) for word in row.split(", ")]
    assert len(words) > 30
    assert [word for word in words if word not in ("word", "---") and word.lower() not in text] == []
    assert "champion" in later


def test_the_readme_shows_the_output_of_the_demo() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = text.split("<!-- demo -->")[1].split("<!-- /demo -->")[0]
    for part in ("ingest", "build", "evaluate", "images", "serve", "Try next:"):
        assert part in shown
