"""A small real project, built once: the starter, whose members are fitted in a second; tests work on copies of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from jomon.cli.main import app


@dataclass(frozen=True)
class Ran:
    """What a command left: its exit status and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ran]


def run_command(*words: object) -> Ran:
    result = CliRunner().invoke(app, [str(word) for word in words], prog_name="jomon")
    return Ran(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def run() -> Run:
    return run_command


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter, ingested, built as sales:latest and sales:v1, and evaluated; not to be changed."""
    folder = tmp_path_factory.mktemp("built") / "sales"
    assert run_command("init", folder).status == 0
    text = (folder / "jomon.yaml").read_text(encoding="utf-8")
    quick = "evaluation: {holdout: 14w, step: 7w, trials: 1, bootstrap: 100}"
    assert "evaluation: {holdout: 14w, step: 1w}" in text
    (folder / "jomon.yaml").write_text(
        text.replace("evaluation: {holdout: 14w, step: 1w}", quick), encoding="utf-8"
    )
    for words in (["ingest"], ["build", "-t", "sales:latest", "-t", "sales:v1"], ["evaluate"]):
        ran = run_command(*words, "-p", folder)
        assert ran.status == 0, ran.err
    return folder


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    """A copy of the built project, to be changed."""
    return Path(shutil.copytree(built, tmp_path / "sales"))


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output of a known width, without the machine's own settings."""
    for name in ("COLUMNS", "JOMON_STORE", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
