"""The page on the Open Inference Protocol says what is so."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from jomon.core.row_columns import RowColumns
from jomon.core.spec_yaml import parse_project
from jomon.serving.v2 import OUTPUTS, parse_request

from .v2_server import running

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "how-to" / "open-inference-protocol.md").read_text(encoding="utf-8")
COLUMNS = RowColumns.of(parse_project((ROOT / "examples" / "flights" / "jomon.yaml").read_text("utf-8")).spec)
BODIES = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)


def test_both_forms_of_a_request_on_the_page_are_the_same_rows() -> None:
    several, one = (parse_request(body.encode(), COLUMNS) for body in BODIES)
    assert several.columns == one.columns
    assert several.rows == 2
    assert several.columns["distance"] == [1400.0, 733.0]
    needed = {column.name for column in COLUMNS if column.required}
    assert needed <= set(several.columns)


def test_the_page_lists_the_outputs() -> None:
    listed = re.findall(r"^\| `(\w+)` \| (FP64|BYTES) \|", TEXT, re.MULTILINE)
    assert dict(listed) == dict(OUTPUTS)


def test_the_client_of_the_page_gets_its_answers(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[dict[str, Any]] = []

    def answer(row: dict[str, Any]) -> float:
        seen.append(row)
        return 0.25

    (program,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    with running(COLUMNS, answer) as url:
        exec(program.replace("localhost:8080", url.removeprefix("http://")), {})
    assert seen == [
        {
            "scheduled_departure": "2013-11-27T18:00:00",
            "distance": 1400.0,
            "carrier": "UA",
            "origin": "EWR",
            "dest": "IAH",
        },
        {
            "scheduled_departure": "2013-11-28T06:00:00",
            "distance": None,
            "carrier": "B6",
            "origin": "JFK",
            "dest": "ORD",
        },
    ]
    answers, chains, version = capsys.readouterr().out.splitlines()
    assert answers == "[0.25 0.25]"
    assert "carrier=UA" in chains
    assert version.startswith("sha256:")


def test_the_page_shows_whole_json() -> None:
    assert len(BODIES) == 2
    assert all(json.loads(body)["inputs"] for body in BODIES)
